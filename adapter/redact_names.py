"""Secrets that no form gives away, but the name they are given to: `DB_PASSWORD: hunter2`, `"api_key": "..."`.

A name says what its value is where it ends in one of some words (`MAX_TOKENS`, `password_hash` do not). Code is full of
such names, and a record whose code was replaced is worth little: what is no literal stays (`input()`,
`os.environ["X"]`, `self.token`, `$TOKEN`), and so do stand-ins (`<your key>`, `xxxx`, `changeme`) and types. How much a
value must look like a secret depends on the name: a password may be any word in quotes or in a line of an environment,
a token must be long and mixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from adapter.redact_forms import Hit

_WORDS = (
    r"(?:passw(?:or)?d|passphrase|passcode|pass|pwd|secret|token|auth"
    r"|(?:api|access|secret|private|auth|account|client|encryption|signing|master|service|shared|storage|subscription)"
    r"[_-]?key)"
)
_WORD = rf"(?=[PpSsTtAaCcEeMm])(?P<name>(?i:{_WORDS}))"
"""Their first letters are said again, since `re` looks for a set of letters faster than for any of some words."""
_NUMBER = r"[_-]?[0-9]{0,3}"

# What may stand between a name and its value, in a text and in the bytes of JSON that holds it.
_GAP = r"(?:[\"'\]\s]|\\+[nrt]?)*"
_SPACE = r"(?:\s|\\+[nrt])*"
_HINTED = _WORDS.replace("|pass|", "|[0-9A-Za-z_.-]pass|")
HINT = (
    rf"(?i-u:{_HINTED}){_NUMBER}{_GAP}(?:[:=]|,?{_GAP}value)"
    rf"|--[A-Za-z0-9_-]*(?i-u:{_WORDS}){_NUMBER}[\s\"',\\]"
    rf"|(?i-u:name|key)\\*\"{_SPACE}:{_SPACE}\\*\"[^\"]*(?i-u:{_WORDS}){_NUMBER}\\*\""
)
"""Stands in the bytes of whatever `hits` or `kind` finds something in."""

# Every repetition has an end: what is in a trajectory may have been made to take for ever.
_SLASHES = r"\\{0,40}"
_QUOTED = (
    rf"(?P<open>{_SLASHES}(?P<q>[\"'`]))"
    r"(?P<quoted>(?:(?!(?P=q))[^\s\\]|\\{1,40}+(?!(?P=q))[^\s\\]){1,2000})(?P=open)"
)
"""No white space in it: sentences are no secrets, and passphrases of several words are not found."""
_ESCAPED = r"\\{1,40}+u[0-9a-fA-F]{4}"
_PLAIN = rf"(?P<plain>(?:[^\s\"'`\\,;&|<>(){{}}\[\]]|{_ESCAPED}){{4,2000}}+)(?![(\[{{])"
_VALUE = rf"(?:{_QUOTED}|{_PLAIN})"
_TYPE = r"(?::[ \t]*+[A-Za-z_][A-Za-z_.\[\]| ]{0,39}?[ \t]*+(?==))?"
_SET = (
    rf"(?:{_SLASHES}[\"'])?\]?[ \t]*{_TYPE}(?::=|=>|={{1,3}}|:)[ \t]*"
    # `- name: DB_PASSWORD` and on the next line `value: hunter2`; JSON in a text likewise.
    rf"|{_SLASHES}[\"']?,?(?:[ \t\r\n]|\\{{1,40}}[nrt]){{0,99}}{_SLASHES}[\"']?value{_SLASHES}[\"']?[ \t]*[:=][ \t]*"
)
_ASSIGNED = re.compile(rf"{_WORD}{_NUMBER}(?:{_SET}){_VALUE}", re.ASCII)
_LINE = re.compile(
    rf"(?:^|\\[nr]|[\"'])(?P<name>[A-Z][A-Z0-9_]{{1,63}})=(?P<plain>(?:[^\s\"'`\\]|{_ESCAPED}){{4,2000}}+)",
    re.ASCII | re.MULTILINE,
)
"""A line of an environment, also in quotes: all of it is the value."""
_OPTION = re.compile(
    rf"--[A-Za-z0-9_-]{{0,40}}?{_WORD}{_NUMBER}(?:[ \t]+|{_SLASHES}[\"'],[ \t]*(?={_SLASHES}[\"']))(?!-){_VALUE}",
    re.ASCII,
)
_NAME = re.compile(rf"(?P<before>[\w.$-]{{0,64}}?){_WORD}{_NUMBER}", re.ASCII)
_BEFORE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_LONGEST_NAME = 64
_LONGEST_VALUE = 2000
_LONGEST_STAND_IN = 200

_KINDS = {"pass": "password", "pwd": "password", "token": "token", "secret": "secret", "auth": "token"}

_STANDS_IN = re.compile(
    r"""
    ^(?:[$<{\[] | %[a-z({])                           # a variable, a place to fill in, a format
    | ^[./~&*\#@-]+$ | ^(.)\1*$ | x{4} | \*{3} | •{3}  # one letter again and again
    | \.\.\. | …                                      # left out
    | ^(?:\.{0,2}|~)/ | ^\w+://                        # a path, an address
    | ^[\w.]*\( | :: | ^\*\*\w | os\.environ | getenv | process\.env   # code
    | (?<![a-z0-9])your[_ -] | example | placeholder | change[_-]?(?:me|this|it)\b | dummy | redacted
    | (?:replace|insert)[_-] | <\w[^>]{0,40}>
    | ^(?:none|null|nil|true|false|undefined|string|str|bytes|int|any|optional|required|password|passwd|passphrase
        |pass|pwd|secret|token|key|value|default|empty|unset|missing|invalid|valid|bearer|basic|hidden|masked|todo)
      [:.!]?$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)
"""The name of an environment variable."""
_CODE = re.compile(
    r"[A-Za-z_]\w*(?:\??\.[A-Za-z_]\w*)+|[A-Za-z]+[0-9]{0,2}(?:_[A-Za-z]+[0-9]{0,2})+|[A-Za-z_]\w*[!?]?:"
    r"|(?:[A-Z][a-z]+[0-9]*){2,}",
    re.ASCII,
)
"""`self.token`, `access_token_v2`, `str:`, `Ed25519PrivateKey`: where a value stands without quotes."""
_WORDY = re.compile(r"_*[A-Za-z]+(?:[._-]+[A-Za-z]+)+_*", re.ASCII)
"""`aws_access_key_id`, `X-Access-Token`: the name of a header or a setting. A password may look like that."""
_MIXED = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])", re.ASCII | re.DOTALL)
_SYMBOL = re.compile(r"[!@#%^*?~+$]")


class _Name(NamedTuple):
    """A name that says its value is a secret."""

    kind: str
    is_upper: bool
    """written as an environment variable is: its value is more than some word"""


def hits(text: str) -> Iterator[Hit]:
    """The secrets in a text that are given to such a name, or to such an option of a command."""
    for pattern in (_LINE, _ASSIGNED, _OPTION):
        at = 0
        while (match := pattern.search(text, at)) is not None:
            hit = _hit(text, match)
            at = match.end("name") if hit is None else hit.end
            if hit is not None:
                yield hit


def kind(name: str, value: str) -> str | None:
    """What a value is, where its name says it is a secret and it looks like one; None where not."""
    known = _known(name)
    if known is None or len(value) > _LONGEST_VALUE or any(letter.isspace() for letter in value):
        return None
    return known.kind if _is_secret(known, name, value, is_quoted=True) else None


def is_stand_in(value: str) -> bool:
    """Whether a value only stands where a secret would: a variable, a place to fill in, a type, a path."""
    if len(value) > _LONGEST_STAND_IN:
        return False
    return _STANDS_IN.search(value) is not None or _VARIABLE.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _known(name: str) -> _Name | None:
    """What a whole name says of its value; None where nothing."""
    name = name.lstrip("-")
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    if match is None:
        return None
    before, word = match["before"], match["name"]
    is_upper = name.isupper()
    first = word.lower()[:4]
    if first in ("pass", "auth") and first == word.lower():
        # `DB_PASS`, `dbPass`; a plain `pass` is a test's result. `_auth`, `auth`; `oauth`.
        begins = not before or before[-1] in "_.-" or (before[-1].islower() and word[0].isupper())
        if not begins or (first == "pass" and not before.strip("_.-")):
            return None
    if name in ("PWD", "OLDPWD"):
        return None
    kind = next((kind for start, kind in _KINDS.items() if word.lower().startswith(start)), "key")
    return _Name("key" if word.lower().endswith("key") else kind, is_upper)


def _hit(text: str, match: re.Match[str]) -> Hit | None:
    start = match.start("name")
    while start and text[start - 1] in _BEFORE and match.start("name") - start <= _LONGEST_NAME:
        start -= 1
    # A line's end that was escaped: the letter after the backslash is none of the name's.
    if start and text[start - 1] == "\\" and text[start] in "nrt":
        start += 1
    name = text[start : match.end("name")]
    known = _known(name)
    if known is None:
        return None
    is_quoted = match.groupdict().get("quoted") is not None
    begin, end = match.span("quoted" if is_quoted else "plain")
    if not is_quoted and known.is_upper and text[begin - 1] != "=" and "_" not in name:
        # `PASSWORD: required` is prose.
        known = known._replace(is_upper=False)
    value = text[begin:end]
    return Hit(begin, end, known.kind) if _is_secret(known, name, value, is_quoted=is_quoted) else None


def _is_secret(known: _Name, name: str, value: str, *, is_quoted: bool) -> bool:
    """Whether a value looks like what its name promises."""
    if is_stand_in(value) or value.lower() == name.lower():
        return False
    if not is_quoted and _CODE.fullmatch(value):
        return False
    if is_quoted and known.kind != "password" and _WORDY.fullmatch(value):
        return False
    is_mixed = _MIXED.match(value) is not None
    is_literal = is_quoted or known.is_upper
    if known.kind == "password":
        return len(value) >= 4 and (is_literal or is_mixed or (len(value) >= 8 and bool(_SYMBOL.search(value))))
    if known.is_upper:
        return len(value) >= 8 and (is_mixed or len(value) >= 16)
    if known.kind == "token":
        return len(value) >= 16 and is_mixed
    return len(value) >= 8 and (is_mixed or (len(value) >= 20 and value.isalnum()))


def edition() -> str:
    """What the patterns are."""
    return repr([one.pattern for one in (_LINE, _ASSIGNED, _OPTION, _NAME, _STANDS_IN, _CODE, _WORDY)])
