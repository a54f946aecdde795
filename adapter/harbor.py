"""Reading Harbor's folders: which jobs there are, their trials, and each trial as the record.

The layout is Harbor 0.24's and 0.25's (`harbor.models.trial.paths`). Only the fields that are used are looked at,
and each of them tolerantly: Harbor's own models refuse a whole result for one old field.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from adapter.atif import StepDraft, TrajectoryFile, read_trajectory
from adapter.calls import number_calls
from adapter.errors import BadInputError, UnreadableError
from adapter.identity import read_variant
from adapter.loose import EMPTY, Json, count, mapping, moment, number, read_json, sequence, text
from adapter.status import status
from adapter.tokens import normalise, total
from adapter.trial import (
    Finding,
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


@dataclass(frozen=True, slots=True)
class Job:
    """A job folder.

    Attributes:
        path: the folder.
        id: the job's UUID; a stable stand-in made from the folder's name where `result.json` gives none.
        is_finished: False while Harbor has not written the job's end: still running, or interrupted.
        expected_trials: how many trials it was to have; None when not known.
        n_retries: attempts that Harbor threw away, with what they cost.
        dataset_versions: dataset name to version, from the job's settings.
        trials: the trial folders, by name.
    """

    path: Path
    id: str
    is_finished: bool
    expected_trials: int | None
    n_retries: int
    dataset_versions: dict[str, str]
    trials: tuple[Path, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name."""
        return folder_name(self.path)


def find_jobs(paths: list[Path]) -> list[Job]:
    """The jobs at these paths: each is a job folder or a folder of job folders.

    Raises:
        BadInputError: a path is not there, is no job, or its job holds no trial.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise BadInputError(f"{path} does not exist.", "Give the folder of a finished Harbor job (jobs/NAME).")
        if path.is_file():
            raise BadInputError(f"{path} is a file.", "Give the job's folder, not a file in it.")
        try:
            found = [path] if _is_job(path) else [child for child in _children(path) if _is_job(child)]
        except OSError as error:
            raise BadInputError(
                f"{path} cannot be read: {error.strerror}.", "Check the folder's permissions."
            ) from error
        if not found:
            hint = "Give the job's folder: it holds result.json, config.json and one folder per trial."
            if (path / "result.json").is_file():
                raise BadInputError(f"{path} is a trial or an empty job, not a job with trials.", hint)
            raise BadInputError(f"{path} is no Harbor job and holds none.", hint)
        folders.update((folder.resolve(), None) for folder in found)
    return [read_job(folder) for folder in folders]


def _children(folder: Path) -> list[Path]:
    """The visible folders in a folder; a symbolic link is never followed."""
    return sorted(
        child for child in folder.iterdir() if child.is_dir() and not child.is_symlink() and child.name[0] != "."
    )


def _is_trial(folder: Path) -> bool:
    """A trial's own files; a multi-step trial's `steps` folder and a job have others."""
    if (folder / "agent").is_dir() or (folder / "steps").is_dir() or (folder / "trial.log").is_file():
        return True
    return any((folder / name).is_file() for name in ("result.json", "config.json")) and not _has_trials(folder)


def _has_trials(folder: Path) -> bool:
    return any(
        (child / "config.json").exists() or (child / "result.json").exists() or (child / "agent").is_dir()
        for child in _children(folder)
    )


def _is_job(folder: Path) -> bool:
    if (folder / "agent").is_dir() or (folder / "trial.log").is_file():
        return False
    return any((folder / name).exists() for name in ("result.json", "config.json", "lock.json", "job.log")) and (
        _has_trials(folder)
    )


def read_job(folder: Path) -> Job:
    """Reads a job's own files; its trials are only listed."""
    findings: list[Finding] = []
    result, config = (_file(folder / name, findings) for name in ("result.json", "config.json"))
    stats = mapping(result.get("stats"))
    versions: dict[str, str] = {}
    for dataset in map(mapping, sequence(config.get("datasets"))):
        name, version = text(dataset.get("name")), text(dataset.get("version")) or text(dataset.get("ref"))
        if name is not None and version is not None:
            versions[name] = version
    return Job(
        path=folder,
        id=_uuid(text(result.get("id")) or f"job:{folder_name(folder)}"),
        is_finished=result.get("finished_at") is not None,
        expected_trials=count(result.get("n_total_trials")),
        n_retries=count(stats.get("n_retries")) or 0,
        dataset_versions=versions,
        trials=tuple(child for child in _children(folder) if _is_trial(child)),
        findings=tuple(findings),
    )


def folder_name(folder: Path) -> str:
    """A folder's name as text, also where its bytes are none."""
    return folder.name.encode("utf-8", "replace").decode()


def _uuid(name: str) -> str:
    """The UUID that a text is; else one made from it, always the same."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"kilobench:{name}"))


def _file(path: Path, findings: list[Finding]) -> Json:
    """A JSON object from a file; an empty one, with a finding, where it cannot be read."""
    try:
        return mapping(read_json(path))
    except UnreadableError as error:
        findings.append(Finding("file_unreadable", Severity.WARNING, f"{error}."))
        return EMPTY


def read_trial(job: Job, folder: Path) -> Trial:
    """One trial folder as the record.

    Raises:
        UnreadableError: there is no result that can be read; the message says why.
    """
    if not (folder / "result.json").exists():
        raise UnreadableError("no result.json: the trial is still running or was killed")
    value = read_json(folder / "result.json")
    result = mapping(value)
    if not result:
        raise UnreadableError("result.json holds no trial result")
    findings: list[Finding] = []
    trajectories = list(_trajectories(folder, result, findings))
    source = text(result.get("source")) or ADHOC
    rewards = _rewards(result, folder)
    reward = rewards.get("reward", next(iter(rewards.values())) if len(rewards) == 1 else None)
    exception = _exception(result)
    tokens, cost = _own_totals(result, [one for _, one in trajectories])
    trial = Trial(
        job_id=job.id,
        trial_id=_uuid(text(result.get("id")) or f"trial:{job.id}/{folder_name(folder)}"),
        job=job.name,
        trial=folder_name(folder),
        task=text(result.get("task_name")) or folder_name(folder).rsplit("__", 1)[0],
        dataset=source,
        dataset_version=job.dataset_versions.get(source),
        task_checksum=text(result.get("task_checksum")),
        variant=read_variant(result, [one for _, one in trajectories]),
        status=status(reward, exception.type if exception else None),
        steps=_steps(trajectories, findings),
        reward=reward,
        rewards=rewards,
        exception=exception,
        time=_span(result),
        agent_time=_agent_time(result),
        recorded_cost_usd=cost,
        recorded_tokens=tokens,
        atif_version=next((one.version for _, one in trajectories if one.version is not None), None),
        source_trial_id=text(mapping(mapping(result.get("config")).get("source_trial")).get("trial_id")),
    )
    return trial.with_findings(*findings, *_trial_findings(trial, bool(trajectories)))


def _trajectories(folder: Path, result: Json, findings: list[Finding]) -> Iterator[tuple[str, TrajectoryFile]]:
    """The trial's trajectory files with the name of the multi-step trial's step each belongs to."""
    places = [("", folder / "agent" / "trajectory.json")]
    order = [text(mapping(step).get("step_name")) for step in sequence(result.get("step_results"))]
    if (folder / "steps").is_dir():
        children = {child.name: child for child in _children(folder / "steps")}
        names = [name for name in order if name in children] + [name for name in children if name not in order]
        places += [(name, children[name] / "agent" / "trajectory.json") for name in names]
    for segment, path in places:
        if not path.exists():
            continue
        try:
            yield segment, read_trajectory(path)
        except UnreadableError as error:
            findings.append(Finding("trajectory_unreadable", Severity.ERROR, f"{error}: its steps are not known."))


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
        model=draft.model,
        timestamp=draft.timestamp,
        is_copied=draft.is_copied,
        segment=segment,
    )


def _rewards(result: Json, folder: Path) -> dict[str, float]:
    """All rewards that are numbers, from the result or else from the verifier's own files."""
    rewards = mapping(mapping(result.get("verifier_result")).get("rewards"))
    if not rewards and (folder / "verifier" / "reward.json").is_file():
        rewards = _file(folder / "verifier" / "reward.json", [])
    return {key: found for key, value in rewards.items() if (found := number(value)) is not None}


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
        occurred_at=moment(info.get("occurred_at")),
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


def _own_totals(result: Json, trajectories: list[TrajectoryFile]) -> tuple[Tokens | None, float | None]:
    """The run's own totals: Harbor's result first (it counts sub-agents too), then the trajectories'."""
    contexts = [mapping(result.get("agent_result"))]
    contexts += [mapping(mapping(step).get("agent_result")) for step in sequence(result.get("step_results"))]
    contexts = [one for one in contexts if one]
    costs = [cost for one in contexts if (cost := number(one.get("cost_usd"))) is not None and cost > 0]
    cost = sum(costs) if contexts and len(costs) == len(contexts) else None
    if cost is None:
        ours = [one.cost_usd for one in trajectories]
        cost = None if not ours or None in ours else sum(known for known in ours if known is not None)
    tokens = total(one.tokens for one in trajectories)
    if tokens is None and contexts:
        tokens = total(
            normalise(
                count(one.get("n_input_tokens")),
                count(one.get("n_output_tokens")),
                count(one.get("n_cache_tokens")),
                EMPTY,
            )[0]
            for one in contexts
        )
        if tokens is not None and not tokens.prompt and not tokens.output:
            tokens = None
    return tokens, cost


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
