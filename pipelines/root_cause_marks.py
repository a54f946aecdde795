"""Root causes as they stand in Opik: a score on the trace, with the reason, and a tag on the span of the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapter.opik_store import OpikStore, Score, Stored
from judges.root_cause.case import CRITERION
from pipelines.investigate_results import Investigation, RootCause
from pipelines.scores import KeyedScore, write_scores

SCORE = "root_cause_step"
TAG = "root-cause"
_OF_A_MODEL = f", prompt {CRITERION}@"
"""Stands in the last line of what a model named that was asked for root causes."""


@dataclass(frozen=True, slots=True)
class Held:
    """What Opik holds of a run.

    Attributes:
        trace: its trace, with its scores.
        spans: the spans of its agent steps, by the step's number.
    """

    trace: Stored
    spans: Mapping[int, Stored] = field(default_factory=dict[int, Stored])


def mark(found: Sequence[tuple[str, Investigation]], held: Mapping[str, Held], store: OpikStore) -> int:
    """Brings scores and tags to what the investigations say; those of other runs stay as they are.

    What a model named stands until a model names something else: the ranking alone neither moves nor removes it.

    Args:
        found: the investigations, each with its run's key.
        held: what Opik holds of the runs, by key.
        store: where that is.

    Returns:
        How many scores were written or removed. A tag follows its score.

    Raises:
        IncompleteError: Opik refuses, or is still in trouble after the last try.
    """
    written = 0
    for key, one in found:
        if key not in held or (_is_of_a_model(held[key]) and not _names_by_a_model(one)):
            continue
        before = _marked(held[key])
        wanted = [] if one.root_cause is None else [_score(key, one, one.root_cause)]
        changed = write_scores(wanted, {key: held[key].trace}, _is_ours, store.score_traces, store.delete_trace_score)
        if not changed:
            continue
        written += changed
        now = None if one.root_cause is None else one.root_cause.step
        for step, tags in ((before, {"remove": [TAG]}), (now, {"add": [TAG]})):
            if step is not None and step in held[key].spans and before != now:
                store.tag_span(held[key].spans[step], **tags)
    return written


def _marked(held: Held) -> int | None:
    """The step that was marked before."""
    scores = held.trace.scores.get(SCORE, ())
    return int(scores[0].value) if scores else None


def _is_of_a_model(held: Held) -> bool:
    """Whether a model named the step that is marked."""
    last = [(one.reason or "").rpartition("\n")[2] for one in held.trace.scores.get(SCORE, ())]
    return any(_OF_A_MODEL in one for one in last)


def _names_by_a_model(one: Investigation) -> bool:
    return one.root_cause is not None and one.root_cause.prompt_version is not None


def _is_ours(score: Score) -> bool:
    return score.name == SCORE


def _score(key: str, one: Investigation, cause: RootCause) -> KeyedScore:
    said = [f"Step {cause.step}: {cause.category}. {cause.explanation}"]
    if cause.better_action is not None:
        said.append(f"Better: {cause.better_action}")
    if one.against is not None:
        said.append(f"Compared with {one.against}.")
    prompt = "" if cause.prompt_version is None else f", prompt {cause.prompt_version}"
    # A line of the judge's own words cannot pass for the last one, which says who spoke.
    said.append(f"[by {cause.by}{prompt}]")
    return KeyedScore(key, SCORE, float(cause.step), cause.category, "\n".join(said))
