"""The fields that filters may name, per kind of row, and where the store keeps them (the row is `e`)."""

# ruff: noqa: S608 - table and column names in SQL are constants of this package.
from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapter.embedded_opik import projects
from adapter.embedded_opik.filters import Field, Kind

_JOB = {"kilobench_job": "e.kilobench_job"}
_OF_TRACE = "FROM spans s WHERE s.project_id = e.project_id AND s.trace_id = e.id"


def _usage_of_spans(key: str) -> str:
    return f"(SELECT sum(json_extract(s.usage, '$.{key}')) {_OF_TRACE})"


def _scores(entity: str, key: str = "e.id") -> str:
    return (
        "(SELECT 1 FROM feedback_scores WHERE project_id = e.project_id "
        f"AND entity_type = '{entity}' AND entity_id = {key}"
    )


def _queues(key: str) -> Field:
    return Field(
        Kind.LIST, f"(SELECT json_group_array(q.queue_id) FROM annotation_queue_items q WHERE q.item_id = {key})"
    )


_SHARED: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "name": Field(Kind.STRING, "e.name"),
    "start_time": Field(Kind.DATE_TIME, "e.start_time"),
    "end_time": Field(Kind.DATE_TIME, "e.end_time"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "input": Field(Kind.STRING, "e.input"),
    "output": Field(Kind.STRING, "e.output"),
    "input_json": Field(Kind.DICTIONARY, "e.input"),
    "output_json": Field(Kind.DICTIONARY, "e.output"),
    "metadata": Field(Kind.DICTIONARY, "e.metadata", _JOB),
    "tags": Field(Kind.LIST, "e.tags"),
    "duration": Field(Kind.NUMBER, "e.duration"),
    "ttft": Field(Kind.NUMBER, "e.ttft"),
    "error_info": Field(Kind.ERROR, "e.error_info"),
    "source": Field(Kind.ENUM, "e.source"),
    "environment": Field(Kind.ENUM, "e.environment"),
}

TRACE_FIELDS: Final[Mapping[str, Field]] = {
    **_SHARED,
    "thread_id": Field(Kind.STRING, "e.thread_id"),
    "total_estimated_cost": Field(Kind.NUMBER, f"(SELECT sum(s.total_estimated_cost) {_OF_TRACE})"),
    "llm_span_count": Field(Kind.NUMBER, f"(SELECT count(*) {_OF_TRACE} AND s.type = 'llm')"),
    "usage.total_tokens": Field(Kind.NUMBER, _usage_of_spans("total_tokens")),
    "usage.prompt_tokens": Field(Kind.NUMBER, _usage_of_spans("prompt_tokens")),
    "usage.completion_tokens": Field(Kind.NUMBER, _usage_of_spans("completion_tokens")),
    "feedback_scores": Field(Kind.SCORES, _scores("trace")),
    "span_feedback_scores": Field(
        Kind.SCORES,
        "(SELECT 1 FROM (SELECT f.name AS name, avg(f.value) AS value FROM spans s JOIN feedback_scores f "
        "ON f.entity_type = 'span' AND f.entity_id = s.id AND f.project_id = s.project_id "
        "WHERE s.project_id = e.project_id AND s.trace_id = e.id GROUP BY f.name) WHERE 1",
    ),
    "annotation_queue_ids": _queues("e.id"),
    # A trace may be in several experiments: one of them is asked for.
    "experiment_id": Field(
        Kind.STRINGS, "(SELECT json_group_array(i.experiment_id) FROM experiment_items i WHERE i.trace_id = e.id)"
    ),
}

SPAN_FIELDS: Final[Mapping[str, Field]] = {
    **_SHARED,
    "trace_id": Field(Kind.STRING, "e.trace_id"),
    "parent_span_id": Field(Kind.STRING, "e.parent_span_id"),
    "type": Field(Kind.ENUM, "e.type"),
    "model": Field(Kind.STRING, "e.model"),
    "provider": Field(Kind.STRING, "e.provider"),
    "total_estimated_cost": Field(Kind.NUMBER, "e.total_estimated_cost"),
    "usage.total_tokens": Field(Kind.NUMBER, "json_extract(e.usage, '$.total_tokens')"),
    "usage.prompt_tokens": Field(Kind.NUMBER, "json_extract(e.usage, '$.prompt_tokens')"),
    "usage.completion_tokens": Field(Kind.NUMBER, "json_extract(e.usage, '$.completion_tokens')"),
    "usage": Field(Kind.DICTIONARY, "e.usage"),
    "feedback_scores": Field(Kind.SCORES, _scores("span")),
}

EXPERIMENT_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "name": Field(Kind.STRING, "e.name"),
    "dataset_id": Field(Kind.STRING, "e.dataset_id"),
    "project_id": Field(Kind.STRING, "e.project_id"),
    "metadata": Field(Kind.DICTIONARY, "e.metadata"),
    "tags": Field(Kind.LIST, "e.tags"),
    "prompt_ids": Field(
        Kind.LIST,
        "(SELECT json_group_array(json_extract(value, '$.prompt_id')) FROM json_each(e.prompt_versions))",
    ),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "feedback_scores": Field(
        Kind.SCORES,
        "(SELECT 1 FROM (SELECT f.name AS name, avg(f.value) AS value FROM "
        "(SELECT DISTINCT trace_id FROM experiment_items WHERE experiment_id = e.id) i "
        "JOIN traces t ON t.id = i.trace_id JOIN feedback_scores f ON f.entity_type = 'trace' "
        "AND f.entity_id = t.id AND f.project_id = t.project_id GROUP BY f.name) WHERE 1",
    ),
    "experiment_scores": Field(
        Kind.SCORES,
        "(SELECT 1 FROM (SELECT json_extract(value, '$.name') AS name, json_extract(value, '$.value') AS value "
        "FROM json_each(e.experiment_scores)) WHERE 1",
    ),
}

_BY: Final = Field(Kind.STRING, f"'{projects.AUTHOR}'")

PROMPT_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "name": Field(Kind.STRING, "e.name"),
    "description": Field(Kind.STRING, "e.description"),
    "template_structure": Field(Kind.STRING, "e.template_structure"),
    "project_id": Field(Kind.STRING, "e.project_id"),
    "tags": Field(Kind.LIST, "e.tags"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "created_by": _BY,
    "last_updated_by": _BY,
}

PROMPT_VERSION_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "commit": Field(Kind.STRING, "e.commit_hash"),
    "version_number": Field(Kind.STRING, "'v' || e.number"),
    "template": Field(Kind.STRING, "e.template"),
    "change_description": Field(Kind.STRING, "e.change_description"),
    "metadata": Field(Kind.DICTIONARY, "e.metadata"),
    "type": Field(Kind.ENUM, "e.type"),
    "tags": Field(Kind.LIST, "e.tags"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "created_by": _BY,
}

THREAD_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "first_message": Field(Kind.STRING, "e.first_message"),
    "last_message": Field(Kind.STRING, "e.last_message"),
    "number_of_messages": Field(Kind.NUMBER, "e.number_of_messages"),
    "duration": Field(Kind.NUMBER, "e.duration"),
    "start_time": Field(Kind.DATE_TIME, "e.start_time"),
    "end_time": Field(Kind.DATE_TIME, "e.end_time"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "status": Field(Kind.ENUM, "'active'"),
    "tags": Field(Kind.LIST, "NULL"),
    "environment": Field(Kind.ENUM, "e.environment"),
    "feedback_scores": Field(Kind.SCORES, _scores("thread", "e.thread_model_id")),
    "annotation_queue_ids": _queues("e.thread_model_id"),
}

QUEUE_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "project_id": Field(Kind.STRING, "e.project_id"),
    "name": Field(Kind.STRING, "e.name"),
    "description": Field(Kind.STRING, "e.description"),
    "instructions": Field(Kind.STRING, "e.instructions"),
    "scope": Field(Kind.ENUM, "e.scope"),
    "feedback_definition_names": Field(Kind.LIST, "e.feedback_definition_names"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "created_by": _BY,
    "last_updated_by": _BY,
}

DATASET_ITEM_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "data": Field(Kind.DICTIONARY, "e.data"),
    "full_data": Field(Kind.STRING, "e.data"),
    "source": Field(Kind.STRING, "e.source"),
    "trace_id": Field(Kind.STRING, "e.trace_id"),
    "span_id": Field(Kind.STRING, "e.span_id"),
    "description": Field(Kind.STRING, "e.description"),
    "tags": Field(Kind.LIST, "e.tags"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "created_by": _BY,
    "last_updated_by": _BY,
}

DASHBOARD_FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.STRING, "e.id"),
    "name": Field(Kind.STRING, "e.name"),
    "description": Field(Kind.STRING, "e.description"),
    "type": Field(Kind.ENUM, "e.type"),
    "project_id": Field(Kind.STRING, "e.project_id"),
    "created_at": Field(Kind.DATE_TIME, "e.created_at"),
    "last_updated_at": Field(Kind.DATE_TIME, "e.last_updated_at"),
    "created_by": _BY,
    "last_updated_by": _BY,
}
