"""Reading a trial's folder as the record.

The layout is Harbor 0.24's and 0.25's (`harbor.models.trial.paths`). Only the fields that are used are looked at,
and each of them tolerantly: Harbor's own models refuse a whole result for one old field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from adapter.atif import StepDraft, TrajectoryFile, read_trajectory
from adapter.calls import number_calls
from adapter.errors import UnreadableError
from adapter.identity import read_variant
from adapter.jobs import Job, children, folder_name, read_object, stable_uuid
from adapter.loose import EMPTY, Json, is_there, mapping, moment, number, read_bytes, read_json, sequence, text
from adapter.status import VERIFIER_FAILURES, status
from adapter.tokens import read_context, total
from adapter.trial import (
    Finding,
    JsonValue,
    Severity,
    Span,
    Status,
    Step,
    Tokens,
    ToolCall,
    Trial,
    TrialException,
)

ADHOC = "adhoc"
"""Harbor's word for the dataset of a task that was run on its own."""
_MAX_REWARD = 999_999_999
"""The largest reward, in either direction, that Opik can hold as a score."""


def read_trial(job: Job, folder: Path) -> Trial:
    """One trial folder as the record.

    Raises:
        UnreadableError: there is no result that can be read; the message says why.
    """
    if not is_there(folder / "result.json"):
        raise UnreadableError("no result.json: the trial is still running or was killed")
    value = read_json(folder / "result.json")
    result = mapping(value)
    if not result:
        raise UnreadableError("result.json holds no trial result")
    findings: list[Finding] = []
    trajectories, is_whole = _trajectories(folder, result, findings)
    source = text(result.get("source")) or ADHOC
    exception = _exception(result)
    recorded = mapping(mapping(result.get("verifier_result")).get("rewards"))
    if not recorded and (exception is None or exception.type not in VERIFIER_FAILURES):
        recorded = _verifiers_own(folder / "verifier", findings)
    rewards = _usable_rewards(recorded, findings)
    reward = rewards.get("reward" if "reward" in recorded or len(recorded) != 1 else next(iter(recorded)))
    is_off = mapping(mapping(result.get("config")).get("verifier")).get("disable") is True
    source_trial = text(mapping(mapping(result.get("config")).get("source_trial")).get("trial_id"))
    ended = status(reward, exception.type if exception else None, is_ungraded=bool(recorded) or is_off)
    tokens, cost = _own_totals(result, [one for _, one in trajectories], is_whole)
    trial = Trial(
        job_id=job.id,
        trial_id=stable_uuid(text(result.get("id")) or f"trial:{job.id}/{folder_name(folder)}"),
        job=job.name,
        trial=folder_name(folder),
        task=text(result.get("task_name")) or folder_name(folder).rsplit("__", 1)[0],
        dataset=source,
        dataset_version=job.dataset_versions.get(source),
        task_checksum=text(result.get("task_checksum")),
        variant=read_variant(result, [one for _, one in trajectories]),
        status=ended if source_trial is None else Status.REGRADE,
        steps=_steps(trajectories, findings),
        reward=reward,
        rewards=rewards,
        exception=exception,
        time=_span(result),
        agent_time=_agent_time(result),
        is_whole=is_whole,
        recorded_cost_usd=cost,
        recorded_tokens=tokens,
        atif_version=next((one.version for _, one in trajectories if one.version is not None), None),
        source_trial_id=source_trial,
    )
    return trial.with_findings(*findings, *_trial_findings(trial, bool(trajectories)))


def _trajectories(folder: Path, result: Json, findings: list[Finding]) -> tuple[list[tuple[str, TrajectoryFile]], bool]:
    """The trial's trajectory files, and whether the whole run stands in them.

    Each comes with the name of the multi-step trial's step it belongs to.
    """
    places = [("", folder / "agent" / "trajectory.json")]
    order = [name for step in sequence(result.get("step_results")) if (name := text(mapping(step).get("step_name")))]
    is_whole = True
    try:
        steps = {folder_name(child): child for child in children(folder / "steps")}
    except (FileNotFoundError, NotADirectoryError):
        steps = {}
    except OSError as error:
        findings.append(_not_read(f"steps: {error.strerror}"))
        steps, is_whole = {}, False
    names = [name for name in dict.fromkeys(order) if name in steps] + [name for name in steps if name not in order]
    places += [(name, steps[name] / "agent" / "trajectory.json") for name in names]
    files: list[tuple[str, TrajectoryFile]] = []
    for segment, path in places:
        if not is_there(path):
            continue
        try:
            files.append((segment, read_trajectory(path)))
        except UnreadableError as error:
            findings.append(_not_read(str(error)))
            is_whole = False
    missing = [name for name in order if name not in steps or not is_there(steps[name] / "agent" / "trajectory.json")]
    if missing and any(segment for segment, _ in files):
        message = f"No trajectory of {', '.join(missing)}: what was done there is not known."
        findings.append(Finding("step_without_trajectory", Severity.WARNING, message))
        is_whole = False
    return files, is_whole and all(file.is_whole for _, file in files)


def _not_read(reason: str) -> Finding:
    return Finding("trajectory_unreadable", Severity.ERROR, f"{reason}: its steps are not known.")


def _steps(trajectories: list[tuple[str, TrajectoryFile]], findings: list[Finding]) -> tuple[Step, ...]:
    """All steps in order with their numbers in the trial; the files' findings move to these numbers."""
    steps: list[Step] = []
    calls_before = 0
    for segment, file in trajectories:
        offset = len(steps)
        numbers = {draft.step_id: offset + position for position, draft in enumerate(file.steps, 1)}
        calls = number_calls(file.steps)
        steps.extend(
            _frozen(draft, offset + position, None if call is None else calls_before + call, segment)
            for position, (draft, call) in enumerate(zip(file.steps, calls, strict=True), 1)
        )
        calls_before += max((call for call in calls if call is not None), default=0)
        findings.extend(
            finding if finding.step is None else replace(finding, step=numbers.get(finding.step))
            for finding in file.findings
        )
    return tuple(steps)


def _frozen(draft: StepDraft, number: int, call: int | None, segment: str) -> Step:
    return Step(
        number=number,
        step_id=draft.step_id,
        source=draft.source,
        message=draft.message,
        reasoning=draft.reasoning,
        tool_calls=tuple(ToolCall(one.name, one.arguments, one.output, one.id) for one in draft.tool_calls),
        observations=tuple(draft.observations),
        call=call,
        tokens=None if draft.is_copied else draft.tokens,
        recorded_cost_usd=None if draft.is_copied else draft.cost_usd,
        cost_is_estimate=draft.cost_is_estimate and not draft.is_copied,
        model=draft.model,
        timestamp=draft.timestamp,
        is_copied=draft.is_copied,
        segment=segment,
    )


def _verifiers_own(folder: Path, findings: list[Finding]) -> Json:
    """The rewards in the verifier's own files: reward.json, an object, or else reward.txt, one number."""
    if is_there(folder / "reward.json"):
        rewards = read_object(folder / "reward.json", findings)
        if rewards:
            return rewards
    if is_there(folder / "reward.txt"):
        try:
            return {"reward": float(read_bytes(folder / "reward.txt"))}
        except UnreadableError as error:
            findings.append(Finding("file_unreadable", Severity.WARNING, f"{error}."))
        except ValueError:
            findings.append(Finding("file_unreadable", Severity.WARNING, "reward.txt holds no number."))
    return EMPTY


def _usable_rewards(recorded: Json, findings: list[Finding]) -> dict[str, float]:
    """The rewards that are finite numbers of a believable size."""
    rewards = {key: found for key, value in recorded.items() if (found := number(value)) is not None}
    for key in [key for key, value in rewards.items() if abs(value) > _MAX_REWARD]:
        message = f"The reward `{key}` is {rewards.pop(key):g}: left out, since it is beyond what can be stored."
        findings.append(Finding("reward_out_of_range", Severity.WARNING, message))
    return rewards


def _exception(result: Json) -> TrialException | None:
    info = mapping(result.get("exception_info"))
    if not info:
        # A multi-step trial keeps the failures it handled on its steps.
        steps = (mapping(mapping(step).get("exception_info")) for step in sequence(result.get("step_results")))
        info = next((one for one in steps if one), EMPTY)
    kind = text(info.get("exception_type"))
    if kind is None:
        return None
    return TrialException(
        type=kind,
        message=text(info.get("exception_message")) or "",
        traceback=text(info.get("exception_traceback")),
    )


def _span(value: Json) -> Span:
    return Span(moment(value.get("started_at")), moment(value.get("finished_at")))


def _agent_time(result: Json) -> Span:
    """When the agent ran; of a multi-step trial, from its first step's start to its last one's end."""
    spans = [_span(mapping(result.get("agent_execution")))]
    spans += [_span(mapping(mapping(step).get("agent_execution"))) for step in sequence(result.get("step_results"))]
    starts = [span.started_at for span in spans if span.started_at is not None]
    ends = [span.finished_at for span in spans if span.finished_at is not None]
    return Span(min(starts, default=None), max(ends, default=None))


def _own_totals(result: Json, trajectories: list[TrajectoryFile], is_whole: bool) -> tuple[Tokens | None, float | None]:
    """The run's own totals, each known only where it is the whole run's.

    Cost: Harbor's for the trial; else the sum of Harbor's for the steps of a multi-step trial, if each has one; else
    the sum of the trajectories', if each has one and the whole run stands in them.

    Tokens: the trajectories' under the same condition, since these alone say what was written to the cache; else
    Harbor's for the trial, or for all of its steps.
    """
    excludes_cache = any(one.excludes_cache for one in trajectories)

    def read(context: JsonValue) -> tuple[Tokens | None, float | None]:
        return read_context(mapping(context), excludes_cache=excludes_cache)

    tokens, cost = read(result.get("agent_result"))
    of_steps = [read(mapping(step).get("agent_result")) for step in sequence(result.get("step_results"))]
    if cost is None:
        cost = _sum_of_all([one for _, one in of_steps])
    if cost is None and is_whole:
        cost = _sum_of_all([one.cost_usd for one in trajectories])
    if tokens is None:
        tokens = total(one for one, _ in of_steps)
    of_files = total(one.tokens for one in trajectories) if is_whole else None
    return of_files or tokens, cost


def _sum_of_all(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _trial_findings(trial: Trial, has_trajectory: bool) -> Iterator[Finding]:
    if not has_trajectory:
        yield Finding("no_trajectory", Severity.WARNING, "No trajectory: its steps, tokens and cost are not known.")
    if trial.reward is None and not trial.rewards:
        yield Finding("no_reward", Severity.WARNING, "The verifier gave no reward.")
    elif trial.reward is None:
        yield Finding("no_deciding_reward", Severity.WARNING, f"Rewards {sorted(trial.rewards)} hold no `reward`.")
    if trial.exception is not None and trial.status is Status.PASSED:
        yield Finding("passed_with_exception", Severity.INFO, f"Passed, and raised {trial.exception.type}.")
    if trial.source_trial_id is not None:
        yield Finding("regrade", Severity.INFO, "A new grade of an earlier trial: its agent cost is not new.")
    if trial.variant.agent_version is None:
        yield Finding("agent_version_unknown", Severity.WARNING, "The agent's version is not recorded.")
    if trial.variant.model is None and trial.steps:
        yield Finding("model_unknown", Severity.WARNING, "The model is not recorded.")
