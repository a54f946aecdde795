"""Stage 4: judge every agent step, and put the verdicts on its span and their roll-up on the trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapter.opik_rows import step_key, trial_key
from adapter.opik_store import OpikStore, Score, Stored
from adapter.trial import Trial
from judges.criteria import criteria
from judges.verdict import Verdict
from pipelines.judged import Judged, judged
from pipelines.scores import KeyedScore, write_scores


@dataclass(frozen=True, slots=True)
class Judgement(Judged):
    """What is said of one trial, and its scores in Opik.

    Attributes:
        on_spans: the verdicts as scores.
        on_trace: the shares as scores.
    """

    on_spans: tuple[KeyedScore, ...]
    on_trace: tuple[KeyedScore, ...]


def judge_trial(trial: Trial) -> Judgement:
    """Judges every step of a trial."""
    said = judged(trial)
    scores = (_score(verdict, step_key(trial, verdict.step)) for verdict in said.verdicts)
    return Judgement(
        verdicts=said.verdicts,
        shares=said.shares,
        on_spans=tuple(score for score in scores if score is not None),
        on_trace=tuple(KeyedScore(trial_key(trial), name, round(share, 9)) for name, share in said.shares.items()),
    )


def store_verdicts(
    judgements: Sequence[Judgement], traces: Mapping[str, Stored], spans: Mapping[str, Stored], store: OpikStore
) -> int:
    """Stores the verdicts on trials as scores; those of an earlier run that no longer hold are removed.

    Args:
        judgements: of each trial.
        traces: the trials' stored traces, by key.
        spans: their stored spans, by key.
        store: where they are.

    Returns:
        How many scores were written or removed.
    """
    on_spans = [score for one in judgements for score in one.on_spans]
    on_traces = [score for one in judgements for score in one.on_trace]
    written = write_scores(on_spans, spans, _is_by_a_rule, store.score_spans, store.delete_span_score)
    return written + write_scores(on_traces, traces, _is_share, store.score_traces, store.delete_trace_score)


def _is_by_a_rule(score: Score) -> bool:
    """Whether a rule gave this score: what others gave under a criterion's name is not the rules' to take away."""
    return score.name in criteria() and "by rule:" in (score.reason or "").rpartition("\n")[2]


def _is_share(score: Score) -> bool:
    """Whether a trace's score is one of the roll-up."""
    return score.name.removesuffix("_flagged") in criteria() and score.name.endswith("_flagged")


def _score(verdict: Verdict, key: str) -> KeyedScore | None:
    """A verdict as a feedback score: label as category, everything it says as the reason."""
    if verdict.value is None:
        return None
    reason = [verdict.explanation]
    if verdict.better_action is not None:
        reason.append(f"Better: {verdict.better_action}")
    reason.extend(f"Step {quote.step}: “{quote.quote}”" for quote in verdict.evidence)
    by = verdict.by if verdict.prompt_version is None else f"{verdict.by}, prompt {verdict.prompt_version}"
    reason.append(f"[{verdict.category.value}; by {by}]" if verdict.category is not None else f"[by {by}]")
    return KeyedScore(key, verdict.criterion, round(verdict.value, 9), verdict.label, "\n".join(reason))
