"""The embedded store's pages show saved views and comparisons, and nothing hostile runs in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from opik import id_helpers

from adapter.embedded_opik import EmbeddedOpik

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def _ids(*keys: str) -> dict[str, str]:
    return {key: id_helpers.generate_id(T0) for key in keys}


class Site:
    """A store with two experiments on one task, and the address of its pages."""

    def __init__(self, store: EmbeddedOpik) -> None:
        self.root = store.url.removesuffix("/api")
        self.api = f"{store.url}/v1/private"
        self.ids = _ids("e1", "e2", "t1", "t2", "d1", "i1", "i2", "s1", "s2")
        ids = self.ids
        self.send("PUT", "datasets/items", {"dataset_name": "tasks", "items": [
            {"id": ids["d1"], "source": "sdk", "data": {"task": f"task {SCRIPT}"}}]})  # fmt: skip
        for number, reward in ((1, 1.0), (2, 0.25)):
            trace, start = ids[f"t{number}"], T0.isoformat()
            end = (T0 + timedelta(seconds=number)).isoformat()
            self.send("POST", "traces/batch", {"traces": [
                {"id": trace, "start_time": start, "end_time": end, "project_name": "demo"}]})  # fmt: skip
            self.send("POST", "spans/batch", {"spans": [
                {"id": ids[f"s{number}"], "trace_id": trace, "start_time": start, "project_name": "demo",
                 "total_estimated_cost": number * 1.5}]})  # fmt: skip
            score = {"id": trace, "name": "reward", "value": reward, "source": "sdk", "project_name": "demo"}
            self.send("PUT", "traces/feedback-scores", {"scores": [score]})
            self.send("POST", "experiments", {
                "id": ids[f"e{number}"], "dataset_name": "tasks", "name": f"run {number} {SCRIPT}",
                "tags": ["job:j1"],
                "metadata": {"model": f"model-{number}"}, "project_name": "demo",
                "experiment_scores": [{"name": "pass_rate", "value": reward}]})  # fmt: skip
            self.send("POST", "experiments/items", {"experiment_items": [
                {"id": ids[f"i{number}"], "experiment_id": ids[f"e{number}"], "dataset_item_id": ids["d1"],
                 "trace_id": trace}]})  # fmt: skip

    def send(self, method: str, path: str, body: object) -> httpx.Response:
        answer = httpx.request(method, f"{self.api}/{path}", json=body)
        assert answer.is_success, answer.text
        return answer

    def view(self, *widgets: dict[str, object]) -> str:
        """Save a view with these widgets and return its page."""
        sections = [{"id": "s", "title": f"Section {SCRIPT}", "widgets": list(widgets), "layout": []}]
        body = {"name": f"View {SCRIPT}", "type": "experiments", "config": {"version": 4, "sections": sections}}
        identifier = self.send("POST", "dashboards", body).json()["id"]
        answer = httpx.get(f"{self.root}/default/dashboards/{identifier}")
        assert answer.status_code == 200
        return answer.text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmbeddedOpik(tmp_path_factory.mktemp("pages") / "store.db") as store:
        yield Site(store)


def _widget(kind: str, **config: object) -> dict[str, object]:
    return {"id": "w", "type": kind, "title": f"Title {SCRIPT}", "config": config}


def test_markdown_is_rendered_and_planted_html_stays_text(site: Site) -> None:
    text = f"**bold** {SCRIPT} [x](javascript:alert(1))\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    page = site.view(_widget("text_markdown", content=text))
    assert "<strong>bold</strong>" in page
    assert "<td>1</td>" in page
    assert "<script" not in page
    assert 'href="javascript' not in page
    assert page.count(ESCAPED) >= 4


def test_a_leaderboard_shows_the_columns_of_the_matching_experiments_best_first(site: Site) -> None:
    page = site.view(
        _widget(
            "experiment_leaderboard",
            selected_columns=["name", "dataset_id", "tags", "trace_count", "total_estimated_cost", "pass_rate",
                              "metadata.model", "feedback_scores.reward", "experiment_scores.nowhere"],
            filters=[{"id": "f", "field": "tags", "type": "list", "operator": "contains", "value": "job:j1"}],
            enable_ranking=True, ranking_metric="feedback_scores.reward", ranking_direction=True, max_rows=10,
        )
    )  # fmt: skip
    cells = "".join(f"<td>{value}</td>" for value in ("tasks", "job:j1", 1, "1.5", 1, "model-1", 1, "–"))
    assert cells in page
    assert page.index("model-1") < page.index("model-2")


@pytest.mark.parametrize(
    ("field", "key", "value", "shown"),
    [
        ("experiment_ids", "", "e1", {"model-1"}),
        ("experiment_ids", "", "e2,e1", {"model-1", "model-2"}),
        ("metadata", "model", "model-2", {"model-2"}),
        ("tags", "", "job:other", set[str]()),
    ],
)
def test_a_leaderboard_follows_its_filters(site: Site, field: str, key: str, value: str, shown: set[str]) -> None:
    named = ",".join(site.ids.get(part, part) for part in value.split(","))
    operator = "contains" if field == "tags" else "="
    wanted = {"id": "f", "field": field, "operator": operator, "key": key, "value": named}
    page = site.view(_widget("experiment_leaderboard", selected_columns=["metadata.model"], filters=[wanted]))
    assert {model for model in ("model-1", "model-2") if model in page} == shown
    assert ("No experiment matches." in page) == (not shown)


def test_scores_are_shown_as_means_per_group(site: Site) -> None:
    group = {"id": "g", "field": "tags", "type": "list", "key": ""}
    page = site.view(_widget("experiments_feedback_scores", groups=[group], feedback_scores=["reward"]))
    assert '<tr><th scope="row">job:j1</th><td>2</td><td>0.625</td></tr>' in page


@pytest.mark.parametrize(
    ("widget", "says"),
    [
        (_widget("project_metrics"), "A project_metrics widget needs Opik"),
        (_widget("experiment_leaderboard", max_rows="many"), "cannot be read"),
        (_widget("experiment_leaderboard", filters=[{"field": "shoe", "operator": "="}]), "unknown field"),
        ({"no": "type"}, "cannot be read"),
    ],
)
def test_a_widget_that_cannot_be_shown_says_so(site: Site, widget: dict[str, object], says: str) -> None:
    assert says in site.view(widget)


def test_every_spelling_of_a_saved_views_address_opens_it(site: Site) -> None:
    body = {"name": "A view", "config": {}}
    identifier = site.send("POST", "dashboards", body).json()["id"]
    for path in (
        f"/default/dashboards/{identifier}",
        f"/opik/default/dashboards/{identifier}",
        f"/default/projects/{id_helpers.generate_id()}/dashboards/{identifier}",
        f"/opik/default/projects/{id_helpers.generate_id()}/dashboards/{identifier}",
    ):
        assert "<h1>A view</h1>" in httpx.get(site.root + path).text, path
    for path in ("/", "/default/dashboards", "/opik/default/dashboards"):
        assert f'href="/default/dashboards/{identifier}"' in httpx.get(site.root + path).text, path


def test_experiments_are_compared_side_by_side_with_the_scores_of_each_task(site: Site) -> None:
    dataset = httpx.get(f"{site.api}/datasets").json()["content"][0]["id"]
    wanted = quote(json.dumps([site.ids["e2"], site.ids["e1"]]))
    page = httpx.get(f"{site.root}/opik/default/experiments/{dataset}/compare?experiments={wanted}").text
    assert page.index("run 2") < page.index("run 1")
    assert '<th scope="row">cost ($)</th><td>3</td><td>1.5</td>' in page
    assert f'<th scope="row">task {ESCAPED}: reward</th><td>0.25</td><td>1</td>' in page
    assert "<script" not in page


def test_a_project_is_found_by_name_and_lists_its_experiments(site: Site) -> None:
    page = httpx.get(f"{site.root}/default/redirect/projects?name=demo", follow_redirects=True)
    assert page.status_code == 200
    assert "2 traces, 2 spans." in page.text
    assert "/compare?experiments=" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/default/dashboards/019ca945-0a00-7a89-94e0-5449e8cb17b8",
        "/default/dashboards/nonsense",
        "/default/redirect/projects?name=nowhere",
        "/default/projects/nowhere",
        "/opik/default/experiments/x/compare?experiments=nonsense",
    ],
)
def test_an_address_of_nothing_is_a_page_that_says_so(site: Site, path: str) -> None:
    answer = httpx.get(site.root + path)
    assert (answer.status_code, "Not found" in answer.text) == (404, True)


def test_pages_allow_no_script_and_no_frame_and_a_link_from_elsewhere_opens_them(site: Site) -> None:
    answer = httpx.get(site.root + "/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    cross = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert httpx.get(site.root + "/", headers=cross | {"sec-fetch-dest": "document"}).status_code == 200
    assert httpx.get(site.root + "/", headers=cross | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert httpx.get(site.root + "/", headers={"host": "evil.example"}).status_code == 403
