"""Whatever a trial holds, where its money went can be said: as JSON, in the tables, on a terminal."""

from __future__ import annotations

import json
from io import StringIO

from hypothesis import HealthCheck, given, settings
from records import trials
from rich.cells import cell_len
from rich.console import Console

from adapter.trial import Trial
from pipelines.action_rows import action_rows
from pipelines.cost import attribute, price_trial
from pipelines.costed import Costed, costed_trial, trial_with_calls, trial_with_steps
from pipelines.judged import judged, wasted
from pipelines.tables import call_rows, step_rows, trial_row
from pipelines.terminal_cost import show_calls
from pipelines.terminal_steps import show_steps
from views.tables import ACTIONS, CALLS, STEPS, TRIALS, frame

ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def costed(trial: Trial) -> Costed:
    cost = price_trial(trial)
    return Costed(trial, cost, attribute(trial, cost, wasted=wasted(trial, judged(trial))), None)


@ANY
@given(trials())
def test_json_holds_any_trial_and_no_number_that_is_none(trial: Trial) -> None:
    one = costed(trial)
    for said in (costed_trial(one), trial_with_steps(one), trial_with_calls(one)):
        json.dumps(said.model_dump(mode="json"), allow_nan=False)


@ANY
@given(trials())
def test_the_tables_hold_any_trial(trial: Trial) -> None:
    one = costed(trial)
    said = judged(trial)
    assert len(frame([trial_row(trial, one.cost, said, one.spent, "x")], TRIALS)) == 1
    assert len(frame(step_rows(trial, one.spent, said), STEPS)) == len(trial.steps)
    assert len(frame(call_rows(trial, one.spent), CALLS)) == len(one.spent.calls)
    assert len(frame(action_rows(trial), ACTIONS)) == sum(len(step.tool_calls) for step in trial.agent_steps)


@ANY
@given(trials())
def test_a_terminal_shows_any_trial_in_plain_lines(trial: Trial) -> None:
    one = costed(trial)
    for show in (show_steps, show_calls):
        out = StringIO()
        show(one, Console(file=out, width=120))
        assert not set(out.getvalue()) & set("\x1b\x07\r\u202e\u2066")
        assert max(map(cell_len, out.getvalue().split("\n"))) <= 120
