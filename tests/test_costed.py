"""Whatever a trial holds, where its money went can be said: as JSON, in the tables, on a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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

ANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def costed(trial: Trial) -> Costed:
    cost = price_trial(trial)
    return Costed(trial, cost, attribute(trial, cost, wasted=wasted(trial, judged(trial))), None)


@ANY
@given(trials())
def test_json_holds_any_trial_and_no_number_that_is_none(trial: Trial) -> None:
    one = costed(trial)
    for said in (costed_trial(one), trial_with_steps(one), trial_with_calls(one)):
        plain = said.model_dump(mode="json")
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@settings(ANY, max_examples=25)  # Checking a table takes long, whatever is in it: so many trials stand in each.
@given(st.lists(trials(), min_size=1, max_size=8))
def test_the_tables_hold_any_trial(drawn: list[Trial]) -> None:
    some = [costed(replace(trial, trial=f"trial-{number}")) for number, trial in enumerate(drawn)]
    said = {one.trial.name: judged(one.trial) for one in some}
    rows = (trial_row(one.trial, one.cost, said[one.trial.name], one.spent, "x") for one in some)
    assert len(frame(rows, TRIALS)) == len(some)
    steps = (row for one in some for row in step_rows(one.trial, one.spent, said[one.trial.name]))
    assert len(frame(steps, STEPS)) == sum(len(one.trial.steps) for one in some)
    calls = (row for one in some for row in call_rows(one.trial, one.spent))
    assert len(frame(calls, CALLS)) == sum(len(one.spent.calls) for one in some)
    actions = (row for one in some for row in action_rows(one.trial))
    assert len(frame(actions, ACTIONS)) == sum(len(step.tool_calls) for one in some for step in one.trial.agent_steps)


@ANY
@given(trials())
def test_a_terminal_shows_any_trial_in_plain_lines(trial: Trial) -> None:
    one = costed(trial)
    for show in (show_steps, show_calls):
        out = StringIO()
        show(one, Console(file=out, width=120))
        assert not set(out.getvalue()) & set("\x1b\x07\r\u202e\u2066")
        assert max(map(cell_len, out.getvalue().split("\n"))) <= 120
