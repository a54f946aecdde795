"""The report: pages that open from disk with no network; each is made when it is asked for, from one trial at most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from views import format as fmt
from views.pages.comparison import comparison_page
from views.pages.html import render
from views.pages.overview import overview
from views.pages.places import INDEX, TRIALS, comparison_place, task_place, trial_place
from views.pages.rows import Row, facts_of, rows_of, tallies_of
from views.pages.task import task_page
from views.pages.trial import siblings_of, trial_page
from views.pages.trial_model import TrialView
from views.report_model import Report
from views.tables import CRITERIA

type Pages = Literal["all", "flips", "none"]
"""Which tasks and trials have pages: all; tasks that a comparison's variants flip, with their trials; or none."""

type Look = Callable[[str], TrialView | str]
"""A trial's steps, by its `job/trial`; or why they cannot be shown."""

_LISTING = ".pages.json"
"""Names the pages that were written, so that the next report in the same folder removes those that it has not."""


def _cannot_look(trial: str) -> str:
    return f"The steps of {trial} were not read."


class Site:
    """The pages of a report.

    Args:
        report: what they show.
        look: reads a trial's steps.
        pages: which tasks and trials have pages.
    """

    def __init__(self, report: Report, look: Look = _cannot_look, pages: Pages = "flips") -> None:
        self._report = report
        self._look = look
        self._rows = rows_of(report.trials)
        self._tallies = tallies_of(self._rows)
        self._comparisons = {comparison_place(one.comparison.name): one for one in report.comparisons}
        self._tasks: dict[str, tuple[str, str]] = {}
        self._trials: dict[str, Row] = {}
        self._choose(pages)
        self._pages = frozenset({INDEX, TRIALS, *self._comparisons, *self._tasks, *self._trials})

    def _choose(self, pages: Pages) -> None:
        """Which tasks and trials have pages."""
        flipped = {
            (one.comparison.dataset, flip.task, variant)
            for one in self._report.comparisons
            for pair in one.comparison.pairs
            for flip in pair.flips
            for variant in (pair.a, pair.b)
        }
        for row in self._rows:
            group, task = row["group"], row["task"]
            if pages == "all" or (pages == "flips" and (group, task, row["variant"]) in flipped):
                self._tasks[task_place(group, task)] = (group, task)
                self._trials[trial_place(row["trial"])] = row

    def places(self) -> Iterator[str]:
        """Where every page is, below the report's folder; the first page comes last."""
        yield from self._trials
        yield from self._tasks
        yield from self._comparisons
        yield TRIALS
        yield INDEX

    def page(self, place: str) -> str:
        """A page as text.

        Raises:
            KeyError: there is none at this place.
        """
        if place == INDEX:
            return overview(self._report, self._rows)
        if place == TRIALS:
            return self._all_trials()
        if place in self._comparisons:
            one = self._comparisons[place]
            behaviour = self._report.behaviour.get(one.comparison.dataset, {})
            return comparison_page(one, self._tallies, behaviour, self._trial_page, self._pages)
        if place in self._tasks:
            group, task = self._tasks[place]
            found = [
                (one.comparison.name, at) for at, one in self._comparisons.items() if one.comparison.dataset == group
            ]
            names = fmt.short_names(self._report.variants.get(group, ()))
            return task_page(group, task, self._by_task.get((group, task), []), names, found, self._trial_page)
        row = self._trials[place]
        return trial_page(row, self._look(row["trial"]), siblings_of(row, self._by_attempt, self._pages), self._pages)

    def _trial_page(self, trial: str) -> str | None:
        place = trial_place(trial)
        return place if place in self._trials else None

    @cached_property
    def _by_task(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self._rows:
            found.setdefault((row["group"], row["task"]), []).append(row)
        return found

    @cached_property
    def _by_attempt(self) -> dict[tuple[str, str, str], list[Row]]:
        found: dict[tuple[str, str, str], list[Row]] = {}
        for row in self._rows:
            found.setdefault((row["group"], row["task"], row["variant"]), []).append(row)
        return found

    def _all_trials(self) -> str:
        return render(
            "trials.html",
            TRIALS,
            title=f"Trials: {self._report.title}",
            home=INDEX,
            trials=self._rows,
            names={group: fmt.short_names(variants) for group, variants in self._report.variants.items()},
            facts=facts_of(self._rows),
            criteria=CRITERIA,
            trial_page=self._trial_page,
        )


def write_report(folder: Path, site: Site) -> Path:
    """Writes a report's pages; see `write_pages`."""
    return write_pages(folder, {place: partial(site.page, place) for place in site.places()})


def write_pages(folder: Path, pages: Mapping[str, Callable[[], str]]) -> Path:
    """Writes pages into a folder, in place of an older report's.

    Args:
        folder: where to; it is made where it is not there.
        pages: by their places below it, each as what makes it; the first page is the last of them.

    Returns:
        The path of the first page, `index.html`.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _listed(folder)
    written: list[str] = []
    for place, make in pages.items():
        page = folder / place
        page.parent.mkdir(exist_ok=True)
        # A reader who opens the page meanwhile sees the old one or the new one, never half of one.
        unfinished = page.with_name(f".{page.name}.part")
        unfinished.write_text(make(), encoding="utf-8")
        unfinished.replace(page)
        written.append(place)
    for place in before - set(written):
        (folder / place).unlink(missing_ok=True)
    (folder / _LISTING).write_text(json.dumps(sorted(written), indent=0), encoding="utf-8")
    return folder / INDEX


def _listed(folder: Path) -> set[str]:
    """The pages of the report that was here before; only what is a page's name, whatever the list says."""
    try:
        names = json.loads((folder / _LISTING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    kinds = ("comparisons", "tasks", "trials", "investigations")
    found = [Path(name) for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return {str(one) for one in found if len(one.parts) == 2 and one.parts[0] in kinds and one.suffix == ".html"}
