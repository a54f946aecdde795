"""Prompts, the library of templates: each a name in a project with a history of versions."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from opik.rest_api.prompts.types.prompt_write_type import PromptWriteType
from opik.rest_api.types.json_node_write import JsonNodeWrite
from pydantic import BaseModel, Field

from adapter.embedded_opik import filters, ids, listing, projects, prompt_versions, schema, wire
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError
from adapter.embedded_opik.fields import PROMPT_FIELDS
from adapter.embedded_opik.prompt_versions import Name, Structure

type _Description = Annotated[str, Field(max_length=255)]


class PromptIn(BaseModel):
    """The body that creates a prompt, with its first version where it holds a template."""

    name: Name
    id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    description: _Description | None = None
    template: str | None = None
    metadata: JsonNodeWrite | None = None
    change_description: str | None = None
    type: PromptWriteType | None = None
    template_structure: Structure | None = None
    tags: list[str] | None = None


class PromptUpdate(BaseModel):
    """The body that changes a prompt itself; its versions stay."""

    name: Name
    description: _Description | None = None
    tags: list[str] | None = None


def find(connection: sqlite3.Connection, project: str | None, name: str) -> sqlite3.Row | None:
    """The prompt of this name (case does not count) in a project."""
    return connection.execute(
        "SELECT * FROM prompts WHERE project_id = ? AND lower(name) = lower(?)", (project, name)
    ).fetchone()


def _project(store: Store, connection: sqlite3.Connection, identifier: str | None, name: str | None) -> str:
    if identifier is None:
        return projects.get_or_create(store, connection, [name])[name]
    found = projects.resolve(connection, identifier, None)
    assert found is not None  # noqa: S101 - an unknown id is refused there
    return found


def _insert(store: Store, connection: sqlite3.Connection, project: str, prompt: PromptIn) -> str:
    now = store.clock()
    identifier = ids.mint(now) if prompt.id is None else ids.version7(prompt.id, "prompt")
    taken = connection.execute("SELECT 1 FROM prompts WHERE id = ?", (identifier,)).fetchone()
    if taken is not None or find(connection, project, prompt.name) is not None:
        raise RefusedError(409, "Prompt id or name already exists")
    row: dict[str, Value] = {
        "id": identifier,
        "name": prompt.name,
        "project_id": project,
        "description": prompt.description,
        "template_structure": prompt.template_structure or "text",
        "tags": wire.dumps(prompt.tags),
        "created_at": wire.stamp(now),
        "last_updated_at": wire.stamp(now),
    }
    store.insert(connection, "prompts", row)
    return identifier


def create(store: Store, prompt: PromptIn) -> str:
    """A new prompt, and its id; 409 where its name is taken in its project."""
    with store.write() as connection:
        project = _project(store, connection, prompt.project_id, prompt.project_name)
        identifier = _insert(store, connection, project, prompt)
        if prompt.template:
            content = prompt_versions.content(prompt.template, prompt.metadata, prompt.type, prompt.change_description)
            prompt_versions.insert(store, connection, identifier, content)
    return identifier


def create_version(store: Store, wanted: prompt_versions.VersionIn) -> bytes:
    """A new version of the prompt of a name, which is made where it is not there.

    Raises:
        RefusedError: 400 where the prompt is of the other structure (text or chat), which never changes.
    """
    version = wanted.version
    structure = wanted.template_structure or version.template_structure
    content = prompt_versions.content(
        version.template,
        version.metadata,
        version.type,
        version.change_description,
        tags=version.tags,
        is_mask=version.version_type == "mask",
    )
    with store.write() as connection:
        project = _project(store, connection, wanted.project_id, wanted.project_name)
        prompt = find(connection, project, wanted.name)
        if prompt is None:
            made = PromptIn(name=wanted.name, template_structure=structure)
            identifier = _insert(store, connection, project, made)
        elif structure is not None and structure != prompt["template_structure"]:
            raise RefusedError(
                400,
                f"Template structure mismatch: prompt '{wanted.name}' is of structure "
                f"'{prompt['template_structure']}', the new version of '{structure}'",
            )
        else:
            identifier = prompt["id"]
        key = prompt_versions.insert(store, connection, identifier, content, version.id, version.commit)
        connection.execute(
            "UPDATE prompts SET last_updated_at = ? WHERE id = ?", (wire.stamp(store.clock()), identifier)
        )
        return prompt_versions.encode(prompt_versions.select(connection, "e.id = ?", (key,))[0])


_SELECT = "e.*, (SELECT count(*) FROM prompt_versions WHERE prompt_id = e.id AND number IS NOT NULL) AS version_count"


def _public(row: sqlite3.Row) -> tuple[dict[str, object], dict[str, str | None]]:
    plain: dict[str, object] = {
        name: row[name]
        for name in (
            "id",
            "name",
            "project_id",
            "description",
            "template_structure",
            "created_at",
            "last_updated_at",
            "version_count",
        )
    }
    return plain | projects.BY, {"tags": row["tags"]}


def _detail(connection: sqlite3.Connection, where: str, value: str, requested: sqlite3.Row | None = None) -> bytes:
    """A prompt as `PromptDetail`, with its latest version and the one that was asked for."""
    row = connection.execute(f"SELECT {_SELECT} FROM prompts e WHERE {where}", (value,)).fetchone()
    if row is None:
        raise RefusedError(404, "Prompt not found")
    plain, raw = _public(row)
    newest = prompt_versions.latest(connection, row["id"])
    for name, version in (("latest_version", newest), ("requested_version", requested)):
        raw[name] = None if version is None else prompt_versions.encode(version).decode()
    return wire.splice(plain, raw)


def _delete(store: Store, identifiers: Sequence[str]) -> None:
    keys = [ids.uuid_text(i, "Prompt") for i in identifiers]
    with store.write() as connection:
        for table, column in (
            ("prompt_environments", "prompt_id"),
            ("prompt_versions", "prompt_id"),
            ("prompts", "id"),
        ):
            store.delete(connection, table, keys, column)


def _update(store: Store, identifier: str, update: PromptUpdate) -> None:
    key = ids.uuid_text(identifier, "Prompt")
    with store.write() as connection:
        row = connection.execute("SELECT * FROM prompts WHERE id = ?", (key,)).fetchone()
        if row is None:
            raise RefusedError(404, "Prompt not found")
        same = find(connection, row["project_id"], update.name)
        if same is not None and same["id"] != key:
            raise RefusedError(409, "Prompt id or name already exists")
        tags = row["tags"] if update.tags is None else wire.dumps(update.tags)
        changes: dict[str, Value] = {
            "name": update.name,
            "description": update.description,
            "tags": tags,
            "last_updated_at": wire.stamp(store.clock()),
        }
        store.update(connection, "prompts", changes, key)


def router(store: Store) -> APIRouter:
    """The prompt endpoints; those of versions by their own id come before `/{identifier}`."""
    api = APIRouter(prefix=f"{wire.API}/prompts")

    @api.get("", **schema.gives(200, 501))
    def get_prompts(
        name: str | None = None,
        project_id: str | None = None,
        filters_: filters.Parameter = None,
        sorting: str | None = None,
        page: wire.Page = 1,
        size: listing.Size = 10,
    ) -> Response:
        wire.unsorted(sorting)
        where = listing.condition(filters_, PROMPT_FIELDS, name, project_id)
        with store.read() as connection:
            total, rows = listing.page(connection, "prompts", where, page, size, _SELECT)
        return wire.page_answer(page, total, [wire.splice(*_public(row)) for row in rows])

    @api.post("", **schema.takes(PromptIn, 201, 404, 409))
    def create_prompt(body: wire.Body, request: Request) -> Response:
        return wire.created(request, create(store, wire.parse(PromptIn, body)))

    @api.post("/versions", **schema.takes(prompt_versions.VersionIn, 200, 404, 409))
    def create_prompt_version(body: wire.Body) -> Response:
        return wire.answer(create_version(store, wire.parse(prompt_versions.VersionIn, body)))

    @api.post("/versions/retrieve", **schema.takes(prompt_versions.VersionRef, 200, 404))
    def retrieve_prompt_version(body: wire.Body) -> Response:
        wanted = wire.parse(prompt_versions.VersionRef, body)
        with store.read() as connection:
            project = projects.find(connection, projects.clean_name(wanted.project_name))
            prompt = find(connection, project, wanted.name)
            if prompt is None:
                raise RefusedError(404, "Prompt not found")
            return wire.answer(prompt_versions.encode(prompt_versions.chosen(connection, prompt["id"], wanted)))

    @api.post("/delete", **schema.takes(IdList, 204))
    def delete_prompts_batch(body: wire.Body) -> Response:
        _delete(store, wire.parse(IdList, body).ids)
        return wire.no_content()

    @api.get("/by-commit/{commit}", **schema.gives(200, 404))
    def get_prompt_by_commit(commit: str) -> Response:
        with store.read() as connection:
            found = prompt_versions.select(connection, "e.commit_hash = ?", (commit,))
            if not found:
                raise RefusedError(404, "Prompt not found")
            return wire.answer(_detail(connection, "e.id = ?", found[0]["prompt_id"], found[0]))

    prompt_versions.add_routes(api, store)

    @api.get("/{identifier}", **schema.gives(200, 404))
    def get_prompt_by_id(identifier: str, mask_id: str | None = None, environment: str | None = None) -> Response:
        key = ids.uuid_text(identifier, "Prompt")
        if mask_id is not None and environment is not None:
            raise RefusedError(400, "mask_id and environment exclude each other")
        with store.read() as connection:
            requested = None
            if mask_id is not None:
                mask = ids.uuid_text(mask_id, "Prompt version")
                found = prompt_versions.select(connection, "e.id = ? AND e.prompt_id = ?", (mask, key))
                if not found:
                    raise RefusedError(404, "Prompt version not found")
                requested = found[0]
            elif environment is not None:
                wanted = prompt_versions.VersionRef(name="-", environment=environment)
                requested = prompt_versions.chosen(connection, key, wanted)
            return wire.answer(_detail(connection, "e.id = ?", key, requested))

    @api.put("/{identifier}", **schema.takes(PromptUpdate, 204, 404, 409))
    def update_prompt(identifier: str, body: wire.Body) -> Response:
        _update(store, identifier, wire.parse(PromptUpdate, body))
        return wire.no_content()

    @api.delete("/{identifier}", **schema.gives(204))
    def delete_prompt(identifier: str) -> Response:
        _delete(store, [identifier])
        return wire.no_content()

    return api
