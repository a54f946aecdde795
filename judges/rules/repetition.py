"""Rules on doing the same thing again.

All four compare a call with earlier identical ones (same tool, same arguments) and with the text they gave. What
may have changed in between is counted in `history`.
"""

from __future__ import annotations

from itertools import groupby
from posixpath import basename
from typing import TYPE_CHECKING

from adapter.actions import Verb
from judges.rules.rule import Flag, Rule, call_text, quote, quote_call, quotes
from judges.verdict import Category

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judges.rules.history import History, Move

# From which identical answer in a row on it is a polling loop, and from which of them it could have been seen.
_LOOP, _SEEN = 4, 3

# Claude Code's own words for a read that was not needed.
_UNCHANGED_NOTE = "File unchanged since last read."

_REPEATABLE = (Verb.SH, Verb.READ, Verb.SEARCH, Verb.PLAN, Verb.WEB, Verb.WRITE)
_NO_OUTPUT = ("", "(Bash completed with no output)", "(no output)", "New Terminal Output:")


def _again(history: History) -> Iterator[tuple[Move, Move]]:
    """Pairs of an earlier and a later identical call with the same known output and no change in between."""
    for before, move in zip(history.earlier(), history.moves, strict=True):
        if before is not None and move.call.output is not None and move.call.output == before.call.output:
            yield before, move


def _repeated_call(history: History) -> Iterator[Flag]:
    for before, move in _again(history):
        if move.verb not in _REPEATABLE or not move.settled:
            continue
        if move.verb is Verb.WEB and move.failed is True:
            continue  # trying the network once more can be right
        if move.verb is Verb.SH and _is_silent(move) and move.changes:
            continue  # it may well have done something the second time, such as adding a line to a file
        where = "earlier in this step" if before.step is move.step else f"in step {before.step.number}"
        yield Flag(
            step=move.step.number,
            explanation=f"The same call was made {where} with the same result, and nothing that could have "
            "changed it was done in between.",
            evidence=quotes(
                quote_call(move.step, move.call),
                quote_call(before.step, before.call),
                quote(before.step, before.call.output),
            ),
            better_action=f"Use the result from step {before.step.number} in place of calling "
            f"{call_text(move.call)} again.",
        )


def _is_silent(move: Move) -> bool:
    first = (move.call.output or "").lstrip()[:200].partition("\n")[0].strip()
    return first in _NO_OUTPUT


def _repeated_failure(history: History) -> Iterator[Flag]:
    for before, move in _again(history):
        if not move.failed or not move.settled or move.verb is Verb.WEB or before.turn == move.turn:
            continue
        yield Flag(
            step=move.step.number,
            explanation=f"The same call had failed in step {before.step.number}. It was made again with nothing "
            "changed in between, and failed in the same way.",
            evidence=quotes(
                quote_call(before.step, before.call),
                quote(before.step, before.call.output),
                quote_call(move.step, move.call),
                quote(move.step, move.call.output),
            ),
            better_action=f"Put right what the output of step {before.step.number} names before calling "
            f"{call_text(move.call)} again.",
        )


def _reread_unchanged(history: History) -> Iterator[Flag]:
    reads: dict[tuple[str, str], tuple[int, Move]] = {}
    latest: dict[str, Move] = {}
    written: dict[str, int] = {}
    unknown = -1
    for place, move in enumerate(history.moves):
        if move.changes:
            # Two paths can name one file, but not when their last parts differ (links aside).
            name = basename(move.target or "") if move.verb in (Verb.EDIT, Verb.WRITE) else ""
            if name:
                written[name] = place
            else:
                unknown = place
        if move.verb is not Verb.READ or not move.target or move.failed is True or move.call.output is None:
            continue
        earlier = latest.get(move.target)
        if move.call.output.startswith(_UNCHANGED_NOTE):
            if earlier is not None and earlier.session == move.session:
                yield _reread(earlier, move)
            continue
        last, before = reads.get(move.key, (place, None))
        reads[move.key] = (place, move)
        latest[move.target] = move
        if (
            before is not None
            and before.session == move.session
            and unknown < last
            and written.get(basename(move.target), -1) < last
            and before.call.output == move.call.output
        ):
            yield _reread(before, move)


def _reread(before: Move, move: Move) -> Flag:
    return Flag(
        step=move.step.number,
        explanation=f"The file was read in step {before.step.number} and has not changed since.",
        evidence=quotes(
            quote_call(move.step, move.call),
            quote(move.step, move.call.output),
            quote_call(before.step, before.call),
            quote(before.step, before.call.output),
        ),
        better_action=f"Use what {call_text(before.call)} gave in step {before.step.number}.",
    )


def _polling_loop(history: History) -> Iterator[Flag]:
    for _, group in groupby(history.moves, key=lambda move: (move.session, move.key, move.call.output)):
        moves = list(group)
        if len(moves) < _LOOP or moves[0].call.output is None:
            continue
        first = moves[0]
        for number, move in enumerate(moves[_SEEN - 1 :], _SEEN):
            yield Flag(
                step=move.step.number,
                explanation=f"This is number {number} of {len(moves)} identical calls in a row, begun in step "
                f"{first.step.number}, and all of them gave the same answer.",
                evidence=quotes(
                    quote_call(move.step, move.call),
                    quote(move.step, move.call.output),
                    quote_call(first.step, first.call),
                ),
            )


REPEATED_CALL = Rule("repeated_call", "efficiency", "redundant", Category.REPEATED_ACTION, _repeated_call)
"""An identical call gave an identical result, and nothing in between could have changed it.

Only for calls whose answer depends on the agent's own actions alone: reads, searches, plans, whole-file writes, web
pages that were answered, and commands that neither wait nor ask something outside. A command that printed nothing
counts only when it surely changes nothing.
"""

REPEATED_FAILURE = Rule("repeated_failure", "tool_choice", "wrong", Category.IGNORED_ERROR, _repeated_failure)
"""A call that failed was made again in a later turn, identically, with nothing changed, and failed in the same words.

Calls whose outcome depends on time, another process or the network are left out.
"""

REREAD_UNCHANGED = Rule("reread_unchanged", "efficiency", "redundant", Category.NEEDLESS_EXPLORATION, _reread_unchanged)
"""A file was read again, same range and same text, and nothing in between could have written it.

In between there may be edits of other files and commands that only look. Where the harness itself answers that the
file is unchanged since it was read, that is enough.
"""

POLLING_LOOP = Rule("polling_loop", "efficiency", "avoidable", Category.REPEATED_ACTION, _polling_loop)
"""Four or more identical calls with identical answers, nothing else between them; the third and later are flagged."""
