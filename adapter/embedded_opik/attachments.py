"""Attachments of traces and spans: uploaded straight to this server, as to a self-hosted Opik without S3.

The SDK asks where to upload (`upload-start`), puts the file there, and is done. The content is kept in chunks
beside the row that names it, goes with its trace or span, and leaves only as a download, never as a page.
"""

# ruff: noqa: S608 - table and column names in SQL are constants of this package; every value is bound.
from __future__ import annotations

import base64
import binascii
import mimetypes
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from opik.rest_api.types.attachment import Attachment
from opik.rest_api.types.start_multipart_upload_response import StartMultipartUploadResponse
from pydantic import BaseModel, Field

from adapter.embedded_opik import ids, projects, schema, wire
from adapter.embedded_opik.db import Store
from adapter.embedded_opik.errors import RefusedError

MAX_BYTES = 256 * 1024 * 1024
"""The largest attachment; a larger one is refused with 413."""

UPLOAD_ID = "BEMinIO"
"""What tells the SDK to put the file to this server, and not to S3."""

_CHUNK = 1024 * 1024
_IN_MEMORY = 1024 * 1024
_COLUMNS = (
    "entity_type", "entity_id", "project_id", "file_name", "mime_type", "file_size", "created_at", "last_updated_at",
)  # fmt: skip
_KEY = ("entity_type", "entity_id", "project_id", "file_name")
_ENTITY = "entity_type = ? AND entity_id = ? AND project_id = ?"
_ROW = f"SELECT rowid FROM attachments WHERE {_ENTITY} AND file_name = ?"

type Entity = Literal["trace", "span"]
type _FileName = Annotated[str, Field(min_length=1, max_length=1024)]


class UploadStart(BaseModel):
    """The body of `POST /attachment/upload-start`. `path` is this server's address as the client knows it."""

    file_name: _FileName
    num_of_file_parts: int
    entity_type: Entity
    entity_id: str
    path: Annotated[str, Field(min_length=1)]
    mime_type: str | None = None
    project_name: str | None = None


class FileRef(BaseModel):
    """The body that names files of one entity: by the server's list of names, or by the SDK's single one."""

    entity_type: Entity
    entity_id: str
    file_names: list[str] | None = None
    file_name: str | None = None
    container_id: str | None = None
    project_name: str | None = None


def mime_type(given: str | None, file_name: str) -> str:
    """The type that was sent, else what the name says."""
    if given and given.strip():
        return given
    return mimetypes.guess_type(file_name)[0] or "application/octet-stream"


async def request_file(request: Request) -> AsyncIterator[IO[bytes]]:
    """The body in a temporary file of the user's own; more than `MAX_BYTES` bytes are refused with 413."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for chunk in wire.body_chunks(request, MAX_BYTES):
            file.write(chunk)
        yield file


def write(
    store: Store, content: IO[bytes], *, entity: Entity, identifier: str, name: str, mime: str, project: str | None
) -> None:
    """Store a file under its entity and name, in the place of an earlier one."""
    now = wire.stamp(store.clock())
    size = content.seek(0, 2)
    content.seek(0)
    with store.write() as connection:
        project_id = projects.get_or_create(store, connection, [project])[project]
        key = (entity, identifier, project_id, name)
        store.upsert(connection, "attachments", _COLUMNS, _KEY, [(*key, mime, size, now, now)])
        row = connection.execute(_ROW, key).fetchone()
        connection.execute("DELETE FROM attachment_chunks WHERE attachment = ?", (row["rowid"],))
        number = 0
        while data := content.read(_CHUNK):
            connection.execute(
                "INSERT INTO attachment_chunks (attachment, number, data) VALUES (?, ?, ?)",
                (row["rowid"], number, data),
            )
            number += 1


def _chunks(store: Store, key: tuple[str, str, str, str]) -> Iterator[bytes]:
    # One statement, and so the file of one moment, also where another takes its place meanwhile.
    sql = f"SELECT data FROM attachment_chunks WHERE attachment = ({_ROW}) ORDER BY number"
    with store.read() as connection:
        for chunk in connection.execute(sql, key):
            yield chunk["data"]


def _download(store: Store, key: tuple[str, str, str, str]) -> Response:
    with store.read() as connection:
        if connection.execute(_ROW, key).fetchone() is None:
            raise RefusedError(404, "File not found")
    headers = {
        # Whatever it says it is: a browser saves it and neither shows nor runs it.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(key[3], safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_chunks(store, key), media_type="application/octet-stream", headers=headers)


def _base_url(path: str) -> str:
    """The address in a `path` parameter, which is base64 of it."""
    try:
        decoded = base64.b64decode(path.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise RefusedError(400, "path is not the base64 text of an address") from error
    if not decoded.startswith(("http://", "https://")):
        raise RefusedError(400, "path is not the base64 text of an address")
    return decoded.rstrip("/")


def _delete(store: Store, wanted: FileRef) -> None:
    entity = ids.uuid_text(wanted.entity_id, wanted.entity_type)
    names = wanted.file_names or ([wanted.file_name] if wanted.file_name else [])
    if not names:
        raise RefusedError(422, "file_names must not be empty")
    with store.write() as connection:
        project = wanted.container_id and ids.uuid_text(wanted.container_id, "Project")
        project = project or projects.find(connection, projects.clean_name(wanted.project_name))
        for name in names if project else ():
            sql = f"DELETE FROM attachments WHERE {_ENTITY} AND file_name = ?"
            store.execute(connection, "attachments", "deleted", sql, (wanted.entity_type, entity, project, name))


def router(store: Store) -> APIRouter:
    """The attachment endpoints."""
    api = APIRouter(prefix=f"{wire.API}/attachment")

    @api.post("/upload-start", **schema.takes(UploadStart, 200))
    def start_multi_part_upload(body: wire.Body) -> Response:
        wanted = wire.parse(UploadStart, body)
        query = {
            "file_name": wanted.file_name,
            "mime_type": mime_type(wanted.mime_type, wanted.file_name),
            "entity_type": wanted.entity_type,
            "entity_id": ids.uuid_text(wanted.entity_id, wanted.entity_type),
        }
        if wanted.project_name is not None:
            query["project_name"] = wanted.project_name
        url = f"{_base_url(wanted.path)}/v1/private/attachment/upload?{urlencode(query, quote_via=quote)}"
        return wire.model_answer(StartMultipartUploadResponse(upload_id=UPLOAD_ID, pre_sign_urls=[url]))

    @api.put("/upload", **schema.takes_bytes(204))
    def upload_attachment(
        content: Annotated[IO[bytes], Depends(request_file)],
        file_name: Annotated[str, Query(min_length=1, max_length=1024)],
        entity_type: Entity,
        entity_id: str,
        project_name: str | None = None,
        mime_type_: Annotated[str | None, Query(alias="mime_type")] = None,
    ) -> Response:
        write(
            store,
            content,
            entity=entity_type,
            identifier=ids.uuid_text(entity_id, entity_type),
            name=file_name,
            mime=mime_type(mime_type_, file_name),
            project=project_name,
        )
        return wire.no_content()

    @api.post("/upload-complete", **schema.takes(FileRef, 204))
    def complete_multi_part_upload(body: wire.Body) -> Response:
        # The file came with the PUT: as in an Opik without S3, there is nothing left to do.
        wire.parse(FileRef, body)
        return wire.no_content()

    @api.get("/list", **schema.gives(200))
    def attachment_list(
        project_id: str,
        entity_type: Entity,
        entity_id: str,
        path: Annotated[str, Query(min_length=1)],
        page: wire.Page = 1,
        size: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        key = (entity_type, ids.uuid_text(entity_id, entity_type), ids.uuid_text(project_id, "Project"))
        base = f"{_base_url(path)}/v1/private/attachment/download"
        with store.read() as connection:
            total = connection.execute(f"SELECT count(*) FROM attachments WHERE {_ENTITY}", key).fetchone()[0]
            rows = connection.execute(
                f"SELECT file_name, file_size, mime_type FROM attachments WHERE {_ENTITY} "
                "ORDER BY file_name LIMIT ? OFFSET ?",
                (*key, size, (page - 1) * size),
            ).fetchall()
        content: list[bytes] = []
        for row in rows:
            query = {
                "workspace_name": "default",
                "container_id": key[2],
                "entity_type": key[0],
                "entity_id": key[1],
                "file_name": row["file_name"],
                "mime_type": row["mime_type"],
            }
            link = f"{base}?{urlencode(query, quote_via=quote)}"
            content.append(wire.dump(Attachment(link=link, **row)))
        return wire.page_answer(page, total, content)

    @api.get("/download", **schema.gives(200, 404))
    def download_attachment(
        container_id: str,
        entity_type: Entity,
        entity_id: str,
        file_name: Annotated[str, Query(min_length=1)],
    ) -> Response:
        key = (entity_type, ids.uuid_text(entity_id, entity_type), ids.uuid_text(container_id, "Project"), file_name)
        return _download(store, key)

    @api.post("/delete", **schema.takes(FileRef, 204))
    def delete_attachments(body: wire.Body) -> Response:
        _delete(store, wire.parse(FileRef, body))
        return wire.no_content()

    return api
