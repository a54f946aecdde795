"""What a trial's variant is: read from Harbor's result first, then from the trajectory, then from the settings."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

from adapter.atif import TrajectoryFile
from adapter.loose import Json, as_text, mapping, text
from adapter.trial import JsonValue, Source, Variant

_EFFORT = ("reasoning_effort", "variant")
"""Agent options that are reasoning effort; the OpenCode family calls it `variant`."""
_NOT_SETTINGS = frozenset({"version", "model", "model_name", *_EFFORT})
_SETTINGS = (
    "override_timeout_sec",
    "max_timeout_sec",
    "env",
    "skills",
    "mcp_servers",
    "load_trajectory",
    "resume_trajectory",
    "extra_allowed_hosts",
)
"""What of Harbor's `AgentConfig`, besides the agent's own options, may change what the agent does."""
_NEEDS_OF_A_MODEL = re.compile(
    r"(?:key|secret|password|credential|authorization)s?(?![a-z])|token(?![a-z])|api_?key|base_?url|api_?base",
    re.IGNORECASE,
)
"""Names of secrets and of what says how to reach a model: these do not make another variant (`max_tokens` does)."""


def read_variant(result: Json, trajectories: list[TrajectoryFile]) -> Variant:
    """The variant of one trial.

    Args:
        result: the trial's `result.json` (its `config` holds the agent's settings).
        trajectories: the trial's trajectory files, in order.
    """
    info = mapping(result.get("agent_info"))
    settings = mapping(mapping(result.get("config")).get("agent"))
    kwargs = mapping(settings.get("kwargs"))
    requested = text(settings.get("name")) or text(settings.get("import_path"))
    names = (text(info.get("name")), *(one.agent for one in trajectories), requested)
    versions = (
        text(info.get("version")),
        *(one.agent_version for one in trajectories),
        text(kwargs.get("version")),
    )
    provider, model = _model(mapping(info.get("model_info")), text(settings.get("model_name")), trajectories)
    return Variant(
        agent=next((name for name in names if name is not None), "unknown"),
        agent_version=next((version for version in versions if version not in (None, "unknown")), None),
        model=model,
        provider=provider,
        effort=_effort(kwargs, trajectories),
        digest=_digest(settings, kwargs),
    )


def _model(info: Json, requested: str | None, trajectories: list[TrajectoryFile]) -> tuple[str | None, str | None]:
    """Provider and model. Harbor splits `-m provider/model` at the first slash; so do we where it did not."""
    name, provider = text(info.get("name")), text(info.get("provider"))
    if name is not None and provider is not None:
        return provider, name
    steps = Counter(
        step.model
        for one in trajectories
        for step in one.steps
        if step.source is Source.AGENT and step.model is not None
    )
    candidates = [
        requested,
        name,
        *(one.model for one in trajectories),
        *(model for model, _ in steps.most_common(1)),
    ]
    spelled = next((candidate for candidate in candidates if candidate is not None), None)
    if spelled is None:
        return None, None
    before, slash, after = spelled.partition("/")
    return (before, after) if slash and after else (provider, spelled)


def _effort(kwargs: Json, trajectories: list[TrajectoryFile]) -> str | None:
    for key in _EFFORT:
        if kwargs.get(key) is not None:
            return as_text(kwargs[key])
    used = {step.effort for one in trajectories for step in one.steps if step.effort is not None}
    return used.pop() if len(used) == 1 else None


def _digest(settings: Json, kwargs: Json) -> str | None:
    """Eight hexadecimal digits over the settings that differ from the defaults; None when none do.

    Secrets are no part of it. Values that Harbor replaced by the name of a variable (`${NAME}`) stay as they are.
    """
    chosen = {key: _without_secrets(value) for key, value in kwargs.items() if _is_setting(key, value)}
    for key in _SETTINGS:
        value = _without_secrets(settings.get(key))
        if value:
            chosen[key] = value
    if not chosen:
        return None
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]


def _is_setting(key: str, value: JsonValue) -> bool:
    return key not in _NOT_SETTINGS and value is not None and not _is_secret(key)


def _is_secret(name: str) -> bool:
    return _NEEDS_OF_A_MODEL.search(name) is not None


def _without_secrets(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items() if not _is_secret(key)}
    return value
