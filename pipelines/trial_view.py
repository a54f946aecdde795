"""A stored trial as its page shows it: read from Opik by its trace, priced, with what the judges said of its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from adapter.actions import target, verb
from adapter.errors import UnreadableError
from adapter.opik_connection import Connection
from adapter.opik_read import FoundTrial, OpikReader
from adapter.opik_rows import step_key
from adapter.prices import PriceBook
from adapter.trial import JsonValue, Step, ToolCall
from pipelines.cost import attribute, price_trial
from pipelines.cost.attribution import StepSpend
from pipelines.judged import judged, wasted
from pipelines.regrades import standing_key
from pipelines.said import chips_of
from views import format as fmt
from views.pages.trial_model import CallView, Chip, StepView, TrialView

_DID = 90
"""Characters of what a call did."""


def traces_by_name(trials: pd.DataFrame, traces: Mapping[str, str]) -> dict[str, str]:
    """The ids of the trials' traces, by `job/trial`.

    Args:
        trials: rows of `views.tables.TRIALS`.
        traces: the ids by the trials' keys.
    """
    keyed = zip(trials["trial"], trials["job_id"], trials["trial_id"], strict=True)
    return {str(name): traces[key] for name, job, trial in keyed if (key := standing_key(job, trial)) in traces}


class TrialViews:
    """Looks trials up, one at a time.

    Args:
        traces: the ids of their traces, by `job/trial`.
        connection: to the Opik that holds them.
        book: where prices are looked up.
    """

    def __init__(self, traces: Mapping[str, str], connection: Connection, book: PriceBook) -> None:
        self._traces = traces
        self._connection = connection
        self._reader = OpikReader(connection)
        self._book = book

    def __call__(self, name: str) -> TrialView | str:
        """The trial of this name; or why it cannot be shown.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        trace = self._traces.get(name)
        if trace is None:
            return "Its trace is not in Opik, so its steps cannot be shown. Run `kilobench run` on its job."
        try:
            found = self._reader.trial(trace)
        except UnreadableError as error:
            return f"Its trace {trace} in Opik cannot be read: {error}."
        return view_of(found, self._book, self._connection.trace_url(found.project_id, trace))


def view_of(found: FoundTrial, book: PriceBook, url: str | None = None) -> TrialView:
    """A stored trial as its page shows it.

    Args:
        found: the trial with its stored rows.
        book: where prices are looked up.
        url: of its trace.
    """
    trial = found.trial
    spent = attribute(trial, price_trial(trial, book), wasted=wasted(trial, judged(trial)))
    spends = {one.step: one for one in spent.steps}
    return TrialView(
        name=trial.name,
        steps=tuple(
            _step(step, spends.get(step.number), chips_of(found.spans.get(step_key(trial, step.number))))
            for step in trial.steps
        ),
        findings=trial.findings,
        exception=None if trial.exception is None else (trial.exception.type, trial.exception.message),
        verifier_output=trial.verifier_output,
        url=url,
    )


def _step(step: Step, spend: StepSpend | None, chips: tuple[Chip, ...]) -> StepView:
    return StepView(
        number=step.number,
        source=step.source.value,
        subagent=step.subagent,
        segment=step.segment,
        is_copied=step.is_copied,
        message=step.message,
        reasoning=step.reasoning,
        calls=tuple(_call(one) for one in step.tool_calls),
        observations=step.observations,
        model=step.model,
        call=step.call,
        cost_usd=None if spend is None else spend.usd,
        provenance=None if spend is None or spend.call is None else spend.provenance.value,
        own_usd=None if spend is None else spend.own_usd,
        carried_usd=None if spend is None else spend.carried_usd,
        carried_at_least_usd=None if spend is None else spend.carried_at_least_usd,
        prompt_tokens=None if step.tokens is None else step.tokens.prompt,
        output_tokens=None if step.tokens is None else step.tokens.output,
        seconds=step.time.seconds if spend is None else spend.latency.seconds,
        started_at=step.timestamp,
        is_wasted=None if spend is None else spend.is_wasted,
        chips=chips,
    )


def _call(call: ToolCall) -> CallView:
    about = fmt.one_line((target(call) or call.name)[: 2 * _DID])
    return CallView(
        name=call.name,
        did=f"{verb(call).value} {about if len(about) <= _DID else f'{about[: _DID - 1]}…'}",
        arguments=_arguments(call.arguments),
        output=call.output,
        seconds=call.seconds,
    )


def _arguments(arguments: dict[str, JsonValue] | str) -> str:
    """Arguments as people read them: a text as it is, several by name, what is nested as JSON."""
    if isinstance(arguments, str):
        return arguments
    return "\n".join(f"{name}: {_text(value)}" for name, value in arguments.items())


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"\n{value}" if "\n" in value else value
