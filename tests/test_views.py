"""`kilobench views`, and what is saved beside the views of comparisons: read back from the store, the same twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from builder import JobBuilder
from faults import Fault, FaultyProxy, status
from test_pages import flipping

from adapter import opik_dashboards
from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from pipelines.compare_results import CompareResult
from pipelines.view_results import DeletedViews, OpenedView, ShownView, ViewList

COMPARED = re.compile(r"\[([^\]]*)\]\([^)\s]*/compare\?experiments=([^)\s]*)\)")


@pytest.fixture
def saved(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> list[str]:
    """The names of a project's views: one comparison, two standing ones, one of the steps."""
    result = kilobench("compare", flipping(tmp_path), "--opik", server.url, "--project", "p", "--json")
    assert result.code == 0
    views = [view["name"] for one in result.json["comparisons"] for view in one["dashboards"]]
    return [*views, *(view["name"] for view in result.json["views"])]


def ask(kilobench: Any, server: EmbeddedOpik, *arguments: str) -> Any:
    return kilobench("views", *arguments, "--opik", server.url, "--project", "p")


def test_all_views_of_a_project_are_listed_and_no_other(
    saved: list[str], server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    connection.client.create_dashboard("p: of somebody else", type="experiments", sections=[])
    connection.client.create_dashboard("elsewhere", type="experiments", sections=[])
    result = ask(kilobench, server, "list", "--json")
    listed = ViewList.model_validate(result.json)
    assert [one.name for one in listed.views] == sorted(saved)
    assert len(saved) == 4
    assert {one.kind for one in listed.views} == {"experiments", "multi_project"}
    plain = ask(kilobench, server, "list").out
    assert all(name in plain for name in saved)


def test_a_view_is_shown_by_its_name_with_and_without_the_project_and_by_its_id(
    saved: list[str], server: EmbeddedOpik, kilobench: Any
) -> None:
    name = next(one for one in saved if "model-vs-model on" in one)
    by_name = ShownView.model_validate(ask(kilobench, server, "show", name, "--json").json)
    assert (
        by_name
        == ShownView.model_validate(ask(kilobench, server, "show", name.removeprefix("p: "), "--json").json)
        == ShownView.model_validate(ask(kilobench, server, "show", by_name.view.id, "--json").json)
    )
    assert "pass rate" in by_name.text
    said = ask(kilobench, server, "show", name).out
    assert "pass rate" in said
    # The flipped task is named; the links to its traces, which no cell has room for, stay in the view.
    assert "[a1](http" in by_name.text
    assert "traces?trace" not in said
    assert "1: a/plain" in said


def test_a_name_that_is_not_there_is_told_with_those_that_are(
    saved: list[str], server: EmbeddedOpik, kilobench: Any
) -> None:
    result = ask(kilobench, server, "show", "steps")
    assert result.code == 2
    assert "p: steps over time" in result.err
    assert "standing" not in result.err
    empty = kilobench("views", "show", "x", "--opik", server.url, "--project", "q")
    assert empty.code == 2
    assert "has no saved view" in empty.err


def test_deleted_views_are_gone_and_the_next_comparison_makes_them_again(
    tmp_path: Path, saved: list[str], server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    connection.client.create_dashboard("p: of somebody else", type="experiments", sections=[])
    assert ask(kilobench, server, "delete", saved[0], "nothing").code == 2
    assert len(ask(kilobench, server, "list", "--json").json["views"]) == 4
    result = ask(kilobench, server, "delete", saved[0], "--json")
    assert [one.name for one in DeletedViews.model_validate(result.json).deleted] == [saved[0]]
    assert len(ask(kilobench, server, "delete", "--all", "--json").json["deleted"]) == 3
    assert [one.name for one in connection.client.get_dashboards()] == ["p: of somebody else"]
    again = kilobench("compare", "--opik", server.url, "--project", "p", "--json").json
    assert again["written"]["dashboards"] == 4


@pytest.mark.parametrize("arguments", [("delete",), ("delete", "x", "--all")])
def test_what_to_delete_must_be_said(server: EmbeddedOpik, kilobench: Any, arguments: tuple[str, ...]) -> None:
    result = ask(kilobench, server, *arguments)
    assert result.code == 2
    assert "--all" in result.err


def test_a_view_is_opened_where_its_server_answers(
    saved: list[str], server: EmbeddedOpik, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: asked.append(url) is None)
    result = ask(kilobench, server, "open", saved[0], "--json")
    opened = OpenedView.model_validate(result.json)
    assert opened.opened
    assert asked == [opened.view.url]
    assert opened.view.url.startswith(server.url.removesuffix("/api"))


def test_a_view_whose_server_does_not_answer_is_not_opened(kilobench: Any, tmp_path: Path) -> None:
    kilobench("compare", flipping(tmp_path), "--json")
    result = kilobench("views", "open", "steps over time")
    assert result.code == 2
    assert "kilobench serve" in result.err


def test_standing_views_and_that_of_the_steps_pass_the_sdk_s_own_checks(
    saved: list[str], connection: Connection
) -> None:
    from opik.api_objects.dashboard import types, validation

    configs = {
        "text_markdown": types.TextMarkdownConfig,
        "experiment_leaderboard": types.ExperimentLeaderboardConfig,
        "experiments_feedback_scores": types.ExperimentsFeedbackScoresConfig,
        "project_metrics": types.ProjectMetricsConfig,
    }
    found = {one.name: one for one in connection.client.get_dashboards()}
    assert set(found) == set(saved)
    kinds: set[str] = set()
    for one in found.values():
        assert one.config["version"] == opik_dashboards.SCHEMA_VERSION == types.DASHBOARD_VERSION
        validation.validate_structure(one.config)
        for section in one.config["sections"]:
            for widget in section["widgets"]:
                validation.validate_widget_for_dashboard(widget, one.type)
                config = configs[widget["type"]].model_validate(widget["config"])
                # The SDK's own `add_widget` writes `projectId`, and its model does not name it.
                extra = set(config.model_extra or ()) - {"projectId"}
                assert not extra, "a misspelt setting would be ignored in silence"
                kinds.add(widget["type"])
    assert kinds == set(configs)


def test_a_second_run_writes_no_view(saved: list[str], server: EmbeddedOpik, kilobench: Any) -> None:
    before = ask(kilobench, server, "list", "--json").json
    again = kilobench("compare", "--opik", server.url, "--project", "p", "--json").json
    assert again["written"]["dashboards"] == 0
    assert ask(kilobench, server, "list", "--json").json == before


def test_a_view_leads_to_opiks_own_page_with_its_experiments_and_to_that_with_all_of_the_dataset(
    tmp_path: Path, server: EmbeddedOpik, kilobench: Any
) -> None:
    root = flipping(tmp_path)
    JobBuilder(root, "another").trial(agent="other", version="3.0")
    kilobench("run", root, "--opik", server.url, "--project", "p")
    # What is compared does not change what the dataset holds.
    result = kilobench("compare", *root.glob("[!a]*"), "--opik", server.url, "--project", "p", "--json")
    (view,) = result.json["comparisons"][0]["dashboards"]
    text = ShownView.model_validate(ask(kilobench, server, "show", view["id"], "--json").json).text
    links = {words: len(re.findall(r"[0-9a-f-]{36}", listed)) for words, listed in COMPARED.findall(text)}
    assert links == {"Compare them item by item in Opik": 2, "All experiments of the dataset": 3}


def test_the_next_run_appears_in_the_standing_view_by_itself(
    tmp_path: Path, saved: list[str], server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    from builder import JobBuilder

    job = JobBuilder(tmp_path, "later")
    job.trial(model="openai/gpt-6")
    assert kilobench("upload", job.path, "--opik", server.url, "--project", "p").code == 0
    view = next(one for one in connection.client.get_dashboards() if "model-vs-model, standing" in one.name)
    page = httpx.get(connection.view_url(view.id)).text
    assert "toy@1.0/openai/gpt-6/later" in page


@pytest.fixture
def refusing(server: EmbeddedOpik) -> Iterator[str]:
    """An Opik that takes everything but dashboards."""
    refused = status(422, body=b'{"errors": ["the dashboard is of another version"]}')

    def plan(_: int, call: str) -> Fault | None:
        return refused if "/dashboards" in call and not call.startswith("GET") else None

    with FaultyProxy(server.url) as proxy:
        proxy.plan = plan
        yield proxy.url


def test_an_opik_that_refuses_a_dashboard_gets_a_warning_and_everything_else_goes_on(
    tmp_path: Path, refusing: str, kilobench: Any
) -> None:
    report = tmp_path / "report"
    result = kilobench("compare", flipping(tmp_path), "--opik", refusing, "--report", report, "--json")
    assert result.code == 0
    told = CompareResult.model_validate(result.json)
    assert len(told.warnings) == 4
    assert all("another version" in warning for warning in told.warnings)
    assert [one.dashboards for one in told.comparisons] == [()]
    assert told.views == ()
    assert (report / "index.html").is_file()
    assert told.written.traces == 12


def test_a_newer_schema_of_the_sdk_is_not_written_to(
    tmp_path: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opik.api_objects.dashboard.types.DASHBOARD_VERSION", 5)
    result = kilobench("compare", flipping(tmp_path), "--opik", server.url, "--json")
    assert result.code == 0
    assert all("schema version 5" in warning for warning in result.json["warnings"])
    assert len(result.json["warnings"]) == 4
    assert connection.client.get_dashboards() == []
