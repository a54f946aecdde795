"""Opik's filters (what its query language, OQL, arrives as) translated to SQL. Pure: values are always bound.

A filter is `{"field", "operator", "key", "value"}`; several are joined by AND. What each operator means
follows Opik's backend: text compares without regard to (ASCII) case, `contains` on a list looks inside each
element, a key in `metadata` that is absent reads as the empty text, and a comparison with an unknown number
is never true.
"""

# ruff: noqa: S608 - fields and operators in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Query
from pydantic import BaseModel, TypeAdapter, ValidationError

from adapter.embedded_opik.errors import RefusedError


class Kind(StrEnum):
    """What a field holds; decides its operators."""

    STRING = "string"
    NUMBER = "number"
    DATE_TIME = "date_time"
    DICTIONARY = "dictionary"
    LIST = "list"
    STRINGS = "strings"
    ENUM = "enum"
    SCORES = "feedback_scores_number"
    ERROR = "error_container"


_COMPARE = frozenset({"=", "!=", ">", ">=", "<", "<="})
_TEXT = frozenset({"=", "!=", "contains", "not_contains", "starts_with", "ends_with"})
_EMPTY = frozenset({"is_empty", "is_not_empty"})
OPERATORS: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.STRING: _TEXT | {">", "<"},
    Kind.NUMBER: _COMPARE,
    Kind.DATE_TIME: _COMPARE,
    Kind.DICTIONARY: _TEXT | _COMPARE | _EMPTY,
    Kind.LIST: frozenset({"=", "!=", "contains", "not_contains"}) | _EMPTY,
    Kind.STRINGS: _TEXT | {">", "<"},
    Kind.ENUM: frozenset({"=", "!=", "in", "not_in"}) | _EMPTY,
    Kind.SCORES: _COMPARE | _EMPTY,
    Kind.ERROR: _EMPTY,
}


class Filter(BaseModel):
    """One filter as it is sent. `type` is sent too and not needed: the field decides."""

    field: str
    operator: str
    key: str | None = None
    value: str | float | int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field lives.

    `sql` is an expression over the row `e`; for scores it is the subquery of the rows that could match
    (without its closing parenthesis), whose columns are `name` and `value`.
    """

    kind: Kind
    sql: str
    keys: Mapping[str, str] | None = None
    """For a dictionary: keys that have an indexed column of their own, in lower case."""


@dataclass(frozen=True, slots=True)
class Where:
    """A condition and the values bound in it."""

    sql: str
    values: tuple[str | float | int, ...]


_FILTERS = TypeAdapter(list[Filter])
_MAX_FILTERS = 100  # SQLite takes a condition 1,000 levels deep.

type Parameter = Annotated[str | None, Query(alias="filters")]
"""The query parameter of lists."""


def read_filters(text: str | None) -> list[Filter]:
    """The `filters` query parameter: a JSON list, or nothing."""
    if not text:
        return []
    try:
        return _FILTERS.validate_json(text)
    except ValidationError as error:
        raise RefusedError(400, f"Invalid filters query parameter '{text[:200]}'") from error


def translate(filters: Iterable[Filter], fields: Mapping[str, Field]) -> Where:
    """Every filter as one SQL condition, `1` where there is none.

    Raises:
        RefusedError: 400 for an unknown field, an operator the field does not have, or a value it cannot read.
    """
    parts = [_one(item, fields) for item in filters]
    if len(parts) > _MAX_FILTERS:
        raise RefusedError(400, f"Invalid filters: more than {_MAX_FILTERS}")
    return Where(" AND ".join(part.sql for part in parts) or "1", tuple(v for part in parts for v in part.values))


def _one(item: Filter, fields: Mapping[str, Field]) -> Where:
    name, key = item.field, item.key or ""
    if name not in fields and "." in name:
        name, _, key = name.partition(".")
    field = fields.get(name)
    if field is None:
        raise RefusedError(400, f"Invalid filters: unknown field '{item.field[:64]}'")
    if item.operator not in OPERATORS[field.kind]:
        raise RefusedError(
            400, f"Invalid operator '{item.operator[:64]}' for field '{name}' of type '{field.kind.value}'"
        )
    value = "" if item.value is None else str(item.value)
    match field.kind:
        case Kind.STRING:
            return _text(f"coalesce({field.sql}, '')", item.operator, value)
        case Kind.NUMBER:
            return Where(f"{field.sql} {item.operator} ?", (_number(value, name),))
        case Kind.DATE_TIME:
            return Where(f"{field.sql} {item.operator} ?", (_moment(value, name),))
        case Kind.DICTIONARY:
            return _dictionary(field, item.operator, key, value, name)
        case Kind.LIST:
            return _list(field.sql, item.operator, value)
        case Kind.STRINGS:
            positive = {"!=": "=", "not_contains": "contains"}.get(item.operator, item.operator)
            some = _text("value", positive, value)
            negated = "" if positive == item.operator else "NOT "
            return Where(f"{negated}EXISTS (SELECT 1 FROM json_each({field.sql}) WHERE {some.sql})", some.values)
        case Kind.ENUM:
            return _enum(field.sql, item.operator, value)
        case Kind.SCORES:
            return _scores(field.sql, item.operator, key, value, name)
        case Kind.ERROR:
            return Where(f"{field.sql} IS {'NOT ' if item.operator == 'is_not_empty' else ''}NULL", ())


def _text(sql: str, operator: str, value: str) -> Where:
    match operator:
        case "contains":
            return Where(f"instr(lower({sql}), lower(?)) > 0", (value,))
        case "not_contains":
            return Where(f"instr(lower({sql}), lower(?)) = 0", (value,))
        case "starts_with":
            return Where(f"substr(lower({sql}), 1, length(?)) = lower(?)", (value, value))
        case "ends_with":
            return Where(f"(? = '' OR substr(lower({sql}), -length(?)) = lower(?))", (value, value, value))
        case _:
            return Where(f"lower({sql}) {operator} lower(?)", (value,))


def _dictionary(field: Field, operator: str, key: str, value: str, name: str) -> Where:
    path = json_path(key, name)
    column = (field.keys or {}).get(key)
    if column is not None and operator == "=" and value:
        return Where(f"{column} = lower(?)", (value,))
    if operator in _EMPTY:
        present = f"coalesce(json_extract({field.sql}, ?), '') != ''"
        return Where(present if operator == "is_not_empty" else f"NOT ({present})", (path,))
    if operator in {">", ">=", "<", "<="}:
        # Only a number compares as one: a text that looks like one does not.
        return Where(
            f"(json_type({field.sql}, ?) IN ('integer', 'real') AND json_extract({field.sql}, ?) {operator} ?)",
            (path, path, _number(value, name)),
        )
    extracted = scalar(field.sql)
    part = _text("%s", operator, value)
    sql = part.sql.replace("%s", extracted)
    at = part.sql.index("%s")
    before = part.sql[:at].count("?")
    return Where(sql, (*part.values[:before], path, path, *part.values[before:]))


def scalar(sql: str) -> str:
    """The SQL for the text of what lies at a path, which is to be bound twice.

    As JSON_VALUE has it: a scalar's text (true and false as words), nothing for objects, lists and null.
    """
    return (
        f"(SELECT CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'object' THEN '' "
        f"WHEN 'array' THEN '' ELSE coalesce(CAST(value AS TEXT), '') END FROM "
        f"(SELECT json_type({sql}, ?) AS type, json_extract({sql}, ?) AS value))"
    )


def _list(sql: str, operator: str, value: str) -> Where:
    if operator in _EMPTY:
        present = f"coalesce(json_array_length({sql}), 0) > 0"
        return Where(present if operator == "is_not_empty" else f"NOT ({present})", ())
    test = "CAST(value AS TEXT) = ?" if operator in {"=", "!="} else "instr(lower(CAST(value AS TEXT)), lower(?)) > 0"
    negated = "NOT " if operator in {"!=", "not_contains"} else ""
    return Where(f"{negated}EXISTS (SELECT 1 FROM json_each({sql}) WHERE {test})", (value,))


def _enum(sql: str, operator: str, value: str) -> Where:
    if operator in _EMPTY:
        present = f"coalesce({sql}, '') != ''"
        return Where(present if operator == "is_not_empty" else f"NOT ({present})", ())
    if operator in {"in", "not_in"}:
        values = [part.strip().strip("\"'") for part in value.strip("[]()").split(",")]
        listed = f"{'NOT ' if operator == 'not_in' else ''}IN (SELECT value FROM json_each(?))"
        return Where(f"coalesce({sql}, '') {listed}", (json.dumps(values),))
    return Where(f"coalesce({sql}, '') {operator} ?", (value,))


def _scores(sql: str, operator: str, key: str, value: str, name: str) -> Where:
    if not key:
        raise RefusedError(400, f"Invalid filters: '{name}' needs a key, the name of the score")
    named = f"{sql} AND lower(name) = lower(?)"
    if operator in _EMPTY:
        return Where(f"{'NOT ' if operator == 'is_empty' else ''}EXISTS {named})", (key,))
    number = _number(value, name)
    if operator == "!=":
        return Where(f"NOT EXISTS {named} AND value = ?)", (key, number))
    return Where(f"EXISTS {named} AND value {operator} ?)", (key, number))


_PATH_PART = re.compile(r'\.?"([^"]+)"|\.?([^."\[\]]+)|\[(\d+)\]')


def json_path(key: str, name: str) -> str:
    """A filter's key (`a.b[0]`, with or without a leading `$`) as a SQLite JSON path with quoted names."""
    rest = key.removeprefix("$")
    path, at = "$", 0
    while at < len(rest):
        match = _PATH_PART.match(rest, at)
        if match is None:
            raise RefusedError(400, f"Invalid filters: '{key[:64]}' is not a key of '{name}'")
        path += f"[{match[3]}]" if match[3] is not None else f'."{match[1] or match[2]}"'
        at = match.end()
    if path == "$":
        raise RefusedError(400, f"Invalid filters: '{name}' needs a key")
    return path


def _number(value: str, name: str) -> float:
    try:
        number = float(value)
    except ValueError as error:
        raise RefusedError(400, f"Invalid value '{value[:64]}' for field '{name}': not a number") from error
    if number != number or number in {float("inf"), float("-inf")}:
        raise RefusedError(400, f"Invalid value '{value[:64]}' for field '{name}': not a finite number")
    return number


def _moment(value: str, name: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except (ValueError, OverflowError) as error:
        raise RefusedError(400, f"Invalid value '{value[:64]}' for field '{name}': not a time") from error
