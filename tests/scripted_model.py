"""A model server on loopback that speaks OpenAI's chat completions, streamed, and says what a test wrote down."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Turn:
    """What the model says: a text and a tool call, with its tokens as OpenAI counts them; or an error's status."""

    text: str = ""
    tool: tuple[str, dict[str, Any]] | None = None
    prompt: int = 1000
    cached: int = 0
    output: int = 50
    status: int = 200


@dataclass
class ScriptedModel:
    """The server, while the block runs: the n-th turn answers a conversation with n answers in it."""

    turns: Sequence[Turn]
    keys: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, as a provider's base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedModel:
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.keys.append(self.headers.get("Authorization", ""))
                said = sum(one["role"] == "assistant" for one in asked["messages"])
                turn = model.turns[min(said, len(model.turns) - 1)]
                is_error = turn.status != 200
                self.send_response(turn.status)
                self.send_header("Content-Type", "application/json" if is_error else "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(_error(turn) if is_error else b"".join(_chunks(turn, said)))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _error(turn: Turn) -> bytes:
    return json.dumps({"error": {"message": turn.text, "type": "invalid_request_error"}}).encode()


def _chunks(turn: Turn, number: int) -> list[bytes]:
    """The answer as server-sent events: what is said, why it ends, what it took."""
    said: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if turn.tool is not None:
        name, arguments = turn.tool
        call = {"name": name, "arguments": json.dumps(arguments)}
        said["tool_calls"] = [{"index": 0, "id": f"call_{number}", "type": "function", "function": call}]
    finish = "stop" if turn.tool is None else "tool_calls"
    usage = {
        "prompt_tokens": turn.prompt,
        "completion_tokens": turn.output,
        "total_tokens": turn.prompt + turn.output,
        "prompt_tokens_details": {"cached_tokens": turn.cached},
    }
    usual = {"id": f"chat-{number}", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    parts = (
        {"choices": [{"index": 0, "delta": said, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
        {"choices": [], "usage": usage},
    )
    events = [f"data: {json.dumps(usual | part)}\n\n".encode() for part in parts]
    return [*events, b"data: [DONE]\n\n"]
