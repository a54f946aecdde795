"""The wire: request bodies into the SDK's own types, refusals with Opik's status, answers out as JSON."""

from __future__ import annotations

import json
import typing
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from adapter.embedded_opik.errors import RefusedError, UnreadableBodyError

API = "/api/v1/private"
"""Where the endpoints are. In each router's own prefix, so that a route's template is its whole path."""
MAX_BODY = 64 * 1024 * 1024
MAX_BATCH = 1000
MAX_STREAM = 2000
_STRINGS = TypeAdapter(list[str])
DEFAULT_STREAM = 500

# Pydantic's error types that Opik finds when it validates a parsed body (422); any other is a body that
# does not parse (400).
_CONSTRAINTS = frozenset({
    "missing", "too_long", "too_short", "string_too_short", "string_too_long", "greater_than_equal",
    "less_than_equal",
})  # fmt: skip


async def body_chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes, inflated where it was sent gzipped; more than `limit` bytes are refused with 413."""
    zipped = request.headers.get("content-encoding", "").strip().lower() == "gzip"
    inflate = zlib.decompressobj(wbits=31) if zipped else None
    size = 0
    async for sent in request.stream():
        try:
            chunk = inflate.decompress(sent, limit + 1 - size) if inflate else sent
        except zlib.error as error:
            raise UnreadableBodyError("the gzipped body is damaged") from error
        size += len(chunk)
        if size > limit:
            raise RefusedError(413, f"The body is larger than {limit} bytes")
        yield chunk
    if inflate is not None and not inflate.eof:
        raise UnreadableBodyError("the gzipped body is cut short")
    if inflate is not None and inflate.unused_data:
        raise UnreadableBodyError("something follows the gzipped body")


async def request_body(request: Request) -> bytes:
    """The body, inflated where the SDK sent it gzipped; more than `MAX_BODY` bytes are refused with 413."""
    body = bytearray()
    async for chunk in body_chunks(request, MAX_BODY):
        body += chunk
    return bytes(body)


type Body = Annotated[bytes, Depends(request_body)]
type Page = Annotated[int, Query(ge=1, le=1_000_000_000)]


def unsorted(sorting: str | None = None, search: str | None = None) -> None:
    """Refuse, aloud, the parameters of Opik's lists that the store does not have."""
    for name, value in (("sorting", sorting), ("search", search)):
        if value and value != "[]":
            raise RefusedError(501, f"the parameter '{name}' of lists is not in the embedded store")


def lacks(*names: str) -> Callable[[Request], None]:
    """A dependency that refuses, aloud, parameters that Opik has and the store does not."""

    def refuse(request: Request) -> None:
        for name in names:
            if request.query_params.get(name, "") not in {"", "false", "[]"}:
                raise RefusedError(501, f"the parameter '{name}' is not in the embedded store")

    return refuse


def parse[M: BaseModel](model: type[M], body: bytes) -> M:
    """One body as `model`; what Opik's parser refuses is 400, what its validator refuses is 422."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise UnreadableBodyError(str(error)) from error
    try:
        parsed = model.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from error
    _check_enums(parsed)
    return parsed


def _refusal(error: ValidationError) -> RefusedError:
    problems = error.errors(include_url=False, include_context=False)
    unread = [p for p in problems if p["type"] not in _CONSTRAINTS and p["input"] is not None]
    said = [f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}" for p in (unread or problems)[:5]]
    return UnreadableBodyError("; ".join(said)) if unread else RefusedError(422, *said)


@dataclass(frozen=True, slots=True)
class _Checks:
    """What is checked of a model beyond pydantic: its enum fields, and the fields that hold further models."""

    enums: Mapping[str, frozenset[str]]
    enum_lists: Mapping[str, frozenset[str]]
    required: frozenset[str]
    nested: tuple[str, ...]


@cache
def _checks(model: type[BaseModel]) -> _Checks:
    # The SDK types an enum `Literal[...] | Any`, with which pydantic takes every value.
    enums: dict[str, frozenset[str]] = {}
    enum_lists: dict[str, frozenset[str]] = {}
    nested: list[str] = []
    for name, field in model.model_fields.items():
        for leaf, in_list in _leaves(field.annotation):
            if typing.get_origin(leaf) is typing.Literal:
                (enum_lists if in_list else enums)[name] = frozenset(typing.get_args(leaf))
            elif isinstance(leaf, type) and issubclass(leaf, BaseModel):
                nested.append(name)
    required = frozenset(name for name in enums if model.model_fields[name].is_required())
    return _Checks(enums, enum_lists, required, tuple(nested))


def _leaves(
    annotation: Any,  # pyright: ignore[reportExplicitAny, reportAny] - any type form
    *,
    in_list: bool = False,
) -> Iterable[tuple[Any, bool]]:  # pyright: ignore[reportExplicitAny]
    arguments, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if origin is typing.Literal or not arguments:
        yield annotation, in_list
        return
    for argument in arguments:
        yield from _leaves(argument, in_list=in_list or origin is list)


def _check_enums(value: BaseModel) -> None:
    checks = _checks(type(value))
    for name, allowed in checks.enums.items():
        given = getattr(value, name)
        if given is None and name in checks.required:
            raise RefusedError(422, f"{name} must not be null")
        _check_enum(name, given, allowed)
    for name, allowed in checks.enum_lists.items():
        for one in getattr(value, name) or ():
            _check_enum(name, one, allowed)
    for name in checks.nested:
        held = getattr(value, name)
        for one in held if isinstance(held, list) else (held,):
            if isinstance(one, BaseModel):
                _check_enums(one)


def _check_enum(name: str, given: object, allowed: frozenset[str]) -> None:
    if given is not None and not (isinstance(given, str) and given in allowed):
        raise UnreadableBodyError(f"{name}: {str(given)[:64]!r} is not one of {sorted(allowed)}")


def dumps(value: object) -> str | None:
    """A value as JSON text for a column; None stays None (SQL NULL)."""
    return None if value is None else to_json(value, inf_nan_mode="null").decode()


def iso(moment: datetime | None, what: str = "time") -> str | None:
    """A time as the store keeps it: UTC, microseconds, sortable as text."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise UnreadableBodyError(f"{what} has no time zone")
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError as error:
        raise UnreadableBodyError(f"{what} is out of range") from error


def stamp(moment: datetime) -> str:
    """The store's own clock as it is kept."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def milliseconds(start: datetime | None, end: datetime | None) -> float | None:
    """The duration in milliseconds, None where either time is unknown."""
    return None if start is None or end is None else (end - start).total_seconds() * 1000


def splice(plain: Mapping[str, object], raw: Mapping[str, str | None]) -> bytes:
    """One JSON object from values and from columns that are JSON text already; None is left out."""
    parts = [to_json({name: value for name, value in plain.items() if value is not None}, inf_nan_mode="null")[1:-1]]
    parts += [f'"{name}":{text}'.encode() for name, text in raw.items() if text is not None]
    return b"{" + b",".join(part for part in parts if part) + b"}"


def answer(content: bytes, status: int = 200) -> Response:
    """JSON bytes as a response."""
    return Response(content, status, media_type="application/json")


def dump(model: BaseModel) -> bytes:
    """One of the SDK's types as JSON, without the fields that are unknown."""
    return model.model_dump_json(by_alias=True, exclude_none=True).encode()


def model_answer(model: BaseModel, status: int = 200) -> Response:
    """One of the SDK's types as a response."""
    return answer(dump(model), status)


def page_answer(page: int, total: int, content: Sequence[bytes]) -> Response:
    """A page of rows, in the shape of the SDK's `...PagePublic` types (`size` is the rows on this page)."""
    head = f'{{"page":{page},"size":{len(content)},"total":{total},"sortableBy":[],"content":['.encode()
    return answer(head + b",".join(content) + b"]}")


def created(request: Request, identifier: str) -> Response:
    """201 with the new row's address, as Opik answers a create."""
    return Response(status_code=201, headers={"Location": f"{request.url.path}/{identifier}"})


def no_content() -> Response:
    """204."""
    return Response(status_code=204)


def loads(text: str | None) -> Any:  # pyright: ignore[reportExplicitAny] - any JSON value
    """A JSON column back into a value."""
    return None if text is None else json.loads(text)


def string_list(text: str | None, what: str) -> list[str]:
    """A query parameter that is a JSON list of strings; nothing is an empty list."""
    if not text:
        return []
    try:
        return _STRINGS.validate_json(text, strict=True)
    except ValidationError as error:
        raise RefusedError(400, f"Invalid {what} query parameter '{text[:200]}'") from error
