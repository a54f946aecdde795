"""Runs whose bill is known call by call, written down as each agent writes its own log, and converted by Harbor.

What a provider counted is a `Used`. Each agent's writer puts it into the numbers that the agent keeps of it:
Anthropic's `input_tokens` holds nothing of the cache, OpenAI's `prompt_tokens` all of it, Gemini's thoughts stand
beside its answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from builder import JobBuilder

type Json = dict[str, Any]


@dataclass(frozen=True)
class Used:
    """What the provider's usage object says of one call, without overlaps.

    Attributes:
        fresh: input at the full price.
        read: input from the cache.
        written: input written to it, `hour` of it for an hour.
        output: all that came back, `reasoning` among it.
        usd: what the provider bills for it.
    """

    fresh: int
    read: int
    written: int
    output: int
    reasoning: int = 0
    hour: int = 0
    usd: float = 0.0

    @property
    def prompt(self) -> int:
        return self.fresh + self.read + self.written


@dataclass(frozen=True)
class Agent:
    """How an agent writes its log, and who converts it.

    Attributes:
        kind: the converter in Harbor, as `module:Class` below `harbor.agents`; empty where the agent is Harbor's own.
        write: puts the log of a run into a folder: `(folder, calls, the model as the log spells it)`.
        version: of the agent.
    """

    name: str
    kind: str
    write: Callable[[Path, Sequence[Used], str], None]
    version: str = "1.2.3"


def _put(path: Path, *lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")


def _at(number: int, seconds: float = 0) -> str:
    return f"2026-03-02T09:{number:02}:{seconds:06.3f}Z"


def anthropic_usage(one: Used) -> Json:
    return {
        "input_tokens": one.fresh,
        "cache_creation_input_tokens": one.written,
        "cache_read_input_tokens": one.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": one.written - one.hour,
            "ephemeral_1h_input_tokens": one.hour,
        },
        "output_tokens": one.output,
        "service_tier": "standard",
    }


def _claude_code(folder: Path, calls: Sequence[Used], model: str) -> None:
    def line(number: int, of: str, **message: Any) -> Json:
        head = {"sessionId": "s", "version": "2.1.90", "cwd": "/app", "userType": "external", "isSidechain": False}
        return {**head, "type": of, "uuid": str(uuid4()), "timestamp": _at(number), "message": message}

    lines = [line(0, "user", role="user", content="Do it.")]
    for number, one in enumerate(calls, 1):
        said = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": model}
        early = {**anthropic_usage(one), "output_tokens": 1}  # as it stands when the answer begins
        parts = ({"type": "text", "text": f"Step {number}."}, {"type": "tool_use", "id": f"t{number}", "name": "Bash"})
        tool = {**parts[1], "input": {"command": f"ls {number}"}}
        lines.append(line(number, "assistant", **said, content=[parts[0]], usage=early))
        lines.append(line(number, "assistant", **said, content=[tool], usage=anthropic_usage(one)))
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "ok"}
        lines.append(line(number, "user", role="user", content=[result]))
    _put(folder / "sessions/projects/-app/s.jsonl", *lines)


def _codex(folder: Path, calls: Sequence[Used], model: str) -> None:
    def line(number: int, of: str, **payload: Any) -> Json:
        return {"timestamp": _at(number), "type": of, "payload": payload}

    def usage(one: Used) -> Json:
        return {
            "input_tokens": one.prompt,
            "cached_input_tokens": one.read,
            "output_tokens": one.output,
            "reasoning_output_tokens": one.reasoning,
            "total_tokens": one.prompt + one.output,
        } | ({"cache_write_input_tokens": one.written} if one.written else {})

    lines = [
        line(0, "session_meta", id="s", cli_version="0.101.0", cwd="/app", originator="codex_exec"),
        line(0, "turn_context", turn_id="t", cwd="/app", model=model),
        line(0, "response_item", type="message", role="user", content=[{"type": "input_text", "text": "Do it."}]),
    ]
    for number, one in enumerate(calls, 1):
        asked = {"name": "exec_command", "arguments": json.dumps({"cmd": f"ls {number}"}), "call_id": f"c{number}"}
        info = {"total_token_usage": usage(total(calls[:number])), "last_token_usage": usage(one)}
        lines += [
            line(number, "response_item", type="reasoning", summary=[], content=None),
            line(number, "response_item", type="function_call", **asked),
            line(number, "event_msg", type="token_count", info=info),
            line(number, "event_msg", type="token_count", info=info),  # said again with its limits
            line(number, "response_item", type="function_call_output", call_id=f"c{number}", output="ok"),
        ]
    _put(folder / "sessions/2026/03/02/rollout.jsonl", *lines)


def total(calls: Sequence[Used]) -> Used:
    """The sum over calls."""
    names = ("fresh", "read", "written", "output", "reasoning", "hour", "usd")
    return Used(*(sum(getattr(one, name) for one in calls) for name in names))


def _gemini_cli(folder: Path, calls: Sequence[Used], model: str) -> None:
    lines: list[Json] = [{"sessionId": "s", "startTime": _at(0)}]
    lines.append({"id": "u", "timestamp": _at(0), "type": "user", "content": [{"text": "Do it."}]})
    for number, one in enumerate(calls, 1):
        # Of `written`, Gemini knows nothing: here it stands for what its own tools put into the prompt (`tool`).
        tokens = {"input": one.fresh + one.read, "output": one.output - one.reasoning, "cached": one.read}
        tokens |= {"thoughts": one.reasoning, "tool": one.written, "total": one.prompt + one.output}
        said = {"id": f"g{number}", "timestamp": _at(number), "type": "gemini", "content": f"Step {number}."}
        lines.append({**said, "thoughts": [], "model": model, "tokens": tokens})
    _put(folder / "gemini-cli.trajectory.jsonl", *lines)


def _opencode(*, reasons_beside: bool) -> Callable[[Path, Sequence[Used], str], None]:
    def write(folder: Path, calls: Sequence[Used], _model: str) -> None:
        lines: list[Json] = []
        for number, one in enumerate(calls, 1):
            output = one.output - one.reasoning if reasons_beside else one.output
            tokens = {"input": one.fresh, "output": output, "reasoning": one.reasoning}
            tokens |= {"cache": {"read": one.read, "write": one.written}, "total": one.prompt + one.output}
            head = {"timestamp": 1772442000000 + 1000 * number, "sessionID": "s"}
            lines += [
                {**head, "type": "step_start", "part": {"type": "step-start"}},
                {**head, "type": "text", "part": {"type": "text", "text": f"Step {number}."}},
                {**head, "type": "step_finish", "part": {"type": "step-finish", "cost": 0, "tokens": tokens}},
            ]
        _put(folder / "opencode.txt", *lines)

    return write


def _qwen(folder: Path, calls: Sequence[Used], model: str) -> None:
    def line(number: int, of: str, role: str, text: str, **more: Any) -> Json:
        head = {"uuid": f"{of}{number}", "sessionId": "s", "timestamp": _at(number), "cwd": "/app", "version": "0.9.1"}
        return {**head, "type": of, "message": {"role": role, "parts": [{"text": text}]}, **more}

    lines = [line(0, "user", "user", "Do it.")]
    for number, one in enumerate(calls, 1):
        usage = {"promptTokenCount": one.prompt, "candidatesTokenCount": one.output}
        usage |= {"thoughtsTokenCount": one.reasoning, "cachedContentTokenCount": one.read}
        lines.append(line(number, "assistant", "model", f"Step {number}.", model=model, usageMetadata=usage))
    _put(folder / "qwen-sessions/-app/chats/s.jsonl", *lines)


def litellm_usage(one: Used) -> Json:
    """As LiteLLM makes it of any provider's, in a response that is written down."""
    details: Json = {"cached_tokens": one.read}
    if one.written:
        kept = {"ephemeral_5m_input_tokens": one.written - one.hour, "ephemeral_1h_input_tokens": one.hour}
        details |= {"cache_creation_tokens": one.written, "cache_creation_token_details": kept}
    return {
        "prompt_tokens": one.prompt,
        "completion_tokens": one.output,
        "total_tokens": one.prompt + one.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": one.reasoning},
    }


def _mini_swe_agent(folder: Path, calls: Sequence[Used], model: str) -> None:
    messages: list[Json] = [{"role": "system", "content": "A shell."}, {"role": "user", "content": "Do it."}]
    for number, one in enumerate(calls, 1):
        arguments = json.dumps({"command": f"ls {number}"})
        asked = {"id": f"c{number}", "type": "function", "function": {"name": "bash", "arguments": arguments}}
        extra = {"response": {"usage": litellm_usage(one)}, "timestamp": 1772442000.0 + number, "cost": one.usd}
        messages.append({"role": "assistant", "content": f"Step {number}.", "tool_calls": [asked], "extra": extra})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": "ok", "extra": {}})
    stats = {"instance_cost": total(calls).usd, "api_calls": len(calls)}
    info = {"mini_version": "2.1.0", "model_stats": stats, "config": {"model": {"model_name": model}}}
    found = {"trajectory_format": "mini-swe-agent-1.1", "info": info, "messages": messages}
    _put(folder / "mini-swe-agent.trajectory.json", found)


def _openhands(folder: Path, calls: Sequence[Used], model: str) -> None:
    said = {"id": 0, "timestamp": "2026-03-02T09:00:00", "source": "user", "action": "message", "message": "Do it."}
    _put(folder / "sessions/e/events/0.json", {**said, "args": {"content": "Do it."}})
    for number in range(1, len(calls) + 1):
        so_far = total(calls[:number])
        usage = {"model": model, "prompt_tokens": so_far.prompt, "completion_tokens": so_far.output}
        usage |= {"cache_read_tokens": so_far.read, "cache_write_tokens": so_far.written}
        choice = {"message": {"content": "", "role": "assistant", "tool_calls": []}}
        made = {"function_name": "execute_bash", "tool_call_id": f"c{number}", "total_calls_in_response": 1}
        event = {
            "id": number,
            "timestamp": f"2026-03-02T09:{number:02}:00.000000",
            "source": "agent",
            "action": "run",
            "message": f"Running command: ls {number}",
            "args": {"command": f"ls {number}"},
            "tool_call_metadata": {**made, "model_response": {"id": f"r{number}", "choices": [choice]}},
            "llm_metrics": {"accumulated_cost": so_far.usd, "accumulated_token_usage": usage},
        }
        _put(folder / f"sessions/e/events/{number}.json", event)


def _pi(folder: Path, calls: Sequence[Used], model: str) -> None:
    lines: list[Json] = [{"type": "session", "version": 3, "id": "s", "timestamp": _at(0), "cwd": "/app"}]
    for number, one in enumerate(calls, 1):
        usage: Json = {"input": one.fresh, "output": one.output, "cacheRead": one.read, "cacheWrite": one.written}
        usage |= {"reasoning": one.reasoning, "totalTokens": one.prompt + one.output, "cost": {"total": one.usd}}
        said = {"role": "assistant", "content": [{"type": "text", "text": f"Step {number}."}], "model": model}
        head = {"type": "message", "id": f"p{number}", "parentId": f"p{number - 1}" if number > 1 else None}
        head |= {"timestamp": _at(number)}
        lines.append({**head, "message": {**said, "provider": "anthropic", "usage": usage, "stopReason": "stop"}})
    _put(folder / "pi/sessions/s_pi.jsonl", *lines)


def _kimi(folder: Path, calls: Sequence[Used], _model: str) -> None:
    def event(of: str, **payload: Any) -> Json:
        return {"jsonrpc": "2.0", "method": "event", "params": {"type": of, "payload": payload}}

    lines = [event("TurnBegin", user_input="Do it.")]
    for number, one in enumerate(calls, 1):
        usage = {"input_other": one.fresh, "output": one.output, "input_cache_read": one.read}
        usage |= {"input_cache_creation": one.written}
        lines += [event("StepBegin", n=number), event("ContentPart", type="text", text=f"Step {number}.")]
        lines.append(event("StatusUpdate", context_usage=0.1, token_usage=usage))
    _put(folder / "kimi-cli.txt", *lines, event("TurnEnd"))


def _rovodev(folder: Path, calls: Sequence[Used], model: str) -> None:
    def usage(one: Used) -> Json:
        counts = {"input_tokens": one.fresh, "output_tokens": one.output}
        return counts | {"cache_read_tokens": one.read, "cache_write_tokens": one.written, "details": {}}

    asked = {"part_kind": "user-prompt", "content": "Do it.", "timestamp": _at(0)}
    history: list[Json] = [{"kind": "request", "timestamp": _at(0), "parts": [asked]}]
    for number, one in enumerate(calls, 1):
        said = {"kind": "response", "timestamp": _at(number), "model_name": model, "usage": usage(one)}
        history.append({**said, "parts": [{"part_kind": "text", "content": f"Step {number}."}]})
    context = {"id": "s", "workspace_path": "/app", "initial_prompt": "Do it.", "usage": usage(total(calls))}
    _put(folder / "rovodev_session_context.json", context | {"message_history": history})


def _trae(folder: Path, calls: Sequence[Used], model: str) -> None:
    made: list[Json] = []
    for number, one in enumerate(calls, 1):
        usage = anthropic_usage(one) if "claude" in model else {"input_tokens": one.prompt, "output_tokens": one.output}
        usage |= {"cache_read_input_tokens": one.read, "reasoning_tokens": one.reasoning}
        response = {"content": f"Step {number}.", "model": model, "usage": usage, "tool_calls": []}
        made.append({"timestamp": _at(number), "provider": "anthropic", "model": model, "response": response})
    _put(folder / "trae-trajectory.json", {"model": model, "llm_interactions": made, "agent_steps": []})


def _cline(folder: Path, calls: Sequence[Used], model: str) -> None:
    messages: list[Json] = [{"role": "user", "content": "Do it.", "ts": 1772442000000}]
    for number, one in enumerate(calls, 1):
        used = {"inputTokens": one.fresh, "outputTokens": one.output, "cacheReadTokens": one.read}
        used |= {"cacheWriteTokens": one.written, "cost": one.usd}
        said = {"role": "assistant", "content": [{"type": "text", "text": f"Step {number}."}], "id": f"m{number}"}
        more = {"ts": 1772442000000 + 1000 * number, "modelInfo": {"id": model}, "metrics": used}
        messages.append({**said, **more})
    _put(folder / "sessions/s/s.messages.json", {"sessionId": "s", "messages": messages})


def _copilot(folder: Path, calls: Sequence[Used], model: str) -> None:
    lines: list[Json] = [{"type": "message", "role": "user", "content": "Do it.", "timestamp": _at(0)}]
    for number, one in enumerate(calls, 1):
        said = {"type": "message", "role": "assistant", "content": f"Step {number}.", "model": model}
        lines.append({**said, "timestamp": _at(number)})
        lines.append({"type": "usage", "input_tokens": one.prompt, "output_tokens": one.output})
    _put(folder / "copilot-cli.jsonl", *lines)


def _openclaw(folder: Path, calls: Sequence[Used], _model: str) -> None:
    def usage(one: Used) -> Json:
        return {"input": one.fresh, "output": one.output, "cacheRead": one.read, "cacheWrite": one.written}

    lines: list[Json] = [{"type": "message", "timestamp": _at(0), "message": {"role": "user", "content": "Do it."}}]
    for number, one in enumerate(calls, 1):
        said = {"role": "assistant", "content": [{"type": "text", "text": f"Step {number}."}], "usage": usage(one)}
        lines.append({"type": "message", "timestamp": _at(number), "message": said})
    _put(folder / "openclaw.session.jsonl", *lines)
    meta = {"agentMeta": {"sessionId": "s", "usage": usage(total(calls))}}
    _put(folder / "openclaw.txt", {"payloads": [], "meta": meta})
    (folder / "instruction.txt").write_text("Do it.")


def _eve(folder: Path, calls: Sequence[Used], _model: str) -> None:
    lines: list[Json] = [{"type": "session.started", "data": {}, "timestamp": _at(0)}]
    for number, one in enumerate(calls, 1):
        usage = {"inputTokens": one.prompt, "outputTokens": one.output, "cachedInputTokens": one.read}
        said = {"type": "message.completed", "timestamp": _at(number), "data": {"message": f"Step {number}."}}
        lines += [said, {"type": "step.completed", "timestamp": _at(number), "data": {"usage": usage}}]
    _put(folder / "eve-events.ndjson", *lines)
    _put(folder / "package.json", {})  # Eve is a project, and its path is asked for
    _put(folder / "agent/agent.json", {})


def _terminus(folder: Path, calls: Sequence[Used], model: str) -> None:
    """Harbor's own loop: its usage has no place for what was written to the cache."""
    steps: list[Json] = [{"step_id": 1, "source": "user", "message": "Do it.", "timestamp": _at(0)}]
    for number, one in enumerate(calls, 1):
        counts = {"prompt_tokens": one.prompt, "completion_tokens": one.output, "cost_usd": one.usd}
        counts |= {"cached_tokens": one.read} if one.read else {}
        said = {"step_id": number + 1, "source": "agent", "message": f"Step {number}.", "timestamp": _at(number)}
        steps.append({**said, "model_name": model, "metrics": counts})
    sums = total(calls)
    final = {"total_prompt_tokens": sums.prompt, "total_completion_tokens": sums.output, "total_cost_usd": sums.usd}
    agent = {"name": "terminus-2", "version": "2.0.0", "model_name": model}
    made = {"schema_version": "ATIF-v1.7", "session_id": "s", "agent": agent, "steps": steps}
    _put(folder / "trajectory.json", made | {"final_metrics": final | {"total_cached_tokens": sums.read}})


AGENTS = {
    agent.name + ("" if agent.version != "1.3.15" else " 1.3.15"): agent
    for agent in (
        Agent("claude-code", "installed.claude_code:ClaudeCode", _claude_code, "2.1.90"),
        Agent("cline-cli", "installed.cline:ClineCli", _cline),
        Agent("codex", "installed.codex:Codex", _codex, "0.101.0"),
        Agent("copilot-cli", "installed.copilot_cli:CopilotCli", _copilot),
        Agent("eve", "installed.eve:Eve", _eve),
        Agent("gemini-cli", "installed.gemini_cli:GeminiCli", _gemini_cli),
        Agent("kimi-cli", "installed.kimi_cli:KimiCli", _kimi),
        Agent("mini-swe-agent", "installed.mini_swe_agent:MiniSweAgent", _mini_swe_agent, "2.1.0"),
        Agent("opencode", "installed.opencode:OpenCode", _opencode(reasons_beside=True), "1.3.16"),
        Agent("opencode", "installed.opencode:OpenCode", _opencode(reasons_beside=False), "1.3.15"),
        Agent("openclaw", "installed.openclaw:OpenClaw", _openclaw),
        Agent("openhands", "installed.openhands:OpenHands", _openhands, "0.62.0"),
        Agent("pi", "installed.pi:Pi", _pi),
        Agent("qwen-coder", "installed.qwen_code:QwenCode", _qwen, "0.9.1"),
        Agent("rovodev-cli", "installed.rovodev_cli:RovodevCli", _rovodev),
        Agent("terminus-2", "", _terminus),
        Agent("trae-agent", "installed.trae_agent:TraeAgent", _trae),
    )
}
_COSTS = ("cost_usd", "total_cost_usd", "cost_source")


def _without_costs(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_costs(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_costs(one) for key, one in value.items() if key not in _COSTS}


def trial(
    job: JobBuilder, agent: Agent, model: str, spelled: str, calls: Sequence[Used], *, costs: bool, **kwargs: Any
) -> None:
    """Adds the trial of a run to a job, as Harbor leaves it.

    Args:
        job: the job.
        agent: who ran.
        model: as asked for (`-m`).
        spelled: as the agent's log has it.
        calls: what the provider counted.
        costs: whether the costs stay that the agent or Harbor wrote down.
        kwargs: the agent's settings.
    """
    logs = job.path.parent / f"{job.path.name}-logs"
    logs.mkdir()
    agent.write(logs, calls, spelled)
    context: Json = {}
    if agent.kind:
        from harbor.models.agent.context import AgentContext

        module, name = agent.kind.split(":")
        pinned = {} if agent.name == "rovodev-cli" else {"version": agent.version}
        pinned |= {"path": str(logs)} if agent.name == "eve" else {}
        made = getattr(import_module(f"harbor.agents.{module}"), name)(logs_dir=logs, model_name=model, **pinned)
        said = AgentContext()
        made.populate_context_post_run(said)
        context = said.model_dump(mode="json")
    found = json.loads((logs / "trajectory.json").read_text())
    if not costs:
        found, context = _without_costs(found), _without_costs(context)
    job.trial(
        agent=agent.name,
        version=agent.version,
        model=model,
        raw_trajectory=found,
        agent_result=context or None,
        kwargs=kwargs,
    )
