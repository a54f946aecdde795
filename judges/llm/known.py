"""What LiteLLM's table knows of a judge model, as far as a call depends on it."""

from __future__ import annotations

from judges.asking import Model

_THINKING = 8_000
"""Tokens left to a model that thinks before it answers: providers count them as part of the answer."""


def model_of(name: str, api_base: str | None = None) -> Model:
    """The judge model of that name; one that the table does not know is taken to think, and to have no limit."""
    import litellm

    try:
        info = litellm.get_model_info(name)
    except Exception:  # noqa: BLE001  (LiteLLM raises a bare Exception for a name it does not know)
        return Model(name, api_base, thinking=_THINKING)
    most = info.get("max_output_tokens")
    thinks = bool(info.get("supports_reasoning"))
    return Model(name, api_base, thinking=_THINKING if thinks else 0, most=most if isinstance(most, int) else None)
