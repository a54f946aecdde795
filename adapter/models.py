"""Model names in one spelling, with the provider apart.

One model is written in many ways: `anthropic/claude-sonnet-4-5`, `Claude-Sonnet-4.5`,
`us.anthropic.claude-sonnet-4-5-20250929-v1:0`. What stands in LiteLLM's price table decides what is one model, who
makes it, and how its name is spelled here. Only the table's file is read: importing LiteLLM takes seconds.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from pydantic_core import from_json

from adapter.errors import UnreadableError
from adapter.loose import EMPTY, Json, mapping, text
from adapter.trial import JsonValue

_TABLE = "model_prices_and_context_window_backup.json"
_MODES = frozenset({"chat", "completion", "responses"})
"""Kinds of entries in the table that an agent's model can be."""
_LONGEST = 200
"""Characters of a name that are kept: the table's longest has fewer than 100."""

_ALIASES = {
    # Harbor's own names of providers, and its aliases for them (`harbor.agents.model_connection`).
    "google": "gemini",
    "amazonbedrock": "bedrock",
    "together": "together_ai",
    "openairesponses": "openai",
    "ai21chat": "ai21",
    # models.dev's names, which Kilo Code and OpenCode use.
    "alibaba": "dashscope",
    "googlevertex": "vertex_ai",
    "googlevertexanthropic": "vertex_ai",
    "vercel": "vercel_ai_gateway",
    "vertex": "vertex_ai",
    "xiaomi": "xiaomi_mimo",
    # One provider under several names in the table, for different interfaces of it.
    "azuretext": "azure",
    "bedrockconverse": "bedrock",
    "coherechat": "cohere",
    "fireworksaiembeddingmodels": "fireworks_ai",
    "ollamachat": "ollama",
    "textcompletioncodestral": "codestral",
    "textcompletionopenai": "openai",
    # Makers as gateways in the table spell them, where the table has the maker's own interface too.
    "deepseekai": "deepseek",
    "minimaxai": "minimax",
    "mistralai": "mistral",
    "moonshotai": "moonshot",
    "zaiorg": "zai",
}
"""Other names of a provider, without `-` and `_`."""
_DOTTED = frozenset({"bedrock", "bedrock_mantle", "oci"})
"""Providers that write `maker.name`."""
_WITH_REGIONS = frozenset({"azure", "bedrock", "bedrock_mantle"})
"""Providers whose prices differ by region."""
_GEOGRAPHY = r"global-standard|global|us-gov|us|eu|apac|ap|au|jp|ca|sa|in|me|af|il|mx"
_REGION = re.compile(rf"(?:(?P<region>(?:{_GEOGRAPHY})(?:-[a-z]+-\d)?)/|(?P<geography>{_GEOGRAPHY})\.(?=[^.]+\.))(?=.)")
_BEDROCK_ID = re.compile(rf"(?:(?:{_GEOGRAPHY})\.)?(?P<maker>[a-z0-9-]+)\.(?P<name>.+)")
_BEDROCK_VERSION = re.compile(r"(?P<name>.*\d.*)(?:-v\d+:\d+|(?<=\d)-v\d+)")
"""The version of Bedrock's interface to a model; `claude-v2:1` is the model's own."""
_PATHS = re.compile(r"(?:accounts/[^/]+/(?:models|routers)|@[^/]*|converse|invoke|responses)/(?=.)")
"""Parts of a spelling that are neither provider nor maker (Fireworks, Cloudflare, Bedrock, OpenAI)."""
_TURNED = re.compile(r"claude-(?P<version>[4-9](?:[.-]\d)?)-(?P<family>opus|sonnet|haiku)(?![a-z])")
"""Claude 4 and later as OpenRouter and Cursor spell it: `claude-4.5-sonnet`."""
_VERTEX_ID = re.compile(r"[^/@]+@(?:20\d{6}|default)")
_PATHS_ARE_REGIONS = frozenset({"azure", "fireworks_ai", "oci"})
"""Providers that write no maker between their name and the model's."""
_DATE = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?([0-3]\d)$")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model in the one spelling, and who serves it.

    Attributes:
        provider: LiteLLM's name of the provider that served it; None when that is not known.
        name: the model's name without its provider.
    """

    provider: str | None
    name: str

    def __str__(self) -> str:
        return self.name if self.provider is None else f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Index:
    """What the table knows of names. A name is looked up by its `_fold`.

    Attributes:
        spellings: the spelling that is used, by fold.
        undated: the fold without its date, of names that have one date only.
        first_party: the model's own provider.
        entries: the table's keys, by provider and name.
        makers: who makes models, as gateways spell them.
        own: providers with models of their own making.
    """

    spellings: dict[str, str]
    undated: dict[str, str]
    first_party: dict[str, str]
    entries: dict[ModelName, list[str]]
    makers: frozenset[str]
    own: frozenset[str]


@cache
def price_table() -> tuple[str, Json]:
    """LiteLLM's bundled price table: its name with the version, and its entries by key.

    Raises:
        UnreadableError: the installed file cannot be read.
    """
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return "litellm", EMPTY
    path = Path(spec.submodule_search_locations[0]) / _TABLE
    try:
        entries = cast("JsonValue", from_json(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise UnreadableError(f"LiteLLM's price table cannot be read ({error}): install litellm again") from error
    return f"litellm {version('litellm')}", mapping(entries)


def normalise(spelling: str, provider: str | None = None) -> ModelName:
    """A model's name in the one spelling, and its provider.

    The provider is what stands before the first slash (Harbor's rule), in LiteLLM's spelling. A gateway's own
    prefixes (`openrouter/anthropic/`), Bedrock's and Vertex's decorations go. A region that is spelled out belongs to
    the provider, since it has prices of its own: `bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0` is served by
    `bedrock-us`, `azure/eu/gpt-5-mini` by `azure-eu`. A name without a provider has its maker's where the table shows
    exactly one; else its provider stays unknown, as the prices of gateways differ.

    A dated name is the undated one where the table holds the undated name and this one date of it:
    `claude-sonnet-4-5-20250929` is `claude-sonnet-4-5`. Where it holds several (`gpt-4o-2024-05-13`,
    `gpt-4o-2024-11-20`) they are different models, and so is the undated name, which moved from one to the next.

    Of a name that the table does not know, only letters are made small and blanks taken away; one of more than 200
    characters is cut. What was normalised once does not change again.

    Args:
        spelling: the name as it was found.
        provider: the provider, where it stands apart from the name.
    """
    model = explicit(spelling, provider)
    if model.provider is not None:
        return model
    return ModelName(_index().first_party.get(_fold(model.name)), model.name)


@lru_cache(maxsize=4096)
def _explicit(spelling: str, provider: str) -> ModelName:
    index = _index()
    model = _split(spelling, provider, index.makers)
    name, fold = model.name, _fold(model.name)
    if fold in index.spellings or ":" not in name:
        known = index.spellings.get(index.undated.get(fold, fold), name)
    else:
        # A variant of a model: `name:free`, `name:thinking`.
        base, _, tag = name.partition(":")
        fold = _fold(base)
        known = f"{index.spellings.get(index.undated.get(fold, fold), base)}:{tag}"
    return ModelName(model.provider, known)


def explicit(spelling: str, provider: str | None = None) -> ModelName:
    """As `normalise`, with the provider only where it is spelled out: never the one that a bare name stands for."""
    if len(spelling) <= _LONGEST and len(provider or "") <= _LONGEST:
        return _explicit_short(spelling, provider or "")
    return _explicit(_clean(spelling), _clean(provider or ""))


@lru_cache(maxsize=4096)
def _explicit_short(spelling: str, provider: str) -> ModelName:
    """As `explicit`: a run names the same few models thousands of times."""
    return _explicit(_clean(spelling), _clean(provider))


def entries(model: ModelName) -> list[str]:
    """The table's keys for a normalised model of this very provider; several where it has more than one spelling."""
    return _index().entries.get(model, [])


def is_known(name: str) -> bool:
    """Whether the table holds a model of this name, of whatever provider."""
    return _fold(_clean(name)) in _index().spellings


def makes_models(provider: str | None) -> bool:
    """Whether a provider serves models of its own making, and is no gateway."""
    return provider in _index().own


def _clean(spelling: str) -> str:
    """Printable, small letters, single blanks, of a bounded length."""
    start = spelling.strip()[: 8 * _LONGEST]
    if not start.isprintable():
        start = "".join(char if char.isprintable() else " " for char in start)
    return " ".join(start.split())[:_LONGEST].lower()[:_LONGEST].strip()


def _fold(name: str) -> str:
    """What is the same for spellings of one name: `claude-sonnet-4.5`, `claude_sonnet_4-5`."""
    dated = _DATE.search(name)
    if dated is not None:
        name = f"{name[: dated.start()]}-{dated[1]}{dated[2]}{dated[3]}"
    return name.replace(".", "-").replace("_", "-").replace("@", "-")


@lru_cache(maxsize=1024)
def provider_name(name: str) -> str:
    """A provider in LiteLLM's spelling; as it is where LiteLLM does not know it."""
    if name.startswith("vertex_ai"):
        return "vertex_ai"
    bare = name.replace("-", "").replace("_", "")
    if bare == "lmstudio":  # the table prices no local provider but Ollama, and so does not name this one
        return "lm_studio"
    return _ALIASES.get(bare) or _providers().get(bare, name)


@cache
def _providers() -> dict[str, str]:
    """The table's providers, by their names without `-` and `_`."""
    named = {text(mapping(entry).get("litellm_provider")) or "" for entry in price_table()[1].values()}
    return {
        name.replace("-", "").replace("_", ""): name for name in sorted(named - {""}, reverse=True) if " " not in name
    }


def _split(spelling: str, provider: str, makers: frozenset[str]) -> ModelName:
    """Provider and name of a clean spelling; the name without what is not the model's own."""
    if not spelling:
        return ModelName(provider_name(provider.partition("/")[0].strip()) or None, "")
    whole = f"{provider}/{spelling}" if provider else spelling
    before, _, after = (part.strip() for part in whole.partition("/"))
    served_by, name = (provider_name(before), after) if before and after else (None, whole)
    hosted = _BEDROCK_ID.fullmatch(name)
    if hosted is not None and hosted["maker"] in makers and served_by in (None, provider_name(hosted["maker"])):
        served_by = "bedrock"
    elif _VERTEX_ID.fullmatch(name) and served_by in (None, "anthropic"):
        served_by = "vertex_ai"
    last = ""
    while last != name:
        last = name
        region = _REGION.match(name) if served_by in _WITH_REGIONS else None
        if region is None:
            name = _plainer(name, served_by, makers)
        else:
            served_by = f"{served_by}-{region['region'] or region['geography']}"
            name = name[region.end() :].strip() or name
    return ModelName(served_by, _TURNED.sub(r"claude-\g<family>-\g<version>", name))


def _plainer(name: str, provider: str | None, makers: frozenset[str]) -> str:
    """The name without one of the things that are not the model's own; the name itself when nothing is left of them."""
    if provider is None:
        return name
    segment, slash, rest = (part.strip() for part in name.partition("/"))
    if slash and rest:
        maker = provider_name(segment)
        if segment in makers or maker in makers or maker == provider:
            return rest
    path = _PATHS.match(name)
    if path is not None:
        return name[path.end() :].strip() or name
    if provider.partition("-")[0] in _DOTTED:
        return _from_bedrock(name, makers)
    if provider == "vertex_ai":
        return name.removesuffix("@default").removesuffix("-maas").strip() or name
    if provider == "fireworks_ai":
        return re.sub(r"(?<=\d)p(?=\d)", ".", name)
    return name


def _from_bedrock(name: str, makers: frozenset[str]) -> str:
    """`anthropic.claude-opus-4-6-v1` is `claude-opus-4-6`."""
    path, slash, name = name.rpartition("/")
    found = _BEDROCK_ID.fullmatch(name)
    if found is not None and found["maker"] in makers:
        # `deepseek.v3.2`: the version alone is no name.
        is_version = re.match(r"v\d", found["name"]) is not None
        name = f"{found['maker']}-{found['name']}" if is_version else found["name"].strip()
    versioned = _BEDROCK_VERSION.fullmatch(name)
    return path + slash + (name if versioned is None else versioned["name"].strip())


@cache
def _index() -> _Index:
    table = {
        key: provider_name(text(entry.get("litellm_provider")) or "")
        for key, entry in ((key, mapping(value)) for key, value in price_table()[1].items())
        if entry.get("mode") in _MODES
    }
    makers = frozenset(maker for key, provider in table.items() if (maker := _maker(key, provider)))
    found = {key: _split(_clean(key), _prefix(key, provider), makers) for key, provider in table.items()}
    folds = {key: _fold(model.name) for key, model in found.items()}
    undated = _undated(set(folds.values()))
    names: dict[str, Counter[ModelName]] = defaultdict(Counter)
    for key, model in found.items():
        names[folds[key]][model] += 1
        if folds[key] in undated:
            names[undated[folds[key]]][ModelName(model.provider, _DATE.sub("", model.name))] += 1
    first_party = _first_party(found, table)
    spellings = {fold: _spelling(models, first_party.get(fold)) for fold, models in names.items()}
    by_model: dict[ModelName, list[str]] = defaultdict(list)
    for key, model in found.items():
        by_model[ModelName(model.provider, spellings[undated.get(folds[key], folds[key])])].append(key)
    own = frozenset(first_party.values()).intersection(map(provider_name, makers)) - {provider_name("vercel")}
    return _Index(spellings, undated, first_party, dict(by_model), makers, own)


def _undated(folds: set[str]) -> dict[str, str]:
    """Dated folds to undated ones, where both are there and no other date is."""
    dates: dict[str, list[str]] = defaultdict(list)
    for fold in folds:
        dated = _DATE.search(fold)
        if dated is not None and fold[: dated.start()] in folds:
            dates[fold[: dated.start()]].append(fold)
    return {found[0]: base for base, found in dates.items() if len(found) == 1}


def _prefix(key: str, provider: str) -> str:
    """The provider of a key that does not begin with it."""
    return "" if provider_name(key.partition("/")[0].lower()) == provider and "/" in key else provider


def _maker(key: str, provider: str) -> str | None:
    """Who made the model, where the key says so: `baseten/moonshotai/Kimi-K2.5`, `moonshotai.kimi-k2.5`."""
    parts = key.lower().split("/")
    between = parts[1:-1]
    if provider in _DOTTED:
        found = _BEDROCK_ID.fullmatch(parts[-1])
        return None if found is None else found["maker"]
    if len(between) == 2 and between[0].startswith("@"):
        between = between[1:]
    if len(between) != 1 or provider in _PATHS_ARE_REGIONS or between[0] == provider:
        return None
    return between[0]


def _first_party(found: dict[str, ModelName], table: dict[str, str]) -> dict[str, str]:
    """The one provider of each name that is its maker's own.

    A provider is that where the table lists a model under its bare name, or where it has an entry for a model that
    gateways name it as the maker of. Of a provider that has nothing of other makers, one entry that nobody else has
    is enough. More than one such provider (Gemini's models are Google's on two platforms) means: not known.
    """
    made: dict[str, set[str]] = defaultdict(set)
    served: dict[str, set[str]] = defaultdict(set)
    bare: dict[str, set[str]] = defaultdict(set)
    for key, model in found.items():
        if model.provider is None:
            continue
        fold = _fold(model.name)
        maker = _maker(key, table[key])
        if maker is not None:
            made[fold].add(provider_name(maker))
        served[fold].add(model.provider)
        if "/" not in key and table[key] not in _DOTTED:
            bare[fold].add(model.provider)
    makers = set[str]().union(*made.values())
    gateways = {provider for fold, providers in served.items() for provider in providers if made[fold] - {provider}}
    first: dict[str, str] = {}
    for fold, providers in served.items():
        known = bare[fold] | (providers & made[fold])
        if not known and len(providers) == 1:
            known = (providers & makers) - gateways
        if len(known) == 1:
            (first[fold],) = known
    return first


def _spelling(models: Counter[ModelName], first_party: str | None) -> str:
    """The spelling of the model's own provider, else the most frequent one."""
    return min(models, key=lambda model: (model.provider != first_party, -models[model], model.name)).name
