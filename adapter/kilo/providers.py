"""The model providers that Kilo knows, as it names them, and the environment variables that hold their keys."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from adapter.errors import BadInputError

_KEYS: dict[str, tuple[str, ...]] = {
    "alibaba": ("DASHSCOPE_API_KEY",),
    "amazon-bedrock": (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_BEARER_TOKEN_BEDROCK",
    ),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "azure": ("AZURE_API_KEY", "AZURE_RESOURCE_NAME"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "deepinfra": ("DEEPINFRA_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks-ai": ("FIREWORKS_API_KEY",),
    "github-copilot": ("GITHUB_TOKEN",),
    "google": ("GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "google-vertex": ("GOOGLE_VERTEX_PROJECT", "GOOGLE_VERTEX_LOCATION", "GOOGLE_CLOUD_PROJECT"),
    "groq": ("GROQ_API_KEY",),
    "huggingface": ("HF_TOKEN",),
    "kilo": ("KILO_API_KEY", "KILO_ORG_ID"),
    "minimax": ("MINIMAX_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "moonshotai": ("MOONSHOT_API_KEY",),
    "nvidia": ("NVIDIA_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "perplexity": ("PERPLEXITY_API_KEY",),
    "togetherai": ("TOGETHER_API_KEY",),
    "vercel": ("AI_GATEWAY_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "zai": ("ZHIPU_API_KEY",),
}
GATEWAY = "kilo"
"""Kilo's own provider, which serves some models without a key and says only online which models it has."""
_MODEL = "Name it as PROVIDER/MODEL, with Kilo's name of the provider: -m anthropic/claude-sonnet-4-5"


def split_model(model: str | None) -> tuple[str, str]:
    """The provider and the model of a `provider/model`, whose model may hold more slashes.

    Raises:
        BadInputError: there is none, or it names no provider.
    """
    provider, _, name = (model or "").partition("/")
    if not model:
        raise BadInputError("No model is named.", _MODEL)
    if not name or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", provider):
        raise BadInputError(f"The model {model[:80]!r} names no provider.", _MODEL)
    return provider, name


def is_known(provider: str) -> bool:
    """Whether the provider is one that Kilo speaks to without being told how."""
    return provider in _KEYS


def key_variables(provider: str) -> tuple[str, ...]:
    """The environment variables that Kilo reads for a provider, the usual one for a key first."""
    return _KEYS.get(provider, (f"{_upper(provider)}_API_KEY",))


def url_variables(provider: str) -> tuple[str, ...]:
    """The environment variables that may hold the address of a provider's API."""
    more = ("OPENAI_API_BASE",) if provider == "openai" else ()
    return (f"{_upper(provider)}_BASE_URL", *more)


def api_address(provider: str, address: str) -> str:
    """The address of an API as Kilo wants it: for Anthropic's own protocol with its version at the end.

    Raises:
        BadInputError: it is no http(s) address, or it holds a password.
    """
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
        parts = urlsplit("")
    if not is_web:
        raise BadInputError(f"{address[:200]!r} is no address of an API.", "Give one such as http://10.0.0.5:8000/v1.")
    if parts.username is not None or parts.password is not None:
        raise BadInputError("The address of the API holds a user or a password.", "Give the key by a variable: --ae.")
    bare = address.rstrip("/")
    return f"{bare}/v1" if provider == "anthropic" and parts.path.rstrip("/") == "" else bare


def _upper(provider: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", provider.upper())
