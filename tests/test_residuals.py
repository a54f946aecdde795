"""A run's own total against its steps: reasons are given where the data show them, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attributed import COMPACTED, LISTING, spent, step, trial

from adapter.trial import (
    Finding,
    Provenance,
    RunTotal,
    Severity,
    Step,
    Tokens,
)


def test_the_residual_names_its_reasons_only_where_the_data_show_them() -> None:
    tokens = Tokens(1_000, 0, 0, 100)
    made = trial(step(1, 1, tokens), recorded_cost_usd=0.006)
    assert spent(made).residual_usd == pytest.approx(0.0015)
    assert spent(made).residual_reasons == ()
    more = RunTotal("harbor", 0.006, Provenance.RECORDED, Tokens(1_400, 0, 0, 120))
    found = spent(replace(made, totals=(more,)))
    assert found.residual_reasons[0][0] == "calls_without_steps"
    assert "400 tokens sent and 20 returned" in found.residual_reasons[0][1]
    (source,) = found.compared
    assert (source.source, source.usd, source.residual_usd) == ("harbor", 0.006, pytest.approx(0.0015))
    same = replace(more, tokens=tokens)
    assert [name for name, _ in spent(replace(made, totals=(same,))).residual_reasons] == ["other_prices"]
    assert spent(replace(made, recorded_cost_usd=0.0045, totals=(more,))).residual_reasons == ()


def noticed(code: str) -> dict[str, Any]:
    return {"findings": (Finding(code, Severity.INFO, "What was noticed."),)}


REASONS = [
    ("a sub-agent that could not be read", "sub_agents", noticed("subagent_missing")),
    ("calls of another model", "other_models", noticed("calls_of_other_models")),
    (
        "steps that were copied with their costs",
        "copied_context",
        {"steps": (step(1, None, None, is_copied=True, raw={"cost_usd": 0.25}), *LISTING.steps[1:])},
    ),
    (
        "a summary that is not among the steps",
        "compaction",
        {"steps": (*LISTING.steps, step(5, 4, Tokens(9_000, 0, 0, 5)), step(6, 5, Tokens(3_000, 0, 0, 5)))},
    ),
]


@pytest.mark.parametrize(("name", "fields"), [case[1:] for case in REASONS], ids=[case[0] for case in REASONS])
def test_each_reason_is_given_only_with_what_shows_it(name: str, fields: dict[str, Any]) -> None:
    assert [one for one, _ in spent(replace(LISTING, recorded_cost_usd=5.0, **fields)).residual_reasons] == [name]
    assert spent(replace(LISTING, recorded_cost_usd=5.0)).residual_reasons == ()


@pytest.mark.parametrize("fields", [case[2] for case in REASONS], ids=[case[0] for case in REASONS])
def test_what_no_step_has_is_no_reason_for_a_total_that_is_less_than_the_steps(fields: dict[str, Any]) -> None:
    found = spent(replace(LISTING, recorded_cost_usd=0.01, **fields))
    assert found.residual_usd is not None
    assert found.residual_usd < 0
    assert found.residual_reasons == ()


def test_a_compaction_is_no_reason_where_the_tokens_agree() -> None:
    steps = (*LISTING.steps, step(5, 4, Tokens(9_000, 0, 0, 5)), step(6, 5, Tokens(3_000, 0, 0, 5)))
    total = RunTotal("harbor", 5.0, Provenance.RECORDED, Tokens(12_000, 40_100, 30_200, 220))
    found = spent(replace(LISTING, steps=steps, recorded_cost_usd=5.0, totals=(total,)))
    assert [name for name, _ in found.residual_reasons] == ["other_prices"]


@pytest.mark.parametrize(("at", "reasons"), [(4, []), (1, ["compaction"]), (None, ["compaction"])])
def test_a_summary_that_is_a_step_with_its_tokens_is_no_reason(at: int | None, reasons: list[str]) -> None:
    noted = Finding("context_summarised", Severity.INFO, "It was summarised.", at)
    found = spent(replace(LISTING, recorded_cost_usd=5.0, findings=(noted,)))
    assert [name for name, _ in found.residual_reasons] == reasons


NO_REASONS = [
    ("a summary that is among the steps", COMPACTED.steps),
    ("a cost that a step of its own has", (replace(LISTING.steps[1], raw={"cost_usd": 0.25}), *LISTING.steps[2:])),
]


@pytest.mark.parametrize("steps", [case[1] for case in NO_REASONS], ids=[case[0] for case in NO_REASONS])
def test_what_the_steps_hold_is_no_reason(steps: tuple[Step, ...]) -> None:
    assert spent(replace(LISTING, steps=steps, recorded_cost_usd=5.0)).residual_reasons == ()


# What a total holds more than the one step of 1,000 tokens sent and 100 returned, and the reason.
HELD = [
    ("only more sent", Tokens(1_400, 0, 0, 100), ["calls_without_steps"]),
    ("only more returned", Tokens(1_000, 0, 0, 120), ["calls_without_steps"]),
    ("less of both", Tokens(900, 0, 0, 90), []),
    ("the same", Tokens(1_000, 0, 0, 100), ["other_prices"]),
    ("no count", None, []),
]


@pytest.mark.parametrize(("tokens", "names"), [case[1:] for case in HELD], ids=[case[0] for case in HELD])
def test_the_tokens_of_a_total_tell_whether_it_holds_more_calls(tokens: Tokens | None, names: list[str]) -> None:
    total = RunTotal("harbor", 0.006, Provenance.RECORDED, tokens)
    made = trial(step(1, 1, Tokens(1_000, 0, 0, 100)), recorded_cost_usd=0.006, totals=(total,))
    assert [name for name, _ in spent(made).residual_reasons] == names


def test_other_prices_are_a_reason_as_soon_as_one_call_was_priced_here() -> None:
    total = RunTotal("harbor", 0.02, Provenance.RECORDED, Tokens(2_000, 0, 0, 200))
    priced, recorded = (
        step(1, 1, Tokens(1_000, 0, 0, 100)),
        step(2, 2, Tokens(1_000, 0, 0, 100), recorded_cost_usd=0.01),
    )
    made = trial(priced, recorded, recorded_cost_usd=0.02, totals=(total,))
    assert [name for name, _ in spent(made).residual_reasons] == ["other_prices"]
    alone = trial(recorded, recorded_cost_usd=0.02, totals=(replace(total, tokens=Tokens(1_000, 0, 0, 100)),))
    assert spent(alone).residual_reasons == ()


def test_nothing_is_compared_with_steps_of_which_one_is_not_known() -> None:
    total = RunTotal("harbor", 0.5, Provenance.RECORDED, Tokens(2_000, 0, 0, 200))
    made = trial(step(1, 1, Tokens(1_000, 0, 0, 100)), step(2, 2, None), recorded_cost_usd=0.5, totals=(total,))
    (source,) = spent(made).compared
    assert (source.usd, source.residual_usd, source.prompt_tokens, source.output_tokens) == (0.5, None, None, None)
