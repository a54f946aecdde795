"""A call as LiteLLM takes it."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.trial import JsonValue, Object
    from judges.llm.call import Call

_NAME = "verdicts"
"""Of the schema, and of the tool whose arguments are the answer where a provider has no schemas."""
_MARKED = frozenset({"anthropic", "azure_ai", "bedrock", "databricks", "openrouter", "vertex_ai"})
"""Providers of Claude to whom LiteLLM passes `cache_control` on. Others cache what calls begin with by themselves, or
(Gemini) take the mark for an order to store, which is billed by the hour."""
_AS_IT_IS = frozenset({"openai", "azure"})
_EPHEMERAL: Object = {"type": "ephemeral"}


class Form(StrEnum):
    """How a model is held to the form of its answer, from the strictest to none but the prompt's own words."""

    SCHEMA = "schema"
    """`response_format` with a JSON schema"""
    TOOL = "tool"
    """a tool that has to be called: its arguments are the answer"""
    PLAIN = "plain"


@cache
def first_form(model: str) -> Form:
    """The strictest form that a model is known to take; for one that LiteLLM does not know, the strictest there is."""
    import litellm

    try:
        litellm.get_model_info(model)
    except Exception:  # noqa: BLE001  (LiteLLM raises a bare Exception for a name it does not know)
        return Form.SCHEMA
    if litellm.supports_response_schema(model):
        return Form.SCHEMA
    return Form.TOOL if litellm.supports_function_calling(model) else Form.PLAIN


def next_form(form: Form) -> Form | None:
    """The form to try where a server does not take one; None after the last."""
    return {Form.SCHEMA: Form.TOOL, Form.TOOL: Form.PLAIN}.get(form)


@cache
def takes_marks(model: str) -> bool:
    """Whether parts of a prompt are marked as worth caching."""
    import litellm

    try:
        provider = litellm.get_llm_provider(model)[1]
    except Exception:  # noqa: BLE001  (LiteLLM raises several, and none of them says more than that it does not know)
        return False
    return provider in _MARKED and "claude" in model.lower()


@cache
def takes_body(model: str) -> bool:
    """Whether LiteLLM hands what is in `extra_body` on as it is, in the request's own body."""
    import litellm

    try:
        return litellm.get_llm_provider(model)[1] in _AS_IT_IS
    except Exception:  # noqa: BLE001  (as above)
        return False


def in_body(given: Object) -> Object:
    """The same request with the schema beside its arguments, not among them.

    OpenAI's client walks through all that is among them, on every call. Only for models that `takes_body`.
    """
    rest = {name: value for name, value in given.items() if name != "response_format"}
    form = given.get("response_format")
    return given if form is None else {**rest, "extra_body": {"response_format": form}}


def arguments(call: Call, form: Form, *, marked: bool) -> Object:
    """The keyword arguments of `litellm.acompletion`, without timeouts, which do not change an answer.

    Args:
        call: the call.
        form: how its answer is held to its form.
        marked: whether what is worth caching is marked.
    """
    given: Object = {
        "model": call.model,
        "messages": _messages(call, marked=marked),
        "max_tokens": call.max_tokens,
        "temperature": 0.0,
        # What a model does not take (temperature, for those that think) is left out, not refused.
        "drop_params": True,
    }
    if call.api_base is not None:
        given["api_base"] = call.api_base
    if form is Form.SCHEMA:
        schema: Object = {"name": _NAME, "strict": True, "schema": json.loads(call.schema)}
        given["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form is Form.TOOL:
        function: Object = {"name": _NAME, "description": "Gives the verdicts.", "parameters": json.loads(call.schema)}
        given["tools"] = [{"type": "function", "function": function}]
        given["tool_choice"] = {"type": "function", "function": {"name": _NAME}}
        # Otherwise LiteLLM looks for tools of its own proxy, and imports a package that does not come with it.
        given["_skip_mcp_handler"] = True
    return given


def _messages(call: Call, *, marked: bool) -> list[JsonValue]:
    if not marked:
        return [{"role": "system", "content": call.system}, {"role": "user", "content": call.text}]
    system: Object = {"type": "text", "text": call.system, "cache_control": _EPHEMERAL}
    stable = [number for number, part in enumerate(call.parts) if part.is_stable]
    # The first is shared by all windows of a trial, the last by those that follow: with the system prompt's, three of
    # the four marks that Anthropic takes.
    ends = {stable[0], stable[-1]} if stable else set[int]()
    parts: list[JsonValue] = []
    for number, part in enumerate(call.parts):
        block: Object = {"type": "text", "text": part.text}
        if number in ends:
            block["cache_control"] = _EPHEMERAL
        parts.append(block)
    return [{"role": "system", "content": [system]}, {"role": "user", "content": parts}]
