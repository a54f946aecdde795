"""A model's API that answers by a script: OpenAI's chat completions, streamed, on loopback.

Which script is told by the model's name, and which of its answers by how many the conversation holds already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, override


@dataclass(frozen=True)
class Answer:
    """One answer of the model.

    Attributes:
        calls: the tools that it calls: name and arguments.
        usage: prompt, completion and cached tokens.
    """

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    usage: tuple[int, int, int] = (1000, 50, 0)
    finish: str | None = None

    def chunks(self, model: str) -> Iterator[dict[str, Any]]:
        """What is sent, piece by piece."""
        calls = [
            {
                "index": n,
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(has)},
            }
            for n, (name, has) in enumerate(self.calls)
        ]
        prompt, completion, cached = self.usage
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": model}
        yield base | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": self.text}}]}
        if calls:
            yield base | {"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}
        finish = self.finish or ("tool_calls" if calls else "stop")
        yield base | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        yield base | {"choices": [], "usage": usage}


SUMMARY = Answer("All of it so far, in short.", usage=(5000, 20, 0))
"""To a request without tools: Kilo asks for a summary so."""


def _is_long(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["role"] == "tool" for one in messages) and SUMMARY.text not in json.dumps(messages)


@dataclass
class ScriptedModel:
    """The running API.

    Attributes:
        key: requests without it are refused; None takes any.
        asked: the requests' bodies.
        keys: the keys that came with them.
        hangs: models that never answer.
        overflows: models to which a conversation with a tool's output in it is too long, until it has been summed up.
    """

    address: str
    scripts: Mapping[str, Sequence[Answer]]
    key: str | None = None
    hangs: Sequence[str] = ()
    overflows: Sequence[str] = ()
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    keys: list[str] = field(default_factory=list[str])
    closing: Event = field(default_factory=Event)


@contextmanager
def scripted_model(
    scripts: Mapping[str, Sequence[Answer]],
    *,
    key: str | None = None,
    hangs: Sequence[str] = (),
    overflows: Sequence[str] = (),
) -> Iterator[ScriptedModel]:
    """Serves the scripts, by the models' names, as long as the block runs."""
    found = ScriptedModel("", scripts, key, hangs, overflows)

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.asked.append(body)
            sent = (self.headers.get("authorization") or "").removeprefix("Bearer ")
            found.keys.append(sent)
            if body["model"] in found.hangs:
                found.closing.wait()
            elif found.key is not None and sent != found.key:
                self._refuse(401, "Incorrect API key provided.")
            elif (script := found.scripts.get(body["model"])) is None:
                self._refuse(404, f"The model `{body['model']}` does not exist")
            elif body["model"] in found.overflows and not body.get("tools"):
                self._stream(SUMMARY, body["model"])
            elif body["model"] in found.overflows and _is_long(body["messages"]):
                self._refuse(400, "This model's maximum context length is 20000 tokens.", "context_length_exceeded")
            else:
                said = sum(one["role"] == "assistant" for one in body["messages"])
                self._stream(script[min(said, len(script) - 1)], body["model"])

        def _refuse(self, status: int, message: str, code: str | None = None) -> None:
            content = json.dumps({"error": {"message": message, "code": code}}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, answer: Answer, model: str) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for chunk in answer.chunks(model):
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            self.wfile.write(b"data: [DONE]\n\n")

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            found.closing.set()
            server.shutdown()
            thread.join()
