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


class ScriptedJudge:
    """The server, while the block runs; `answer` says what each request gets."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
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
