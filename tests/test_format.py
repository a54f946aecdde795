from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from views import format as fmt

FORMS = [fmt.count, fmt.money, fmt.tokens, fmt.seconds, fmt.percent, fmt.points]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_not_known_looks_unknown_in_every_form(form: fmt.Form, value: float | None) -> None:
    assert form(value) == fmt.UNKNOWN


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"),
        (1e-9, "<$0.000001"),
        (0.0000012345, "$0.00000123"),
        (0.0123, "$0.0123"),
        (0.01, "$0.0100"),
        (0.09996, "$0.100"),
        (0.47, "$0.470"),
        (0.99951, "$1.00"),
        (1.831, "$1.83"),
        (12.3, "$12.30"),
        (999.6, "$999.60"),
        (999.999, "$1,000"),
        (1234567.8, "$1,234,568"),
        (-0.0123, "−$0.0123"),
        (math.inf, "∞"),
    ],
)
def test_money(usd: float, text: str) -> None:
    assert fmt.money(usd) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.2, "<1"),
        (0.5, "<1"),
        (850, "850"),
        (999.4, "999"),
        (999.6, "1.00k"),
        (1234, "1.23k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (999_960, "1.00M"),
        (1_200_000, "1.20M"),
        (3_450_000_000, "3.45B"),
        (12_345_678_901_234, "12346B"),
        (-7_630, "−7.63k"),
    ],
)
def test_tokens(number: float, text: str) -> None:
    assert fmt.tokens(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 s"),
        (0.001, "<0.01 s"),
        (0.42, "0.42 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (42, "42 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (-4.2, "−4.2 s"),
    ],
)
def test_seconds(number: float, text: str) -> None:
    assert fmt.seconds(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.0001, "<0.1 %"),
        (0.5, "50.0 %"),
        (2 / 3, "66.7 %"),
        (0.9999, ">99.9 %"),
        (1, "100 %"),
        (-0.25, "−25.0 %"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert fmt.percent(share) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (0.01, "<0.1"), (12.5, "12.5"), (14.04, "14"), (12345, "12,345")]
)
def test_counts_and_their_means(number: float, text: str) -> None:
    assert fmt.count(number) == text


@pytest.mark.parametrize(
    ("p", "text"), [(None, "–"), (0, "<0.001"), (0.0004, "<0.001"), (0.0421, "0.042"), (0.5, "0.50"), (1, "1.00")]
)
def test_a_p_value(p: float | None, text: str) -> None:
    assert fmt.probability(p) == text


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.1111, fmt.points, "+11.1 pp"),
        (-0.2, fmt.points, "−20.0 pp"),
        (0.00001, fmt.points, "+<0.1 pp"),
        (0.0123, fmt.money, "+$0.0123"),
        (0, fmt.money, "$0"),
        (-4.2, fmt.seconds, "−4.2 s"),
        (None, fmt.money, fmt.UNKNOWN),
    ],
)
def test_a_difference_shows_its_sign(value: float | None, form: fmt.Form, text: str) -> None:
    assert fmt.difference(value, form) == text


@pytest.mark.parametrize(
    ("low", "high", "form", "text"),
    [
        (0.444, 0.831, fmt.percent, "44.4 to 83.1 %"),
        (0, 0.3, fmt.percent, "0 to 30.0 %"),
        (0.01, 0.02, fmt.money, "$0.0100 to $0.0200"),
        (42, 119, fmt.seconds, "42 s to 1 min 59 s"),
        (65, 119, fmt.seconds, "1 min 05 s to 1 min 59 s"),
        (None, 0.3, fmt.percent, "– to 30.0 %"),
        (None, None, fmt.percent, fmt.UNKNOWN),
    ],
)
def test_an_interval(low: float | None, high: float | None, form: fmt.Form, text: str) -> None:
    assert fmt.interval(low, high, form) == text


def test_an_interval_of_a_difference_shows_signs() -> None:
    assert fmt.interval(-0.05, 0.2, fmt.points, signed=True) == "−5.0 to +20.0 pp"


@pytest.mark.parametrize(
    ("usd", "provenance", "text"),
    [
        (0.0123, "recorded", "$0.0123"),
        (0.0123, "priced", "≈ $0.0123"),
        (0.0123, "apportioned", "÷ $0.0123"),
        (None, "unknown", fmt.UNKNOWN),
    ],
)
def test_a_cost_looks_like_where_it_comes_from(usd: float | None, provenance: str, text: str) -> None:
    assert fmt.cost(usd, provenance) == text


@pytest.mark.parametrize("form", FORMS)
@given(value=st.floats(min_value=0, exclude_min=True, max_value=1e15))
def test_no_positive_number_reads_as_zero_or_in_scientific_notation(form: fmt.Form, value: float) -> None:
    text = form(value)
    assert any(digit in text for digit in "123456789")
    assert "e" not in text


@given(st.text(alphabet=st.characters(), max_size=40))
def test_plain_text_can_be_written_and_keeps_its_length(text: str) -> None:
    plain = fmt.plain(text)
    assert len(plain.encode()) >= len(text) == len(plain)
    assert not set(plain) & set("\x00\x1b\x7f\u202e\u2066\ud800")


@dataclass(frozen=True)
class _Variant:
    agent: str = "kilo"
    agent_version: str | None = "7.7.9"
    model: str | None = "small"
    provider: str | None = "acme"
    effort: str | None = None
    digest: str | None = None

    @property
    def variant(self) -> str:
        return f"{self.agent}@{self.agent_version}/{self.provider}/{self.model}+{self.effort}#{self.digest}"


@pytest.mark.parametrize(
    ("variants", "names"),
    [
        ([], []),
        ([_Variant()], [_Variant().variant]),
        ([_Variant(), _Variant(model="large")], ["small", "large"]),
        ([_Variant(), _Variant(provider="other")], ["acme/small", "other/small"]),
        ([_Variant(), _Variant(agent_version="7.8.0")], ["7.7.9", "7.8.0"]),
        ([_Variant(), _Variant(agent="aider", agent_version="1")], ["kilo@7.7.9", "aider@1"]),
        ([_Variant(), _Variant(model=None)], ["small", "model unknown"]),
        ([_Variant(), _Variant(effort="high")], ["effort default", "effort high"]),
        ([_Variant(), _Variant(digest="ab12")], ["default settings", "#ab12"]),
        (
            [_Variant(), _Variant(model="large"), _Variant(model="large", agent_version=None)],
            ["small · 7.7.9", "large · 7.7.9", "large · version unknown"],
        ),
    ],
)
def test_a_short_name_says_what_sets_a_variant_apart(variants: list[_Variant], names: list[str]) -> None:
    assert list(fmt.short_names(variants).values()) == names


def test_short_names_that_would_be_the_same_stay_long() -> None:
    same_model = [_Variant(), _Variant(provider="other"), _Variant(model="large")]
    assert list(fmt.short_names(same_model).values()) == [one.variant for one in same_model]
