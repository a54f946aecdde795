"""The form of a judge's answer, as a JSON schema that providers can hold a model to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judges.verdict import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.trial import JsonValue, Object
    from prompts import Criterion


def answer_schema(criteria: Mapping[str, Criterion]) -> Object:
    """The schema of an answer by these criteria: the same for every step, since it is part of what is cached.

    It keeps to what OpenAI's strict mode takes: every property is required, none is added, and what may be missing is
    null. The explanation comes before the label, which models write in the order of the schema.
    """
    labels = list(dict.fromkeys(label.label for one in criteria.values() for label in one.labels))
    quote = _object({"step": {"type": "integer"}, "quote": {"type": "string"}})
    action = _object({"tool": {"type": "string"}, "arguments": {"type": "string"}})
    verdict = _object(
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
    return _object({"verdicts": {"type": "array", "items": verdict}})


def _object(properties: Object) -> Object:
    required: list[JsonValue] = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
