"""What is drawn stands for all: in proportion, the same for the same seed, and without bias."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.sampling import Card, Chosen, Only, allocate, choose, wanted, weighted_rate

OUTCOMES = (True, False, None)


def card(number: int, variant: str = "a", task: str = "t", passed: bool | None = True, flags: int = 0) -> Card:
    return Card(f"job/{number:03}", variant, task, passed, flags)


CARDS = [
    card(1, task="easy"),
    card(2, task="easy"),
    card(3, task="odd", passed=False, flags=2),
    card(4, task="odd"),
    card(5, variant="b", task="hard", passed=False),
    card(6, variant="b", task="hard", passed=None, flags=1),
]
ONLY = [
    (None, [1, 2, 3, 4, 5, 6]),
    (Only.FAILED, [3, 5]),
    (Only.FLIPPED, [3, 4]),
    (Only.FLAGGED, [3, 6]),
]


@pytest.mark.parametrize(("only", "numbers"), ONLY, ids=lambda value: str(value).replace(" ", ""))
def test_which_trials_are_worth_judging(only: Only | None, numbers: list[int]) -> None:
    assert [one.name for one in wanted(CARDS, only)] == [f"job/{number:03}" for number in numbers]


def test_a_task_that_only_failed_attempts_share_did_not_flip_for_one_that_is_no_attempt() -> None:
    cards = [card(1, passed=False), card(2, passed=None)]
    assert wanted(cards, Only.FLIPPED) == []


many = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(OUTCOMES)), min_size=1, max_size=60).map(
    lambda kinds: [card(number, variant, passed=passed) for number, (variant, passed) in enumerate(kinds)]
)


@given(many, st.integers(1, 80), st.integers(0, 5))
def test_a_sample_has_its_size_and_its_weights_sum_to_all_in_each_stratum_it_reaches(
    cards: list[Card], sample: int, seed: int
) -> None:
    chosen = choose(cards, sample=sample, seed=seed)
    assert len(chosen.weights) == min(sample, len(cards))
    assert set(chosen.weights) <= {one.name for one in cards}
    for stratum, drawn in chosen.drawn.items():
        weights = [chosen.weights[name] for name, its in chosen.strata.items() if its == stratum]
        assert len(weights) == drawn
        if drawn:
            assert sum(weights) == pytest.approx(chosen.population[stratum])
    if sample >= len(chosen.population):
        assert all(chosen.drawn.values()), "each stratum is reached where the sample goes round"
    assert choose(cards, sample=sample, seed=seed) == chosen
    assert choose(list(reversed(cards)), sample=sample, seed=seed).weights == chosen.weights


@given(many, st.integers(1, 80))
def test_allocation_is_in_proportion_but_for_rounding_and_the_one_at_least(cards: list[Card], sample: int) -> None:
    sizes: dict[tuple[str, str], int] = {}
    for one in cards:
        sizes[one.stratum] = sizes.get(one.stratum, 0) + 1
    drawn = allocate(sizes, sample)
    assert sum(drawn.values()) == min(sample, len(cards))
    assert all(0 <= drawn[stratum] <= size for stratum, size in sizes.items())
    for one, other in itertools.combinations(sizes, 2):
        if sizes[one] > sizes[other]:
            assert drawn[one] >= drawn[other] - 1, "a larger stratum is not drawn from less"


def test_all_are_taken_with_a_weight_of_one_where_the_sample_is_as_large() -> None:
    chosen = choose(CARDS, sample=6)
    assert set(chosen.weights.values()) == {1.0}
    assert chosen.describe() == "All 6 trials that were asked for are judged."


def test_a_sample_says_what_it_is() -> None:
    assert choose(CARDS, sample=4).describe().startswith("4 of 6 trials were drawn at random, by variant and outcome")


SHARES = {f"job/{number:03}": share for number, share in enumerate((0.0, 0.1, 0.5, 0.9, 0.2, 0.3, 1.0))}
POPULATION = [card(number, passed=number < 4) for number in range(7)]


def every_sample(of_passed: int, of_failed: int) -> list[Chosen]:
    """Each sample that there is, of so many in each stratum."""
    strata = {stratum: [one.name for one in POPULATION if one.stratum == stratum] for stratum in PASSED_FAILED}
    sizes = {stratum: len(names) for stratum, names in strata.items()}
    passed, failed = PASSED_FAILED
    found = []
    for one in itertools.combinations(strata[passed], of_passed):
        for other in itertools.combinations(strata[failed], of_failed):
            of = dict.fromkeys(one, passed) | dict.fromkeys(other, failed)
            drawn = {passed: of_passed, failed: of_failed}
            found.append(Chosen({name: sizes[its] / drawn[its] for name, its in of.items()}, sizes, drawn, of))
    return found


PASSED_FAILED = (("a", "passed"), ("a", "failed"))


def test_over_all_samples_that_there_are_the_rate_is_that_of_all_trials() -> None:
    rates = [weighted_rate(chosen, "a", {n: SHARES[n] for n in chosen.weights}) for chosen in every_sample(2, 2)]
    known = [one.rate for one in rates if one.rate is not None]
    assert len(known) == len(rates)
    assert statistics.mean(known) == pytest.approx(statistics.mean(SHARES.values()))


def test_over_all_samples_the_variance_that_is_told_is_that_of_the_rate() -> None:
    """The half width is 1.96 standard errors; where it is not cut off at 0 or 1, it gives them back."""
    rates = [weighted_rate(chosen, "a", {n: SHARES[n] for n in chosen.weights}) for chosen in every_sample(2, 2)]
    told = []
    for one in rates:
        assert one.rate is not None
        assert one.low is not None
        assert one.high is not None
        half = max(one.rate - one.low, one.high - one.rate)
        told.append((half / 1.959963984540054) ** 2)
    true = statistics.pvariance([one.rate for one in rates if one.rate is not None])
    assert statistics.mean(told) == pytest.approx(true, rel=0.05)


def test_a_rate_of_all_trials_has_no_width() -> None:
    chosen = choose(POPULATION)
    one = weighted_rate(chosen, "a", SHARES)
    assert one.rate == pytest.approx(statistics.mean(SHARES.values()))
    assert (one.low, one.high) == (pytest.approx(one.rate), pytest.approx(one.rate))
    assert (one.drawn, one.population) == (7, 7)


def test_one_trial_cannot_tell_how_several_vary() -> None:
    (chosen, *_) = every_sample(2, 1)
    one = weighted_rate(chosen, "a", {name: SHARES[name] for name in chosen.weights})
    assert one.rate is not None
    assert (one.low, one.high) == (None, None)


def test_a_stratum_of_which_nothing_is_known_leaves_the_rate_unknown() -> None:
    (chosen, *_) = every_sample(2, 2)
    shares = {name: SHARES[name] for name, its in chosen.strata.items() if its == PASSED_FAILED[0]}
    assert weighted_rate(chosen, "a", shares).rate is None
    assert weighted_rate(chosen, "another", shares).rate is None
