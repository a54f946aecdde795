"""Attachments go into the embedded store and come out of it through the SDK's own uploader, listing and download."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import opik
import pytest
from embedded import PROJECT, a_span, a_trace, uid
from opik import Attachment
from opik.rest_api.core.api_error import ApiError

from adapter.embedded_opik import EmbeddedOpik, attachments

PAGE = b"<html><script>alert(1)</script></html>"


def _read(sdk: opik.Opik, name: str, mime: str, *, entity: str = "t1", kind: str = "trace") -> bytes:
    client = sdk.get_attachment_client()
    return b"".join(
        client.download_attachment(PROJECT, kind, uid(entity), name, mime)  # pyright: ignore[reportArgumentType]
    )


def _names(sdk: opik.Opik, entity: str = "t1", kind: str = "trace") -> list[str]:
    found = sdk.get_attachment_client().get_attachment_list(PROJECT, uid(entity), kind)  # pyright: ignore[reportArgumentType]
    return [one.file_name for one in found]


def test_a_trace_logged_with_attachments_shows_them_and_gives_them_back(sdk: opik.Opik, tmp_path: Path) -> None:
    file = tmp_path / "trajectory — 1.json"
    file.write_bytes(b'{"steps": []}')
    trace = sdk.trace(
        name="run",
        project_name=PROJECT,
        attachments=[Attachment(data=str(file)), Attachment(data=b"raw", file_name="raw.bin", content_type="x/y")],
    )
    span = trace.span(name="step", attachments=[Attachment(data=b"of the span", file_name="span.txt")])
    assert sdk.flush()

    client = sdk.get_attachment_client()
    listed = client.get_attachment_list(PROJECT, trace.id, "trace")
    assert [(one.file_name, one.mime_type, one.file_size) for one in listed] == [
        ("raw.bin", "x/y", 3),
        ("trajectory — 1.json", "application/json", 13),
    ]
    read = client.download_attachment(PROJECT, "trace", trace.id, "trajectory — 1.json", "application/json")
    assert b"".join(read) == b'{"steps": []}'
    read = client.download_attachment(PROJECT, "span", span.id, "span.txt", "text/plain")
    assert b"".join(read) == b"of the span"


def test_a_file_of_several_parts_comes_back_byte_by_byte(sdk: opik.Opik, server: EmbeddedOpik, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    content = bytes(range(256)) * 4096 * 12 + b"tail"  # 12 MB: three parts to the SDK, 13 chunks to the store
    file.write_bytes(content)
    sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(file))
    assert _read(sdk, "large.bin", "application/octet-stream") == content
    assert server.app.state.rows_written["attachments", "new"] == 1


def test_a_file_of_the_same_name_takes_the_earlier_ones_place(
    sdk: opik.Opik, server: EmbeddedOpik, tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    for content in (b"the first, which is longer", b"the second"):
        file.write_bytes(content)
        sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(file))
    assert _names(sdk) == ["a.txt"]
    assert _read(sdk, "a.txt", "text/plain") == b"the second"
    assert server.app.state.rows_written["attachments", "updated"] == 1


def _chunks(server: EmbeddedOpik) -> int:
    with server.app.state.store.read() as connection:
        return connection.execute("SELECT count(*) FROM attachment_chunks").fetchone()[0]


def test_attachments_go_with_their_trace_and_its_spans(sdk: opik.Opik, server: EmbeddedOpik, tmp_path: Path) -> None:
    sdk.rest_client.traces.create_traces(traces=[a_trace("t1"), a_trace("t2")])
    sdk.rest_client.spans.create_spans(spans=[a_span("s1")])
    file = tmp_path / "a.txt"
    file.write_bytes(b"content")
    client = sdk.get_attachment_client()
    client.upload_attachment(PROJECT, "trace", uid("t1"), str(file))
    client.upload_attachment(PROJECT, "span", uid("s1"), str(file))
    client.upload_attachment(PROJECT, "trace", uid("t2"), str(file))
    sdk.rest_client.traces.delete_traces(ids=[uid("t1")])
    assert (_names(sdk), _names(sdk, "s1", "span"), _names(sdk, "t2")) == ([], [], ["a.txt"])
    assert server.app.state.rows_written["attachments", "deleted"] == 2
    assert _chunks(server) == 1


def test_one_attachment_of_several_is_deleted(sdk: opik.Opik, server: EmbeddedOpik, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_bytes(b"content")
        sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(tmp_path / name))
    sdk.rest_client.attachments.delete_attachments(
        file_name="b.txt",
        entity_type="trace",
        entity_id=uid("t1"),
        file_size=7,
        upload_id="BEMinIO",
        uploaded_file_parts=[],
        project_name=PROJECT,
    )
    assert _names(sdk) == ["a.txt", "c.txt"]
    # The server's own shape of the same request, which the SDK's types hold and its method does not send.
    project = sdk.rest_client.projects.retrieve_project(name=PROJECT).id
    body = {"file_names": ["a.txt"], "entity_type": "trace", "entity_id": uid("t1"), "container_id": project}
    assert httpx.post(f"{server.url}/v1/private/attachment/delete", json=body).status_code == 204
    assert _names(sdk) == ["c.txt"]
    assert _chunks(server) == 1


def test_a_file_over_the_limit_is_refused_with_413_and_nothing_of_it_is_stored(
    sdk: opik.Opik, server: EmbeddedOpik, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_BYTES", 1000)
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(1001))
    with pytest.raises(ApiError) as refused:
        sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(file))
    assert refused.value.status_code == 413
    assert (server.app.state.rows_written["attachments", "new"], _chunks(server)) == (0, 0)
    file.write_bytes(bytes(1000))
    sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(file))
    assert len(_read(sdk, "a.bin", "application/octet-stream")) == 1000


def test_a_page_in_an_attachment_is_saved_and_never_shown(sdk: opik.Opik, server: EmbeddedOpik, tmp_path: Path) -> None:
    file = tmp_path / "evil.html"
    file.write_bytes(PAGE)
    name = 'evil".html\r\nX-Bad: 1'
    sdk.get_attachment_client().upload_attachment(PROJECT, "trace", uid("t1"), str(file), file_name=name)
    link = sdk.get_attachment_client().get_attachment_list(PROJECT, uid("t1"), "trace")[0].link
    assert link is not None
    assert link.startswith(f"{server.url}/v1/private/attachment/download?")
    answer = httpx.get(link)
    assert answer.content == PAGE
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''evil%22.html%0D%0AX-Bad%3A%201"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "x-bad" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"download?container_id={uid('p')}&entity_type=trace&entity_id={uid('t1')}&file_name=a", None, 404),
        ("GET", f"list?project_id={uid('p')}&entity_type=thread&entity_id={uid('t1')}&path=aHR0cDovL3g=", None, 400),
        ("GET", f"list?project_id={uid('p')}&entity_type=trace&entity_id={uid('t1')}&path=%25", None, 400),
        ("POST", "upload-start", {"file_name": "a", "num_of_file_parts": 1, "entity_type": "trace"}, 422),
        ("POST", "delete", {"entity_type": "trace", "entity_id": uid("t1")}, 422),
        ("PUT", "upload?file_name=a&entity_type=trace&entity_id=no", b"x", 400),
    ],
)
def test_requests_that_name_no_file_are_refused(
    server: EmbeddedOpik, method: str, path: str, body: object, status: int
) -> None:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = httpx.request(method, f"{server.url}/v1/private/attachment/{path}", **sent)  # pyright: ignore[reportArgumentType]
    assert answer.status_code == status


def test_links_lead_to_the_address_the_client_knows_the_server_by(server: EmbeddedOpik) -> None:
    """Also in base64's other alphabet, which Opik reads here."""
    path = base64.urlsafe_b64encode(b"http://localhost:1/a?>>>/").decode()
    body = {"file_name": "a b", "num_of_file_parts": 1, "entity_type": "span", "entity_id": uid("s1"), "path": path}
    answer = httpx.post(f"{server.url}/v1/private/attachment/upload-start", json=body).json()
    assert answer["upload_id"] == "BEMinIO"
    assert answer["pre_sign_urls"][0].startswith(
        "http://localhost:1/a?>>>/v1/private/attachment/upload?file_name=a%20b&"
    )
