"""Stage 4: judge every agent step, and put the verdicts on its span and their roll-up on the trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapter.opik_rows import trial_key
from adapter.opik_store import OpikStore, Score
from adapter.trial import Trial
from judges.criteria import criteria
from judges.rollup import rollup
from judges.rules import judge
from judges.verdict import Verdict
from pipelines.progress import Advance
from pipelines.scores import write_scores
from pipelines.upload import Uploaded, span_id

type Verdicts = Mapping[str, Sequence[Verdict]]
"""By trial name."""


def judge_trials(trials: Sequence[Trial], advance: Advance) -> dict[str, list[Verdict]]:
    """The verdicts on every trial. A step that no judge speaks of has none."""
    verdicts: dict[str, list[Verdict]] = {}
    for trial in trials:
        verdicts[trial.name] = judge(trial)
        advance(1)
    return verdicts


def store_verdicts(trials: Sequence[Trial], verdicts: Verdicts, uploaded: Uploaded, store: OpikStore) -> int:
    """Stores verdicts as scores; those of an earlier run that no longer hold are removed.

    Returns:
        How many scores were written or removed.
    """
    on_spans: list[Score] = []
    on_traces: list[Score] = []
    for trial in trials:
        on_spans.extend(
            score
            for verdict in verdicts[trial.name]
            if (score := _score(verdict, span_id(uploaded, trial, verdict.step))) is not None
        )
        trace = uploaded.traces[trial_key(trial)].id
        shares = rollup(trial, list(verdicts[trial.name]))
        on_traces.extend(Score(trace, name, round(share, 9)) for name, share in shares.items())
    written = write_scores(on_spans, uploaded.spans.values(), _is_by_a_rule, store.score_spans, store.delete_span_score)
    return written + write_scores(
        on_traces, uploaded.traces.values(), _is_share, store.score_traces, store.delete_trace_score
    )


def _is_by_a_rule(score: Score) -> bool:
    """Whether a rule gave this score: what others gave under a criterion's name is not the rules' to take away."""
    return score.name in criteria() and "by rule:" in (score.reason or "").rpartition("\n")[2]


def _is_share(score: Score) -> bool:
    """Whether a trace's score is one of the roll-up."""
    return score.name.removesuffix("_flagged") in criteria() and score.name.endswith("_flagged")


def _score(verdict: Verdict, row_id: str) -> Score | None:
    """A verdict as a feedback score: label as category, everything it says as the reason."""
    if verdict.value is None:
        return None
    reason = [verdict.explanation]
    if verdict.better_action is not None:
        reason.append(f"Better: {verdict.better_action}")
    reason.extend(f"Step {quote.step}: “{quote.quote}”" for quote in verdict.evidence)
    by = verdict.by if verdict.prompt_version is None else f"{verdict.by}, prompt {verdict.prompt_version}"
    reason.append(f"[{verdict.category.value}; by {by}]" if verdict.category is not None else f"[by {by}]")
    return Score(row_id, verdict.criterion, round(verdict.value, 9), verdict.label, "\n".join(reason))
