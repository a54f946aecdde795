"""The criteria that trials are judged by, as versions in Opik's prompt library."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from adapter.errors import IncompleteError
from adapter.opik_patience import status_of
from adapter.opik_prompts import Prompt, StoredPrompt, store_prompt
from adapter.opik_store import OpikStore
from adapter.trial import JsonValue, Object
from judges.criteria import criteria
from pipelines.written import Written
from prompts import Criterion

_NOT_TAKEN = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)

PROMPTS = "judge_prompts"
"""The key in an experiment's configuration. (`prompts` is Opik's own, for those that the agent was given.)"""


def store_prompts(
    store: OpikStore, written: Written, in_force: Mapping[str, Criterion] | None = None
) -> dict[str, StoredPrompt]:
    """Stores each criterion's prompt where it is missing or says something else; by `criterion@version`.

    One that Opik does not take (its name may be another project's) is named in `store.refused`, and the rest goes on.

    Raises:
        IncompleteError: Opik does not answer, or refuses all calls.
    """
    stored: dict[str, StoredPrompt] = {}
    for criterion in (criteria() if in_force is None else in_force).values():
        prompt = _prompt(criterion)
        try:
            stored[criterion.prompt_version] = store_prompt(store.rest, store.project, prompt)
        except IncompleteError as error:
            if status_of(error.__cause__) not in _NOT_TAKEN:
                raise
            store.refused[f"prompt {prompt.name}"] = error.what
    written.prompts += sum(one.is_new for one in stored.values())
    return stored


def named(prompts: Mapping[str, StoredPrompt]) -> Object:
    """Prompts as an experiment's configuration names them: each one's name and commit in Opik."""
    return {version: f"{one.name} {one.commit}" for version, one in prompts.items()}


def _prompt(criterion: Criterion) -> Prompt:
    labels: list[JsonValue] = [{"label": one.label, "value": one.value} for one in criterion.labels]
    metadata: Mapping[str, JsonValue] = {
        "criterion": criterion.criterion,
        "version": criterion.version,
        "question": criterion.question,
        "labels": labels,
        "inputs": list(criterion.inputs),
    }
    change = next(one.change for one in criterion.changelog if one.version == criterion.version)
    return Prompt(f"kilobench.{criterion.criterion}", criterion.rubric, metadata, change)
