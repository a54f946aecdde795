"""What is known to be a secret by its name or by where it stands; and what only looks like it in code and prose."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from adapter.redact import may_hold_secrets, redact_json_bytes, redact_text

MIXED = "a1B2c3D4e5F6g7H8"

SECRETS = [
    # lines of an environment, and what sets one
    ("DB_PASSWORD=⟨correcthorse⟩", "password"),
    ("PGPASSWORD=⟨p$w;(0rd⟩ ", "password"),
    ("export AWS_SECRET_ACCESS_KEY='⟨wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzz1⟩'", "key"),
    (f"OPENAI_API_KEY=⟨{MIXED}⟩", "key"),
    (f"HF_TOKEN=⟨{MIXED}⟩ python train.py", "token"),
    (f"docker run -e GITLAB_TOKEN=⟨{MIXED}⟩ image", "token"),
    ("ENV SECRET_KEY=⟨abcdefghijklmnopqrst⟩", "key"),
    ("JWT_SECRET=⟨s3cr3t-for-jwt⟩", "secret"),
    ("API_KEY_2=⟨0123456789abcdef⟩", "key"),
    # settings
    ("DB_PASSWORD: ⟨hunter2⟩", "password"),
    ("  password: ⟨hunter2⟩", "password"),
    ("password = ⟨pāssw0rd⟩", "password"),
    ("Server=db;User Id=sa;Password=⟨P@ssw0rd⟩;Encrypt=yes", "password"),
    ("Endpoint=sb://x/;SharedAccessKey=⟨aB3dE6gH9jK2mN5pQ8sT1vW4yZ7=⟩", "key"),
    (f"//registry.example/:_authToken=⟨{MIXED}⟩", "token"),
    (f"_auth=⟨{MIXED}⟩", "token"),
    ("- name: DB_PASSWORD\n  value: ⟨hunter2⟩\n", "password"),
    ("machine example.com login me password ⟨hunter2⟩", "password"),
    ("machine example.com\n  login me\n  password ⟨hunter2⟩\n", "password"),
    # code and JSON in a text
    ('password = "⟨hunter⟩"', "password"),
    ('password: str = "⟨hunter⟩"', "password"),
    ("settings['api_key'] = '⟨0123abcd4567⟩'", "key"),
    ("if (dbPassword == '⟨hunter⟩') {", "password"),
    ('"ANTHROPIC_AUTH_TOKEN": "⟨' + MIXED + '⟩"', "token"),
    ('{\\"apiKey\\": \\"⟨0123abcd4567⟩\\"}', "key"),
    ('{\\\\\\"client_secret\\\\\\":\\\\\\"⟨0123abcd4567⟩\\\\\\"}', "secret"),
    ('{"name": "DB_PASSWORD", "value": "⟨hunter2⟩"}', "password"),
    (f"https://api.example.com/v1?access_token=⟨{MIXED}⟩&page=2", "token"),
    # commands
    ("mysql --user root --password ⟨hunter2⟩ db", "password"),
    ("mysql --password=⟨hunter2⟩ db", "password"),
    ('["mysql", "--password", "⟨hunter⟩"]', "password"),
    ("curl -s -u admin:⟨hunter2⟩ http://localhost/", "password"),
    ("sshpass -p '⟨hunter2⟩' ssh root@host", "password"),
    ("echo 'root:⟨hunter2⟩' | sudo chpasswd", "password"),
    # headers
    ("Authorization: Bearer ⟨0123456789abcdef⟩", "authorization header"),
    ("-H 'Authorization: Basic ⟨dXNlcjpodW50ZXIy⟩'", "authorization header"),
    ('"authorization": "token ⟨0123456789abcdef⟩"', "authorization header"),
    (f"x-api-key: ⟨{MIXED}⟩", "key"),
    ("Set-Cookie: ⟨sid=0123456789abcdef; Path=/⟩", "cookie"),
    ("Cookie: ⟨a=b0123456789ab; sessionid=0123456789⟩", "cookie"),
    # URLs
    ("postgres://admin:⟨hunter2⟩@db.example.com:5432/app", "password in a URL"),
    ("redis://:⟨hunter⟩@localhost:6379/0", "password in a URL"),
    ("https://me:⟨p@ss:word⟩@example.com/", "password in a URL"),
    (r"https:\/\/me:⟨hunter2⟩@example.com\/", "password in a URL"),
    ("https://x.blob.core.windows.net/c?sv=1&sig=⟨" + "a1B2%2F" * 6 + "⟩&se=2", "signed URL"),
]


@pytest.mark.parametrize(("marked", "kind"), SECRETS)
def test_a_secret_is_replaced_and_what_stands_around_it_stays(marked: str, kind: str) -> None:
    text = marked.replace("⟨", "").replace("⟩", "")
    before, _, rest = marked.partition("⟨")
    _, _, after = rest.partition("⟩")
    found: Counter[str] = Counter()
    assert redact_text(text, found) == f"{before}[REDACTED: {kind}]{after}"
    assert found == {kind: 1}


CODE = """
password = input()
password = getpass.getpass("Password: ")
password=password, token=token, api_key=api_key
api_key=os.environ["OPENAI_API_KEY"]
api_key = os.getenv('OPENAI_API_KEY', '')
api_key: str | None = None
token: str
def login(user: str, password: str = "") -> None:
self.token = self.tokenizer.token2
access_token = response.json()["access_token"]
const token = await getToken1(user, secret);
MAX_TOKENS=4096
max_tokens: 4096, "total_tokens": 123456
EOS_TOKEN = "<eos>"
PAD_TOKEN = "[PAD]"
token = "hello"
{"token": "word", "logprob": -0.5}
tokens = tokens[1:]; next_token = tokens1[i]
password_hash = "0123456789abcdef"
SECRET_KEY = secrets.token_hex(32)
PASSWORD=
PASSWORD=""
TOKEN=$TOKEN
TOKEN="${TOKEN}"
TOKEN=$(cat /run/secrets/token)
API_KEY=<your key>
API_KEY="your-api-key-here"
API_KEY=xxxxxxxxxxxxxxxxxxxx
API_KEY=****************
password: changeme
password: "********"
api_key: OPENAI_API_KEY
api_key: ${{ secrets.API_KEY }}
api_key: {{ vault_api_key }}
private_key: Ed25519PrivateKey
access_key = 'aws_access_key_id'
private_key_path: /etc/ssl/private/key1.pem
client_secret: /run/secrets/client1
parser.add_argument("--password", "-p", help="the password to use")
usage: tool --password PASSWORD --token TOKEN
PWD=/root/project1
OLDPWD=/app1
PASS: test_login_2
--- PASS: TestParse1 (0.00s)
bypass: something1 compass=north42
Password must be at least 8 characters: see below
Search for PASSWORD= followed by something
Authorization: Bearer $TOKEN
Authorization: Bearer <token>
headers = {"Authorization": f"Bearer {token}"}
Authorization: required
http://localhost:8080/path@2
https://user:password@example.com
https://$USER:$PASSWORD@example.com
https://{user}:{password}@example.com
git@github.com:owner/repository.git
ssh://git@example.com:22/x
cookie: yes
docker run -u 1000:1000 image
""".strip().splitlines()


@pytest.mark.parametrize("line", CODE)
def test_code_prose_and_stand_ins_stay(line: str) -> None:
    found: Counter[str] = Counter()
    assert redact_text(line, found) == line
    assert not found


@pytest.mark.parametrize(("marked", "kind"), SECRETS)
@pytest.mark.parametrize("is_nested", [False, True])
def test_in_a_file_of_json_too(marked: str, kind: str, is_nested: bool) -> None:
    text = marked.replace("⟨", "").replace("⟩", "")
    value: object = {"message": text}
    data = json.dumps({"arguments": json.dumps(value)} if is_nested else value).encode()
    assert may_hold_secrets(data)
    found: Counter[str] = Counter()
    redact_json_bytes(data, found)
    assert found.total() == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"api_key": "0123abcd4567"}, {"api_key": "[REDACTED: key]"}),
        ({"DB_PASSWORD": "hunter"}, {"DB_PASSWORD": "[REDACTED: password]"}),
        ([{"name": "PASSWORD", "value": "hunter2"}], [{"name": "PASSWORD", "value": "[REDACTED: password]"}]),
        ({"value": "hunter2", "name": "DB_PASSWORD"}, {"value": "[REDACTED: password]", "name": "DB_PASSWORD"}),
        ({"Authorization": "Bearer 0123456789"}, {"Authorization": "Bearer [REDACTED: authorization header]"}),
        (["psql", "--password", "hunter2"], ["psql", "--password", "[REDACTED: password]"]),
        ({"token": "word", "api_key": "${KEY}", "password": None, "secret": 12345678}, None),
        ({"password": "two words", "token_count": "1234567890abcdefgh"}, None),
    ],
)
def test_a_value_that_stands_apart_from_its_name_is_known_by_it(before: object, after: object) -> None:
    data = json.dumps(before).encode()
    clean = json.loads(redact_json_bytes(data, Counter()))
    assert clean == (before if after is None else after)
    assert may_hold_secrets(data) or after is None
