"""Saved views: shapes that Opik's SDK accepts, the same for the same comparison, inert whatever a job holds."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tabled import trial, trials

from views.comparisons import compare
from views.dashboards import (
    EXPERIMENT_SCORES,
    FLAGGED_SCORES,
    dashboard,
    experiment_scores,
)
from views.escaped import code, escaped
from views.metrics import variant_results
from views.view_text import ExperimentRef
from views.widgets import DashboardSpec

if TYPE_CHECKING:
    from views.results import Comparison

EXPERIMENTS = {
    "kilo@1.0/lab/small": [ExperimentRef("id-2", "bench/kilo@1.0/one"), ExperimentRef("id-1", "bench/kilo@1.0/two")],
    "kilo@2.0/lab/small": [ExperimentRef("id-3", "bench/kilo@2.0/one")],
    "of another comparison": [ExperimentRef("id-4", "elsewhere")],
}
HOSTILE = [
    "a|b",
    "a\\|b",
    "`a`|`b`",
    "line\nbreak | x\r\n\r\n# title",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "https://evil.example/?q=1",
    "www.evil.example",
    "me@evil.example",
    "&lt;b&gt;",
    "**bold** _it_ ~~no~~",
    "<https://evil.example>",
    "right\u202eleft",
    "",
]


def comparison(*, task: str = "task", job: str = "job", dataset: str = "bench") -> Comparison:
    rows = [
        trial(
            f"{task}{place}",
            "passed" if place < passes else "failed",
            version=version,
            job=job,
            dataset=dataset,
            flagged_tool_choice=0.5,
        )
        for version, passes in [("1.0", 3), ("2.0", 9)]
        for place in range(10)
    ]
    (found,) = compare(trials(*rows, trial("x", "infrastructure_error", job=job, dataset=dataset)), allow_unequal=True)
    return found


def widgets(spec: DashboardSpec) -> dict[str, dict[str, Any]]:
    sections: list[dict[str, Any]] = spec.sections  # type: ignore[assignment]
    return {widget["type"]: widget for section in sections for widget in section["widgets"]}


def markdown(spec: DashboardSpec) -> str:
    return widgets(spec)["text_markdown"]["config"]["content"]


def rendered(text: str) -> str:
    """The text as a lenient renderer shows it: with HTML, tables and strike-through."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)


def test_the_sdk_accepts_the_sections_as_they_are() -> None:
    from opik.api_objects.dashboard import types, validation

    spec = dashboard(comparison(), EXPERIMENTS)
    configs = {
        "text_markdown": types.TextMarkdownConfig,
        "experiment_leaderboard": types.ExperimentLeaderboardConfig,
        "experiments_feedback_scores": types.ExperimentsFeedbackScoresConfig,
    }
    assert set(widgets(spec)) == set(configs)
    validation.validate_structure({"sections": copy.deepcopy(spec.sections)})
    for kind, widget in widgets(spec).items():
        validation.validate_widget_for_dashboard(widget, spec.kind)
        config = configs[kind].model_validate(widget["config"])
        assert not config.model_extra, "a misspelt setting would be ignored in silence"
        assert config.to_jsonable() == widget["config"]
    for section in spec.sections:
        assert types.DashboardSection.model_validate(section).to_jsonable() == section


def test_an_unchanged_comparison_gives_the_same_bytes_whatever_the_order_of_the_experiments() -> None:
    once = dashboard(comparison(), EXPERIMENTS)
    turned = {name: refs[::-1] for name, refs in reversed(EXPERIMENTS.items())}
    again = dashboard(comparison(), turned)
    assert json.dumps(once.sections) == json.dumps(again.sections)
    assert (once.name, once.description) == (again.name, again.description)


def test_dashboards_of_different_comparisons_share_no_id() -> None:
    one, other = (dashboard(comparison(dataset=dataset), EXPERIMENTS) for dataset in ("bench", "bench2"))
    assert one.name != other.name
    assert not {widget["id"] for widget in widgets(one).values()} & {widget["id"] for widget in widgets(other).values()}


def test_leaderboard_and_chart_show_the_experiments_of_the_comparison_and_no_others() -> None:
    found = widgets(dashboard(comparison(), EXPERIMENTS))
    for kind in ("experiment_leaderboard", "experiments_feedback_scores"):
        (only,) = found[kind]["config"]["filters"]
        assert (only["field"], only["operator"], only["value"]) == ("experiment_ids", "=", "id-1,id-2,id-3")
    board = found["experiment_leaderboard"]["config"]
    assert board["rankingMetric"] == "experiment_scores.pass_rate"
    assert board["maxRows"] == 3
    assert {f"experiment_scores.{name}" for name in EXPERIMENT_SCORES} <= set(board["selectedColumns"])
    chart = found["experiments_feedback_scores"]["config"]
    assert chart["feedbackScores"] == ["reward", *FLAGGED_SCORES]


def test_without_a_stored_experiment_nothing_shows_the_whole_workspace() -> None:
    spec = dashboard(comparison(), {})
    assert list(widgets(spec)) == ["text_markdown"]
    assert "No experiment is stored" in markdown(spec)


def test_more_experiments_than_opik_shows_are_said() -> None:
    many = {"kilo@1.0/lab/small": [ExperimentRef(f"id-{place:03}", "x") for place in range(150)]}
    spec = dashboard(comparison(), many)
    assert widgets(spec)["experiment_leaderboard"]["config"]["maxRows"] == 100
    assert "show 100 of 150 experiments" in markdown(spec)


def test_the_text_says_the_answer_the_numbers_and_where_they_come_from() -> None:
    found = comparison(job="night-run")
    text = markdown(dashboard(found, EXPERIMENTS))
    assert "**On the 10 tasks both ran, kilo@2.0 passes more than kilo@1.0" in text
    assert "1 infrastructure error" in text
    assert "`task3`, `task4`" in text
    assert "`night-run`" in text
    # What tells the variants apart, once in full.
    assert "`2.0` (b) against `1.0` (a), on 10 tasks that both ran:" in text
    assert text.count("kilo@2.0/lab/small") == 1
    assert "permutation test" in text
    assert "not known on both sides for 10 of 10 tasks" in text
    assert "effort not recorded, other settings at their defaults" in text


def test_a_success_that_never_came_costs_infinitely_much() -> None:
    rows = [trial(f"task{place}", version=version, status="failed") for version in ("1.0", "2.0") for place in range(3)]
    (found,) = compare(trials(*rows))
    assert "∞ (no success)" in rendered(markdown(dashboard(found, EXPERIMENTS)))


def test_long_names_fit_opik_and_stay_apart() -> None:
    one, other = (dashboard(comparison(dataset="d" * 200 + end), EXPERIMENTS) for end in "ab")
    assert len(one.name) <= 120
    assert one.name != other.name
    assert len(one.description) <= 1000


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_and_do_nothing(text: str) -> None:
    plain = rendered(markdown(dashboard(comparison(), EXPERIMENTS)))
    refs = {"kilo@1.0/lab/small": [ExperimentRef("id-1", text)]}
    spec = dashboard(comparison(task=text, job=text or "job", dataset=text or "bench"), refs)
    html = rendered(markdown(spec))
    for tag in ("<td", "<tr", "<table", "<h3", "<strong"):
        assert html.count(tag) == plain.count(tag), tag
    for tag in ("<a", "<img", "<script", "<h1", "<em", "<s>"):
        assert tag not in html
    json.dumps(spec.sections).encode()
    markdown(spec).encode()


@pytest.mark.parametrize("text", ["https://evil.example", "HTTP://x.y", "www.evil.example", "me@evil.example"])
def test_addresses_are_broken_for_renderers_that_link_them_without_markup(text: str) -> None:
    assert text not in escaped(text)
    assert "\u2060" in escaped(text)


@pytest.mark.parametrize("name", ["kilo@7.7.9/lab/small+high#ab12", "terminal-bench/fix_git", "it's", "a & b"])
def test_ordinary_names_are_shown_unchanged_and_can_be_copied(name: str) -> None:
    (shown,) = MarkdownIt("commonmark").parseInline(code(name))
    assert "".join(token.content for token in shown.children or []) == name


def test_half_a_character_can_still_be_sent() -> None:
    assert escaped("half \ud800").encode().decode() == "half \ufffd"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_one_cell_of_text(text: str) -> None:
    html = rendered(f"| head | tail |\n| --- | --- |\n| {code(text)} | {escaped(text)} |\n")
    assert html.count("<td>") == 2
    inside = html.replace("<code>", "").replace("</code>", "").split("<td>")[1:]
    assert all("<" not in cell.split("</td>")[0] for cell in inside)


def test_an_experiment_carries_only_what_is_known() -> None:
    (known,) = variant_results(trials(trial("a", seconds=4.0), trial("b", "failed")))
    assert experiment_scores(known) == {
        "pass_rate": 0.5,
        "cost_per_attempt_usd": 1.0,
        "cost_to_complete_usd": 2.0,
        "seconds_per_attempt": 4.0,
        "pass@1": 0.5,
    }
    (bound,) = variant_results(trials(trial("a"), trial("b", cost_usd=None)))
    assert "cost_to_complete_usd" not in experiment_scores(bound), "a lower bound is not a known number"
    (nothing,) = variant_results(trials(trial("a", "infrastructure_error")))
    assert experiment_scores(nothing) == {}
