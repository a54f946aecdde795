"""The form of a judge's answer, as a JSON schema that providers can hold a model to."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from judges.verdict import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.trial import JsonValue, Object
    from prompts import Criterion


def answer_schema(criteria: Mapping[str, Criterion]) -> Object:
    """The schema of an answer by these criteria: the same for every step, since it is part of what is cached.

    `trajectory` is the boundary, which shows that the answer is the judge's own. The schema keeps to what OpenAI's
    strict mode takes: every property is required, none is added, and what may be missing is null. The explanation comes
    before the label: models write in the order of the schema.
    """
    labels = list(dict.fromkeys(label.label for one in criteria.values() for label in one.labels))
    quote = strict_object({"step": {"type": "integer"}, "quote": {"type": "string"}})
    action = strict_object({"tool": {"type": "string"}, "arguments": {"type": "string"}})
    verdict = strict_object(
        {
            "step": {"type": "integer"},
            "criterion": {"type": "string", "enum": [*criteria]},
            "explanation": {"type": "string"},
            "evidence": {"type": "array", "items": quote},
            "label": {"type": "string", "enum": [*labels]},
            "better_action": {"anyOf": [action, {"type": "null"}]},
            "category": {"anyOf": [{"type": "string", "enum": [one.value for one in Category]}, {"type": "null"}]},
            "confidence": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        }
    )
    return strict_object({"trajectory": {"type": "string"}, "verdicts": {"type": "array", "items": verdict}})


@lru_cache(maxsize=16)
def schema_text(criteria: tuple[Criterion, ...]) -> str:
    """The schema as JSON, in ASCII."""
    return json.dumps(answer_schema({criterion.criterion: criterion for criterion in criteria}))


def strict_object(properties: Object) -> Object:
    """The schema of an object as OpenAI's strict mode takes it: with these properties, all of them, and no others."""
    required: list[JsonValue] = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
