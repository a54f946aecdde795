"""The versions of prompts: numbered, known by a commit, never changed; masks, which stand beside the history."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from opik.rest_api.types.prompt_version_detail import PromptVersionDetail
from opik.rest_api.types.prompt_version_detail_type import PromptVersionDetailType
from opik.rest_api.types.prompt_version_update import PromptVersionUpdate
from pydantic import BaseModel, Field

from adapter.embedded_opik import (
    environments,
    filters,
    ids,
    listing,
    patching,
    projects,
    prompt_variables,
    schema,
    wire,
)
from adapter.embedded_opik.datasets import IdList
from adapter.embedded_opik.db import Store, Value
from adapter.embedded_opik.errors import RefusedError, not_found
from adapter.embedded_opik.fields import PROMPT_VERSION_FIELDS

type Structure = Literal["text", "chat"]
type Name = Annotated[str, Field(min_length=1)]

_HEX = re.compile("[0-9a-f]{8}")
_SELECT: Final = (
    "e.*, (SELECT template_structure FROM prompts WHERE id = e.prompt_id) AS template_structure, "
    "(SELECT json_group_array(environment) FROM prompt_environments WHERE version_id = e.id) AS environments"
)


class VersionIn(BaseModel):
    """The body of `POST /prompts/versions`: a version, and the prompt it belongs to, made where there is none."""

    name: Name
    version: PromptVersionDetail
    template_structure: Structure | None = None
    project_id: str | None = None
    project_name: str | None = None


class VersionRef(BaseModel):
    """The body of `POST /prompts/versions/retrieve`: a prompt, and at most one of what selects its version."""

    name: Name
    commit: str | None = None
    version_number: str | None = None
    environment: str | None = None
    project_name: str | None = None


class VersionsUpdate(BaseModel):
    """The body of `PATCH /prompts/versions`: of a version, only its tags ever change."""

    ids: Annotated[list[str], Field(min_length=1, max_length=wire.MAX_BATCH)]
    update: PromptVersionUpdate
    merge_tags: bool | None = None


class EnvironmentsOf(BaseModel):
    """The body of `PATCH /prompts/versions/{id}/environments`: all environments that point to the version."""

    environments: list[str]


class CommitList(BaseModel):
    """A body that lists commits."""

    commits: Annotated[list[str], Field(min_length=1, max_length=wire.MAX_BATCH)]


@dataclass(frozen=True, slots=True)
class Content:
    """What a version holds."""

    template: str
    metadata: str | None
    type: PromptVersionDetailType
    change_description: str | None
    tags: str | None = None
    is_mask: bool = False


def insert(
    store: Store,
    connection: sqlite3.Connection,
    prompt: str,
    content: Content,
    identifier: str | None = None,
    commit: str | None = None,
) -> str:
    """A new version of a prompt, and its id; 409 where the id or the commit is taken.

    A commit that is not given is the end of the id, as in Opik.
    """
    now = store.clock()
    key = ids.mint(now) if identifier is None else ids.version7(identifier, "prompt version")
    if commit is not None and _HEX.fullmatch(commit) is None:
        raise RefusedError(422, "commit must be 8 characters of 0-9 and a-f")
    taken = connection.execute(
        "SELECT 1 FROM prompt_versions WHERE id = ? OR (prompt_id = ? AND commit_hash = ?)",
        (key, prompt, commit or key[-8:]),
    ).fetchone()
    if taken is not None:
        raise RefusedError(409, "Prompt version already exists")
    newest = connection.execute("SELECT max(number) FROM prompt_versions WHERE prompt_id = ?", (prompt,)).fetchone()[0]
    row: dict[str, Value] = {
        "id": key,
        "prompt_id": prompt,
        "number": None if content.is_mask else (newest or 0) + 1,
        "commit_hash": commit or key[-8:],
        "template": content.template,
        "metadata": content.metadata,
        "type": content.type,
        "version_type": "mask" if content.is_mask else "prompt_version",
        "change_description": content.change_description,
        "tags": content.tags,
        "created_at": wire.stamp(now),
    }
    store.insert(connection, "prompt_versions", row)
    return key


def select(connection: sqlite3.Connection, where: str, values: Sequence[Value]) -> list[sqlite3.Row]:
    """Matching versions, the newest first."""
    sql = f"SELECT {_SELECT} FROM prompt_versions e WHERE {where} ORDER BY e.number DESC, e.id DESC"
    return connection.execute(sql, values).fetchall()


def latest(connection: sqlite3.Connection, prompt: str) -> sqlite3.Row | None:
    """The newest version of a prompt's history; a mask is none."""
    found = select(connection, "e.prompt_id = ? AND e.number IS NOT NULL", (prompt,))
    return found[0] if found else None


def chosen(connection: sqlite3.Connection, prompt: str, wanted: VersionRef) -> sqlite3.Row:
    """The version that a request selects, the latest one if by nothing; 404 where there is none."""
    given = [name for name in ("commit", "version_number", "environment") if getattr(wanted, name) is not None]
    if len(given) > 1:
        raise RefusedError(400, f"{' and '.join(given)} exclude each other")
    if wanted.commit is not None:
        found = select(connection, "e.prompt_id = ? AND e.commit_hash = ?", (prompt, wanted.commit))
    elif wanted.version_number is not None:
        found = select(connection, "e.prompt_id = ? AND 'v' || e.number = ?", (prompt, wanted.version_number))
    elif wanted.environment is not None:
        sql = "e.id = (SELECT version_id FROM prompt_environments WHERE prompt_id = ? AND environment = ?)"
        found = select(connection, sql, (prompt, wanted.environment))
    else:
        newest = latest(connection, prompt)
        found = [] if newest is None else [newest]
    if not found:
        raise RefusedError(404, "Prompt version not found")
    return found[0]


def encode(row: sqlite3.Row, *, detail: bool = True) -> bytes:
    """A version as `PromptVersionDetail`, or as the page's `PromptVersionPublic`, which lacks the variables."""
    plain: dict[str, object] = {
        name: row[name]
        for name in (
            "id",
            "prompt_id",
            "template",
            "type",
            "version_type",
            "change_description",
            "template_structure",
            "created_at",
        )
    }
    plain |= {
        "commit": row["commit_hash"],
        "version_number": None if row["number"] is None else f"v{row['number']}",
        "environments": wire.loads(row["environments"]) or None,
        "created_by": projects.AUTHOR,
    }
    if detail:
        plain["variables"] = prompt_variables.names(row["template"], row["type"])
    return wire.splice(plain, {"metadata": row["metadata"], "tags": row["tags"]})


def _set_environments(store: Store, identifier: str, names: Sequence[str]) -> None:
    with store.write() as connection:
        found = select(connection, "e.id = ?", (ids.uuid_text(identifier, "Prompt version"),))
        if not found:
            raise not_found("Prompt version", identifier)
        unknown = [name for name in names if not environments.exists(connection, name)]
        if unknown:
            raise RefusedError(404, f"Environment not found: {unknown[0][:150]}")
        version, prompt = found[0]["id"], found[0]["prompt_id"]
        store.execute(
            connection,
            "prompt_environments",
            "deleted",
            "DELETE FROM prompt_environments WHERE version_id = ? "
            "AND environment NOT IN (SELECT value FROM json_each(?))",
            (version, json.dumps(list(names))),
        )
        store.upsert(
            connection,
            "prompt_environments",
            ("prompt_id", "environment", "version_id"),
            ("prompt_id", "environment"),
            [(prompt, name, version) for name in dict.fromkeys(names)],
        )


def _update_tags(store: Store, wanted: VersionsUpdate) -> None:
    identifiers = [ids.uuid_text(i, "Prompt version") for i in wanted.ids]
    tags = wanted.update.tags
    if tags is None:
        return
    with store.write() as connection:
        for row in select(connection, "e.id IN (SELECT value FROM json_each(?))", (json.dumps(identifiers),)):
            new = (
                patching.merged_tags(wire.loads(row["tags"]), None, tags, None)
                if wanted.merge_tags
                else patching.merged_tags(None, tags, None, None)
            )
            store.update(connection, "prompt_versions", {"tags": wire.dumps(new)}, row["id"])


def _restore(store: Store, prompt: str, version: str) -> bytes:
    with store.write() as connection:
        found = select(connection, "e.id = ? AND e.prompt_id = ?", (version, prompt))
        if not found:
            raise RefusedError(404, "Prompt version not found for the specified prompt")
        old = found[0]
        said = f"Restored from version {old['commit_hash']}"
        content = Content(old["template"], old["metadata"], old["type"], said, old["tags"])
        return encode(select(connection, "e.id = ?", (insert(store, connection, prompt, content),))[0])


def content(
    template: str,
    metadata: object,
    kind: PromptVersionDetailType | None,
    change: str | None,
    *,
    tags: list[str] | None = None,
    is_mask: bool = False,
) -> Content:
    """What a request says a version holds; its type is mustache where it names none."""
    if not template.strip():
        raise RefusedError(422, "version.template must not be blank")
    return Content(template, wire.dumps(metadata), kind or "mustache", change, wire.dumps(tags), is_mask)


def add_routes(api: APIRouter, store: Store) -> None:
    """The endpoints of versions by their own id, on the prompts' router (before its `/{identifier}`)."""

    @api.patch("/versions", **schema.takes(VersionsUpdate, 204))
    def update_prompt_versions(body: wire.Body) -> Response:
        _update_tags(store, wire.parse(VersionsUpdate, body))
        return wire.no_content()

    @api.post("/versions/retrieve-by-ids", **schema.takes(IdList, 200))
    def retrieve_prompt_versions_by_ids(body: wire.Body) -> Response:
        wanted = [ids.uuid_text(i, "Prompt version") for i in wire.parse(IdList, body).ids]
        with store.read() as connection:
            found = select(connection, "e.id IN (SELECT value FROM json_each(?))", (json.dumps(wanted),))
        return wire.answer(b"[" + b",".join(encode(row) for row in found) + b"]")

    @api.post("/retrieve-by-commits", **schema.takes(CommitList, 200))
    def get_prompts_by_commits(body: wire.Body) -> Response:
        wanted = wire.parse(CommitList, body).commits
        with store.read() as connection:
            rows = connection.execute(
                "SELECT e.id AS prompt_version_id, e.commit_hash AS 'commit', p.id AS prompt_id, p.name AS prompt_name "
                "FROM prompt_versions e JOIN prompts p ON p.id = e.prompt_id "
                "WHERE e.commit_hash IN (SELECT value FROM json_each(?)) ORDER BY e.id DESC",
                (json.dumps(wanted),),
            ).fetchall()
        return wire.answer(b"[" + b",".join(wire.splice(dict(row), {}) for row in rows) + b"]")

    @api.get("/versions/{identifier}", **schema.gives(200, 404))
    def get_prompt_version_by_id(identifier: str) -> Response:
        with store.read() as connection:
            found = select(connection, "e.id = ?", (ids.uuid_text(identifier, "Prompt version"),))
        if not found:
            raise RefusedError(404, "Prompt version not found")
        return wire.answer(encode(found[0]))

    @api.patch("/versions/{identifier}/environments", **schema.takes(EnvironmentsOf, 204, 404))
    def set_prompt_version_environment(identifier: str, body: wire.Body) -> Response:
        _set_environments(store, identifier, wire.parse(EnvironmentsOf, body).environments)
        return wire.no_content()

    @api.get("/{identifier}/versions", **schema.gives(200, 501))
    def get_prompt_versions(
        identifier: str,
        search: str | None = None,
        filters_: filters.Parameter = None,
        sorting: str | None = None,
        page: wire.Page = 1,
        size: listing.Size = 10,
    ) -> Response:
        wire.unsorted(sorting)
        where = listing.condition(filters_, PROMPT_VERSION_FIELDS)
        where = listing.narrowed(where, "e.prompt_id = ? AND e.number IS NOT NULL", ids.uuid_text(identifier, "Prompt"))
        if search:
            text = "instr(lower(e.template || ' ' || coalesce(e.change_description, '')), lower(?)) > 0"
            where = listing.narrowed(where, text, search)
        with store.read() as connection:
            total, rows = listing.page(connection, "prompt_versions", where, page, size, _SELECT)
        return wire.page_answer(page, total, [encode(row, detail=False) for row in rows])

    @api.get("/{identifier}/versions/by-number/{number}", **schema.gives(200, 404))
    def get_prompt_version_by_number(identifier: str, number: str) -> Response:
        with store.read() as connection:
            prompt = ids.uuid_text(identifier, "Prompt")
            return wire.answer(encode(chosen(connection, prompt, VersionRef(name="-", version_number=number))))

    @api.post("/{identifier}/versions/{version}/restore", **schema.gives(200, 404))
    def restore_prompt_version(identifier: str, version: str) -> Response:
        prompt = ids.uuid_text(identifier, "Prompt")
        return wire.answer(_restore(store, prompt, ids.uuid_text(version, "Prompt version")))
