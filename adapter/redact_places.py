"""Secrets that are known by where they stand: in a URL, in a header, after a command's option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from adapter.redact_forms import Hit
from adapter.redact_names import is_stand_in

_SCHEME = r"(?i:bearer|basic|token|digest|apikey|bot)[ ]+"
_GAP = r"(?:[ \t\r\n]|\\[nrt]){1,99}"


class _Place(NamedTuple):
    """A place where secrets stand, and what stands in the bytes of JSON wherever there is one."""

    kind: str
    hint: str
    pattern: re.Pattern[str]
    is_mixed: bool = False
    """whether a digit must be in it: words stand there, too"""


def _place(kind: str, hint: str, pattern: str, *, is_mixed: bool = False) -> _Place:
    return _Place(kind, hint, re.compile(pattern, re.ASCII), is_mixed)


_PLACES = (
    # scheme://user:password@host; slashes may be escaped, as PHP does.
    _place(
        "password in a URL",
        r":\\*/\\*/[^\t\n\r \"'<>]*:[^\t\n\r \"'<>]+@",
        r"(?<=[A-Za-z0-9]):(?:\\{0,40}/){2}[^\s:/@\"'<>\\`]{0,256}:(?P<secret>[^\s/\"'<>\\`]{1,256})@(?=[\w.\[$-])",
    ),
    _place(
        "signed URL",
        r"(?-u:(?:sig|Signature)=[\w%/+=\\-]{32})",
        r"[?&](?:sig|X-Amz-Signature|X-Goog-Signature)=(?P<secret>[\w%/+=-]{32,})",
    ),
    _place(
        "authorization header",
        r"(?i-u:authorization)(?:[\"'\]\s]|\\+[nrt]?)*[:=,]",
        r"(?i:authorization)\\{0,40}[\"']?\]?[ \t]*[:=][ \t]*\\{0,40}[\"']?"
        rf"(?:{_SCHEME}|(?=[\w.~+/=:-]{{20}}))(?P<secret>[\w.~+/=:-]{{8,}})",
        is_mixed=True,
    ),
    _place(
        "authorization header",
        r"(?i-u:bearer)\s+[0-9A-Za-z_.~+/\\=-]{16}",
        r"(?i:\bbearer)[ ]+(?P<secret>[\w.~+/=-]{16,})",
        is_mixed=True,
    ),
    _place(
        "authorization header",
        r"(?:^|[\"'])(?i-u:basic)\s+[0-9A-Za-z+/\\]{8}",
        r"(?i:(?<=[\"']basic)|(?<=^basic))[ ]+(?P<secret>[A-Za-z0-9+/]{8,}={0,2})(?=\\{0,40}[\"']|$)",
        is_mixed=True,
    ),
    _place(
        "cookie",
        r"(?i-u:cookie)(?:[\"'\]\s]|\\+[nrt]?)*[:=](?:[\"'\]\s]|\\+[nrt]?)*[0-9A-Za-z_.-]+=",
        r"(?i:\b(?:set-)?cookie)\\{0,40}[\"']?[ \t]*[:=][ \t]*\\{0,40}[\"']?"
        r"(?P<secret>[\w.-]{1,64}=[^\s;\"'\\,]{12,4000}(?:;[ ]*[\w.-]{1,64}=[^\s;\"'\\,]*)*)",
        is_mixed=True,
    ),
    # machine HOST login USER password SECRET, on one line or more.
    _place(
        "password",
        r"machine(?:\s|\\+[nrt])+[^ \t\r\n\"]+(?:\s|\\+[nrt])+login",
        rf"\bmachine{_GAP}[^\s\\\"]{{1,256}}{_GAP}login{_GAP}[^\s\\\"]{{1,256}}{_GAP}password{_GAP}(?P<secret>[^\s\"'\\]{{1,256}})",
    ),
    _place(
        "password",
        r"[ \tnrt](?:-u|--user)(?:[ =\"']|\\+[nrt]?)*[^ \t\r\n:\"']+:",
        r"\bcurl\b[^\n]{0,500}?[ \t](?:-u|--user)[ =]?\\*[\"']?[^\s:\"'\\]{1,128}:(?P<secret>[^\s\"'\\]{3,256})",
    ),
    _place("password", r"sshpass", r"\bsshpass[ ]+-p[ ]*\\*[\"']?(?P<secret>[^\s\"'\\]{3,256})"),
    _place(
        "password",
        r"chpasswd",
        r"\b[a-z_][\w-]{0,31}:(?P<secret>[^\s\"'\\:|]{4,256})\\{0,40}[\"']?[ ]{0,9}"
        r"\|[ ]{0,9}(?:sudo[ ]{1,9})?(?:/\S{0,40}/)?chpasswd",
    ),
)

HINT = "|".join(f"(?:{one.hint})" for one in _PLACES)
"""Stands in the bytes of whatever `hits` finds something in."""

_AFTER_SCHEME = re.compile(rf"(?:{_SCHEME})?(?P<secret>[\w.~+/=:-]{{8,}})", re.ASCII)


def hits(text: str) -> Iterator[Hit]:
    """The secrets in a text that stand in such a place."""
    for place in _PLACES:
        for match in place.pattern.finditer(text):
            if _is_secret(match["secret"], is_mixed=place.is_mixed):
                yield Hit(*match.span("secret"), place.kind)


def edition() -> str:
    """What the patterns are."""
    return repr([(one.kind, one.pattern.pattern) for one in _PLACES])


def in_header(name: str, value: str) -> Hit | None:
    """The secret in the value of an authorization header whose name stands elsewhere."""
    if not name.lower().endswith("authorization"):
        return None
    match = _AFTER_SCHEME.fullmatch(value)
    if match is None or not _is_secret(match["secret"], is_mixed=True):
        return None
    return Hit(*match.span("secret"), "authorization header")


def _is_secret(value: str, *, is_mixed: bool) -> bool:
    return not is_stand_in(value) and (not is_mixed or any(letter.isdigit() for letter in value))
