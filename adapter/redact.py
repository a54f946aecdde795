"""Taking secrets out of a trial before any of it leaves the machine.

What is found (`redact_rules`: by its form, by where it stands, by its name) is replaced by a mark that says what it
was, `[REDACTED: kind]`, and counted in the trial's findings. Nothing else changes: identifiers that others refer to
stay, structures stay what they were, and what was redacted once is not changed again.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import cast

from adapter import redact_names, redact_places
from adapter.redact_rules import ESCAPES, Rules, mark_of, rules
from adapter.trial import Finding, Severity, Trial

_IDS = frozenset({"job_id", "trial_id"})
"""Fields that are UUIDs by the time they are in the record."""
_NAMED = (("name", "value"), ("key", "value"), ("Name", "Value"), ("Key", "Value"))
"""Where an object holds a name and its value: lists of environment variables, of headers, of settings."""
_NOT_REDACTED = Finding("not_redacted", Severity.WARNING, "Secrets were not looked for: KILOBENCH_REDACT is off.")
_ESCAPED = re.compile(r"\\u00([2-7][0-9A-Fa-f])")
_STRUCTURAL = '"\\'


def redact_text(text: str, found: Counter[str]) -> str:
    """The text with every secret replaced by `[REDACTED: kind]`; `found` counts what was replaced, by kind."""
    active = rules()
    return active.replace(text, found) if active.is_on else text


def may_hold_secrets(data: bytes) -> bool:
    """Whether a JSON text in UTF-8 is worth a closer look: False only where no text in it, once parsed, has a match.

    It is a few passes of an engine that looks for many words at once, where the patterns take a pass each. Where
    redaction is off, everything is: each trial says that it was.
    """
    active = rules()
    # A zero stands in no JSON, but in every character of UTF-16.
    if not active.is_on or b"\0" in data:
        return True
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return True
    return ESCAPES.found_in(text) or active.may_find(text)


def rules_digest() -> str:
    """Short hash of all that is looked for, the user's patterns among it; `off` where nothing is."""
    return rules().digest


def redact(trial: Trial) -> Trial:
    """The trial without secrets in any of its texts, and with a finding that counts them."""
    active = rules()
    if not active.is_on:
        return trial if _NOT_REDACTED in trial.findings else trial.with_findings(_NOT_REDACTED)
    found: Counter[str] = Counter()
    clean = cast("Trial", _Cleaner(active, found).value(trial))
    if not found:
        return trial
    what = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    finding = Finding("redacted", Severity.WARNING, f"Secrets were replaced before anything was sent: {what}.")
    return clean.with_findings(finding)


def redact_json_bytes(data: bytes, found: Counter[str]) -> bytes:
    """A file's bytes with every secret in its JSON replaced, in keys and values alike.

    Args:
        data: JSON in UTF-8, UTF-16 or UTF-32. What is no JSON (a log, a file that ends in the middle) is taken as one
            text, in which bytes that are none become U+FFFD.
        found: counts what was replaced, by kind.

    Returns:
        The same bytes where there is no secret; else JSON (or text) in UTF-8.
    """
    active = rules()
    if not active.is_on or not may_hold_secrets(data):
        return data
    text = data.decode(json.detect_encoding(data), "replace")
    counted: Counter[str] = Counter()
    try:
        clean = _Cleaner(active, counted).value(json.loads(text))
        # Indented as it was, and with half characters as escapes where there are some.
        whole = json.dumps(clean, ensure_ascii=_has_halves(data), indent=2 if b"\n" in data else None)
    except (ValueError, RecursionError):
        counted.clear()
        whole = active.replace(_ESCAPED.sub(_unescaped, text), counted)
    found.update(counted)
    return whole.encode("utf-8", "replace") if counted else data


class _Cleaner:
    """Replaces secrets in values of any shape; `found` counts them."""

    def __init__(self, active: Rules, found: Counter[str]) -> None:
        self._rules = active
        self._found = found

    def value(self, value: object) -> object:
        """The value without secrets in any text of it; the same object where there are none."""
        if isinstance(value, str):
            return self._rules.replace(value, self._found)
        before = self._found.total()
        clean = value
        if isinstance(value, tuple):
            clean = tuple(self._items(cast("tuple[object, ...]", value)))
        elif isinstance(value, list):
            clean = self._items(cast("list[object]", value))
        elif isinstance(value, dict):
            clean = self._dict(cast("dict[object, object]", value))
        elif is_dataclass(value) and not isinstance(value, type):
            clean = {name: self.value(getattr(value, name)) for name in _texts(type(value))}
            return replace(value, **clean) if self._found.total() > before else value
        return clean if self._found.total() > before else value

    def _items(self, items: tuple[object, ...] | list[object]) -> list[object]:
        """The items; one that follows an option (`"--password", "..."`) may be what the option says."""
        clean: list[object] = []
        for at, item in enumerate(items):
            option = items[at - 1] if at else None
            is_option = isinstance(option, str) and option.startswith("--")
            clean.append(self._named(option if is_option else None, item))
        return clean

    def _dict(self, items: dict[object, object]) -> dict[object, object]:
        """The items under their clean keys; keys that become the same are numbered, so that none is lost."""
        names: dict[object, object] = {value: items[name] for name, value in _NAMED if {name, value} <= items.keys()}
        clean: dict[object, object] = {}
        numbers: dict[object, int] = {}
        for key, item in items.items():
            same = plain = self.value(key)
            number = numbers.get(plain, 1)
            while same in clean or (same != key and same in items):
                number += 1
                same = f"{plain} ({number})"
            numbers[plain] = number
            clean[same] = self._named(names.get(key, key), item)
        return clean

    def _named(self, name: object, value: object) -> object:
        """A value that has a name."""
        if isinstance(name, str) and isinstance(value, str):
            kind = redact_names.kind(name, value)
            if kind is not None and not self._rules.is_allowed(value):
                self._found[kind] += 1
                return mark_of(kind)
            header = redact_places.in_header(name, value)
            if header is not None and not self._rules.is_allowed(value[header.start : header.end]):
                self._found[header.kind] += 1
                return f"{value[: header.start]}{mark_of(header.kind)}{value[header.end :]}"
        return self.value(value)


@cache
def _texts(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that may hold text; identifiers that Harbor makes stay what others refer to."""
    return tuple(one.name for one in fields(kind) if one.name not in _IDS)


def _has_halves(data: bytes) -> bool:
    return re.search(rb"\\u[dD][89a-fA-F]", data) is not None


def _unescaped(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return match[0] if letter in _STRUCTURAL else letter
