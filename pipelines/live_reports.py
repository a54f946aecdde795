"""Reports on what an Opik holds, made as they are asked for: the pages of `--report`, of every project."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from adapter.errors import BadInputError
from adapter.opik_connection import Connection
from adapter.opik_read import OpikReader
from adapter.prices import PriceBook
from pipelines.comparing import compared
from pipelines.gather import gather_stored
from pipelines.judge_runs import judges_project
from pipelines.known_errors import known_errors
from pipelines.progress import Bars
from pipelines.results import SavedComparison, SavedView
from pipelines.saved import Saved
from pipelines.summary import report_of
from pipelines.trial_view import TrialViews, traces_by_name
from views.headline import headline
from views.pages.html import render
from views.pages.places import INDEX
from views.report import Site
from views.widgets import shortened

_OLD = 600.0
"""Seconds after which a project is read again when its first page is opened."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A project's pages, and when what they show was read."""

    site: Site
    at: float


class LiveReports:
    """The pages. What a project holds is read when its first page is asked for, and kept for the others.

    Args:
        connect: gives the connection; it is called once, when the first page is asked for.
        book: where prices are looked up.
        clock: tells seconds that only go on.
    """

    def __init__(
        self, connect: Callable[[], Connection], book: PriceBook, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._book = book
        self._clock = clock
        self._connection: Connection | None = None
        self._made: dict[str, _Made] = {}
        # One page at a time: a project is read once, however many ask for it.
        self._lock = threading.Lock()

    def projects(self) -> str:
        """The page of all projects, with their reports and saved views.

        Raises:
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        with self._lock:
            connection = self._opened()
            names = OpikReader(connection).projects()
            of_judges = {judges_project(name) for name in names.values()}
            shown = [
                (f"{found}/{INDEX}", name, Saved(connection, name).list().views)
                for found, name in sorted(names.items(), key=lambda one: one[1])
                if name not in of_judges
            ]
        return render("reports.html", INDEX, title="kilobench: reports", projects=shown, address=connection.address)

    def page(self, project_id: str, place: str, *, again: bool = False) -> str:
        """A page of a project's report.

        Args:
            project_id: the project.
            place: where the page is, below the report.
            again: whether to read the project again, although its first page was read a moment ago.

        Raises:
            KeyError: there is no such page.
            BadInputError: there is no such project, or it holds no trial.
            IncompleteError: Opik refuses, or is still in trouble after the last try.
        """
        with self._lock:
            made = self._made.get(project_id)
            is_old = made is not None and place == INDEX and (again or self._clock() - made.at > _OLD)
            if made is None or is_old:
                made = self._made[project_id] = _Made(self._read(project_id), self._clock())
            return made.site.page(place)

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _read(self, project_id: str) -> Site:
        connection = self._opened()
        project = OpikReader(connection).projects().get(project_id)
        if project is None:
            raise BadInputError("There is no such project.", "See /reports/ for those that there are.")
        found = gather_stored((), project, self._book, connection, Bars(quiet=True))
        done = compared(found, judges=known_errors())
        views = {one.name: one for one in Saved(connection, project).list().views}

        def saved(name: str) -> tuple[SavedView, ...]:
            one = views.get(shortened(f"{project}: {name}"))
            return () if one is None else (SavedView(name=one.name, id=one.id, url=one.url),)

        comparisons = [
            SavedComparison(**dict(one), headline=headline(one), dashboards=saved(one.name)) for one in done.comparisons
        ]
        report = report_of(found.jobs, found.notes, found.skipped, done.tables, done.variants, comparisons)
        look = TrialViews(traces_by_name(done.trials, found.traces), connection, self._book)
        return Site(report, look, "all")
