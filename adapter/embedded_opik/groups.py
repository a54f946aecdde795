"""Experiments in groups, and what a group comes to: means over its experiments, not over their traces, as in Opik."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from adapter.embedded_opik import filters, listing, schema, wire
from adapter.embedded_opik.aggregates import aggregate
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import EXPERIMENT_FIELDS

DELETED: Final = "__DELETED"
"""Opik's key and label of a group whose dataset or project is not there."""

MAX_LEVELS = 5


class Group(BaseModel):
    """One level of grouping; `type` is sent too, and follows from the field."""

    field: Literal["metadata", "dataset_id", "tags", "project_id"]
    key: str | None = None


@dataclass(slots=True)
class Node:
    """A group: what is shown for its key, the experiments in it, and the groups within it.

    An experiment with two tags is in two groups, and so twice in the group around both, as in Opik.
    """

    label: str
    members: list[str] = field(default_factory=list[str])
    groups: dict[str, Node] = field(default_factory=dict[str, "Node"])


_GROUPS = TypeAdapter(Annotated[list[Group], Field(min_length=1, max_length=MAX_LEVELS)])


def read_groups(text: str | None) -> list[Group]:
    """The `groups` query parameter: a JSON list of one to `MAX_LEVELS` levels."""
    if not text:
        raise RefusedError(400, "Required query parameter 'groups' is missing")
    try:
        groups = _GROUPS.validate_json(text)
    except ValidationError as error:
        raise RefusedError(400, f"Invalid grouping query parameter '{text[:200]}'") from error
    if any(group.field == "metadata" and not (group.key or "").strip() for group in groups):
        raise RefusedError(400, "Key must be specified for json field 'metadata'")
    return [group if group.field == "metadata" else Group(field=group.field) for group in groups]


def _values(depth: int, group: Group, row: sqlite3.Row, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The (key, label) of the groups of one level that an experiment is in."""
    match group.field:
        case "tags":
            return [(tag, tag) for tag in wire.loads(row["tags"]) or [""]]
        case "metadata":
            return [(row[f"group_{depth}"], row[f"group_{depth}"])]
        case "dataset_id" | "project_id":
            key = row[group.field]
            return [(key, names[key])] if key in names else [(DELETED, DELETED)]


def tree(rows: Iterable[sqlite3.Row], groups: Sequence[Group], names: Mapping[str, str]) -> Node:
    """The groups of these experiments, level within level, under one root."""

    def place(node: Node, depth: int, row: sqlite3.Row) -> int:
        if depth == len(groups):
            node.members.append(row["id"])
            return 1
        times = 0
        for key, label in _values(depth, groups[depth], row, names):
            times += place(node.groups.setdefault(key, Node(label)), depth + 1, row)
        node.members += [row["id"]] * times
        return times

    root = Node("")
    for row in rows:
        place(root, 0, row)
    return root


def _content(node: Node) -> dict[str, object]:
    return {
        key: {"groups": _content(child)} | ({} if child.label == key else {"label": child.label})
        for key, child in node.groups.items()
    }


def _aggregated(node: Node, sums: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    return {
        key: {
            "label": child.label,
            "aggregations": summary([sums[one] for one in child.members]),
            "groups": _aggregated(child, sums),
        }
        for key, child in node.groups.items()
    }


def summary(experiments: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """`AggregationData` of these experiments: each counts once in a mean, and only where it has the value."""
    durations = {p: _mean([_at(one, "duration", p) for one in experiments]) for p in ("p50", "p90", "p99")}
    costs = [_number(one.get("total_estimated_cost")) for one in experiments]
    known = [cost for cost in costs if cost is not None]
    found: dict[str, object] = {
        "experiment_count": len(experiments),
        "trace_count": sum(_number(one["trace_count"]) or 0 for one in experiments),
        "total_estimated_cost": sum(known) if known else None,
        "total_estimated_cost_avg": _mean([_number(one.get("total_estimated_cost_avg")) for one in experiments]),
        "duration": durations if durations["p50"] is not None else None,
        "feedback_scores": _scores(experiments, "feedback_scores"),
        "experiment_scores": _scores(experiments, "experiment_scores"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _at(one: Mapping[str, object], name: str, key: str) -> float | None:
    held = one.get(name)
    return _number(held.get(key)) if isinstance(held, dict) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _scores(experiments: Sequence[Mapping[str, object]], name: str) -> list[dict[str, object]] | None:
    values: dict[str, list[float | None]] = {}
    for one in experiments:
        held = one.get(name)
        for score in held if isinstance(held, list) else ():
            values.setdefault(score["name"], []).append(_number(score["value"]))
    means = {score: _mean(found) for score, found in sorted(values.items())}
    return [{"name": score, "value": mean} for score, mean in means.items() if mean is not None] or None


def sorting(rows: Sequence[sqlite3.Row], groups: Sequence[Group], names: Mapping[str, str]) -> list[dict[str, object]]:
    """The labels of each level, that of the newest experiment first; `rows` are newest first."""
    labels = (
        [label for row in rows for _, label in sorted(_values(depth, group, row, names))]
        for depth, group in enumerate(groups)
    )
    return [{"group_sorting": list(dict.fromkeys(level))} for level in labels]


@dataclass(frozen=True, slots=True)
class Asked:
    """What both endpoints are asked for: the levels of groups, and which experiments."""

    levels: Sequence[Group]
    where: filters.Where


def asked(
    groups: str | None = None,
    name: str | None = None,
    project_id: str | None = None,
    types: str | None = None,
    filters_: filters.Parameter = None,
) -> Asked:
    """The query parameters."""
    where = listing.condition(filters_, EXPERIMENT_FIELDS, name, project_id)
    if types:
        chosen = json.dumps(wire.string_list(types, "types"))
        where = listing.narrowed(where, "e.type IN (SELECT value FROM json_each(?))", chosen)
    return Asked(read_groups(groups), where)


def _rows(connection: sqlite3.Connection, where: filters.Where, groups: Sequence[Group]) -> list[sqlite3.Row]:
    paths = {i: filters.json_path(group.key or "", "metadata") for i, group in enumerate(groups) if group.key}
    columns = "".join(f", {filters.scalar('e.metadata')} AS group_{i}" for i in paths)
    return connection.execute(
        f"SELECT e.id, e.dataset_id, e.project_id, e.tags, e.experiment_scores{columns} FROM experiments e "
        f"WHERE {where.sql} ORDER BY e.created_at DESC, e.id DESC",
        (*(path for path in paths.values() for _ in range(2)), *where.values),
    ).fetchall()


def _names(connection: sqlite3.Connection) -> dict[str, str]:
    found = connection.execute("SELECT id, name FROM datasets UNION ALL SELECT id, name FROM projects")
    return {row["id"]: row["name"] for row in found}


def add_routes(api: APIRouter, store: Store) -> None:
    """The endpoints of groups, on the experiments' router (before its `/{identifier}`)."""
    lacking = [Depends(wire.lacks("project_deleted"))]

    @api.get("/groups", dependencies=lacking, **schema.gives(200, 501))
    def find_experiment_groups(wanted: Annotated[Asked, Depends(asked)]) -> Response:
        with store.read() as connection:
            rows, names = _rows(connection, wanted.where, wanted.levels), _names(connection)
        content = _content(tree(rows, wanted.levels, names))
        details = {"groups_details": sorting(rows, wanted.levels, names)}
        return wire.answer(wire.splice({"content": content, "details": details}, {}))

    @api.get("/groups/aggregations", dependencies=lacking, **schema.gives(200, 501))
    def find_experiment_groups_aggregations(wanted: Annotated[Asked, Depends(asked)]) -> Response:
        with store.read() as connection:
            rows, names = _rows(connection, wanted.where, wanted.levels), _names(connection)
            sums = aggregate(connection, [row["id"] for row in rows])
        for row in rows:
            sums[row["id"]]["experiment_scores"] = wire.loads(row["experiment_scores"])
        return wire.answer(wire.splice({"content": _aggregated(tree(rows, wanted.levels, names), sums)}, {}))
