"""Calibration figures: held against scikit-learn's, and undefined where there is nothing to say."""

from __future__ import annotations

import math
import random
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from judges.calibration.first_errors import decisive
from judges.calibration.intervals import MIN_TRIALS, Figure, clustered_share, resampled, share, wilson
from judges.calibration.labels import Place
from judges.calibration.metrics import Score, score
from judges.calibration.reference import Reference
from judges.criteria import criteria

EFFICIENCY = criteria()["efficiency"]
REASONING = criteria()["reasoning_quality"]
N, A, R = "necessary", "avoidable", "redundant"
MARKS = [N, A, R]


def compared(
    right: dict[Place, str], said: dict[Place, str], ties: frozenset[Place] = frozenset(), **lengths: int
) -> Score:
    return score(EFFICIENCY, Reference(right, ties, ("ann",)), said, lengths)


def trial(name: str, labels: str) -> dict[Place, str]:
    """A letter for each step: the beginning of its label; a dot for none."""
    names = {label[0]: label for label in MARKS} | {"v": "not visible"}
    return {(name, step): names[letter] for step, letter in enumerate(labels, 1) if letter != "."}


def by_sklearn(right: list[str], said: list[str], weights: str | None) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where kappa is not defined
        value = float(sk.cohen_kappa_score(right, said, labels=MARKS, weights=weights))
    return None if math.isnan(value) else value


def check_against_sklearn(found: Score, right: list[str], said: list[str]) -> None:
    assert found.compared == len(right)
    assert found.agreement.value == pytest.approx(sk.accuracy_score(right, said))
    assert found.confusion.counts == tuple(map(tuple, sk.confusion_matrix(right, said, labels=MARKS).tolist()))
    for figure, weights in (
        (found.kappa, None),
        (found.weighted_kappa, "linear"),
        (found.quadratic_kappa, "quadratic"),
    ):
        expected = by_sklearn(right, said, weights)
        assert figure.value == (None if expected is None else pytest.approx(expected, abs=1e-12))
    nan = float("nan")
    precision, recall, f1, support = (
        float(one[0])
        for one in sk.precision_recall_fscore_support(right, said, labels=[R], zero_division=nan)  # type: ignore[arg-type]
    )
    for figure, expected in ((found.precision, precision), (found.recall, recall), (found.f1, f1)):
        assert figure.value == (None if math.isnan(expected) else pytest.approx(expected))
    assert found.prevalence == pytest.approx(support / len(right))


pairs = st.lists(st.tuples(st.sampled_from(MARKS), st.sampled_from(MARKS)), min_size=1, max_size=40)


@settings(deadline=None)
@given(pairs)
def test_the_figures_are_those_of_scikit_learn(said: list[tuple[str, str]]) -> None:
    places = [("t", step) for step in range(1, len(said) + 1)]
    found = compared(
        dict(zip(places, [one for one, _ in said], strict=True)),
        dict(zip(places, [two for _, two in said], strict=True)),
    )
    check_against_sklearn(found, [one for one, _ in said], [two for _, two in said])


def drawn(trials: int, seed: int = 7, right_share: float = 0.7) -> tuple[dict[Place, str], dict[Place, str]]:
    """Labels, and predictions that are right in about so many cases, in trials of several steps."""
    chance = random.Random(seed)
    right: dict[Place, str] = {}
    said: dict[Place, str] = {}
    for number in range(trials):
        for step in range(1, chance.randint(2, 15)):
            place = f"job/{number}", step
            right[place] = chance.choices(MARKS, [6, 2, 2])[0]
            said[place] = right[place] if chance.random() < right_share else chance.choice(MARKS)
    return right, said


def test_the_figures_of_many_trials_are_those_of_scikit_learn_and_lie_in_their_intervals() -> None:
    right, said = drawn(60)
    found = compared(right, said)
    check_against_sklearn(found, [right[place] for place in right], [said[place] for place in right])
    for figure in (
        found.agreement,
        found.kappa,
        found.weighted_kappa,
        found.quadratic_kappa,
        found.precision,
        found.recall,
        found.f1,
    ):
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high
    assert found.trials == 60
    assert compared(right, said) == found, "the same input gives the same intervals"


def test_an_interval_of_kappa_is_that_of_a_plain_bootstrap_over_trials() -> None:
    right, said = drawn(40)
    names = sorted({name for name, _ in right})
    steps = {name: [place for place in right if place[0] == name] for name in names}
    chance = np.random.default_rng(3)
    values: list[float] = []
    for _ in range(400):
        places = [place for name in chance.choice(names, len(names)) for place in steps[name]]
        values.append(
            float(sk.cohen_kappa_score([right[place] for place in places], [said[place] for place in places]))
        )
    low, high = np.quantile(values, [0.025, 0.975])
    kappa = compared(right, said).kappa
    assert kappa.low == pytest.approx(low, abs=0.025)
    assert kappa.high == pytest.approx(high, abs=0.025)


def test_steps_that_are_alike_within_trials_make_intervals_wider() -> None:
    alone = {(f"t{number}", 1): R for number in range(100)}
    alone_said = {place: R if number % 2 else N for number, place in enumerate(alone)}
    together = {(f"t{number // 10}", number % 10 + 1): R for number in range(100)}
    together_said = {place: R if int(place[0][1:]) % 2 else N for place in together}
    narrow, wide = compared(alone, alone_said).agreement, compared(together, together_said).agreement
    assert narrow.value == wide.value == 0.5
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.low < narrow.low - 0.1


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 10), (10, 10), (500, 1000)])
def test_wilsons_interval_is_that_of_statsmodels(hits: int, n: int) -> None:
    expected = pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)
    assert wilson(hits, n) == expected
    assert (share(hits, n).low, share(hits, n).high) == expected
    plain = clustered_share([1] * hits + [0] * (n - hits), [1] * n)
    if 0 < hits < n and n > 100:
        assert (plain.low, plain.high) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-3)


def test_where_there_is_nothing_there_is_no_figure() -> None:
    found = compared({}, {})
    none = Figure(None, None, None, 0)
    assert (found.agreement, found.kappa, found.weighted_kappa, found.precision, found.f1) == (none,) * 5
    assert (found.prevalence, found.compared, found.trials) == (None, 0, 0)
    assert found.first_errors.overall.exact == none
    assert share(0, 0) == clustered_share([], []) == none


def test_what_the_judge_did_not_say_is_missing_and_no_mistake() -> None:
    right = trial("a", "nnr") | trial("b", "rr")
    found = compared(right, trial("a", "n.r"))
    assert (found.labelled, found.compared, found.missing) == (5, 2, 3)
    assert found.agreement.value == found.recall.value == 1
    nothing = compared(right, {})
    assert (nothing.compared, nothing.missing, nothing.agreement.value) == (0, 5, None)
    assert nothing.first_errors.not_known == 2


def test_labels_without_overlap_have_no_figure() -> None:
    found = compared(trial("a", "nnr"), trial("b", "nnr"))
    assert (found.compared, found.missing, found.not_labelled) == (0, 3, 3)
    assert found.kappa.value is None


@pytest.mark.parametrize("label", ["n", "r"])
def test_where_all_labels_are_one_kappa_is_not_defined(label: str) -> None:
    right = {place: said for number in range(8) for place, said in trial(f"t{number}", label * 3).items()}
    found = compared(right, right)
    assert found.agreement.value == 1
    assert found.kappa == found.weighted_kappa == Figure(None, None, None, 24)
    assert found.recall.value == (1 if label == "r" else None)
    assert found.precision.value == (1 if label == "r" else None)


def test_one_trial_has_figures_and_no_resampled_interval() -> None:
    found = compared(trial("a", "nnarnr"), trial("a", "nnrrnn"))
    assert found.kappa.value is not None
    assert (found.kappa.low, found.kappa.high) == (None, None)
    assert found.agreement.low is not None
    assert found.agreement.low < 0.15, "six steps of one trial are no six independent ones"
    many = {place: said for number in range(MIN_TRIALS) for place, said in trial(f"t{number}", "nar").items()}
    assert compared(many, many).kappa == Figure(1, None, None, 18), (
        "no disagreement was seen, which is no proof that there is none"
    )
    some = many | {("t0", 1): R, ("t1", 2): N}
    assert compared(many, some).kappa.low is not None


def test_a_figure_that_is_mostly_not_defined_when_resampled_has_no_interval() -> None:
    right = {place: said for number in range(8) for place, said in trial(f"t{number}", "nn").items()}
    rare = compared(right | trial("t0", "nr"), right | trial("t0", "nr") | trial("t1", "na"))
    assert rare.kappa.value is not None
    assert (rare.kappa.low, rare.kappa.high) == (None, None)
    assert resampled(np.ones((8, 1)), [lambda sums: np.full(len(sums), np.nan)]) == [(None, None)]


def test_one_bad_step_that_was_found_is_no_proof() -> None:
    right = trial("a", "nnr") | trial("b", "nnn")
    found = compared(right, right)
    for figure in (found.precision, found.recall, found.f1):
        assert figure.value == figure.high == 1
        assert figure.low is not None
        assert figure.low < 0.4


def test_no_mark_is_neither_right_nor_wrong_and_is_counted() -> None:
    labels = {"s": "sound", "f": "flawed", "v": "not visible"}

    def said(text: str) -> dict[Place, str]:
        return {("a", step): labels[letter] for step, letter in enumerate(text, 1)}

    found = score(REASONING, Reference(said("sfvf"), frozenset(), ()), said("svsf"))
    assert (found.labelled, found.compared, found.no_mark, found.predicted_no_mark) == (3, 2, 1, 1)
    assert (found.missing, found.agreement.value) == (0, 1)


FIRST: dict[str, tuple[str, str, tuple[int, int, int, int, int]]] = {
    # reference, judge -> exact, within 1, within 2, within 3, found none
    "the very step": ("nnrnr", "nnrnn", (1, 1, 1, 1, 0)),
    "one too early": ("nnrnn", "nrrnn", (0, 1, 1, 1, 0)),
    "one too late": ("nnrnn", "nnnrn", (0, 1, 1, 1, 0)),
    "two away": ("nnrnn", "rnnnn", (0, 0, 1, 1, 0)),
    "three away": ("rnnnn", "nnnrn", (0, 0, 0, 1, 0)),
    "four away": ("rnnnn", "nnnnr", (0, 0, 0, 0, 0)),
    "not found": ("nnrnn", "nnann", (0, 0, 0, 0, 1)),
}


@pytest.mark.parametrize(("right", "said", "expected"), FIRST.values(), ids=FIRST.keys())
def test_the_first_bad_step_is_found_or_missed(right: str, said: str, expected: tuple[int, ...]) -> None:
    found = compared(trial("a", right), trial("a", said)).first_errors.overall
    hits = [figure.value for figure in (found.exact, *found.within.values())]
    assert (*hits, found.found_none) == expected
    assert (found.all_trials.value, found.false_alarms.value) == (expected[0], None)


def test_a_bad_step_in_a_clean_trial_is_a_false_alarm() -> None:
    right = trial("a", "nna") | trial("b", "nnn") | trial("c", "nrn")
    found = compared(right, trial("a", "nnr") | trial("b", "nan") | trial("c", "nrn")).first_errors.overall
    assert (found.false_alarms.value, found.false_alarms.n) == (0.5, 2)
    assert (found.exact.value, found.exact.n) == (1, 1)
    assert found.all_trials.value == pytest.approx(2 / 3)


UNKNOWN: dict[str, tuple[str, str, int, bool]] = {
    "nothing was said": ("nrn", "...", 0, False),
    "a step before was not judged": ("nnr", "n.r", 0, False),
    "nothing was found, and a step was not judged": ("nnn", "nn.", 0, False),
    "only later steps were not judged": ("nrn", "nr.", 0, True),
    "the annotators are split before": ("n.r", "nnr", 2, False),
    "the annotators are split after": ("r.n", "rnn", 2, True),
    "the annotators are split where all else is clean": ("n.n", "nnn", 2, False),
}


@pytest.mark.parametrize(("right", "said", "tie", "counts"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_trial_whose_first_bad_step_is_not_known_counts_neither_way(
    right: str, said: str, tie: int, counts: bool
) -> None:
    ties = frozenset({("a", tie)} if tie else ())
    found = compared(trial("a", right), trial("a", said), ties).first_errors
    assert (found.overall.all_trials.n, found.not_known) == ((1, 0) if counts else (0, 1))


def test_first_errors_are_told_by_the_length_of_trials() -> None:
    right = {place: label for name in "abcde" for place, label in trial(name, "nr").items()}
    said = right | trial("e", "rn")
    found = compared(right, said, a=5, b=6, c=20, d=40, e=41).first_errors.by_length
    assert [one.exact.n for one in found] == [1, 1, 1, 1, 1]
    assert [one.exact.value for one in found] == [1, 1, 1, 1, 0]
    short = compared(right, said).first_errors.by_length
    assert [one.exact.n for one in short] == [5, 0, 0, 0, 0], "without a length the last labelled step stands for it"


def test_decisive_steps_are_compared_with_what_the_judge_names() -> None:
    right = {"a": 3, "b": 5, "c": 50, "d": 1}
    found = decisive(right, {"a": 3, "b": 7, "c": None}, {"a": 4, "c": 60})
    assert (found.overall.exact.value, found.overall.exact.n) == (pytest.approx(1 / 3), 3)
    assert found.overall.within[2].value == pytest.approx(2 / 3)
    assert (found.overall.found_none, found.not_known, found.overall.false_alarms.value) == (1, 1, None)
    assert [one.exact.n for one in found.by_length] == [1, 0, 0, 0, 1], "b's length is not known"


def test_the_order_of_the_labels_changes_nothing() -> None:
    right, said = drawn(20)
    backwards: Any = dict(reversed(right.items())), dict(reversed(said.items()))
    assert compared(*backwards) == compared(right, said)
