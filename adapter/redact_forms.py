"""The exact forms that providers give their keys and tokens.

Each has a pattern for Python's `re`, and a hint: what stands in the raw bytes of a JSON text, however often it was
escaped, wherever the pattern matches what the text says. Hints are looked for all at once (`adapter.words`), so they
have no look-around; and where JSON may escape a character of theirs, they take the escape, too.

The patterns of `LIBRARY` are those of detect-secrets (Apache-2.0), as they stand there; it is imported only when one of
their hints was seen, for that takes a tenth of a second. `_OWN` has what the library lacks, or has without its end: the
forms that the providers document, most of which gitleaks' rules (MIT) have, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import NamedTuple


class Hit(NamedTuple):
    """A secret in a text: `text[start:end]`."""

    start: int
    end: int
    kind: str


_START = re.compile(
    r"(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})"
    r"|(?<=[\[;][0-9]m)|(?<=[\[;][0-9][0-9]m)|(?<=\[m)|(?<=\[K)"
)
"""A key begins where a word does, or after an escape: of a line's end, of a character, of a terminal's colour."""

# Kind, hint, pattern.
_OWN = (
    ("Anthropic key", r"sk-ant-[\w-]{20}", r"sk-ant-[\w-]{20,}"),
    ("OpenRouter key", r"sk-or-[\w-]{20}", r"sk-or-[\w-]{20,}"),
    ("OpenAI key", r"sk-(?:proj|svcacct|admin)-[\w-]{20}", r"sk-(?:proj|svcacct|admin)-[\w-]{20,}"),
    # OpenAI's older keys and those of many that speak its API: DeepSeek, Moonshot, LiteLLM, Langfuse.
    ("OpenAI key", r"sk-[\w-]{20}", r"sk-(?!ant-|or-)(?=[A-Za-z_-]{0,40}[0-9])(?:[A-Za-z0-9]{20,}|[\w-]{32,})"),
    ("GitHub token", r"github_pat_\w{50}", r"github_pat_\w{50,}"),
    ("Google key", r"AIza[\w-]{35}", r"AIza[\w-]{35,}"),
    ("Google secret", r"GOCSPX-[\w-]{20}", r"GOCSPX-[\w-]{20,}"),
    ("Google token", r"ya29\.[\w-]{20}", r"ya29\.[\w-]{20,}"),
    ("Hugging Face token", r"(?:hf|api_org)_[A-Za-z0-9]{30}", r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    ("npm token", r"npm_[A-Za-z0-9]{36}", r"npm_[A-Za-z0-9]{36,}"),
    ("Slack token", r"(?:xapp-[0-9]|xoxe[.-])", r"(?:xapp-[0-9]+-[A-Z0-9]+-[0-9]+-[a-z0-9]+|xoxe[.-][\w.-]{20,})"),
    ("Azure secret", r"[0-9]Q~[\w.~-]{31}", r"[\w~.-]{3}[0-9]Q~[\w.~-]{31,34}(?![\w~.-])"),
    ("AWS Bedrock key", r"ABSK[A-Za-z0-9+/\\]{60}", r"ABSK[A-Za-z0-9+/]{60,}={0,2}"),
    ("Groq key", r"gsk_[A-Za-z0-9]{40}", r"gsk_[A-Za-z0-9]{40,}"),
    ("xAI key", r"xai-[A-Za-z0-9]{60}", r"xai-[A-Za-z0-9]{60,}"),
    ("Perplexity key", r"pplx-[A-Za-z0-9]{40}", r"pplx-[A-Za-z0-9]{40,}"),
    ("Replicate token", r"r8_[A-Za-z0-9]{37}", r"r8_[A-Za-z0-9]{37,}"),
    ("NVIDIA key", r"nvapi-[\w-]{60}", r"nvapi-[\w-]{60,}"),
    ("LangSmith key", r"lsv2_(?:pt|sk)_[0-9a-f]{32}", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    ("E2B key", r"e2b_[0-9a-f]{40}", r"e2b_[0-9a-f]{40,}"),
    ("Daytona key", r"dtn_[0-9a-f]{64}", r"dtn_[0-9a-f]{64,}"),
    ("Docker token", r"dckr_(?:pat|oat)_[\w-]{27}", r"dckr_(?:pat|oat)_[\w-]{27,}"),
    ("DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}", r"do[opr]_v1_[0-9a-f]{64}"),
    ("Databricks token", r"dapi[0-9a-f]{32}", r"dapi[0-9a-f]{32}(?:-[0-9])?"),
    ("Vault token", r"hv[sb]\.[\w-]{24}", r"hv[sb]\.[\w-]{24,}"),
    ("Artifactory key", r"AKCp[A-Za-z0-9]{60}", r"AKCp[A-Za-z0-9]{60,}"),
    ("age key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    (
        "JSON web token",
        r"eyJ[\w=-]{5,512}\.[\w=-]{5}",
        r"eyJ[\w=-]{5,512}\.[\w=-]{5,8000}(?:\.[\w.+/=-]{0,4000})?",
    ),
    # A block to its end; where the end was cut off, at least a line of it.
    (
        "private key",
        r"BEGIN [A-Z0-9 ]*PRIVATE KEY",
        (
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:[^-]|-(?!----)){1,32768}-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:[A-Za-z0-9+/=\s]|\\[nrt]){64,32768})"
        ),
    ),
    (
        "private key",
        r"PuTTY-User-Key-File",
        r"PuTTY-User-Key-File-[0-9]:(?s:(?:(?!PuTTY).){1,16384}?)Private-MAC: *[0-9a-f]+",
    ),
    ("private key", r"Private-Lines", r"Private-Lines: *[0-9]+(?P<secret>(?:[A-Za-z0-9+/=\s]|\\[nrt]){40,})"),
)  # fmt: skip


class _Detector(NamedTuple):
    """Some of the patterns of a detector of detect-secrets."""

    module: str
    name: str
    kind: str
    hint: str
    taken: slice = slice(None)
    is_apart: bool = False
    """whether its hint begins with no fixed letters: beside others, it would make the search for all of them slow"""


LIBRARY = (
    _Detector("aws", "AWSKeyDetector", "AWS key id", r"A(?:3T[A-Z0-9]|BIA|CCA|KIA|SIA)[0-9A-Z]{16}", slice(1)),
    _Detector("azure_storage_key", "AzureStorageKeyDetector", "Azure storage key", r"AccountKey="),
    _Detector("discord", "DiscordBotTokenDetector", "Discord token", r"\.[\w-]{6}\.[\w-]{27}", is_apart=True),
    _Detector("github_token", "GitHubTokenDetector", "GitHub token", r"gh[pousr]_\w{36}"),
    _Detector(
        "gitlab_token",
        "GitLabTokenDetector",
        "GitLab token",
        r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[\w-]{20}|GR1348941[\w-]{20}",
    ),
    _Detector("mailchimp", "MailchimpDetector", "Mailchimp key", r"[0-9a-z]-us[0-9]", is_apart=True),
    _Detector("pypi_token", "PypiTokenDetector", "package index token", r"pypi-AgE[\w-]{70}"),
    _Detector("sendgrid", "SendGridDetector", "SendGrid key", r"SG\.[\w-]{22}\.[\w-]{43}"),
    _Detector("slack", "SlackDetector", "Slack token", r"(?i:xox[abposr]-[0-9]|hooks\.slack\.com)"),
    _Detector("square_oauth", "SquareOAuthDetector", "Square secret", r"sq0csp-"),
    _Detector("stripe", "StripeDetector", "Stripe key", r"[rs]k_live_[0-9a-zA-Z]{24}"),
    _Detector("telegram_token", "TelegramBotTokenDetector", "Telegram token", r"[0-9]:[\w-]{35}", is_apart=True),
    # Its other pattern is the account's id.
    _Detector("twilio", "TwilioKeyDetector", "Twilio key", r"SK[a-z0-9]{32}", slice(1, 2)),
)
"""The detectors that are used."""

LEFT_OUT = {
    "ArtifactoryDetector": "two letters and eight more: any capital word, any protein sequence",
    "BasicAuthDetector": "passwords in URLs are found by adapter.redact_places, and to their end",
    "CloudantDetector": "found by its name (adapter.redact_names)",
    "IbmCloudIamDetector": "any 44 characters after the word `key`; found by its name",
    "IbmCosHmacDetector": "found by its name",
    "SoftlayerDetector": "found by its name",
    "JwtTokenDetector": "takes hours for a text made for it; the form is among those above, with an end",
    "KeywordDetector": "a heuristic, noisy on code; found by its name",
    "NpmDetector": "a whole line of .npmrc; found by its name",
    "OpenAIDetector": "the oldest of OpenAI's forms, which are all found here",
    "PrivateKeyDetector": "the first line only, not the key",
    "Base64HighEntropyString": "entropy: slow, and noisy on terminal output",
    "HexHighEntropyString": "entropy: slow, and noisy on terminal output",
    "IPPublicDetector": "an address is no secret",
}
"""The library's other detectors, each with the reason why it is not used."""

OWN_HINT = "|".join(f"(?-u:{hint})" for _, hint, _ in _OWN)
"""Stands in the bytes of whatever `own_hits` finds something in."""
LIBRARY_HINTS = (
    "|".join(f"(?-u:{one.hint})" for one in LIBRARY if not one.is_apart),
    *(f"(?-u:{one.hint})" for one in LIBRARY if one.is_apart),
)
"""One of them stands in the bytes of whatever `library_hits` finds something in."""

_LONGEST = 512
"""Characters: no key is longer, and no text that was made of beginnings takes longer than so much for each."""

_COMPILED = tuple((kind, re.compile(pattern.replace(",}", f",{_LONGEST}}}"), re.ASCII)) for kind, _, pattern in _OWN)


def own_hits(text: str) -> Iterator[Hit]:
    """The keys in a text that have one of this module's forms."""
    return _hits(text, _COMPILED)


def library_hits(text: str) -> Iterator[Hit]:
    """Those that have one of the library's."""
    return _hits(text, _library())


def edition() -> str:
    """What the patterns are: changes with them, and with the library's version."""
    return f"{_OWN} {LIBRARY} {version('detect-secrets')}"


def _hits(text: str, patterns: tuple[tuple[str, re.Pattern[str]], ...]) -> Iterator[Hit]:
    for kind, pattern in patterns:
        at = 0
        # Where it begins is looked at afterwards: a pattern that begins with a look-behind is many times slower.
        while (match := pattern.search(text, at)) is not None:
            if _START.match(text, match.start()) is None:
                at = match.start() + 1
                continue
            at = match.end()
            yield Hit(*match.span("secret" if "secret" in pattern.groupindex else 0), kind)


@cache
def _library() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The library's patterns, each to the end of the word: some have a fixed length."""
    found: list[tuple[str, re.Pattern[str]]] = []
    for one in LIBRARY:
        detector = getattr(import_module(f"detect_secrets.plugins.{one.module}"), one.name)
        for pattern in list[re.Pattern[str]](detector.denylist)[one.taken]:
            flags = pattern.flags & ~re.UNICODE | re.ASCII
            found.append((one.kind, re.compile(rf"(?:{pattern.pattern})[\w-]{{0,{_LONGEST}}}", flags)))
    return tuple(found)
