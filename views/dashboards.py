"""A comparison as an Opik dashboard of the type "experiments": pure, and the same for the same comparison.

Nothing in it depends on the time or on chance, so that an unchanged comparison changes nothing in Opik. The
shapes are those of the frontend's dashboard schema, version 4, which `opik.api_objects.dashboard` checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from views.headline import headline
from views.results import Comparison, Estimate, VariantResult
from views.tables import CRITERIA
from views.view_text import ExperimentRef, Links, view_text
from views.widgets import MOST_EXPERIMENTS, DashboardSpec, Json, condition, section, spec, widget

EXPERIMENT_SCORES = (
    "pass_rate",
    "cost_per_attempt_usd",
    "cost_to_complete_usd",
    "tokens_per_attempt",
    "seconds_per_attempt",
)
"""Names of the scores that an experiment carries as a whole."""

FLAGGED_SCORES = tuple(f"{criterion}_flagged" for criterion in CRITERIA)
"""Names of the trace scores that hold the share of agent steps flagged, one per criterion."""

REWARD_SCORE = "reward"
"""Name of the trace score that holds the deciding reward."""


def experiment_scores(result: VariantResult) -> dict[str, float]:
    """The scores of an experiment as a whole, by `EXPERIMENT_SCORES`, and `pass@k` for every k that its attempts allow.

    What is not known is absent, and so is a lower bound: a score has no place to say that it is one.
    """
    estimates: dict[str, Estimate] = {name: getattr(result, name) for name in EXPERIMENT_SCORES}
    known = {name: one.value for name, one in estimates.items() if one.value is not None and not one.at_least}
    return known | {f"pass@{k}": one.value for k, one in result.pass_at_k.items() if one.value is not None}


def dashboard(
    comparison: Comparison, experiments: Mapping[str, Sequence[ExperimentRef]], links: Links | None = None
) -> DashboardSpec:
    """The dashboard of a comparison: the answer as text, a leaderboard and a chart of the scores.

    Args:
        comparison: what to show.
        experiments: the stored experiments of each variant, by the variant's name. Without any, the leaderboard
            and the chart are left out: unfiltered they would show the whole workspace.
        links: what its text leads to; None for nothing.
    """
    name = comparison.name
    refs = sorted(
        {ref.id: ref for one in comparison.variants for ref in experiments.get(one.variant, ())}.values(),
        key=lambda ref: ref.id,
    )
    content: Json = {"content": view_text(comparison, refs, links or Links())}
    text = widget(name, "text_markdown", "text_markdown", "Answer", content)
    sections = [section(name, "Answer", [(text, 12)])]
    if refs:
        named = [condition(name, "filter", "experiment_ids", ",".join(ref.id for ref in refs))]
        most = min(len(refs), MOST_EXPERIMENTS)
        # Opik groups no experiments that are named one by one: the standing views have the groups.
        widgets = [(leaderboard(name, named, most), 6), (score_chart(name, named, most, []), 6)]
        sections.append(section(name, "Experiments", widgets))
    return spec(name, headline(comparison), sections)


def leaderboard(name: str, filters: list[Json], most: int) -> Json:
    """A widget that ranks experiments by pass rate.

    Args:
        name: of the dashboard.
        filters: which experiments.
        most: how many of them.
    """
    scores = [f"experiment_scores.{name}" for name in EXPERIMENT_SCORES]
    scores += [f"feedback_scores.{name}" for name in (REWARD_SCORE, *FLAGGED_SCORES)]
    metadata = ["metadata.agent_version", "metadata.model", "metadata.job"]
    # Opik's own cost column is left out: it shows an unknown cost as $0.
    config: Json = {
        "selectedColumns": ["trace_count", "duration.p50", *metadata, *scores],
        "columnsOrder": ["trace_count", "duration.p50"],
        "metadataColumnsOrder": metadata,
        "scoresColumnsOrder": scores,
        "enableRanking": True,
        "rankingMetric": "experiment_scores.pass_rate",
        "rankingDirection": True,  # high first
        "filters": filters,
        "maxRows": most,
    }
    return widget(name, "experiment_leaderboard", "experiment_leaderboard", "Leaderboard", config)


def score_chart(name: str, filters: list[Json], most: int, groups: list[Json]) -> Json:
    """A widget with bars of the mean scores of experiments, or of groups of them.

    Args:
        name: of the dashboard.
        filters: which experiments.
        most: how many of them.
        groups: what they are grouped by; empty for a bar each.
    """
    config: Json = {
        "chartType": "bar",
        "feedbackScores": [REWARD_SCORE, *FLAGGED_SCORES],
        "filters": filters,
        "groups": groups,
        "maxExperimentsCount": most,
    }
    kind = "experiments_feedback_scores"
    return widget(name, kind, kind, "Reward and share of steps flagged", config)
