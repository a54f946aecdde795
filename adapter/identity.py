"""What a trial's variant is, and where each part of it was read.

The trial's own result counts first, then its trajectory, then the job's settings, then the names of the folders.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from adapter.atif import TrajectoryFile
from adapter.jobs import Job
from adapter.loose import EMPTY, Json, as_text, mapping, text
from adapter.models import ModelName, entries, explicit, is_known, makes_models, normalise
from adapter.trial import Finding, JsonValue, Severity, Source, Variant

RESULT, TRAJECTORY, CONFIG, FOLDER = "result.json", "trajectory.json", "config.json", "folder name"

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
_PARTS_OF_A_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRETS = frozenset(
    {"secret", "secrets", "password", "passwd", "credential", "credentials", "authorization", "apikey"}
)
_KEYS = frozenset({"key", "keys", "token"})
_ABOUT_KEYS = frozenset({"id", "env", "name", "file", "path", "var"})
_NEEDS_OF_A_MODEL = re.compile(
    r"base_?url|api_?base"
    r"|^(?:aws_region|azure_api_version|azure_resource_name|vertexai_project|vertexai_location"
    r"|google_(?:application_credentials|cloud_project|cloud_location|genai_use_vertexai|host)"
    r"|databricks_host|tetrate_host)$",
    re.IGNORECASE,
)
"""Names of secrets and of what says how to reach a model: these do not make another variant (`max_tokens` does)."""
_NO_VERSION = frozenset({"unknown", "latest"})
# fmt: off
_AGENTS = frozenset({
    "acp", "aider", "antigravity-cli", "antigravity-sdk", "claude-code", "cline-cli", "code-puppy", "codex",
    "computer-1", "copilot-cli", "cortex-code", "cursor-cli", "deerflow", "devin", "dspy-rlm", "fx-dev",
    "gemini-cli", "goose", "grok-build", "hermes", "junie", "kilo", "kimi-cli", "kimi-code", "langgraph",
    "mcode", "mimo", "mini-swe-agent", "muse-code", "nemo-agent", "openclaw", "opencode", "openhands",
    "openhands-sdk", "oracle", "qwen-coder", "rovodev-cli", "strands", "swe-agent", "terminus", "terminus-1",
    "terminus-2", "trae-agent", "vibe",
})
# fmt: on
"""Agents that a folder's name can tell: Harbor's, without those whose names are too short to be told from words."""
_GATEWAYS = frozenset({"kilo", "kilocode", "openrouter", "vercel_ai_gateway"})
"""Providers whose models are named with their makers."""
_LONGEST_FOLDER = 300
_WORDS = 12
"""How many words of a folder's name are one agent's or model's at most."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a trial's variant is.

    Attributes:
        variant: what is compared.
        origins: where each known field of the variant was read: `result.json`, `trajectory.json`, `config.json` (the
            job's) or `folder name`.
        findings: what was found elsewhere than in the trial's result, and where the sources do not agree.
    """

    variant: Variant
    origins: dict[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Spelled:
    """A model's name as one source has it."""

    place: str
    spelling: str
    provider: str | None = None

    @property
    def model(self) -> ModelName:
        """The name in the one spelling; its provider only where it is spelled out."""
        return explicit(self.spelling, self.provider)

    def __str__(self) -> str:
        return f"{self.provider}/{self.spelling}" if self.provider else self.spelling


def read_variant(result: Json, trajectories: Sequence[TrajectoryFile], job: Job, folder: str) -> Identity:
    """The variant of one trial.

    Args:
        result: the trial's `result.json` (its `config` holds the agent's settings); empty when it has none.
        trajectories: the trial's trajectory files; the first is the run's own.
        job: the job it belongs to.
        folder: the name of the trial's folder.
    """
    settings = mapping(mapping(result.get("config")).get("agent"))
    origins: dict[str, str] = {}

    def first(field: str, found: Iterator[tuple[str, str | None]]) -> str | None:
        place, value = next(((place, value) for place, value in found if value is not None), ("", None))
        if value is not None:
            origins[field] = place
        return value

    names = _agents(result, settings, trajectories)
    of_job = _job_settings(job, {name for _, name in names if name is not None})
    agent = first("agent", iter([*names, *_agents_elsewhere(settings, of_job, job, folder)]))
    version = first("agent_version", _versions(result, settings, trajectories, of_job))
    spelled = list(_models(result, settings, trajectories, of_job, job, folder))
    model = _model(spelled, origins)
    effort = first("effort", _efforts(settings, trajectories, of_job))
    digest = first("digest", iter([(RESULT, _digest(settings))] if settings else [(CONFIG, _digest(of_job))]))
    variant = Variant(
        agent=agent or "unknown",
        agent_version=version,
        model=model.name if model else None,
        provider=model.provider if model else None,
        effort=effort,
        digest=digest,
    )
    findings = (
        *_places(origins),
        *(_spellings(spelled, model) if model else ()),
        *_conflict(spelled, model, trajectories),
    )
    return Identity(variant, origins, findings)


def step_model(spelling: str | None, variant: Variant) -> str | None:
    """The name of the model that a step says was called.

    The bare name where the variant's provider serves it, or where the provider is not known; else `provider/name`.
    A step rarely names its provider: it is then the variant's, unless that is a maker of models and this is
    another's. What stands before a slash in the name of a model of a gateway's (`openai/gpt-5`, served by OpenRouter)
    is its maker.
    """
    if spelling is None or not spelling.strip():
        return None
    model = explicit(spelling)
    provider = model.provider
    if provider is not None and _is_gateway(variant.provider):
        served = ModelName(variant.provider, model.name)
        provider = variant.provider if model.name == variant.model or entries(served) else provider
    if provider is None and model.name != variant.model:
        is_served = variant.provider is not None and entries(ModelName(variant.provider, model.name))
        if not is_served and (variant.provider is None or makes_models(variant.provider)):
            provider = normalise(spelling).provider
    return model.name if provider in (None, variant.provider) else f"{provider}/{model.name}"


def _is_gateway(provider: str | None) -> bool:
    return provider is not None and provider.partition("-")[0] in _GATEWAYS


def _agents(result: Json, settings: Json, trajectories: Sequence[TrajectoryFile]) -> list[tuple[str, str | None]]:
    """The agent's name by the trial's own files; `module:Class`, by which an agent can be asked for, is no name."""
    asked = text(settings.get("name"))
    return [
        (RESULT, text(mapping(result.get("agent_info")).get("name"))),
        (RESULT, asked if asked and ":" not in asked else None),
        *((TRAJECTORY, one.agent) for one in trajectories),
    ]


def _agents_elsewhere(settings: Json, of_job: Json, job: Job, folder: str) -> Iterator[tuple[str, str | None]]:
    asked = text(of_job.get("name"))
    yield CONFIG, asked if asked and ":" not in asked else None
    yield RESULT, text(settings.get("name")) or text(settings.get("import_path"))
    yield CONFIG, asked or text(of_job.get("import_path"))
    for name in (job.name, folder):
        yield FOLDER, _longest(name, _AGENTS.__contains__)


def _job_settings(job: Job, agents: set[str]) -> Json:
    """The job's settings of this trial's agent: of its only one, or of the only one with this name; else none."""
    if len(job.agents) == 1:
        return job.agents[0]
    same = [one for one in job.agents if text(one.get("name")) in agents or text(one.get("import_path")) in agents]
    return same[0] if len(same) == 1 else EMPTY


def _versions(
    result: Json, settings: Json, trajectories: Sequence[TrajectoryFile], of_job: Json
) -> Iterator[tuple[str, str | None]]:
    found = [
        (RESULT, text(mapping(result.get("agent_info")).get("version"))),
        (RESULT, text(mapping(settings.get("kwargs")).get("version"))),
        *((TRAJECTORY, one.agent_version) for one in trajectories),
        (CONFIG, text(mapping(of_job.get("kwargs")).get("version"))),
    ]
    return ((place, None if version and version.lower() in _NO_VERSION else version) for place, version in found)


def _models(
    result: Json, settings: Json, trajectories: Sequence[TrajectoryFile], of_job: Json, job: Job, folder: str
) -> Iterator[_Spelled]:
    """Every name of the run's model, the weightiest first; the folders' names only when there is no other."""
    info = mapping(mapping(result.get("agent_info")).get("model_info"))
    name, asked = text(info.get("name")), text(settings.get("model_name"))
    found: list[_Spelled] = []
    if name is not None:
        found.append(_Spelled(RESULT, name, _served_by(name, text(info.get("provider")), asked)))
    if asked is not None:
        found.append(_Spelled(RESULT, asked))
    found += [_Spelled(TRAJECTORY, one.model, one.provider) for one in trajectories if one.model is not None]
    found += [_Spelled(TRAJECTORY, model) for model in _step_models(trajectories)[:1]]
    asked = text(of_job.get("model_name"))
    if asked is not None:
        found.append(_Spelled(CONFIG, asked))
    if not found:
        spans = (_longest(name, _is_model) for name in (job.name, folder))
        found = [_Spelled(FOLDER, span) for span in spans if span is not None][:1]
    yield from found


def _served_by(name: str, provider: str | None, asked: str | None) -> str | None:
    """The provider that Harbor's `agent_info` names, where it can be believed.

    Some of Harbor's agents name the provider whose interface they speak whatever serves the model: Claude Code says
    `anthropic` of `-m moonshot/kimi-k2.5` too. So the one that was asked for counts first, and a provider that makes
    models does not count for a model that the table knows as another's.
    """
    if provider is None:
        return None
    if asked is not None and explicit(asked).name == explicit(name, provider).name:
        wanted = explicit(asked).provider
        if wanted is not None:
            return wanted
    served = explicit(name, provider)
    owner = normalise(name).provider
    if owner not in (None, served.provider) and makes_models(served.provider) and not entries(served):
        return None
    return provider


def _step_models(trajectories: Sequence[TrajectoryFile]) -> list[str]:
    """The models that the agent's steps name, the most frequent first."""
    steps = [step for one in trajectories for step in one.steps]
    used = Counter([step.model for step in steps if step.model is not None and step.source is Source.AGENT])
    return [model for model, _ in used.most_common()]


def _model(spelled: list[_Spelled], origins: dict[str, str]) -> ModelName | None:
    """The first source's model, with the first provider that a source spells out for it."""
    if not spelled:
        return None
    chosen = spelled[0]
    name = chosen.model.name
    origins["model"] = chosen.place
    named = [one for one in spelled if one.model.name == name and one.model.provider is not None]
    provider = named[0].model.provider if named else normalise(chosen.spelling).provider
    if provider is not None:
        origins["provider"] = named[0].place if named else chosen.place
    return ModelName(provider, name)


def _efforts(settings: Json, trajectories: Sequence[TrajectoryFile], of_job: Json) -> Iterator[tuple[str, str | None]]:
    yield RESULT, _effort(settings)
    used = {
        step.effort
        for one in trajectories
        for step in one.steps
        if step.source is Source.AGENT and step.effort is not None
    }
    yield TRAJECTORY, next(iter(used)) if len(used) == 1 else None
    yield CONFIG, _effort(of_job)


def _effort(settings: Json) -> str | None:
    kwargs = mapping(settings.get("kwargs"))
    return next((as_text(kwargs[key]) for key in _EFFORT if kwargs.get(key) not in (None, "")), None)


def _places(origins: Mapping[str, str]) -> Iterator[Finding]:
    """One finding for each place other than the trial's result that a main field had to be read from."""
    words = {"agent": "the agent", "agent_version": "the agent's version", "model": "the model"}
    places: dict[str, list[str]] = defaultdict(list)
    for field, word in words.items():
        if origins.get(field, RESULT) != RESULT:
            places[origins[field]].append(word)
    known = (
        (TRAJECTORY, "identity_from_trajectory", "trajectory.json"),
        (CONFIG, "identity_from_job", "the job's config.json"),
        (FOLDER, "identity_from_folder", "the folder's name"),
    )
    for place, code, called in known:
        if places[place]:
            what = " and ".join(places[place])
            verb = "is" if len(places[place]) == 1 else "are"
            message = f"{what[0].upper()}{what[1:]} {verb} not in result.json: read from {called}."
            yield Finding(code, Severity.INFO, message)


def _spellings(spelled: list[_Spelled], model: ModelName) -> Iterator[Finding]:
    """A finding where the model is spelled otherwise than here; with or without its provider is no other spelling."""
    others = {
        str(one)[:100]
        for one in spelled
        if one.place != FOLDER and one.model.name == model.name and str(one) not in (model.name, str(one.model))
    }
    if others:
        names = ", ".join(f"`{name}`" for name in sorted(others))
        yield Finding("model_spellings", Severity.INFO, f"The model `{model}` is spelled {names}.")


def _conflict(
    spelled: list[_Spelled], model: ModelName | None, trajectories: Sequence[TrajectoryFile]
) -> Iterator[Finding]:
    """A finding where the run's own trajectory names models, and none of them is the one that the result names."""
    main = trajectories[:1]
    traced = [name for name in (*(one.model for one in main), *_step_models(main)) if name is not None]
    if model is None or not traced:
        return
    of_steps = _step_models(main)
    if spelled[0].place != RESULT:
        traced = of_steps
    if traced and all(explicit(name).name != model.name for name in traced):
        message = f"{spelled[0].place} names the model `{model}`, its steps `{traced[0][:100]}`: the first counts."
        yield Finding("model_conflict", Severity.WARNING, message)


@lru_cache(maxsize=1024)
def _longest(name: str, is_one: Callable[[str], bool]) -> str | None:
    """The longest run of whole words in a folder's name that is such a thing; the first of those that are as long."""
    words = re.findall(r"[a-z0-9]+", name[:_LONGEST_FOLDER].lower())
    spans = (
        "-".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + _WORDS, len(words)) + 1)
    )
    return max((span for span in spans if is_one(span)), key=len, default=None)


def _is_model(span: str) -> bool:
    """Whether words of a folder's name are a model's name, and cannot well be anything else."""
    return len(span) > 3 and any(char.isdigit() for char in span) and any(map(str.isalpha, span)) and is_known(span)


def _digest(settings: Json) -> str | None:
    """Eight hexadecimal digits over the settings that differ from the defaults; None when none do.

    Secrets are no part of it, nor what only says how to reach the model. Values that Harbor replaced by the name of
    a variable (`${NAME}`) stay as they are.
    """
    kwargs = {key: value for key, value in mapping(settings.get("kwargs")).items() if key not in _NOT_SETTINGS}
    chosen = {
        **mapping(_without_needs(kwargs)),
        **{key: value for key in _SETTINGS if (value := _without_needs(settings.get(key)))},
    }
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8] if chosen else None


def _without_needs(value: JsonValue) -> JsonValue:
    """The value without secrets and addresses, and without what holds nothing else."""
    if isinstance(value, list):
        return [kept for item in value if not _is_nothing(kept := _without_needs(item))]
    if isinstance(value, dict):
        kept = {key: _without_needs(item) for key, item in value.items() if not _is_need(key)}
        return {key: item for key, item in kept.items() if not _is_nothing(item)}
    return value


def _is_need(name: str) -> bool:
    """Whether a setting of this name holds a key or says where one is, or how to reach a model."""
    if _NEEDS_OF_A_MODEL.search(name):
        return True
    words = [word.lower() for word in _PARTS_OF_A_NAME.findall(name)]
    if not _SECRETS.isdisjoint(words):
        return True
    last = next((word for word in reversed(words) if word not in _ABOUT_KEYS), None)
    return last in _KEYS


def _is_nothing(value: JsonValue) -> bool:
    return value is None or value in ({}, [])
