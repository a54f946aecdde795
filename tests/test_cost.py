"""Every step's cost, with where it comes from; what is not known is None and never 0."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.prices import Price, find_price
from adapter.trial import Provenance, Source, Status, Step, Tokens, ToolCall, Trial, Variant
from pipelines.cost import price_trial, tokens_in_all, trial_tokens

SONNET = Variant("toy", "1.0", "claude-sonnet-4-5", "anthropic")


def step(number: int, call: int, tokens: Tokens | None = None, cost: float | None = None, **fields: object) -> Step:
    return Step(number, number, Source.AGENT, call=call, tokens=tokens, recorded_cost_usd=cost, **fields)  # type: ignore[arg-type]


def trial(*steps: Step, variant: Variant = SONNET, **fields: object) -> Trial:
    return Trial("j", "t", "job", "trial", "task", "set", variant, Status.PASSED, steps, **fields)  # type: ignore[arg-type]


def price(**rates: float) -> Price:
    return Price("m", "table", rates)


FULL = price(
    input_cost_per_token=3e-6,
    cache_read_input_token_cost=0.3e-6,
    cache_creation_input_token_cost=3.75e-6,
    output_cost_per_token=15e-6,
)


def test_each_kind_of_token_has_its_own_rate() -> None:
    # Worked by hand: 1000 x 3 + 10,000 x 0.3 + 2,000 x 3.75 + 500 x 15 = 21,000 millionths of a dollar.
    assert FULL.cost(Tokens(1_000, 10_000, 2_000, 500)) == pytest.approx(0.021, abs=1e-12)


UNPRICED = [
    ("no input count", FULL, Tokens(None, 0, 0, 5)),
    ("no output count", FULL, Tokens(5, 0, 0, None)),
    ("cache reads without a rate", price(input_cost_per_token=1e-6, output_cost_per_token=1e-6), Tokens(5, 5, 0, 5)),
]


@pytest.mark.parametrize(("table", "tokens"), [case[1:] for case in UNPRICED], ids=[case[0] for case in UNPRICED])
def test_a_count_or_rate_that_is_missing_makes_the_cost_unknown(table: Price, tokens: Tokens) -> None:
    assert table.cost(tokens) is None


def test_a_long_prompt_has_the_rates_of_its_tier() -> None:
    tiered = price(input_cost_per_token=1e-6, input_cost_per_token_above_200k_tokens=2e-6, output_cost_per_token=1e-6)
    assert tiered.cost(Tokens(200_000, 0, 0, 0)) == pytest.approx(0.2)
    assert tiered.cost(Tokens(200_001, 0, 0, 0)) == pytest.approx(0.400002)
    assert tiered.cost_of_run(Tokens(300_000, 0, 0, 0)) is None


# Provider and model as Harbor gives them, and the entry they find.
LOOKUPS = [
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
    (None, "claude-sonnet-4-5", "claude-sonnet-4-5"),
    ("moonshot", "kimi-k2.5", "moonshot/kimi-k2.5"),
    (None, "kimi-k2.5", None),
    ("openai", "claude-sonnet-4-5", None),
    ("openai", "no-such-model", None),
    ("google", "gemini-2.5-pro", "gemini/gemini-2.5-pro"),
]


@pytest.mark.parametrize(("provider", "model", "entry"), LOOKUPS)
def test_a_price_is_found_only_for_the_provider_that_was_asked(
    provider: str | None, model: str, entry: str | None
) -> None:
    found = find_price(provider, model)
    assert (None if found is None else found.name) == entry
    assert found is None or found.source.startswith("litellm ")


def test_the_recorded_cost_comes_before_the_price_and_that_before_unknown() -> None:
    tokens = Tokens(1_000, 0, 0, 100)
    cost = price_trial(trial(step(1, 1, tokens, 0.5), step(2, 2, tokens), step(3, 3)))
    assert [(one.usd, one.provenance) for one in cost.steps] == [
        (0.5, Provenance.RECORDED),
        (pytest.approx(0.0045), Provenance.PRICED),
        (None, Provenance.UNKNOWN),
    ]
    assert (cost.usd, cost.provenance) == (None, Provenance.UNKNOWN)
    assert cost.price is not None
    assert cost.price.endswith("claude-sonnet-4-5")


def test_a_trial_with_all_calls_known_costs_their_sum() -> None:
    cost = price_trial(trial(step(1, 1, cost=0.25), step(2, 2, cost=0.5)))
    assert (cost.usd, cost.provenance) == (0.75, Provenance.RECORDED)


def test_the_residual_is_what_the_runs_own_total_has_over_its_steps() -> None:
    cost = price_trial(trial(step(1, 1, cost=0.25), recorded_cost_usd=1.0))
    assert (cost.usd, cost.residual_usd) == (1.0, 0.75)
    assert price_trial(trial(step(1, 1), recorded_cost_usd=1.0)).residual_usd is None


def test_steps_that_sum_to_more_than_the_run_are_shares_of_it() -> None:
    # As mini-swe-agent's: each is the run's cost times its own share of the tokens so far.
    cost = price_trial(trial(step(1, 1, cost=1.0), step(2, 2, cost=0.5), recorded_cost_usd=1.0))
    assert [(one.usd, one.provenance) for one in cost.steps] == [
        (pytest.approx(2 / 3), Provenance.APPORTIONED),
        (pytest.approx(1 / 3), Provenance.APPORTIONED),
    ]
    assert (cost.usd, cost.provenance, cost.residual_usd) == (1.0, Provenance.RECORDED, 0.0)


def test_a_cost_that_harbor_estimated_is_a_price_and_not_a_bill() -> None:
    cost = price_trial(trial(step(1, 1, cost=0.5, cost_provenance=Provenance.PRICED)))
    assert (cost.usd, cost.provenance, cost.steps[0].provenance) == (0.5, Provenance.PRICED, Provenance.PRICED)
    assert cost.price == "litellm, by Harbor at the time of the run"


def test_a_runs_own_total_that_harbor_computed_is_a_price_and_not_a_bill() -> None:
    priced = {"recorded_cost_usd": 1.0, "recorded_cost_provenance": Provenance.PRICED}
    cost = price_trial(trial(step(1, 1, cost=0.5), **priced))
    assert (cost.usd, cost.provenance, cost.residual_usd) == (1.0, Provenance.PRICED, 0.5)
    assert cost.price == "litellm, by Harbor at the time of the run"
    assert price_trial(trial(recorded_cost_usd=1.0)).provenance is Provenance.RECORDED


HUGE = 1e308
INFINITE = [
    ("the sum of two calls", trial(step(1, 1, cost=HUGE), step(2, 2, cost=HUGE))),
    ("the run's own total", trial(step(1, 1, cost=1.0), recorded_cost_usd=math.inf)),
]


@pytest.mark.parametrize("made", [case[1] for case in INFINITE], ids=[case[0] for case in INFINITE])
def test_a_cost_that_is_no_finite_number_is_unknown(made: Trial) -> None:
    cost = price_trial(made)
    assert (cost.usd, cost.provenance, cost.residual_usd) == (None, Provenance.UNKNOWN, None)
    assert [one.usd for one in cost.steps] == [one.recorded_cost_usd for one in made.steps]


def test_a_share_of_a_huge_cost_is_finite() -> None:
    (one, _) = price_trial(trial(step(1, 1, cost=HUGE, message="x" * 99), step(2, 1))).steps
    assert one.usd == pytest.approx(0.99 * HUGE)


def test_steps_of_a_run_that_was_not_read_whole_do_not_sum_to_it() -> None:
    part = step(1, 1, Tokens(1, 0, 0, 1), cost=0.5)
    assert price_trial(trial(part, is_whole=False)).usd is None
    assert trial_tokens(trial(part, is_whole=False)) is None
    assert trial_tokens(trial(part, is_whole=False, recorded_tokens=Tokens(9, 0, 0, 9))) == Tokens(9, 0, 0, 9)


def test_a_runs_total_tokens_are_priced_when_its_calls_are_not_known() -> None:
    fixed = Variant("toy", "1.0", "gpt-5-mini", "openai")
    cost = price_trial(trial(step(1, 1), variant=fixed, recorded_tokens=Tokens(1_000_000, 0, 0, 0)))
    assert cost.provenance is Provenance.PRICED
    assert cost.usd == pytest.approx(0.25)


def test_a_call_of_several_steps_is_shared_by_what_each_of_them_said() -> None:
    said = step(1, 1, Tokens(10, 0, 0, 5), cost=0.4, message="x" * 30)
    did = step(2, 1, tool_calls=(ToolCall("sh", {}, None),), message="y" * 6)
    cost = price_trial(trial(said, did))
    assert [one.provenance for one in cost.steps] == [Provenance.APPORTIONED] * 2
    assert [one.usd for one in cost.steps] == [pytest.approx(0.3), pytest.approx(0.1)]
    assert (cost.usd, cost.provenance) == (pytest.approx(0.4), Provenance.RECORDED)


def test_a_regrade_and_copied_context_spend_nothing_that_is_known_to_be_new() -> None:
    again = price_trial(trial(step(1, 1, cost=0.5), source_trial_id="earlier"))
    assert (again.usd, [one.usd for one in again.steps]) == (None, [None])
    copied = price_trial(trial(replace(step(1, 1, cost=None), is_copied=True), step(2, 1, cost=0.5)))
    assert [one.step for one in copied.steps] == [2]


def test_a_run_without_steps_has_no_cost() -> None:
    cost = price_trial(trial())
    assert (cost.usd, cost.provenance, cost.steps) == (None, Provenance.UNKNOWN, ())


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.none() | st.floats(1e-6, 10), st.text(max_size=5)), min_size=1, max_size=12
    )
)
def test_the_steps_shares_always_sum_to_what_their_calls_cost(parts: list[tuple[int, float | None, str]]) -> None:
    calls: dict[int, float | None] = {}
    steps: list[Step] = []
    for number, (call, cost, message) in enumerate(sorted(parts, key=lambda part: part[0]), 1):
        first = call not in calls
        calls.setdefault(call, cost)
        steps.append(step(number, call, cost=cost if first else None, message=message))
    priced = price_trial(trial(*steps))
    for call, cost in calls.items():
        shares = [one.usd for one, made in zip(priced.steps, steps, strict=True) if made.call == call]
        if cost is None:
            assert shares == [None] * len(shares)
        else:
            assert sum(share or 0 for share in shares) == pytest.approx(cost, abs=1e-9)


def test_a_runs_tokens_are_the_sum_of_its_calls_or_else_its_own_totals() -> None:
    one, two = Tokens(10, 1, 2, 3, 1), Tokens(5, 1, 0, 2, 0)
    assert trial_tokens(trial(step(1, 1, one), step(2, 1), step(3, 2, two))) == Tokens(15, 2, 2, 5, 1)
    assert trial_tokens(trial(step(1, 1, one), step(2, 2), recorded_tokens=two)) == two
    assert trial_tokens(trial(step(1, 1))) is None


# What the calls sum to, the run's own totals, and the tokens of the trial.
TOTALS = {
    "more sent than by the calls: all from the run": (Tokens(10, 1, 2, 3, 1), Tokens(20, 1, None, 3), 1),
    "more returned than by the calls": (Tokens(10, 1, 2, 3, 1), Tokens(10, 1, 2, 4), 1),
    "less than the calls": (Tokens(10, 1, 2, 3, 1), Tokens(9, 1, 2, 3, 9), 1),
    "the calls lack a count": (Tokens(10, 1, 2, 3), Tokens(10, 1, 2, 3, 1), Tokens(10, 1, 2, 3, 1)),
    "the calls lack the output": (Tokens(10, 1, 2), Tokens(10, 1, 2, 3), Tokens(10, 1, 2, 3)),
    "the calls lack the input": (Tokens(None, 1, 2, 3), Tokens(10, 1, 2, 3), Tokens(10, 1, 2, 3)),
    "the calls count the cached as sent": (Tokens(10, None, None, 3), Tokens(6, 4, None, 3), Tokens(6, 4, None, 3)),
    "the run counts the written as sent": (Tokens(None, 1, 2, 3), Tokens(12, 1, None, 3), Tokens(12, 1, None, 3)),
    "the run's lesser prompt is the run's": (Tokens(10, None, None, 3), Tokens(5, 4, None, 3), 1),
    "neither knows the input": (Tokens(None, None, 2, 3), Tokens(None, 1, None, 3), Tokens(None, 1, 2, 3)),
}


@pytest.mark.parametrize(("calls", "run", "expected"), TOTALS.values(), ids=TOTALS)
def test_a_runs_own_totals_hold_what_its_steps_do_not(calls: Tokens, run: Tokens, expected: Tokens | int) -> None:
    found = trial_tokens(trial(step(1, 1, calls), recorded_tokens=run))
    assert found == (expected if isinstance(expected, Tokens) else (calls, run)[expected])


COUNTS = st.builds(
    lambda *parts: Tokens(*parts),
    st.none() | st.integers(0, 99),
    *([st.none() | st.integers(0, 99)] * 4),
)


@given(st.lists(COUNTS, min_size=1, max_size=4))
def test_what_a_run_was_sent_is_the_sum_of_what_its_calls_were(calls: list[Tokens]) -> None:
    # An agent without a cache may stand beside one with a cache, in the same trial.
    whole = trial_tokens(trial(*(step(number, number, one) for number, one in enumerate(calls, 1))))
    assert whole is not None
    sent = [one.prompt for one in calls]
    assert whole.prompt == (None if None in sent else sum(one or 0 for one in sent))
    in_all = [tokens_in_all(one) for one in calls]
    assert tokens_in_all(whole) == (None if None in in_all else sum(one or 0 for one in in_all))


@given(COUNTS, COUNTS)
def test_a_prompt_is_never_put_together_from_two_sources(calls: Tokens, run: Tokens) -> None:
    whole = trial_tokens(trial(step(1, 1, calls), recorded_tokens=run))
    assert whole is not None
    assert whole.prompt in (calls.prompt, run.prompt)
