"""How LLM calls were served (tier, speed, region), where that has a price of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from adapter.loose import Json, mapping
from adapter.trial import Finding, JsonValue, Service, Severity, Step

_TIERS = ("service_tier", "serviceTier")
_SPEED, _REGION = "speed", "inference_geo"
_KEYS = frozenset((*_TIERS, _SPEED, _REGION))
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
"""What such a name looks like; other texts are none."""
_UNSAID = frozenset(("auto", "none", "not_available", "null", "unknown"))
"""Words for what is not known: `auto` is what was asked for, and leaves it to the provider."""
_STANDARD = frozenset(("default", "on_demand"))
"""Other words for `standard`."""
_PRICED_APART = frozenset(("batch", "flex", "priority"))
"""Tiers that a run's settings can ask for and that have a price of their own."""
_MOST_SETTINGS = 1_000
"""Among how many values of the settings a tier is looked for."""


def read_service(of_call: Json, of_step: Json) -> Service | None:
    """How a step's LLM call was served; None where nothing is said.

    Args:
        of_call: the `extra` of the step's metrics, where agents put the provider's own account: Anthropic's
            `service_tier`, `speed` and `inference_geo`, OpenAI's `service_tier`.
        of_step: the step's `extra`. Only a tier is taken from there; the other names may mean other things.
    """
    said = not _KEYS.isdisjoint(of_call)
    if not said and _KEYS.isdisjoint(of_step):
        return None
    tiers = [value for place in (of_call, of_step) for key in _TIERS if isinstance(value := place.get(key), str)]
    speed, region = of_call.get(_SPEED), of_call.get(_REGION)
    return _service(
        tiers[0] if tiers else None,
        speed if isinstance(speed, str) else None,
        region if isinstance(region, str) else None,
    )


@lru_cache(maxsize=1_000)
def _service(tier: str | None, speed: str | None, region: str | None) -> Service | None:
    found = Service(_word(tier), _word(speed), _word(region))
    return None if found == Service() else found


def _word(said: str | None) -> str | None:
    if said is None or not _WORD.fullmatch(said) or (plain := said.lower()) in _UNSAID:
        return None
    return "standard" if plain in _STANDARD else plain


def with_asked_tier(
    steps: tuple[Step, ...], settings: Json, model: str | None, findings: list[Finding]
) -> tuple[Step, ...]:
    """The steps served as the run's settings ask for, where no call of the run says how it was served.

    Args:
        steps: of the trial.
        settings: the agent's, as the trial's `config.json` has them.
        model: the variant's: calls of another may be another provider's.
        findings: is told of it.
    """
    if any(step.service is not None for step in steps):
        return steps
    asked = {_word(one) for one in _tiers_in(settings.get("kwargs"))}
    tier = asked.pop() if len(asked) == 1 else None
    if tier not in _PRICED_APART:
        return steps
    message = f"No call says how it was served: as the settings ask for, `{tier}`."
    findings.append(Finding("service_from_settings", Severity.INFO, message))
    service = Service(tier)
    return tuple(
        [
            replace(step, service=service) if step.tokens is not None and step.model in (None, model) else step
            for step in steps
        ]
    )


def _tiers_in(settings: JsonValue) -> Iterator[str]:
    """What stands under the name of a tier, anywhere in some settings."""
    waiting: list[JsonValue] = [settings]
    seen = 0
    while waiting and seen < _MOST_SETTINGS:
        value = waiting.pop()
        seen += 1
        if isinstance(value, list):
            waiting.extend(value)
            continue
        for key, item in mapping(value).items():
            if key in _TIERS and isinstance(item, str):
                yield item
            waiting.append(item)


def on_bearers(calls: Sequence[int | None], has_tokens: Sequence[bool], said: list[Service | None]) -> None:
    """Moves what is said of each call to the step that bears its tokens, and takes it from the others.

    Args:
        calls: each step's LLM call.
        has_tokens: whether it bears a call's tokens.
        said: what each step says; changed in place.
    """
    of_call: dict[int, Service] = {}
    for call, service in zip(calls, said, strict=True):
        if call is not None and service is not None:
            of_call.setdefault(call, service)
    for place, call in enumerate(calls):
        said[place] = of_call.pop(call, None) if call is not None and has_tokens[place] else None
