"""The store's own pages: saved views and comparisons as plain HTML, at the paths Opik's own UI has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jinja2
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from adapter.embedded_opik import dashboards, ids, page_data, projects, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# HTML inside markdown stays text, and an image is only ever one that is in the page itself.
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


def _number(value: object) -> str:
    """A cell: a number with at most four decimals, unknown as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["cell"] = _number
# Safe: markdown-it escapes everything it does not itself produce (html is off) and refuses script links.
_ENVIRONMENT.filters["markdown"] = lambda text: Markup(_MARKDOWN.render(str(text)))  # noqa: S704


def _page(template: str, **values: object) -> Response:
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**values), headers=_HEADERS)


def _missing(what: str) -> Response:
    html = _ENVIRONMENT.get_template("missing.html").render(what=what)
    return HTMLResponse(html, 404, headers=_HEADERS)


def links(store: Store) -> APIRouter:
    """The address the SDK prints when it begins to log: it leads to the trace's project."""
    api = APIRouter(include_in_schema=False)

    @api.get("/api/v1/session/redirect/projects/")
    def project_of_trace(trace_id: str) -> Response:
        with store.read() as connection:
            row = connection.execute("SELECT project_id FROM traces WHERE id = ?", (trace_id.lower(),)).fetchone()
        if row is None:
            return _missing("There is no trace of this id.")
        return RedirectResponse(f"/opik/default/projects/{row['project_id']}/", 307, headers=_HEADERS)

    return api


def router(store: Store, *, has_reports: bool = False) -> APIRouter:
    """The pages. They only read, and hold no script.

    Args:
        store: what they show.
        has_reports: whether there are pages at `/reports/`, too.
    """
    pages = APIRouter(include_in_schema=False)

    @pages.get("/")
    @pages.get("/{workspace}/dashboards")
    @pages.get("/opik/{workspace}/dashboards")
    @pages.get("/{workspace}/projects/{project_id}/dashboards")
    @pages.get("/opik/{workspace}/projects/{project_id}/dashboards")
    def saved_views(workspace: str = "default", project_id: str | None = None) -> Response:
        with store.read() as connection:
            rows = connection.execute(
                "SELECT id, name, description, last_updated_at FROM dashboards "
                "WHERE ? IS NULL OR project_id = ? ORDER BY last_updated_at DESC LIMIT 1000",
                (project_id, project_id),
            ).fetchall()
        views = [dict(row) for row in rows]
        return _page("views.html", workspace=workspace, views=views, has_reports=has_reports)

    @pages.get("/{workspace}/dashboards/{dashboard_id}")
    @pages.get("/opik/{workspace}/dashboards/{dashboard_id}")
    @pages.get("/{workspace}/projects/{project_id}/dashboards/{dashboard_id}")
    @pages.get("/opik/{workspace}/projects/{project_id}/dashboards/{dashboard_id}")
    def saved_view(workspace: str, dashboard_id: str) -> Response:
        with store.read() as connection:
            try:
                row = dashboards.find(connection, dashboard_id)
            except RefusedError:
                return _missing("There is no saved view at this address.")
            sections = page_data.sections(connection, wire.loads(row["config"]))
        view = {name: row[name] for name in ("name", "description", "last_updated_at")}
        return _page("view.html", workspace=workspace, view=view, sections=sections)

    @pages.get("/{workspace}/redirect/projects")
    @pages.get("/opik/{workspace}/redirect/projects")
    def project_by_name(workspace: str, name: str = "") -> Response:
        with store.read() as connection:
            project = projects.find(connection, name)
        if project is None:
            return _missing("There is no project of this name.")
        return RedirectResponse(f"/opik/{ids.path_part(workspace)}/projects/{project}/", 307, headers=_HEADERS)

    @pages.get("/{workspace}/projects/{project_id}")
    @pages.get("/opik/{workspace}/projects/{project_id}")
    @pages.get("/opik/{workspace}/projects/{project_id}/")
    @pages.get("/{workspace}/projects/{project_id}/traces")
    @pages.get("/opik/{workspace}/projects/{project_id}/traces")
    def project(workspace: str, project_id: str) -> Response:
        with store.read() as connection:
            found = page_data.project(connection, project_id)
        if found is None:
            return _missing("There is no project at this address.")
        return _page("project.html", workspace=workspace, project=found)

    @pages.get("/{workspace}/experiments/{dataset_id}/compare")
    @pages.get("/opik/{workspace}/experiments/{dataset_id}/compare")
    @pages.get("/{workspace}/projects/{project_id}/experiments/{dataset_id}/compare")
    @pages.get("/opik/{workspace}/projects/{project_id}/experiments/{dataset_id}/compare")
    def compare(workspace: str, dataset_id: str, experiments: str = "[]") -> Response:
        try:
            wanted = [ids.uuid_text(i, "Experiment") for i in wire.string_list(experiments, "experiments")]
        except RefusedError:
            return _missing("The address names no experiments (?experiments=[...]).")
        with store.read() as connection:
            found = page_data.comparison(connection, dataset_id, wanted)
        return _page("compare.html", workspace=workspace, comparison=found)

    return pages
