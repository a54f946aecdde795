"""Verdicts are rolled up to shares of all of the agent's steps."""

from __future__ import annotations

from adapter.trial import Source, Status, Step, Trial, Variant
from judges.rollup import rollup
from judges.verdict import Verdict


def trial(*sources: Source, copied: tuple[int, ...] = ()) -> Trial:
    steps = tuple(
        Step(number=number, step_id=number, source=source, is_copied=number in copied)
        for number, source in enumerate(sources, 1)
    )
    return Trial("j", "t", "job", "trial", "task", "set", Variant("agent"), Status.FAILED, steps)


def verdict(step: int, criterion: str = "efficiency", value: float | None = 0, name: str = "job/trial") -> Verdict:
    return Verdict(trial=name, step=step, criterion=criterion, label="x", value=value, explanation="x", by="rule:x")


USER, AGENT = Source.USER, Source.AGENT


def test_the_share_is_over_all_agent_steps() -> None:
    shares = rollup(trial(USER, AGENT, AGENT, AGENT, AGENT), [verdict(2), verdict(3, value=0.5)])
    assert shares == {"tool_choice_flagged": 0, "reasoning_quality_flagged": 0, "efficiency_flagged": 0.5}


def test_a_step_counts_once_per_criterion() -> None:
    verdicts = [verdict(1), verdict(1), verdict(1, "tool_choice")]
    shares = rollup(trial(AGENT, AGENT), verdicts)
    assert (shares["efficiency_flagged"], shares["tool_choice_flagged"]) == (0.5, 0.5)


def test_good_marks_and_no_marks_do_not_flag() -> None:
    shares = rollup(trial(AGENT), [verdict(1, value=1), verdict(1, "reasoning_quality", None)])
    assert set(shares.values()) == {0.0}


def test_verdicts_on_other_steps_and_trials_do_not_count() -> None:
    shares = rollup(
        trial(USER, AGENT, AGENT, copied=(2,)), [verdict(1), verdict(2), verdict(9), verdict(3, name="job/x")]
    )
    assert shares["efficiency_flagged"] == 0


def test_without_agent_steps_there_is_no_share() -> None:
    assert rollup(trial(USER), [verdict(1)]) == {}


def test_a_criterion_of_ones_own_is_rolled_up_too() -> None:
    assert rollup(trial(AGENT), [verdict(1, "manners")])["manners_flagged"] == 1
