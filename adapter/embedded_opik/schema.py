"""What the routes say of themselves, for `/api/openapi.json`: the body each one reads, and how it may answer.

A route reads its body itself (`wire.parse`), so FastAPI cannot know its type: the decorator names it, as in
`@api.post("/batch", **schema.takes(SpanBatch, 204))`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from typing import Any, NotRequired, TypedDict, override

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

type Json = dict[str, Any]

_MEANINGS = {
    400: "The body is no JSON of this type, an id is no UUID of the right version, or a parameter has no such value",
    403: "The request came from another site or for another host",
    404: "What the request names is not there",
    409: "It is there already, or it belongs to another project",
    413: "The body is larger than the store takes",
    422: "The body breaks a rule: something is missing, or there is too much of it",
    501: "The store does not have what the request asks for",
}
EVERYWHERE = (400, 403)
"""Every route may answer these."""
_OF_BODIES = (413, 422)
_BODY = "x-body"


class Route(TypedDict):
    """Arguments of FastAPI's route decorators."""

    status_code: int
    responses: dict[int | str, Json]
    openapi_extra: NotRequired[Json]


def gives(status: int, *refusals: int) -> Route:
    """A route without a body.

    Args:
        status: Of its success.
        refusals: The statuses, beyond those of `EVERYWHERE`, with which it may say no.
    """
    return {"status_code": status, "responses": responses(*refusals)}


def takes(body: type[BaseModel], status: int, *refusals: int) -> Route:
    """A route that reads a body of this type; for the others see `gives`."""
    # By its name: FastAPI copies what stands here as JSON.
    return {**gives(status, *refusals, *_OF_BODIES), "openapi_extra": {_BODY: f"{body.__module__}:{body.__qualname__}"}}


def takes_bytes(status: int, *refusals: int) -> Route:
    """A route that reads a file."""
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        **gives(status, *refusals, *_OF_BODIES),
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }


def responses(*statuses: int) -> dict[int | str, Json]:
    """What each of these statuses means."""
    return {status: {"description": _MEANINGS[status]} for status in statuses}


class _Schemas(GenerateJsonSchema):
    @override
    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        # The SDK types an enum `Literal[...] | Any`; the store takes the words alone (`wire.parse`).
        kept = [choice for choice in schema["choices"] if _kind(choice) != "any"]
        if len(kept) == 1 and _kind(kept[0]) == "literal":
            return self.generate_inner(kept[0][0] if isinstance(kept[0], tuple) else kept[0])
        return super().union_schema(schema)


def _kind(choice: core_schema.CoreSchema | tuple[core_schema.CoreSchema, str]) -> str:
    return (choice[0] if isinstance(choice, tuple) else choice)["type"]


def document(app: FastAPI) -> Json:
    """The OpenAPI document of an application whose routes were declared with `takes` and `gives`."""
    made: Json = get_openapi(title=app.title, version=app.version, routes=app.routes)
    found = list(_operations(made))
    names = {operation[_BODY] for operation in found if _BODY in operation}
    bodies: dict[str, type[BaseModel]] = {name: pkgutil.resolve_name(name) for name in sorted(names)}
    references, definitions = models_json_schema(
        [(body, "validation") for body in bodies.values()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    for operation in found:
        name = operation.pop(_BODY, None)
        if name is not None:
            content = {"application/json": {"schema": references[bodies[name], "validation"]}}
            operation["requestBody"] = {"required": True, "content": content}
        elif "requestBody" not in operation and "content" in operation["responses"].get("422", {}):
            # FastAPI's own, for parameters: here those are 400.
            del operation["responses"]["422"]
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "identifier":
                parameter["schema"]["format"] = "uuid"
    of_parameters = made["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        of_parameters.pop(unused, None)
    made["components"] = {"schemas": of_parameters | definitions.get("$defs", {})}
    return made


def _operations(made: Json) -> Iterator[Json]:
    for path in made["paths"].values():
        yield from path.values()
