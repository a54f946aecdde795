"""Numbers and names as people read them, in the report and on the terminal.

Every function takes None and then gives `UNKNOWN`; none ever shows a number that is not zero as zero. Money
is in US dollars, time in seconds, shares in 0..1.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from typing import Protocol

UNKNOWN = "–"
"""How a value that is not known is written, everywhere."""

PROVENANCE_MARKS = {"recorded": "", "priced": "≈", "apportioned": "÷", "unknown": "?"}
"""What stands before a cost, by where it comes from (`adapter.trial.Provenance`)."""

type Form = Callable[[float | None], str]
"""A way to write a number: one of this module's functions."""

# Control characters, bidirectional overrides (they can make a name read as another) and half characters
# (they cannot be written to a file).
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

_BREAKS = re.compile(r"[^\S ]+")
"""White space that is no blank: line ends of every kind, tabs."""


class Named(Protocol):
    """The parts of a variant that a short name is made of."""

    @property
    def variant(self) -> str: ...  # noqa: D102  (the names say it)
    @property
    def agent(self) -> str: ...  # noqa: D102
    @property
    def agent_version(self) -> str | None: ...  # noqa: D102
    @property
    def model(self) -> str | None: ...  # noqa: D102
    @property
    def provider(self) -> str | None: ...  # noqa: D102
    @property
    def effort(self) -> str | None: ...  # noqa: D102
    @property
    def digest(self) -> str | None: ...  # noqa: D102


def plain(text: str) -> str:
    """The text with what cannot be printed, or would reorder its surroundings, replaced by `�`."""
    return _UNPRINTABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """The text as a terminal can show it, on one line: it cannot pass for a line of ours."""
    return _BREAKS.sub(" ", plain(text))


def count(number: float | None) -> str:
    """A whole number or the mean of whole numbers: `1,234`, `12.5`."""
    if number is None or math.isnan(number):
        return UNKNOWN
    if math.isinf(number) or number < 0:
        return _outside(number, count)
    if 0 < number < 0.05:
        return "<0.1"
    text = f"{number:,.1f}"
    return text.removesuffix(".0")


def money(usd: float | None) -> str:
    """Dollars to three significant digits below $1, to the cent up to $1,000: `$0.0123`, `$12.30`, `$1,235`."""
    if usd is None or math.isnan(usd):
        return UNKNOWN
    if math.isinf(usd) or usd < 0:
        return _outside(usd, money)
    if usd == 0:
        return "$0"
    if usd < 1e-6:
        return "<$0.000001"
    if usd >= 999.995:
        return f"${usd:,.0f}"
    return f"${usd:.{2 - min(_exponent(usd), 0)}f}"


def brief_money(usd: float | None) -> str:
    """Dollars as `money` writes them, but a part of a hundredth of a cent only as that: `<$0.0001`."""
    return "<$0.0001" if usd is not None and 0 < usd < 1e-4 else money(usd)


def tokens(number: float | None) -> str:
    """Tokens to three significant digits: `850`, `12.3k`, `1.20M`, `3.45B`."""
    if number is None or math.isnan(number):
        return UNKNOWN
    if math.isinf(number) or number < 0:
        return _outside(number, tokens)
    if 0 < number <= 0.5:
        return "<1"
    if number < 999.5:
        return f"{number:.0f}"
    exponent = _exponent(number)
    unit = min(exponent // 3, 3)
    return f"{number / 1000**unit:.{max(2 - (exponent - 3 * unit), 0)}f}{' kMB'[unit]}"


def seconds(number: float | None) -> str:
    """A length of time: `0.42 s`, `4.2 s`, `42 s`, `3 min 05 s`, `2 h 07 min`."""
    if number is None or math.isnan(number):
        return UNKNOWN
    if math.isinf(number) or number < 0:
        return _outside(number, seconds)
    if number == 0:
        return "0 s"
    if number < 0.01:
        return "<0.01 s"
    if number < 59.5:
        decimals = 2 if number < 0.995 else 1 if number < 9.95 else 0
        return f"{number:.{decimals}f} s"
    whole = round(number)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(number / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def percent(share: float | None) -> str:
    """A share to a tenth of a percent; exactly `0 %` and `100 %` only when it is exactly that."""
    if share is None or math.isnan(share):
        return UNKNOWN
    if math.isinf(share) or share < 0:
        return _outside(share, percent)
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{share * 100:.0f} %" if share in (0, 1) else f"{share * 100:.1f} %"


def points(share: float | None) -> str:
    """A difference between two shares, in percentage points: `11.1 pp`."""
    if share is None or math.isnan(share):
        return UNKNOWN
    if math.isinf(share) or share < 0:
        return _outside(share, points)
    if 0 < share < 0.0005:
        return "<0.1 pp"
    return f"{share * 100:.1f} pp"


def probability(p: float | None) -> str:
    """A p value: `0.042`, `<0.001`."""
    if p is None or math.isnan(p):
        return UNKNOWN
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def factor(ratio: float | None) -> str:
    """How many times as much: `1.23×`, `0.5×`."""
    if ratio is None or math.isnan(ratio):
        return UNKNOWN
    if math.isinf(ratio) or ratio < 0:
        return _outside(ratio, factor)
    return f"{ratio:,.0f}×" if ratio >= 1000 else f"{ratio:.3g}×"


def difference(value: float | None, form: Form) -> str:
    """A signed difference: `+$0.0123`, `−4.2 s`; no difference has no sign."""
    return f"+{form(value)}" if value is not None and value > 0 else form(value)


def interval(low: float | None, high: float | None, form: Form, *, signed: bool = False) -> str:
    """Both bounds of an interval: `44.4 to 83.1 %`, `$0.01 to $0.02`; `UNKNOWN` where neither is known."""
    if low is None and high is None:
        return UNKNOWN
    first, last = (difference(bound, form) if signed else form(bound) for bound in (low, high))
    number, _, unit = last.partition(" ")
    if first.count(" ") == 1 and number and unit:
        # A unit that both bounds have is written once.
        first = first.removesuffix(f" {unit}")
    return f"{first} to {last}"


def cost(usd: float | None, provenance: str, form: Form = money) -> str:
    """A cost with its provenance's mark: `$0.0123` as recorded, `≈ $0.0123` as priced from tokens."""
    if usd is None or math.isnan(usd):
        return UNKNOWN
    return f"{PROVENANCE_MARKS.get(provenance, '?')} {form(usd)}".strip()


def short_names(variants: Sequence[Named]) -> dict[str, str]:
    """A name for each variant that says only what sets it apart from the others.

    The full name is kept for all where the short ones would not be unique, and where there is only one.

    Returns:
        the short name by the variant's full name.
    """
    full = {one.variant: one.variant for one in variants}
    if len(full) < 2:
        return full
    differs = {
        part: len({getattr(one, part) for one in variants}) > 1
        for part in ("agent", "agent_version", "model", "provider", "effort", "digest")
    }
    short = {one.variant: _short_name(one, differs) for one in variants}
    return short if len(set(short.values())) == len(full) and all(short.values()) else full


def _short_name(one: Named, differs: dict[str, bool]) -> str:
    version = one.agent_version or "version unknown"
    parts: list[str] = []
    if differs["model"] or differs["provider"]:
        model = one.model or "model unknown"
        # A provider is worth its width only where it is all that tells two variants apart.
        parts.append(model if differs["model"] else f"{one.provider or 'provider unknown'}/{model}")
    if differs["agent"]:
        parts.append(f"{one.agent}@{version}" if differs["agent_version"] else one.agent)
    elif differs["agent_version"]:
        parts.append(version)
    if differs["effort"]:
        parts.append(f"effort {one.effort or 'default'}")
    if differs["digest"]:
        parts.append(f"#{one.digest}" if one.digest else "default settings")
    return " · ".join(parts)


def _outside(number: float, form: Form) -> str:
    """Infinite and negative numbers, in the same form."""
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    return f"−{form(-number)}"


def _exponent(number: float) -> int:
    """Power of ten of the leading digit, once rounded to three digits."""
    return int(f"{number:.2e}".partition("e")[2])


def file_name(name: str) -> str:
    """A hostile name as the name of a file: letters, digits, dots and dashes, with a hash where something was changed.

    Different names give different files, also where a file system does not tell capitals from small letters.
    """
    kept = slug(name)
    return kept if kept == name else f"{kept}-{short_hash(name)}"


def slug(name: str) -> str:
    """What of a hostile name can be the name of a file, in at most 80 characters."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")[:80] or "unnamed"


def short_hash(*names: str) -> str:
    """Eight hexadecimal digits that stand for some names, half characters among them."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:8]
