"""Reading a trial's folder as the record.

The layout is Harbor 0.24's and 0.25's (`harbor.models.trial.paths`). Only the fields that are used are looked at,
and each of them tolerantly: Harbor's own models refuse a whole result for one old field, which is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from adapter.agent_log import LogTotal, read_logs
from adapter.errors import UnreadableError
from adapter.identity import read_variant, step_model
from adapter.jobs import Job, as_uuid, stable_uuid
from adapter.layout import folder_name
from adapter.loose import EMPTY, Json, mapping, moment, sequence, text
from adapter.models import normalise
from adapter.prices import is_free
from adapter.redact import may_hold_secrets, redact, rules_digest
from adapter.request_times import with_request_times
from adapter.resumed import mark_repeats
from adapter.rewards import read_rewards
from adapter.service import with_asked_tier
from adapter.status import BY_REWARD, Grading, status
from adapter.steps import assemble
from adapter.task_metadata import task_category
from adapter.totals import other_models, own_totals
from adapter.trajectories import Found, bare_trajectory, find_trajectories
from adapter.trial import Finding, Provenance, Severity, Span, Status, Step, Trial, TrialException, Variant
from adapter.trial_files import TrialFiles
from adapter.trial_findings import bounded, leaves_out, result_findings, trial_findings
from adapter.verifier_output import read_verifier_output

ADHOC = "adhoc"
"""Harbor's word for the dataset of a task that was run on its own."""


def read_trial(job: Job, folder: Path, grading: Grading = BY_REWARD) -> Trial:
    """One trial folder, or one trajectory file that stands in no trial, as the record without secrets.

    A trial without a result is read as far as it goes: it may still be running, or was killed.

    Args:
        job: the job it belongs to.
        folder: the trial's folder, or the trajectory's file.
        grading: what decides whether it passed.

    Raises:
        UnreadableError: nothing of it can be read; the message says why.
    """
    if job.is_bare:
        files = TrialFiles(folder.parent)
        return _trial(job, folder, EMPTY, bare_trajectory(files, folder), files, None, grading)
    files = TrialFiles(folder)
    result, broken = _result(files)
    order = [name for step in sequence(result.get("step_results")) if (name := text(mapping(step).get("step_name")))]
    found = find_trajectories(files, order)
    if broken is None or found.runs:
        return _trial(job, folder, result, found, files, broken, grading)
    if broken.status is Status.UNREADABLE or not files.has("config.json"):
        raise UnreadableError(broken.reason)
    return _trial(job, folder, result, found, files, broken, grading)


class _Broken:
    """Why there is no result, and what that makes of the trial."""

    def __init__(self, status: Status, reason: str) -> None:
        self.status, self.reason = status, reason


def _result(files: TrialFiles) -> tuple[Json, _Broken | None]:
    """The trial's result; without one, what its own settings say in its place."""
    broken = None
    if files.has("result.json"):
        try:
            result = mapping(files.json(files.folder / "result.json"))
        except UnreadableError as error:
            result, broken = EMPTY, _Broken(Status.UNREADABLE, str(error))
        else:
            if result:
                return result, None
            broken = _Broken(Status.UNREADABLE, "result.json holds no trial result")
    else:
        broken = _Broken(Status.RUNNING, "no result.json: the trial is still running or was killed")
    config = files.object(files.folder / "config.json") if files.has("config.json") else EMPTY
    return {"config": dict(config)} if config else EMPTY, broken


def _trial(
    job: Job,
    folder: Path,
    result: Json,
    found: Found,
    files: TrialFiles,
    broken: _Broken | None,
    grading: Grading,
) -> Trial:
    findings = files.findings
    if job.is_bare:
        message = "A trajectory on its own: how its run ended is not known."
        findings.append(Finding("no_result", Severity.INFO, message))
    config = mapping(result.get("config"))
    exception = _exception(result)
    kind = exception.type if exception else None
    rewards, reward, is_graded = ({}, None, False) if job.is_bare else read_rewards(result, kind, grading, files)
    is_off = mapping(config.get("verifier")).get("disable") is True
    ended = status(
        reward,
        kind,
        is_ungraded=is_graded or is_off or job.is_bare,
        pass_at=grading.pass_at,
        is_agents=bool(found.runs) or _is_agents(result),
    )
    if broken is not None:
        code = "no_result" if broken.status is Status.RUNNING else "result_unreadable"
        findings.append(Finding(code, Severity.ERROR, f"{broken.reason}."))
        if broken.status is Status.UNREADABLE or not is_graded:
            ended = broken.status
    held = mark_repeats(found.runs, findings)
    name = folder_name(folder)
    identity = read_variant(result, [file for run in found.walk() for file in run.files], job, name)
    findings.extend(identity.findings)
    log = _log(result, found, files)
    totals = own_totals(result, found, held, findings, is_free=_is_free(identity.variant, None), log=log)
    source = text(result.get("source")) or text(mapping(config.get("task")).get("source"))
    task = _task(result, name)
    times = _agent_times(result)
    steps = with_request_times(assemble(found.runs, times, findings, identity.variant.model), result, findings)
    steps = _settled(steps, identity.variant, findings)
    steps = with_asked_tier(steps, mapping(config.get("agent")), identity.variant.model, findings)
    findings.extend(other_models(result, log, {identity.variant.model, *(step.model for step in steps)}))
    cost = totals.cost_usd
    if cost is not None and leaves_out(steps, cost):
        message = "The run's own total cost is the sum of its steps' costs, and not all steps have one: not known."
        findings.append(Finding("total_leaves_out_steps", Severity.WARNING, message))
        cost = None
    trial = Trial(
        job_id=job.id,
        trial_id=as_uuid(result.get("id")) or stable_uuid(f"trial:{job.id}/{name}"),
        job=job.name,
        trial=name,
        task=task,
        dataset=source or job.only_dataset or ADHOC,
        dataset_version=job.dataset_versions.get(source or job.only_dataset or ADHOC),
        task_checksum=text(result.get("task_checksum")),
        variant=identity.variant,
        status=ended,
        steps=steps,
        reward=reward,
        rewards=rewards,
        exception=exception,
        verifier_output=None if job.is_bare else read_verifier_output(files, [segment for segment, _ in found.runs]),
        time=_span(result),
        agent_time=_whole(times),
        agent_seconds=_seconds(times),
        is_whole=found.is_whole,
        recorded_cost_usd=cost,
        recorded_cost_provenance=totals.cost_provenance,
        recorded_tokens=totals.tokens,
        totals=totals.sources,
        category=None if job.is_bare else task_category(result, job.path),
        atif_version=next(
            (file.version for run in found.walk() for file in run.files if file.version is not None), None
        ),
        source_trial_id=_source_trial(config, files),
        origins=identity.origins | _dataset_origins(result, source, job),
        files=tuple(files.trajectories),
        redaction=rules_digest(),
    )
    if result and broken is None:
        findings.extend(result_findings(result))
    findings.extend(trial_findings(trial, has_trajectory=bool(found.runs)))
    trial = trial.with_findings(*bounded(findings))
    # What does not stand in the trial's own files, or in none of those that were searched: the folders' names, the
    # job's settings, the task's category, and models that only the agent's log names.
    names = f"{trial.job} {trial.variant.name} {trial.dataset} {trial.dataset_version} {trial.category}"
    names += "" if log is None else f" {' '.join(log.models)}"
    if name != folder.name:
        trial = _renamed(trial)
    if not (files.may_hold_secrets or may_hold_secrets(f"{name} {names}".encode("utf-8", "replace"))):
        return trial
    clean = _told_apart(redact(trial), trial)
    if files.secrets and not any(finding.code == "redacted" for finding in clean.findings):
        what = ", ".join(f"{count} {kind}" for kind, count in sorted(files.secrets.items()))
        message = f"Secrets were replaced in the trajectory files that go up, in parts that are not read: {what}."
        clean = clean.with_findings(Finding("redacted", Severity.WARNING, message))
    return clean if clean.trial == trial.trial else _renamed(clean)


def _log(result: Json, found: Found, files: TrialFiles) -> LogTotal | None:
    """What the agent's own log says of the whole run; None where it keeps none, or may count a session twice in it."""
    names = {run.files[0].agent for _, run in found.runs} | {text(mapping(result.get("agent_info")).get("name"))}
    resumes = mapping(mapping(result.get("config")).get("agent")).get("resume_trajectory") is True
    if "claude-code" not in names or resumes:
        return None
    return read_logs(files, [segment for segment, _ in found.runs] or [""])


def _told_apart(clean: Trial, trial: Trial) -> Trial:
    """The redacted trial with sub-agents that have names of their own, as they had before."""
    names: dict[str, str] = {}
    steps: list[Step] = []
    for before, after in zip(trial.steps, clean.steps, strict=True):
        name, number = after.subagent, 1
        while names.get(name, before.subagent) != before.subagent:
            number += 1
            name = f"{after.subagent}#{number}"
        names[name] = before.subagent
        steps.append(after if name == after.subagent else replace(after, subagent=name))
    return clean if set(names.values()) == names.keys() else replace(clean, steps=tuple(steps))


def _renamed(trial: Trial) -> Trial:
    """A trial whose name is not its folder's any more: two such names may be the same."""
    return replace(trial, trial=f"{trial.trial}@{trial.trial_id[:8]}")


def _task(result: Json, name: str) -> str:
    """The task's name; for a trial without a result, the folder that the task came from."""
    of_config = mapping(mapping(result.get("config")).get("task"))
    path = text(of_config.get("path"))
    return (
        text(result.get("task_name"))
        or text(of_config.get("name"))
        or (PurePosixPath(path).name if path else "")
        or name.rsplit("__", 1)[0]
    )


def _dataset_origins(result: Json, source: str | None, job: Job) -> dict[str, str]:
    origins: dict[str, str] = {}
    dataset = source or job.only_dataset
    if dataset is not None:
        origins["dataset"] = "config.json" if text(result.get("source")) is None else "result.json"
        if dataset in job.dataset_versions:
            origins["dataset_version"] = "config.json"
    return origins


def _settled(steps: tuple[Step, ...], variant: Variant, findings: list[Finding]) -> tuple[Step, ...]:
    """The steps with what only the variant tells: how their models are spelled, and whether a cost can be 0."""
    spelled = {step.model for step in steps}
    names = {model: step_model(model, variant) for model in spelled}
    if all(model == name for model, name in names.items()) and all(step.recorded_cost_usd != 0 for step in steps):
        return steps
    return tuple(_known_costs(replace(step, model=names[step.model]), variant, findings) for step in steps)


def _is_free(variant: Variant, model: str | None) -> bool:
    """Whether a step's model (by default the variant's) costs nothing by its nature."""
    if model is None or model == variant.model:
        return variant.model is not None and is_free(variant.provider, variant.model)
    named = normalise(model)
    return is_free(named.provider or variant.provider, named.name)


def _known_costs(step: Step, variant: Variant, findings: list[Finding]) -> Step:
    """The step without a cost of 0, unless its model is free."""
    if step.recorded_cost_usd != 0 or _is_free(variant, step.model):
        return step
    if step.tokens is not None:
        message = "A cost of 0 for tokens used: not known."
        findings.append(Finding("cost_zero_with_tokens", Severity.WARNING, message, step.number))
    return replace(step, recorded_cost_usd=None, cost_provenance=Provenance.UNKNOWN)


def _exception(result: Json) -> TrialException | None:
    recorded = result.get("exception_info")
    if not recorded:
        # A multi-step trial keeps the failures it handled on its steps.
        steps = [mapping(step).get("exception_info") for step in sequence(result.get("step_results"))]
        recorded = next((one for one in steps if one), None)
    if not recorded:
        return None
    info = mapping(recorded)
    return TrialException(
        type=text(info.get("exception_type")) or text(info.get("type")) or "unknown",
        message=text(info.get("exception_message")) or text(info.get("message")) or text(recorded) or "",
        traceback=text(info.get("exception_traceback")) or text(info.get("traceback")),
    )


def _is_agents(result: Json) -> bool:
    """Whether an exception may be the agent's: its time had begun, and the verifier's had not."""
    phases = [result, *map(mapping, sequence(result.get("step_results")))]
    has_begun = any(_span(mapping(one.get("agent_execution"))).started_at is not None for one in phases)
    was_graded = any(_span(mapping(one.get("verifier"))).started_at is not None for one in phases)
    return has_begun and not was_graded


def _source_trial(config: Json, files: TrialFiles) -> str | None:
    """The id of the trial that this one only graded again; made from its path where nothing names the id."""
    source = mapping(config.get("source_trial"))
    if not source:
        return None
    locked = EMPTY if source.get("trial_id") or not files.has("lock.json") else files.object(files.folder / "lock.json")
    named = text(source.get("trial_id")) or text(mapping(locked.get("source_trial")).get("trial_id"))
    return named or stable_uuid(f"source:{text(source.get('path')) or 'unknown'}")


def _span(value: Json) -> Span:
    return Span(moment(value.get("started_at")), moment(value.get("finished_at")))


def _agent_times(result: Json) -> dict[str, Span]:
    """When the agent ran, by the multi-step trial's step; an ordinary trial has one without a name."""
    times = {"": _span(mapping(result.get("agent_execution")))}
    for step in map(mapping, sequence(result.get("step_results"))):
        times[text(step.get("step_name")) or ""] = _span(mapping(step.get("agent_execution")))
    return times


def _whole(times: Mapping[str, Span]) -> Span:
    """From the first start to the last end."""
    starts = [span.started_at for span in times.values() if span.started_at is not None]
    ends = [span.finished_at for span in times.values() if span.finished_at is not None]
    return Span(min(starts, default=None), max(ends, default=None))


def _seconds(times: Mapping[str, Span]) -> float | None:
    """The agent's own time in all; None where it is not known for each part."""
    parts = [span.seconds for span in times.values() if span != Span()]
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None
