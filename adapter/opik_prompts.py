"""The judges' prompts in Opik's prompt library: the same text is the same version there, a changed one a new commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opik.rest_api.client import OpikApi
from opik.rest_api.types import PromptVersionDetail

from adapter.opik_rest import Rest, if_there
from adapter.trial import JsonValue, Object


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it should be in the library."""

    name: str
    template: str
    metadata: Mapping[str, JsonValue]
    change: str


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A version of a prompt that Opik holds.

    Attributes:
        name: the prompt's.
        version_id: by which an experiment is linked to it.
        commit: by which people find it.
        is_new: whether it was stored just now.
    """

    name: str
    version_id: str
    commit: str
    is_new: bool


def store_prompt(rest: Rest, project: str, prompt: Prompt) -> StoredPrompt:
    """Stores a prompt where its newest version says something else, or there is none.

    Raises:
        IncompleteError: Opik refuses, or is still in trouble after the last try.
    """
    what = f"the prompt {prompt.name}"
    metadata: Object = dict(prompt.metadata)

    def newest(api: OpikApi) -> PromptVersionDetail | None:
        found = if_there(lambda: api.prompts.retrieve_prompt_version(name=prompt.name, project_name=project))
        is_same = found is not None and found.template == prompt.template and found.metadata == metadata
        return found if is_same else None

    def store(api: OpikApi) -> PromptVersionDetail:
        return api.prompts.create_prompt_version(
            name=prompt.name,
            version=PromptVersionDetail(
                template=prompt.template, metadata=metadata, type="mustache", change_description=prompt.change[:255]
            ),
            template_structure="text",
            project_name=project,
        )

    found = rest.call(what, newest)
    version = rest.call(what, store, there=newest) if found is None else found
    return StoredPrompt(prompt.name, str(version.id), version.commit or "", is_new=found is None)
