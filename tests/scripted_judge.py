"""A judge model whose answers are scripted, behind an OpenAI-compatible server on loopback."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    body: dict[str, Any]
    number: int
    """Counted from 1."""

    @property
    def model(self) -> str:
        return self.body["model"]

    @property
    def system(self) -> str:
        return _text(self.body["messages"][0]["content"])

    @property
    def text(self) -> str:
        return _text(self.body["messages"][-1]["content"])

    @property
    def boundary(self) -> str:
        """That of the trajectory that is asked about; what is no such question has none."""
        found = re.match(r"Marks in this message begin with \[([0-9a-f]+)\.", self.text)
        return found[1] if found else "none"


@dataclass(frozen=True)
class Answer:
    """What is answered, with the trajectory's boundary in place of `BOUNDARY`.

    `until` holds it back for as long as that event is not set.
    """

    text: str = ""
    status: int = 200
    finish: str = "stop"
    prompt_tokens: int = 1000
    completion_tokens: int = 100
    cached_tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None
    body: dict[str, Any] | None = None
    """in place of everything else"""
    raw: bytes | None = None
    until: threading.Event | None = None
    usage: bool = True


class Batches:
    """The server's batch endpoints: each batch is answered once `finish` says so.

    Attributes:
        files: by id, as they were uploaded or written.
        batches: by id, as they are told.
        lost: answer with this status when a batch is made, though it is taken.
        refused: answer with this status when a batch is made, and take none.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.lost: int | None = None
        self.refused: int | None = None

    def calls(self) -> list[dict[str, Any]]:
        """The lines of all batches that were taken."""
        return [line for one in self.batches.values() for line in self._lines(one)]

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        parts = path.split("?")[0].removeprefix("/v1/").split("/")
        match method, parts:
            case "POST", ["files"]:
                lines = [line for line in body.splitlines() if line.startswith(b'{"custom_id"')]
                id_ = f"file-{len(self.files) + 1}"
                self.files[id_] = b"\n".join(lines)
                return 200, _json(_file(id_))
            case "POST", ["batches"]:
                return self._made(json.loads(body))
            case "GET", ["batches"]:
                return 200, _json({"object": "list", "data": [*self.batches.values()], "has_more": False})
            case "GET", ["batches", id_] if id_ in self.batches:
                return 200, _json(self.batches[id_])
            case "GET", ["files", id_, "content"] if id_ in self.files:
                return 200, self.files[id_]
            case _:
                return 404, _json({"error": {"message": f"no {path}", "type": "invalid_request_error"}})

    def finish(
        self, judge: ScriptedJudge, status: str = "completed", *, answered: int | None = None, raw: bool = False
    ) -> None:
        """Ends all batches, of which so many calls are answered, all if not told; `raw` escapes what it has to."""
        for id_, one in self.batches.items():
            if one["status"] != "in_progress":
                continue
            lines = self._lines(one)[:answered]
            good: list[bytes] = []
            bad: list[bytes] = []
            for number, line in enumerate(lines):
                asked = Asked(line["body"], number)
                answer = judge.answer(asked)
                response = {"status_code": answer.status, "request_id": "r", "body": _response(asked, answer)}
                told = {"id": f"r{number}", "custom_id": line["custom_id"], "response": response, "error": None}
                (good if answer.status == 200 else bad).append(json.dumps(told, ensure_ascii=not raw).encode())
            counts = {"total": one["request_counts"]["total"], "completed": len(good), "failed": len(bad)}
            one |= {"status": status, "request_counts": counts, "completed_at": one["created_at"] + 60}
            for name, found in (("output_file_id", good), ("error_file_id", bad)):
                if found:
                    one[name] = f"{name}-{id_}"
                    self.files[one[name]] = b"\n".join(found)

    def _made(self, wanted: dict[str, Any]) -> tuple[int, bytes]:
        if self.refused is not None:
            return self.refused, _json({"error": {"message": "no batches here", "type": "invalid_request_error"}})
        id_ = f"batch-{len(self.batches) + 1}"
        total = len(self.files[wanted["input_file_id"]].splitlines())
        self.batches[id_] = {
            "id": id_,
            "object": "batch",
            "created_at": 1_790_000_000,
            "status": "in_progress",
            "request_counts": {"total": total, "completed": 0, "failed": 0},
            **wanted,
        }
        if self.lost is not None:
            return self.lost, _json({"error": {"message": "bad gateway", "type": "server_error"}})
        return 200, _json(self.batches[id_])

    def _lines(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]


class ScriptedJudge:
    """The server, while the block runs; `answer` says what each request gets."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.batches = Batches()
        self._lock = threading.Lock()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.batched(b"")

            def batched(self, body: bytes) -> None:
                status, data = judge.batches.respond(self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                # LiteLLM makes a client for each of these calls, and closes none.
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.split("?")[0].endswith(("/files", "/batches")):
                    self.batched(data)
                    return
                body = json.loads(data)
                with judge._lock:
                    asked = Asked(body, len(judge.asked) + 1)
                    judge.asked.append(asked)
                answer = judge.answer(asked)
                if answer.until is not None:
                    answer.until.wait()
                data = answer.raw if answer.raw is not None else json.dumps(_response(asked, answer)).encode()
                try:
                    self.send_response(answer.status)
                    for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # Whoever asked is gone.

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_: object) -> None:
                error = sys.exc_info()[1]
                if not isinstance(error, ConnectionError):  # Whoever asked was killed.
                    raise error or AssertionError

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.02), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _file(id_: str) -> dict[str, Any]:
    usual = {"object": "file", "bytes": 1, "created_at": 0, "filename": "x.jsonl", "purpose": "batch"}
    return {"id": id_, "status": "processed", **usual}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _response(asked: Asked, answer: Answer) -> dict[str, Any]:
    if answer.body is not None:
        return answer.body
    if answer.status != 200:
        return {"error": {"message": answer.text or "scripted failure", "type": "error", "code": None}}
    text = answer.text.replace("BOUNDARY", asked.boundary)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if answer.refusal is not None:
        message |= {"content": None, "refusal": answer.refusal}
    elif "tools" in asked.body:
        name = asked.body["tools"][0]["function"]["name"]
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
        message |= {"content": None, "tool_calls": [call]}
    usage = {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }
    return {
        "id": f"chat-{asked.number}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish}],
        **({"usage": usage} if answer.usage else {}),
    }
