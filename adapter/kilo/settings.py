"""What Kilo is told for an unattended run: its configuration and its environment. Pure; no key stands in either."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapter.trial import JsonValue, Object

_WEB = ("webfetch", "websearch", "codesearch")
_NEVER = ("question", "background_process", "schedule_wakeup", "cron_create", "link_pr")
"""Tools that wait for a person, or for a time after the run."""
_PATIENCE_MS = 600_000
"""How long a model may be silent."""
_RETRIES = 8

MARK = "KILOBENCH_RUN"
"""A variable that every process of a run inherits, the shells in sessions of their own among them."""


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server: a command, or an address."""

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is set up with.

    Attributes:
        provider: of the model; `model` its name there.
        base_url: of the provider's API; None for its own.
        chat_only: whether that API speaks chat completions alone, as most compatible servers do.
        key_env: the variable that holds the key, for such a server; None for none.
        rates: `input`, `output`, `cache_read`, `cache_write`, in US dollars per million tokens; empty where
            Kilo knows them.
        context: tokens that the model's context holds, likewise: without it, Kilo never compacts.
        servers: MCP servers.
        skills: folders of skills.
        web: whether the task allows the web.
        overlay: a configuration of the user's own, which comes before all of this.
    """

    provider: str
    model: str
    base_url: str | None = None
    chat_only: bool = False
    key_env: str | None = None
    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    context: int | None = None
    servers: tuple[Server, ...] = ()
    skills: tuple[str, ...] = ()
    web: bool = True
    overlay: Mapping[str, JsonValue] = field(default_factory=dict[str, "JsonValue"])


def config(settings: Settings) -> str:
    """`KILO_CONFIG_CONTENT`: JSON, since Kilo passes over anything else without a word."""
    permission: Object = dict.fromkeys(_NEVER, "deny")
    if not settings.web:
        permission |= dict.fromkeys(_WEB, "deny")
    value: Object = {
        "lsp": False,
        "formatter": False,
        "snapshot": False,
        "share": "disabled",
        "autoupdate": False,
        "permission": permission,
        "provider": {settings.provider: _provider(settings)},
    }
    if settings.servers:
        value["mcp"] = {one.name: _server(one) for one in settings.servers}
    if settings.skills:
        value["skills"] = {"paths": list(settings.skills)}
    return json.dumps(_merged(value, settings.overlay), allow_nan=False)


def environment(data: str, mark: str, *, project_config: bool) -> dict[str, str]:
    """The variables of a run, beside the provider's own.

    Args:
        data: the agent's logs, which take its data (`kilo/kilo.db`) and its state.
        mark: the run's value of `MARK`.
        project_config: whether the task's own Kilo configuration (and its AGENTS.md) counts.
    """
    off = ("AUTOUPDATE", "SHARE", "SESSION_INGEST", "LSP_DOWNLOAD", "CODEBASE_INDEXING", "MODELS_FETCH")
    found = {f"KILO_DISABLE_{name}": "1" for name in off}
    found |= {
        MARK: mark,
        "XDG_DATA_HOME": data,
        "XDG_STATE_HOME": f"{data}/kilo-state",
        "KILO_TELEMETRY_LEVEL": "off",
        "KILO_NO_DAEMON": "1",
        "KILO_SESSION_RETRY_LIMIT": str(_RETRIES),
    }
    return found if project_config else found | {"KILO_DISABLE_PROJECT_CONFIG": "1"}


def _provider(settings: Settings) -> Object:
    model: Object = {}
    if settings.rates:
        model["cost"] = dict(settings.rates)
    if settings.context is not None:
        model["limit"] = {"context": settings.context, "output": min(32_000, settings.context)}
    # A model that Kilo's own list lacks has to be named.
    found: Object = {"models": {settings.model: model}}
    options: Object = {"timeout": _PATIENCE_MS}
    if settings.base_url is not None:
        options["baseURL"] = settings.base_url
    if settings.chat_only:
        found |= {"npm": "@ai-sdk/openai-compatible", "name": settings.provider}
        if settings.key_env is not None:
            options["apiKey"] = f"{{env:{settings.key_env}}}"
    found["options"] = options
    return found


def _server(one: Server) -> Object:
    if one.url is not None:
        # Otherwise a refusal makes Kilo wait for a person to log in.
        return {"type": "remote", "url": one.url, "oauth": False}
    return {"type": "local", "command": list(one.command)}


def _merged(base: Object, over: Mapping[str, JsonValue]) -> Object:
    """Both, field by field; where both say something, the second counts."""
    found = dict(base)
    for name, value in over.items():
        before = found.get(name)
        found[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def run_command(model: str, folder: str, options: Sequence[str]) -> str:
    """The shell command of a run: the prompt by standard input, its events, errors and exit code into files.

    Its own exit code is 0: how the run ended is told by what it left.

    Args:
        model: `provider/name`, quoted for the shell.
        folder: the agent's logs, quoted likewise; `instruction.txt` is there.
        options: more of Kilo's, quoted.
    """
    more = "".join(f" {one}" for one in options)
    return (
        f"kilo run --auto --format json --thinking --title harbor --model {model}{more} "
        f'--dir "$(pwd -P)" --print-logs --log-level WARN '
        f"<{folder}/instruction.txt >{folder}/kilo.jsonl 2>{folder}/kilo.stderr; echo $? >{folder}/kilo.exit"
    )


def end_command(mark: str) -> str:
    """The shell command that ends every process of a run, politely first."""
    # Two signs of a word, so that this command's own text is not what it looks for.
    return (
        f"m={MARK[:4]}; m=${{m}}{MARK[4:]}={mark}; "
        'marked() { for d in /proc/[0-9]*; do tr "\\0" "\\n" <$d/environ 2>/dev/null | grep -qx "$m" && '
        "echo ${d#/proc/}; done; true; }; "
        'p=$(marked); [ -z "$p" ] && exit 0; kill -TERM $p 2>/dev/null; '
        'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; p=$(marked); [ -z "$p" ] && exit 0; done; '
        "kill -KILL $p 2>/dev/null; true"
    )
