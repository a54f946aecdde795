"""What Kilo is told by `KILO_CONFIG_CONTENT`: the model's provider, MCP servers, skills, what it may do.

Kilo ignores a configuration that is no JSON, without a word; so it is made here from checked values. No key stands in
it: a provider's is referred to as `{env:NAME}`, which Kilo replaces when it reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapter.errors import BadInputError
from adapter.kilo.providers import GATEWAY, is_known, key_variables
from adapter.loose import mapping
from adapter.trial import JsonValue

WORKDIR = "KILOBENCH_WORKDIR"
"""The variable that holds the folder that Kilo works in, from which its instructions are read."""
_COMPATIBLE = "@ai-sdk/openai-compatible"
"""The protocol of chat completions, which Kilo has built in."""
_WEB = ("webfetch", "websearch")
_UNATTENDED = ("question", "schedule_wakeup", "cron_create", "link_pr")
"""Tools that need somebody there, or a process that stays: their work is lost when the run ends."""
_QUIET: dict[str, JsonValue] = {
    "share": "disabled",
    "autoupdate": False,
    "snapshot": False,
    "lsp": False,
    "formatter": False,
}
"""Else Kilo downloads servers and formatters, copies the project, or offers to publish the session."""
_SECRET = re.compile(r"api_?key|token|secret|password|authorization", re.IGNORECASE)
_REFERENCE = re.compile(r"(Bearer )?\{(env|file):[^{}]+\}")


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server: a command that is started, or an address.

    Attributes:
        command: with its arguments; empty for one at an address.
    """

    name: str
    command: Sequence[str] = ()
    url: str | None = None

    def as_config(self) -> dict[str, JsonValue]:
        """Kilo's form of it. A remote one is not asked for a login, which nobody could give."""
        if self.command:
            return {"type": "local", "command": [*self.command]}
        return {"type": "remote", "url": self.url, "oauth": False}


@dataclass(frozen=True, slots=True)
class Model:
    """The model and how it is reached.

    Attributes:
        base_url: the address of the API; None for the provider's own.
        key_variable: the environment variable with the key; None for the one that Kilo reads.
        price: US dollars per million tokens, by `input`, `output`, `cache_read` and `cache_write`.
        limit: tokens, by `context` and `output`. Without `context` Kilo never compacts.
        is_new: whether to name the model to Kilo although it may not know it.
        request_timeout: seconds that an LLM call may take.
        silence_timeout: seconds that may pass between two pieces of an answer.
    """

    provider: str
    name: str
    base_url: str | None = None
    key_variable: str | None = None
    price: Mapping[str, float] = field(default_factory=dict[str, float])
    limit: Mapping[str, int] = field(default_factory=dict[str, int])
    is_new: bool = False
    request_timeout: int = 600
    silence_timeout: int = 300

    @property
    def is_custom(self) -> bool:
        """Whether Kilo does not know the provider, and is told all about it."""
        return not is_known(self.provider)

    @property
    def is_registered(self) -> bool:
        """Whether the configuration names the model to Kilo, so that it need not know it."""
        return self.is_custom or self.is_new or bool(self.price or self.limit or self.base_url)

    def as_config(self) -> dict[str, JsonValue]:
        """Kilo's entry for the provider.

        Raises:
            BadInputError: the provider is not known and has no address.
        """
        options: dict[str, JsonValue] = {
            "timeout": self.request_timeout * 1000,
            "chunkTimeout": self.silence_timeout * 1000,
        }
        if self.base_url is not None:
            options["baseURL"] = self.base_url
        if self.is_custom or self.key_variable is not None:
            options["apiKey"] = f"{{env:{self.key_variable or key_variables(self.provider)[0]}}}"
        found: dict[str, JsonValue] = {"options": options}
        if self.is_custom:
            if self.base_url is None:
                what = f"{self.provider} is no provider that Kilo is known to have."
                hint = "Check its name, or say where it is if it speaks OpenAI's chat completions: --ak base_url=URL"
                raise BadInputError(what, hint)
            found |= {"npm": _COMPATIBLE, "name": self.provider}
        if self.is_registered:
            found["models"] = {self.name: self._entry()}
        return found

    def _entry(self) -> dict[str, JsonValue]:
        entry: dict[str, JsonValue] = {}
        if self.is_custom:
            entry |= {"name": self.name, "tool_call": True, "reasoning": True}
        if self.price:
            entry["cost"] = {"input": 0.0, "output": 0.0, **self.price}
        if self.limit:
            entry["limit"] = {"context": 0, "output": 0, **self.limit}
        return entry


def config_content(
    model: Model,
    *,
    servers: Sequence[Server] = (),
    skills: Sequence[str] = (),
    has_web: bool = True,
    has_project_config: bool = False,
    more: Mapping[str, JsonValue] | None = None,
) -> str:
    """The value of `KILO_CONFIG_CONTENT`.

    Args:
        model: which, and how it is reached.
        servers: MCP servers.
        skills: folders with skills, in the environment.
        has_web: whether the agent may fetch pages and search the web.
        has_project_config: whether Kilo reads the project's own configuration. Where it does not, it would not read
            the project's AGENTS.md either, so that is named to it.
        more: what the user adds in Kilo's own form; it wins, except that it opens nothing that is closed here.

    Raises:
        BadInputError: the provider is not known and has no address, or a key stands in what the user adds.
    """
    _refuse_secrets(more or {}, "config")
    config: dict[str, JsonValue] = {**_QUIET, "provider": {model.provider: model.as_config()}}
    if model.provider != GATEWAY:
        # Else it asks its gateway for models, and may use one of those for what is not the agent's own work.
        config["disabled_providers"] = [GATEWAY]
    if servers:
        config["mcp"] = {one.name: one.as_config() for one in servers}
    if skills:
        config["skills"] = {"paths": [*skills]}
    if not has_project_config:
        config["instructions"] = [f"{{env:{WORKDIR}}}/AGENTS.md"]
    config = _merged(config, more or {})
    closed = (*_UNATTENDED, *(() if has_web else _WEB))
    given = config.get("permission")
    rules = {"*": given} if isinstance(given, str) else mapping(given)
    # Of several rules that match, Kilo follows the last.
    config["permission"] = {key: rule for key, rule in rules.items() if key not in closed} | dict.fromkeys(
        closed, "deny"
    )
    return json.dumps(config, allow_nan=False)


def _merged(base: Mapping[str, JsonValue], more: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Both, what is added before what was there; objects are merged, lists replaced."""
    found = dict(base)
    for key, value in more.items():
        before = found.get(key)
        found[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def _refuse_secrets(value: JsonValue | Mapping[str, JsonValue], where: str) -> None:
    """Whatever stands in the configuration is seen in lists of processes and kept with the job.

    Raises:
        BadInputError: a key stands in it.
    """
    if isinstance(value, list):
        for one in value:
            _refuse_secrets(one, where)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, str) and one and _SECRET.search(key) and not _REFERENCE.fullmatch(one):
                what = f"{where}.{key} holds a secret, it seems."
                raise BadInputError(what, "Write {env:NAME} there, and give the variable: --ae NAME=...")
            _refuse_secrets(one, f"{where}.{key}")
