"""Taking secrets out of a trial before any of it leaves the machine.

A small set of exact patterns: the forms that providers give their keys. What is found is replaced by a mark that
says what it was, and counted in the trial's findings.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import cast

from adapter.trial import Finding, Severity, Trial
from adapter.words import Words

_IDS = frozenset({"job_id", "trial_id"})
"""Fields that are UUIDs by the time they are in the record."""

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"""A key begins where a word does, or after the escape of a line's end in text that was escaped twice."""

# Name, the literal that every match holds (looked for first, since that is far cheaper), pattern (`^` is `_START`).
_PATTERNS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (name, literal, re.compile(pattern.replace("^", _START)))
    for name, literal, pattern in (
        ("private key", "PRIVATE KEY-----", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.{0,8192}?)-----END [A-Z ]*-----"),
        ("Anthropic key", "sk-ant-", r"^sk-ant-[A-Za-z0-9_-]{20,}"),
        ("OpenRouter key", "sk-or-", r"^sk-or-[A-Za-z0-9_-]{20,}"),
        ("OpenAI key", "sk-", r"^sk-(?!ant-|or-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}"),
        ("AWS key id", "AKIA", r"^AKIA[0-9A-Z]{16}\b"),
        ("GitHub token", "gh", r"^gh[pousr]_[A-Za-z0-9]{36,}"),
        ("GitHub token", "github_pat_", r"^github_pat_[A-Za-z0-9_]{50,}"),
        ("GitLab token", "glpat-", r"^glpat-[A-Za-z0-9_-]{20,}"),
        ("Google key", "AIza", r"^AIza[0-9A-Za-z_-]{35}"),
        ("Hugging Face token", "hf_", r"^hf_[A-Za-z0-9]{30,}"),
        ("Slack token", "xox", r"^xox[abposr]-[A-Za-z0-9-]{10,}"),
        ("Stripe key", "_live_", r"^[rs]k_live_[A-Za-z0-9]{20,}"),
        ("package index token", "-AgE", r"^pypi-AgE[A-Za-z0-9_-]{50,}"),
        ("npm token", "npm_", r"^npm_[A-Za-z0-9]{36}\b"),
    )
)  # fmt: skip


def redact_text(text: str, found: Counter[str]) -> str:
    """The text with every secret replaced by `[REDACTED: kind]`; `found` counts what was replaced, by kind."""
    for name, literal, pattern in _PATTERNS:
        if literal in text:
            text, replaced = pattern.subn(f"[REDACTED: {name}]", text)
            if replaced:
                found[name] += replaced
    return text


_HINT = (
    r"(?:sk-|AKIA|gh[pousr]_|github_pat_|glpat-|AIza|hf_|[rs]k_live_|pypi-AgE|npm_)[A-Za-z0-9_-]{16}"
    r"|xox[abposr]-[A-Za-z0-9-]{10}|PRIVATE KEY-----|\\u00[2-7]"
)
"""The beginnings of all patterns; and an escape for a plain letter, which could hide any of them."""
_HINTS = Words(_HINT)


def may_hold_secrets(data: bytes) -> bool:
    """Whether a JSON text in UTF-8 is worth a closer look: False only where no text in it, once parsed, has a match.

    It is one pass of an engine that looks for many words at once, where the patterns take a pass each.
    """
    return _HINTS.found_in(data)


def redact(trial: Trial) -> Trial:
    """The trial without secrets in any of its texts, and with a finding that counts them."""
    found: Counter[str] = Counter()
    clean = cast("Trial", _clean(trial, found))
    if not found:
        return trial
    what = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    finding = Finding("redacted", Severity.WARNING, f"Secrets were replaced before anything was sent: {what}.")
    return clean.with_findings(finding)


def _clean(value: object, found: Counter[str]) -> object:
    """The value without secrets in any text of it; the same object where there are none."""
    if isinstance(value, str):
        return redact_text(value, found)
    before = found.total()
    clean = value
    if isinstance(value, tuple):
        clean = tuple(_clean(item, found) for item in cast("tuple[object, ...]", value))
    elif isinstance(value, list):
        clean = [_clean(item, found) for item in cast("list[object]", value)]
    elif isinstance(value, dict):
        clean = {_clean(key, found): _clean(item, found) for key, item in cast("dict[object, object]", value).items()}
    elif is_dataclass(value) and not isinstance(value, type):
        names = _texts(type(value))
        clean = {name: _clean(getattr(value, name), found) for name in names}
        return replace(value, **clean) if found.total() > before else value
    return clean if found.total() > before else value


@cache
def _texts(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that may hold text; identifiers that Harbor makes stay what others refer to."""
    return tuple(one.name for one in fields(kind) if one.name not in _IDS)


def redact_json_bytes(data: bytes, found: Counter[str]) -> bytes:
    """A JSON file's bytes with every secret in its texts replaced; the same bytes where there is none."""
    if not may_hold_secrets(data):
        return data
    return redact_text(data.decode("utf-8", "replace"), found).encode()
