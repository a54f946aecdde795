"""What the pages show, read from the store: the sections of a saved view, a comparison, a project.

A saved view's configuration comes from a client and is parsed here, leniently: a widget the store cannot show
becomes a line that says so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from adapter.embedded_opik import experiments, filters, wire
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import EXPERIMENT_FIELDS
from adapter.embedded_opik.filters import Filter

MAX_ROWS = 100
_DEFAULT_COLUMNS = ["dataset_id", "tags", "trace_count", "total_estimated_cost"]


class Group(BaseModel):
    """One grouping of a score chart."""

    field: str
    key: str | None = None


class WidgetConfig(BaseModel):
    """The settings of the widgets that are shown, in the frontend's camelCase as they are stored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    content: str | None = None
    filters: list[Filter] = []
    selected_columns: list[str] = []
    scores_columns_order: list[str] = []
    metadata_columns_order: list[str] = []
    enable_ranking: bool = False
    ranking_metric: str | None = None
    ranking_direction: bool | str | None = None
    max_rows: int = 10
    groups: list[Group] = []
    feedback_scores: list[str] = []
    max_experiments_count: int = MAX_ROWS


class WidgetIn(BaseModel):
    """A widget as it is stored."""

    type: str
    title: str = ""
    subtitle: str | None = None
    config: dict[str, Any] = {}  # pyright: ignore[reportExplicitAny] - parsed by its type below


class SectionIn(BaseModel):
    """A section as it is stored."""

    title: str = ""
    widgets: list[Any] = []  # pyright: ignore[reportExplicitAny] - a broken widget must not hide the others


@dataclass(frozen=True, slots=True)
class Table:
    """A table: column heads and rows of plain values, the first of which names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget that is ready to show: markdown, a table, or a note in their place."""

    title: str
    subtitle: str
    markdown: str | None = None
    table: Table | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A titled run of widgets."""

    title: str
    widgets: list[Widget] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment with its values and its parsed metadata, tags and own scores."""

    values: dict[str, object]
    metadata: dict[str, object]
    tags: list[str]
    scores: dict[str, float]
    own_scores: dict[str, float]

    def cell(self, column: str) -> object:
        """One column of a leaderboard (`name`, `duration.p50`, `metadata.model`, `feedback_scores.reward`)."""
        head, _, rest = column.partition(".")
        match head:
            case "metadata":
                return _dig(self.metadata, rest)
            case "feedback_scores":
                return self.scores.get(rest)
            case "experiment_scores":
                return self.own_scores.get(rest)
            case "tags":
                return self.tags
            case "dataset_id" | "dataset":
                return self.values.get("dataset_name")
            case "pass_rate":
                return self.own_scores.get("pass_rate")
            case "duration":
                durations = self.values.get("duration")
                return durations.get(rest or "p50") if isinstance(durations, dict) else None
            case _:
                return self.values.get(column)


def _dig(value: object, path: str) -> object:
    if isinstance(value, dict) and path in value:
        return value[path]
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return json.dumps(value) if isinstance(value, dict) else value


def find(connection: sqlite3.Connection, wanted: Sequence[Filter], limit: int) -> list[Experiment]:
    """The experiments that a widget's filters name; `experiment_ids` holds ids separated by commas."""
    named = [item for item in wanted if item.field == "experiment_ids"]
    condition = filters.translate((item for item in wanted if item.field != "experiment_ids"), EXPERIMENT_FIELDS)
    for item in named:
        listed = json.dumps([part.strip() for part in str(item.value or "").split(",")])
        within = f"{condition.sql} AND e.id IN (SELECT value FROM json_each(?))"  # noqa: S608 - values are bound
        condition = filters.Where(within, (*condition.values, listed))
    return [_experiment(*found) for found in experiments.select(connection, condition, limit)]


def _experiment(values: dict[str, object], raw: dict[str, str | None]) -> Experiment:
    metadata = wire.loads(raw["metadata"])
    means = values.get("feedback_scores")
    return Experiment(
        values=values,
        metadata=metadata if isinstance(metadata, dict) else {},
        tags=wire.loads(raw["tags"]) or [],
        scores={s["name"]: s["value"] for s in means} if isinstance(means, list) else {},
        own_scores={s["name"]: s["value"] for s in wire.loads(raw["experiment_scores"]) or []},
    )


def sections(connection: sqlite3.Connection, config: object) -> list[Section]:
    """The sections of a saved view's configuration, ready to show."""
    stored = config.get("sections") if isinstance(config, dict) else None
    shown: list[Section] = []
    for entry in stored if isinstance(stored, list) else []:
        try:
            section = SectionIn.model_validate(entry)
        except ValidationError:
            shown.append(Section("", [Widget("", "", note="This section cannot be read.")]))
            continue
        shown.append(Section(section.title, [_widget(connection, widget) for widget in section.widgets]))
    return shown


def _widget(connection: sqlite3.Connection, entry: object) -> Widget:
    try:
        widget = WidgetIn.model_validate(entry)
        config = WidgetConfig.model_validate({k: v for k, v in widget.config.items() if v is not None})
    except ValidationError:
        return Widget("", "", note="This widget cannot be read.")
    title, subtitle = widget.title, widget.subtitle or ""
    try:
        match widget.type:
            case "text_markdown":
                return Widget(title, subtitle, markdown=config.content or "")
            case "experiment_leaderboard":
                return Widget(title, subtitle, table=_leaderboard(connection, config))
            case "experiments_feedback_scores":
                return Widget(title, subtitle, table=_mean_scores(connection, config))
            case _:
                return Widget(title, subtitle, note=f"A {widget.type} widget needs Opik's own UI.")
    except RefusedError as error:
        return Widget(title, subtitle, note=f"This widget's filters cannot be used: {error}")


def _leaderboard(connection: sqlite3.Connection, config: WidgetConfig) -> Table:
    rows = find(connection, config.filters, MAX_ROWS)
    metric = config.ranking_metric
    if config.enable_ranking and metric:
        rows = _ranked(rows, metric, descending=config.ranking_direction in (None, True, "desc", "DESC"))
    columns = [name for name in config.selected_columns or _DEFAULT_COLUMNS if name != "name"]
    shown = rows[: max(1, min(config.max_rows, MAX_ROWS))]
    return Table(
        ("Experiment", *map(heading, columns)),
        tuple((row.values["name"], *(row.cell(column) for column in columns)) for row in shown),
    )


def _ranked(rows: list[Experiment], metric: str, *, descending: bool) -> list[Experiment]:
    """By a metric, best first; experiments in which it is unknown come last in either direction."""

    def value(row: Experiment) -> float | None:
        cell = row.cell(metric)
        if cell is None and "." not in metric:
            cell = row.scores.get(metric, row.own_scores.get(metric))
        return cell if isinstance(cell, int | float) else None

    known = [(number, row) for row in rows if (number := value(row)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in known] + [row for row in rows if value(row) is None]


def _mean_scores(connection: sqlite3.Connection, config: WidgetConfig) -> Table:
    rows = find(connection, config.filters, max(1, min(config.max_experiments_count, MAX_ROWS)))
    names = config.feedback_scores or sorted({name for row in rows for name in row.scores})
    groups: dict[str, list[Experiment]] = {}
    for row in rows:
        groups.setdefault(_group(row, config.groups), []).append(row)
    table = [
        (label, len(members), *(_mean([m.scores[name] for m in members if name in m.scores]) for name in names))
        for label, members in sorted(groups.items())
    ]
    return Table(("Group" if config.groups else "Experiment", "experiments", *names), tuple(table))


def _group(row: Experiment, groups: list[Group]) -> str:
    if not groups:
        return str(row.values["name"])
    cells = [row.cell(f"{g.field}.{g.key}" if g.key else g.field) for g in groups]
    return " / ".join("unknown" if c is None else ", ".join(c) if isinstance(c, list) else str(c) for c in cells)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def heading(column: str) -> str:
    """A column's head: what it is called without the name of the list it comes from."""
    plain = {"dataset_id": "dataset", "total_estimated_cost": "cost ($)", "total_estimated_cost_avg": "mean cost ($)"}
    head, _, rest = column.partition(".")
    known = {"metadata", "feedback_scores", "experiment_scores"}
    return plain.get(column, rest if head in known and rest else column)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Experiments side by side: their aggregates, and the mean trace scores of each dataset item."""

    aggregates: Table
    items: Table


_AGGREGATES = ("trace_count", "total_estimated_cost", "total_estimated_cost_avg", "duration.p50")


def comparison(connection: sqlite3.Connection, dataset_id: str, wanted: list[str]) -> Comparison:
    """The experiments of one dataset side by side, in the order in which the address names them."""
    named = Filter(field="experiment_ids", operator="=", value=",".join(wanted))
    of_dataset = Filter(field="dataset_id", operator="=", value=dataset_id)
    found = {str(e.values["id"]): e for e in find(connection, [named, of_dataset], MAX_ROWS)}
    shown = [found[identifier] for identifier in wanted if identifier in found]
    heads = ("", *(str(e.values["name"]) for e in shown))
    scores = sorted({name for e in shown for name in e.scores})
    rows = [(heading(name), *(e.cell(name) for e in shown)) for name in _AGGREGATES]
    rows += [(name, *(e.scores.get(name) for e in shown)) for name in scores]
    cells: dict[tuple[str, str], dict[str, float]] = {}
    order = json.dumps([e.values["id"] for e in shown])
    for row in connection.execute(
        "SELECT i.dataset_item_id, i.experiment_id, f.name, avg(f.value) AS mean FROM experiment_items i "
        "JOIN traces t ON t.id = i.trace_id "
        "JOIN feedback_scores f ON f.entity_type = 'trace' AND f.entity_id = t.id AND f.project_id = t.project_id "
        "WHERE i.experiment_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2, 3 ORDER BY 1, 3",
        (order,),
    ):
        cells.setdefault((row["dataset_item_id"], row["name"]), {})[row["experiment_id"]] = row["mean"]
    labels = _item_labels(connection, sorted({item for item, _ in cells}))
    per_item = [
        (f"{labels.get(item, item)}: {name}", *(means.get(str(e.values["id"])) for e in shown))
        for (item, name), means in cells.items()
    ]
    return Comparison(Table(heads, tuple(rows)), Table(heads, tuple(per_item)))


def _item_labels(connection: sqlite3.Connection, items: list[str]) -> dict[str, str]:
    """What to call each dataset item: its task or name where its data has one."""
    rows = connection.execute(
        "SELECT id, coalesce(json_extract(data, '$.task'), json_extract(data, '$.task_name'), "
        "json_extract(data, '$.name'), id) AS label FROM dataset_items "
        "WHERE valid_to IS NULL AND id IN (SELECT value FROM json_each(?))",
        (json.dumps(items),),
    )
    return {row["id"]: str(row["label"]) for row in rows}


def project(connection: sqlite3.Connection, identifier: str) -> dict[str, object] | None:
    """A project's name, its numbers of traces and spans, and its experiments."""
    row = connection.execute(
        "SELECT p.name, (SELECT count(*) FROM traces WHERE project_id = p.id) AS traces, "
        "(SELECT count(*) FROM spans WHERE project_id = p.id) AS spans FROM projects p WHERE p.id = ?",
        (identifier,),
    ).fetchone()
    if row is None:
        return None
    found = find(connection, [Filter(field="project_id", operator="=", value=identifier)], MAX_ROWS)
    return {**dict(row), "experiments": [e.values for e in found]}
