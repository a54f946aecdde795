"""Rules on calls that their harness could not carry out at all, by the record or by the harness's own words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from judges.rules.rule import Flag, Rule, call_text, quote, quote_call, quotes
from judges.verdict import Category

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.trial import Step, ToolCall
    from judges.rules.history import History

# Kilo Code before 7.7 puts these words before its own.
_KILO_PREFIXES = ("The arguments provided to the tool are invalid: ", "Error: ")


def _unknown_tool(history: History) -> Iterator[Flag]:
    for move in history.moves:
        words = _words(move.call)
        if (
            words.startswith(
                ("<tool_use_error>Error: No such tool available: ", "Model tried to call unavailable tool '")
            )
            or words.strip() == f"unsupported call: {move.call.name}"
        ):
            yield _rejected(
                move.step,
                move.call,
                "The agent has no such tool; the harness says so.",
                "Call a tool that the agent has, by the name it was given, in place of {call}.",
            )


def _arguments_do_not_parse(history: History) -> Iterator[Flag]:
    for move in history.moves:
        words = _words(move.call)
        if words.startswith("failed to parse function arguments: ") or (
            words.startswith("Invalid input for tool ") and ": JSON parsing failed: " in words[:200]
        ):
            yield _rejected(
                move.step,
                move.call,
                "The harness could not parse the arguments.",
                "Call {call} with its arguments as one complete JSON object.",
            )
        elif _is_broken_json(move.call.arguments):
            yield _rejected(
                move.step,
                move.call,
                "The arguments are not a JSON object.",
                "Call {call} with its arguments as one complete JSON object.",
            )
    for step in history.trial.agent_steps:
        for text in step.observations:
            if text.startswith("Previous response had parsing errors:\nERROR"):
                yield Flag(
                    step=step.number,
                    explanation="The harness could not parse the answer, so that none of its calls was made.",
                    evidence=quotes(quote(step, step.message), quote(step, text)),
                    better_action="Answer again in the format that the harness asks for, with the same calls.",
                )


def _invalid_arguments(history: History) -> Iterator[Flag]:
    for move in history.moves:
        words = _words(move.call)
        if words.startswith(
            (
                "<tool_use_error>InputValidationError: ",
                f"The {move.call.name} tool was called with invalid arguments: ",
            )
        ):
            yield _rejected(
                move.step,
                move.call,
                "The harness refused the arguments before the tool ran: they do not fit what the tool takes.",
                "Call {call} with the arguments that the refusal names put right.",
            )


def _rejected(step: Step, call: ToolCall, explanation: str, better_action: str) -> Flag:
    return Flag(
        step=step.number,
        explanation=explanation,
        evidence=quotes(quote(step, call.name), quote_call(step, call), quote(step, call.output)),
        better_action=better_action.replace("{call}", call_text(call)),
    )


def _words(call: ToolCall) -> str:
    """What the harness answered, without the words that some versions put before it."""
    words = call.output or ""
    for prefix in _KILO_PREFIXES:
        words = words.removeprefix(prefix)
    return words


def _is_broken_json(arguments: object) -> bool:
    """Whether the arguments are text that was meant as JSON: some tools do take plain text, such as a patch."""
    if not isinstance(arguments, str) or not arguments.lstrip().startswith(("{", "[")):
        return False
    try:
        return not isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return True


UNKNOWN_TOOL = Rule("unknown_tool", "tool_choice", "wrong", Category.WRONG_TOOL, _unknown_tool)
"""The harness answered that there is no tool of that name (Claude Code, Kilo Code, Codex)."""

ARGUMENTS_DO_NOT_PARSE = Rule(
    "arguments_do_not_parse", "tool_choice", "wrong", Category.FORMAT_ERROR, _arguments_do_not_parse
)
"""The recorded arguments are broken JSON, or the harness said so (Kilo Code, Codex, Terminus 2)."""

INVALID_ARGUMENTS = Rule("invalid_arguments", "tool_choice", "wrong", Category.WRONG_ARGUMENTS, _invalid_arguments)
"""The harness refused the arguments by the tool's schema before the tool ran (Claude Code, Kilo Code)."""
