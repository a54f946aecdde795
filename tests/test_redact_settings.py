"""What the user says of secrets is followed; what cannot be is told with the file, the pattern and a way out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from adapter.errors import BadInputError
from adapter.redact import may_hold_secrets, redact, redact_json_bytes, redact_text, rules_digest
from adapter.trial import Severity, Source, Status, Step, Trial, Variant
from tests.builder import JobBuilder, agent_step

TICKET = '[[pattern]]\nname = "ticket"\nregex = "TICKET-[0-9]{6}"\n'
KEY = "sk-" + "ant-api03-" + "a1B2" * 10


def say(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def kept(own_home: Path) -> Path:
    """The file in kilobench's home."""
    return own_home / "kilobench" / "redact.toml"


def test_a_pattern_of_the_users_is_replaced_under_its_name(kept: Path) -> None:
    say(kept, TICKET)
    found: Counter[str] = Counter()
    assert redact_text(f"see TICKET-123456 and {KEY}", found) == "see [REDACTED: ticket] and [REDACTED: Anthropic key]"
    assert found == {"ticket": 1, "Anthropic key": 1}


def test_the_file_in_the_environment_counts_beside_the_one_in_the_home(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(kept, TICKET)
    other = say(tmp_path / "mine.toml", '[[pattern]]\nname = "host"\nregex = "[a-z]+[.]corp[.]example"\n')
    monkeypatch.setenv("KILOBENCH_REDACT", str(other))
    assert redact_text("TICKET-123456 db.corp.example", Counter()) == "[REDACTED: ticket] [REDACTED: host]"


@pytest.mark.parametrize(
    ("regex", "text", "is_looked_at"),
    [
        ("TICKET-[0-9]{6}", "a ticket", False),
        ("TICKET-[0-9]{6}", "see TICKET-123456", True),
        ("TICKETS?-[0-9]", "see TICKET-1", True),
        ("TICK{1,2}ET-[0-9]", "see TICKKET-1", True),
        # Without letters that every match begins with, every file is looked at in full.
        ("[A-Z]{3}-[0-9]{6}", "nothing", True),
        ("(?i)ticket-[0-9]", "nothing", True),
        ("one|two", "two", True),
    ],
)
def test_the_quick_look_knows_the_users_patterns(kept: Path, regex: str, text: str, is_looked_at: bool) -> None:
    say(kept, f"[[pattern]]\nname = 'mine'\nregex = '{regex}'\n")
    assert may_hold_secrets(json.dumps(text).encode()) is is_looked_at
    assert is_looked_at or not redact_text(text, Counter()).startswith("[")


def test_what_the_user_allows_stays(kept: Path) -> None:
    text = f"DB_PASSWORD=hunter2 OTHER_PASSWORD=hunter22 {KEY}"
    say(kept, "allow = ['hunter2', 'sk-ant-.*']\n")
    assert redact_text(text, Counter()) == text.replace("hunter22", "[REDACTED: password]")
    data = json.dumps({"password": "hunter2", "secret": KEY}).encode()
    found: Counter[str] = Counter()
    assert redact_json_bytes(data, found) == data
    assert not found


@pytest.mark.parametrize("regex", ["(a+)+$", "(x+x+)+y", "([a-zA-Z]+)*1"])
def test_no_pattern_of_the_users_takes_for_ever(kept: Path, regex: str) -> None:
    say(kept, f"[[pattern]]\nname = 'slow'\nregex = '{regex}b'\n")
    start = perf_counter()
    redact_text(("a" * 5_000 + "x" * 5_000 + "!") * 10, Counter())
    assert perf_counter() - start < 5


@pytest.mark.parametrize("regex", [".*", "(?s).+", "REDACTED", "[a-z]+", "."])
def test_a_pattern_that_matches_marks_too_leaves_them_whole(kept: Path, regex: str) -> None:
    say(kept, f"[[pattern]]\nname = 'wide one'\nregex = '[^ ]{regex}'\n")
    once = redact_text(f"é some text, {KEY}, REDACTED and more\n", Counter())
    assert KEY not in once
    assert redact_text(once, Counter()) == once
    assert redact_text("[REDACTED: ticket]", Counter()) == "[REDACTED: ticket]"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[[pattern]\n", "is no TOML"),
        ("patterns = []\n", "patterns"),
        ("[[pattern]]\nname = 'x'\nregex = 'a'\nflags = 'i'\n", "pattern.1.flags"),
        ("[[pattern]]\nname = 'x'\n", "pattern.1.regex"),
        ("[[pattern]]\nname = 'a]b'\nregex = 'a'\n", "pattern.1.name"),
        ("[[pattern]]\nname = 'x'\nregex = '('\n", "pattern 'x'"),
        ("[[pattern]]\nname = 'x'\nregex = '(?<=a)b'\n", "pattern 'x'"),
        ("[[pattern]]\nname = 'x'\nregex = 'a*'\n", "pattern 'x' cannot be used: it matches the empty text"),
        ("[[pattern]]\nname = 'x'\nregex = '((a{1000}){1000}){1000}'\n", "pattern 'x'"),
        ("allow = ['(']\n", "allow '('"),
        ("allow = 'abc'\n", "allow"),
    ],
)
def test_what_cannot_be_followed_is_told(kept: Path, said: str, why: str) -> None:
    say(kept, said)
    with pytest.raises(BadInputError) as raised:
        redact_text("x", Counter())
    assert str(kept) in raised.value.what
    assert why in raised.value.what
    assert raised.value.hint


def test_a_command_ends_with_the_error_and_not_in_the_middle(
    kept: Path, tmp_path: Path, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobBuilder(tmp_path)
    job.trial("a__1", steps=[agent_step("x")])
    monkeypatch.setenv("KILOBENCH_REDACT", str(tmp_path / "none.toml"))
    result = kilobench("inspect", job.path)
    assert result.code == 2
    assert "none.toml cannot be read: No such file" in result.err


def test_turned_off_nothing_is_replaced_and_every_trial_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILOBENCH_REDACT", "off")
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.PASSED, (Step(1, 1, Source.USER, KEY),))
    assert may_hold_secrets(b"{}")
    kept_whole = redact(trial)
    assert kept_whole.steps == trial.steps
    (finding,) = kept_whole.findings
    assert (finding.code, finding.severity) == ("not_redacted", Severity.WARNING)
    assert redact(kept_whole) is kept_whole
    assert redact_json_bytes(json.dumps(KEY).encode(), Counter()) == json.dumps(KEY).encode()
    assert redact_text(KEY, Counter()) == KEY


def test_the_digest_says_by_which_rules(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [rules_digest(), rules_digest()]
    assert len(set(seen)) == 1
    for number, said in enumerate((TICKET, TICKET.replace("6", "7"), "allow = ['x']\n")):
        monkeypatch.setenv("KILOBENCH_REDACT", str(say(tmp_path / f"{number}.toml", said)))
        seen.append(rules_digest())
    monkeypatch.setenv("KILOBENCH_REDACT", "off")
    seen.append(rules_digest())
    assert len(set(seen)) == 5
