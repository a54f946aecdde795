"""Files at a trace: put to the Opik server itself, or to the object store that it names, as the SDK does it.

The SDK's own uploader reads files from disk, tries again by a policy of its own, and logs tracebacks; what goes up here
was redacted in memory, and one policy holds for every call (`adapter/opik_rest.py`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from opik import s3_httpx_client
from opik.file_upload.upload_client import LOCAL_UPLOAD_MAGIC_ID
from opik.rest_api.types import MultipartUploadPart, StartMultipartUploadResponse

from adapter.errors import IncompleteError
from adapter.opik_patience import status_of
from adapter.opik_rest import Rest

PART_BYTES = 5 * 1024 * 1024
"""An object store takes no smaller part but the last."""
_NOT_TAKEN = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes up; one of the same name at the same trace is replaced."""

    name: str
    data: bytes
    mime_type: str = "application/json"


def attach(rest: Rest, project: str, trace_id: str, file: Attachment) -> str | None:
    """Puts a file at a trace, which need not be there yet.

    Returns:
        Why Opik does not take this file; None where it does.

    Raises:
        IncompleteError: Opik refuses all such calls, or is still in trouble after the last try.
    """
    try:
        _put(rest, project, trace_id, file)
    except IncompleteError as error:
        if status_of(error.__cause__) not in _NOT_TAKEN:
            raise
        return error.what
    return None


def _put(rest: Rest, project: str, trace_id: str, file: Attachment) -> None:
    what = f"the attachment {file.name}"
    parts = [file.data[start : start + PART_BYTES] for start in range(0, len(file.data), PART_BYTES)] or [b""]
    started = rest.call(
        what,
        lambda api: api.attachments.start_multi_part_upload(
            file_name=file.name,
            num_of_file_parts=len(parts),
            entity_type="trace",
            entity_id=trace_id,
            # The server builds the address to upload to from the one that it is known by here.
            path=base64.b64encode(rest.address.encode()).decode(),
            mime_type=file.mime_type,
            project_name=project,
        ),
    )
    if started.upload_id == LOCAL_UPLOAD_MAGIC_ID:
        rest.call(what, lambda _: _answer(rest.http.put(started.pre_sign_urls[0], content=file.data)))
        return
    stored = _to_object_store(rest, what, started, parts)
    rest.call(
        what,
        lambda api: api.attachments.complete_multi_part_upload(
            file_name=file.name,
            entity_type="trace",
            entity_id=trace_id,
            file_size=len(file.data),
            upload_id=started.upload_id,
            uploaded_file_parts=stored,
            project_name=project,
            mime_type=file.mime_type,
        ),
    )


def _to_object_store(
    rest: Rest, what: str, started: StartMultipartUploadResponse, parts: list[bytes]
) -> list[MultipartUploadPart]:
    """The parts as the object store took them. Its addresses are signed: no header of Opik's goes there."""
    stored: list[MultipartUploadPart] = []
    with s3_httpx_client.get() as http:
        for number, (url, part) in enumerate(zip(started.pre_sign_urls, parts, strict=True), 1):
            answer = rest.call(what, lambda _, url=url, part=part: _answer(http.put(url, content=part)))
            stored.append(MultipartUploadPart(e_tag=answer.headers["ETag"], part_number=number))
    return stored


def _answer(response: httpx.Response) -> httpx.Response:
    """An answer that says yes; any other is an error."""
    return response.raise_for_status()
