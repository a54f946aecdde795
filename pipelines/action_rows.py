"""The tool calls of a trial as rows of the table of actions."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter

from adapter.actions import effects
from adapter.trial import Trial
from judges.rules.history import Move, read_history
from pipelines.tables import TableRow

# Of a target that is a script or a patch; the whole is in the trajectory.
_LONGEST_TARGET = 500


def action_rows(trial: Trial) -> Iterator[TableRow]:
    """One row per tool call of the steps in which the agent acted, in order.

    What could have changed since an identical call is what the rules say (`judges.rules.history`): a call that is made
    again with nothing changed in between is a repeat whether or not it gave the same answer.
    """
    history = read_history(trial)
    repeats = iter([earlier is not None for earlier in history.earlier()])
    for _, moves in groupby(history.moves, key=attrgetter("step.number")):
        for place, move in enumerate(moves, start=1):
            yield _row(trial.name, place, move, is_repeat=next(repeats))


def _row(trial: str, place: int, move: Move, *, is_repeat: bool) -> TableRow:
    done = effects(move.call)
    return {
        "trial": trial,
        "step": move.step.number,
        "action": place,
        "call": move.step.call,
        "tool": move.call.name,
        "verb": move.verb.value,
        "target": None if move.target is None else move.target[:_LONGEST_TARGET],
        "reads": done.reads,
        "writes": done.writes,
        "file": done.file,
        "is_test": done.is_test,
        "failed": move.failed,
        "key": _digest(move.key),
        "is_repeat": is_repeat,
    }


def _digest(key: tuple[str, str]) -> str:
    """Not `hash`: it differs from run to run."""
    return blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
