"""Rules on edits of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.actions import Verb
from judges.rules.rule import Flag, Rule, quote, quote_call, quotes
from judges.verdict import Category

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.trial import ToolCall
    from judges.rules.history import History, Move

_OLD_KEYS = ("old_string", "oldString", "old_str")
_NEW_KEYS = ("new_string", "newString", "new_str")


def _edit_undone(history: History) -> Iterator[Flag]:
    made: dict[tuple[str, str, str], Move] = {}
    for move in history.moves:
        if move.verb is not Verb.EDIT or not move.target or move.failed is True:
            continue
        old, new = _text(move.call, _OLD_KEYS), _text(move.call, _NEW_KEYS)
        if not old or not new or old == new:
            continue
        before = made.pop((move.target, new, old), None)
        if before is None:
            made[move.target, old, new] = move
            continue
        yield Flag(
            step=move.step.number,
            explanation=f"This edit puts back exactly what the edit in step {before.step.number} had replaced.",
            evidence=quotes(
                quote_call(move.step, move.call),
                quote(move.step, old),
                quote(move.step, new),
                quote(before.step, old),
                quote(before.step, new),
            ),
        )


def _text(call: ToolCall, keys: tuple[str, ...]) -> str | None:
    if isinstance(call.arguments, dict):
        for key in keys:
            value = call.arguments.get(key)
            if isinstance(value, str):
                return value
    return None


EDIT_UNDONE = Rule("edit_undone", "efficiency", "avoidable", Category.NEEDLESS_EXPLORATION, _edit_undone)
"""An edit's old and new text are exactly the new and old text of an earlier edit of the same file."""
