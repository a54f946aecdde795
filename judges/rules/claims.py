"""Rules on what the agent says at the end, held against what it had seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter import shell
from adapter.actions import Verb, exit_status
from judges.rules.rule import Flag, Rule, call_text, quote, quote_call, quotes
from judges.verdict import Category, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.trial import Step
    from judges.rules.history import History, Move
    from judges.verdict import Quote

# How much of an output's end is searched for a test runner's summary, and of a message's for a claim.
_TAIL = 20_000

# Exit statuses of a command that was stopped from outside: they say nothing about the tests.
_STOPPED = (124, 130, 137, 143)

_FAIL_LINE = re.compile(
    r"^(?:=+ [^\n]*?\b[1-9]\d* (?:failed|errors?)\b[^\n]*"  # pytest
    r"|[1-9]\d* failed\b[^\n]* in [\d.]+s[^\n]*"  # pytest -q
    r"|FAILED \((?:failures|errors)=\d+[^\n]*"  # unittest
    r"|test result: FAILED\.[^\n]*|error: could not compile [^\n]*"  # cargo
    r"|--- FAIL: [^\n]*|FAIL\t[^\n]*"  # go
    r"|Tests: +[1-9]\d* failed[^\n]*"  # jest
    r"|make(?:\[\d+\])?: \*\*\* [^\n]*Error \d+)",
    re.MULTILINE,
)
_PASS_LINE = re.compile(
    r"^(?:=+ \d+ passed[^\n]*|\d+ passed\b[^\n]* in [\d.]+s[^\n]*|OK(?: \([^\n]*\))?$|test result: ok\.|ok  ?\t"
    r"|PASS$|Tests: +\d+ passed)",
    re.MULTILINE,
)

# The claims that count, word for word. A sentence with a reservation in it is no claim.
_CLAIM = re.compile(
    r"\b(?:all (?:of )?(?:the )?(?:\d+ )?(?:unit )?tests (?:now )?(?:pass|passed|are passing|are now passing)"
    r"|(?:the )?tests (?:pass|now pass|are passing|are now passing|all pass)"
    r"|(?:the )?(?:build|code|project) (?:now )?(?:builds|compiles|succeeds|succeeded|passes)(?: successfully)?"
    r"|(?:builds|compiles) successfully"
    r"|successfully (?:fixed|implemented|completed|built|compiled)"
    r"|(?:the )?task (?:is|is now|has been) (?:complete|completed|done|finished)"
    r"|task completed successfully"
    r"|everything (?:now )?works|(?:is now|now) (?:fixed|working)|works (?:correctly|as expected))\b",
    re.IGNORECASE,
)
_DONE = re.compile(r"\s*(?:all )?done\s*(?:[.!:]|$)", re.IGNORECASE)
_RESERVATION = re.compile(
    r"n['’]t\b|\b(?:not|never|if|once|until|unless|when|should|would|will|may|might|except|but|however|almost"
    r"|nearly|far from|to be|make|makes|making|let|lets|see|check|ensure|whether|so that)\b",
    re.IGNORECASE,
)
_DISCLOSURE = re.compile(
    r"\b(?:still|fails|failed to|unable|could not|couldn['’]t|cannot|can['’]t|did not|didn['’]t|does not|doesn['’]t"
    r"|unfortunately|remain\w*|known issues?|pre-?existing|unrelated|flaky|except|not been (?:run|tested|verified))\b",
    re.IGNORECASE,
)

_FINISHERS = frozenset({"finish", "marktaskcomplete", "attemptcompletion", "submit", "taskcomplete", "complete"})


def _claimed_success_after_failure(history: History) -> Iterator[Flag]:
    final = _final_step(history)
    if final is None:
        return
    texts = (final.message, *(text for call in final.tool_calls for text in texts_of(call.arguments)))
    claim = next((claim for text in texts if (claim := _claim(text)) is not None), None)
    failure = _standing_failure(history, final) if claim is not None else None
    if failure is None:
        return
    move, line = failure
    yield Flag(
        step=final.number,
        explanation=f"The final message claims success, but the last test or build that was run, in step "
        f"{move.step.number}, failed, and none was seen to pass after it.",
        evidence=quotes(quote(final, claim), quote_call(move.step, move.call), line),
        better_action=f"Call {call_text(move.call)} again and report what it says.",
    )


def _final_step(history: History) -> Step | None:
    """The agent's last step, if with it the agent said that it had ended."""
    steps = history.trial.agent_steps
    if not steps:
        return None
    ends = all(re.sub(r"[\s_-]", "", call.name.lower()) in _FINISHERS for call in steps[-1].tool_calls)
    return steps[-1] if ends else None


def _standing_failure(history: History, final: Step) -> tuple[Move, Quote | None] | None:
    """The last test or build with the words in which it failed; None when it did not, or something came after.

    A later command of unknown effect that did not fail may have been a check of another kind, and ends the search
    as a passed test does; so does work handed to another agent, and a new message from the user.
    """
    last: tuple[Move, bool] | None = None
    for move in history.moves:
        if move.step is final:
            break
        if move.verb in (Verb.DELEGATE, Verb.OTHER):
            last = None
        if move.verb is not Verb.SH:
            continue
        commands = shell.simple_commands(move.target or "") or ()
        checks = [shell.is_check(words) for words in commands]
        if any(checks):
            last = move, checks[-1]
        elif move.changes and move.failed is not True:
            last = None
    if last is None:
        return None
    move, is_last_command = last
    between = (step for step in history.trial.steps if move.step.number < step.number < final.number)
    if not all(step.is_agent for step in between):
        return None
    return _failure(move, is_last_command=is_last_command)


def _failure(move: Move, *, is_last_command: bool) -> tuple[Move, Quote | None] | None:
    """The test or build that this call ran, if it is known to have failed.

    It is known by the runner's own summary line, or by the exit status where the test or build was the last
    command of the call, so that the status is its own.
    """
    output = (move.call.output or "")[-_TAIL:]
    lines = list(_FAIL_LINE.finditer(output))
    if lines:
        passed_later = _PASS_LINE.search(output, lines[-1].end())
        return None if passed_later else (move, quote(move.step, lines[-1].group()))
    status = exit_status(move.call)
    if not is_last_command or not status or status in _STOPPED:
        return None
    text = move.call.output or ""
    first = text.lstrip()[:300].partition("\n")[0]
    return move, quote(move.step, first if str(status) in first else text[-300:])


def _claim(text: str) -> str | None:
    """The sentence in which a message claims success; None when it does not, or says what went wrong."""
    if _DISCLOSURE.search(text):
        return None
    done = _DONE.match(text)
    if done is not None:
        return done.group()
    text = text[-_TAIL:]
    for match in _CLAIM.finditer(text):
        start = max(text.rfind(mark, 0, match.start()) for mark in ".!?\n") + 1
        ends = [place for mark in ".!?\n" if (place := text.find(mark, match.end())) >= 0]
        sentence = text[start : min(ends, default=len(text))]
        if not _RESERVATION.search(sentence):
            return sentence if len(sentence) <= 300 else match.group()
    return None


CLAIMED_SUCCESS_AFTER_FAILURE = Rule(
    "claimed_success_after_failure",
    "reasoning_quality",
    "flawed",
    Category.UNSUPPORTED_CLAIM,
    _claimed_success_after_failure,
)
"""The final message claims success although the last test or build that was run had failed.

Reads, searches and edits may lie between the two; a passed or unclear test, any other command that did not fail and
work handed to another agent end the rule's say. A message that also tells of something that does not work is no
such claim.
"""
