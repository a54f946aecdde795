"""Stage 4: judge every agent step, and put the verdicts on its span and their roll-up on the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adapter.opik_rows import step_key, trial_key
from adapter.opik_store import OpikStore, Score, Stored
from adapter.trial import Trial
from judges.criteria import criteria
from judges.final import RULE, Final, final, is_rule
from judges.rollup import shares
from judges.verdict import Verdict
from pipelines.judged import Judged, judged
from pipelines.scores import KeyedScore, write_scores

type Calibrated = Callable[[str, str | None], str | None]
"""How far a judge agrees with people, in a phrase: by its name and the version of its prompt."""


@dataclass(frozen=True, slots=True)
class Judgement(Judged):
    """What is said of one trial, and its scores in Opik.

    Attributes:
        on_spans: the verdicts as scores.
        on_trace: the shares as scores.
        unmarked: key and criterion of steps that a model gave no mark: what was scored there before no longer holds.
    """

    on_spans: tuple[KeyedScore, ...]
    on_trace: tuple[KeyedScore, ...]
    unmarked: frozenset[tuple[str, str]] = frozenset()


def judge_trial(trial: Trial) -> Judgement:
    """Judges every step of a trial by rules."""
    return judgement_of(trial, judged(trial).verdicts)


def judgement_of(trial: Trial, verdicts: Sequence[Verdict], calibrated: Calibrated | None = None) -> Judgement:
    """What verdicts on a trial come to, whoever gave them.

    Args:
        trial: the trial.
        verdicts: of rules and of models: of each at most one by step and criterion.
        calibrated: what is said beside the name of each judge that is a model.
    """
    counting = final(verdicts)
    rolled = shares(trial, verdicts)
    scores = (_score(one, step_key(trial, one.verdict.step), calibrated) for one in counting)
    return Judgement(
        verdicts=tuple(verdicts),
        shares={name: share.value for name, share in rolled.items()},
        judges={name: share.by for name, share in rolled.items() if share.by is not None},
        on_spans=tuple(score for score in scores if score is not None),
        on_trace=tuple(
            KeyedScore(trial_key(trial), name, round(share.value, 9), reason=share.reason)
            for name, share in rolled.items()
        ),
        unmarked=frozenset(
            (step_key(trial, one.verdict.step), one.verdict.criterion) for one in counting if one.verdict.value is None
        ),
    )


def store_verdicts(
    judgements: Sequence[Judgement], traces: Mapping[str, Stored], spans: Mapping[str, Stored], store: OpikStore
) -> int:
    """Stores the verdicts on trials as scores; those of an earlier run that no longer hold are removed.

    What a model said stands until a model says something else: rules neither replace nor remove it, and a step that a
    model was asked about in vain keeps what it had.

    Args:
        judgements: of each trial.
        traces: the trials' stored traces, by key.
        spans: their stored spans, by key.
        store: where they are.

    Returns:
        How many scores were written or removed.
    """
    unmarked = {(spans[key].id, name) for one in judgements for key, name in one.unmarked if key in spans}

    def is_stale(score: Score) -> bool:
        return _is_by_a_rule(score) or ((score.row_id, score.name) in unmarked and is_ours(score))

    on_spans = [score for one in judgements for score in one.on_spans if not _yields(score, spans)]
    on_traces = [score for one in judgements for score in one.on_trace if not _yields(score, traces)]
    written = write_scores(on_spans, spans, is_stale, store.score_spans, store.delete_span_score)
    return written + write_scores(on_traces, traces, _is_share, store.score_traces, store.delete_trace_score)


def shares_by_models(trace: Stored) -> dict[str, tuple[float, str]]:
    """The shares on a stored trace that rest on a model's word, each with the judge's name, by their own names."""
    found: dict[str, tuple[float, str]] = {}
    for name, scores in trace.scores.items():
        said = [one for one in scores if is_ours(one) and _is_of_a_model(one.reason)]
        if name.endswith("_flagged") and said:
            judge = _last_line(said[0].reason).removeprefix("[by ").removesuffix("]")
            found[name] = (said[0].value, judge)
    return found


def _yields(score: KeyedScore, stored: Mapping[str, Stored]) -> bool:
    """Whether a score that rests on rules would take the place of one that rests on a model."""
    if _is_of_a_model(score.reason):
        return False
    there = stored[score.key].scores.get(score.name, ()) if score.key in stored else ()
    return any(is_ours(one) and _is_of_a_model(one.reason) for one in there)


def _is_by_a_rule(score: Score) -> bool:
    """Whether a rule gave this score: what others gave under a criterion's name is not the rules' to take away."""
    return score.name in criteria() and f"by {RULE}" in _last_line(score.reason)


def is_ours(score: Score) -> bool:
    """Whether a judge of ours gave this score."""
    last = _last_line(score.reason)
    return last.startswith("[") and last.endswith("]") and "by " in last


def _is_of_a_model(reason: str | None) -> bool:
    last = _last_line(reason)
    return "by " in last and f"by {RULE}" not in last


def _last_line(reason: str | None) -> str:
    return (reason or "").rpartition("\n")[2]


def _is_share(score: Score) -> bool:
    """Whether a trace's score is one of the roll-up by rules."""
    is_bundled = score.name.removesuffix("_flagged") in criteria() and score.name.endswith("_flagged")
    return is_bundled and not _is_of_a_model(score.reason)


def _score(one: Final, key: str, calibrated: Calibrated | None) -> KeyedScore | None:
    """A verdict as a feedback score: label as category, everything it says as the reason."""
    verdict = one.verdict
    if verdict.value is None:
        return None
    reason = [verdict.explanation]
    if verdict.better_action is not None:
        reason.append(f"Better: {verdict.better_action}")
    reason.extend(f"Step {quote.step}: “{quote.quote}”" for quote in verdict.evidence)
    if one.other is not None:
        reason.append(f"{one.other.by} says otherwise, {one.other.label}: {one.other.explanation}")
    by = verdict.by if verdict.prompt_version is None else f"{verdict.by}, prompt {verdict.prompt_version}"
    if calibrated is not None and not is_rule(verdict):
        by = f"{by}; {calibrated(verdict.by, verdict.prompt_version)}"
    reason.append(f"[{verdict.category.value}; by {by}]" if verdict.category is not None else f"[by {by}]")
    # A line of the judge's own words cannot pass for the last one, which says who spoke.
    return KeyedScore(key, verdict.criterion, round(verdict.value, 9), verdict.label, "\n".join(reason))
