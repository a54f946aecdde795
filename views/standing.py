"""Views that stand: what they show is found by tags and by project, so that the next run appears in them by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from views.dashboards import leaderboard, score_chart
from views.escaped import code
from views.results import VariantResult
from views.tables import CRITERIA
from views.widgets import MOST_EXPERIMENTS, DashboardSpec, Json, condition, group, section, spec, widget

type StandingKind = Literal["model", "version"]

_KEYS: dict[StandingKind, str] = {"model": "model", "version": "agent_version"}
_LONGEST_TAG = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """Which standing view: all experiments of an agent on a dataset, grouped by their model or by their version."""

    kind: StandingKind
    dataset: str
    agent: str


def standing_views(datasets: Iterable[tuple[str, Iterable[VariantResult]]]) -> list[Standing]:
    """Both of every agent on every dataset that was run, in a fixed order.

    Args:
        datasets: the variants by the dataset's own name, without its version.
    """
    seen = {(dataset, one.agent) for dataset, several in datasets for one in several}
    return [Standing(kind, dataset, agent) for dataset, agent in sorted(seen) for kind in _KEYS]


def standing_name(project: str, one: Standing) -> str:
    """Its name, which begins with the project's."""
    return f"{project}: {one.kind}-vs-{one.kind}, standing, {one.agent} on {one.dataset}"


def standing_dashboard(project: str, one: Standing) -> DashboardSpec:
    """A leaderboard and a chart of all experiments with the tags of the dataset and the agent.

    Args:
        project: its name. A dashboard belongs to the whole workspace.
        one: which view.
    """
    name = standing_name(project, one)
    tags = [f"dataset:{one.dataset}"[:_LONGEST_TAG], f"agent:{one.agent}"[:_LONGEST_TAG]]
    filters = [
        condition(name, f"tag {tag}", "tags", tag, kind="list", operator="contains") for tag in ("kilobench", *tags)
    ]
    text = (
        f"Every experiment of {code(one.agent)} on {code(one.dataset)} that is stored, also those of other projects: "
        f"they are found by their tags. The chart has a group for each {one.kind}. Whether a difference is real is "
        "said in the views of single comparisons, which hold all else equal."
    )
    widgets = [
        (widget(name, "text_markdown", "text_markdown", "What this shows", {"content": text}), 4),
        (leaderboard(name, filters, MOST_EXPERIMENTS), 8),
        (score_chart(name, filters, MOST_EXPERIMENTS, [group(name, _KEYS[one.kind])]), 6),
    ]
    return spec(
        name, f"Every {one.kind} of {one.agent} on {one.dataset}, as it comes", [section(name, "Standing", widgets)]
    )


def steps_name(project: str) -> str:
    """The name of the view of a project's steps."""
    return f"{project}: steps over time"


def steps_dashboard(project: str, project_id: str) -> DashboardSpec:
    """The scores of a project's steps over time, each by model, with their tokens and time, and what traces cost.

    Args:
        project: its name.
        project_id: its id in Opik.
    """
    name = steps_name(project)

    def metrics(part: str, title: str, kind: str, **more: object) -> tuple[Json, int]:
        config: Json = {"metricType": kind, "chartType": "line", **more, "projectId": project_id}
        return widget(name, part, "project_metrics", title, config), 5

    scores = [
        metrics(
            criterion,
            f"Steps by {criterion.replace('_', ' ')}, by model (1 is good)",
            "SPAN_FEEDBACK_SCORES",
            feedbackScores=[criterion],
            breakdown={"field": "model", "subMetric": criterion},
        )
        for criterion in CRITERIA
    ]
    by_model = {"breakdown": {"field": "model"}}
    spent = [
        metrics("tokens", "Tokens of steps", "SPAN_TOKEN_USAGE"),
        metrics("seconds", "Mean time of a step, by model", "SPAN_AVERAGE_DURATION", **by_model),
        metrics("cost", "Cost of trials", "COST"),
    ]
    sections = [section(name, "Step scores", scores), section(name, "What steps take", spent)]
    return spec(name, f"Scores, tokens and time of the steps in {project}, by when they ran", sections, "multi_project")
