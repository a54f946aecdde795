"""The page of one trial: the steps as a timeline, with what they cost and what the judges say of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from views import format as fmt
from views.pages.html import render, web_address
from views.pages.places import INDEX, task_place, trial_place
from views.pages.rows import Row
from views.pages.text import Shown, shown
from views.pages.trial_model import Chip, StepView, TrialView

_WIDTH = 240
"""Units of the drawing of a step's cost: those of the dearest step."""
_STRIP_HEIGHT = 60
_LAST = 110


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    did: str
    seconds: float | None
    arguments: Shown
    output: Shown | None


@dataclass(frozen=True, slots=True)
class _Bar:
    """The cost of a step as a drawing: where its own part ends, and where that carried by later calls does."""

    own: float
    whole: float


@dataclass(frozen=True, slots=True)
class _Step:
    """A step as the page shows it; `reasoning_of` is the step before it whose reasoning is the same."""

    given: StepView
    message: Shown | None
    reasoning: Shown | None
    reasoning_of: int | None
    calls: list[_Call]
    observations: list[Shown]
    bar: _Bar | None
    chips: list[Chip]


@dataclass(frozen=True, slots=True)
class _Column:
    """A step on the strip of all steps: its place, and how high its own and its whole cost are."""

    step: StepView
    left: float
    width: float
    own: float
    whole: float


def trial_page(
    row: Row, found: TrialView | str, siblings: Sequence[tuple[str, str | None, bool]], pages: frozenset[str]
) -> str:
    """The page.

    Args:
        row: the trial's row.
        found: its steps; or why they cannot be shown.
        siblings: the other attempts of its variant at its task: each one's name, its page, and whether it is this one.
        pages: all pages that there are.
    """
    view = found if isinstance(found, TrialView) else None
    steps = () if view is None else view.steps
    quotes, repeated = _quotes(steps), _repeated(steps)
    dearest = max((_whole(step) for step in steps), default=0.0)
    task = task_place(row["group"], row["task"])
    return render(
        "trial.html",
        trial_place(row["trial"]),
        title=row["trial"],
        home=INDEX,
        row=row,
        missing=found if isinstance(found, str) else None,
        view=view,
        url=None if view is None else web_address(view.url),
        task_page=task if task in pages else None,
        siblings=siblings,
        verifier=None if view is None or view.verifier_output is None else _printed(view.verifier_output),
        steps=[_step(one, repeated.get(one.number), quotes.get(one.number, ()), dearest) for one in steps],
        strip=_strip(steps, dearest),
        strip_height=_STRIP_HEIGHT,
        bar_width=_WIDTH,
        flagged=[step.number for step in steps if step.is_flagged],
        agent_steps=sum(step.source == "agent" and not step.is_copied for step in steps),
        summary=_summary(row, steps),
    )


def _summary(row: Row, steps: Sequence[StepView]) -> str:
    """The trial in a sentence."""
    ended = "is no attempt of the agent" if row["passed"] is None else "passed" if row["passed"] else "did not pass"
    if row["status"] not in ("passed", "failed"):
        ended += f" ({row['status'].replace('_', ' ')})"
    said = [f"It {ended}"]
    if row["agent_steps"] is not None:
        said.append(_steps(row["agent_steps"]))
    said.append("a cost that is not known" if row["cost_usd"] is None else fmt.money(row["cost_usd"]))
    if row["seconds"] is not None:
        said.append(fmt.seconds(row["seconds"]))
    flagged = [step.number for step in steps if step.is_flagged]
    about = f"{said[0]}: {', '.join(said[1:])}."
    if not flagged:
        return f"{about} No judge found fault with a step." if steps else about
    return f"{about} Judges found fault with {_steps(len(flagged))}, first with step {flagged[0]}."


def _steps(number: int) -> str:
    return f"{fmt.count(number)} {'step' if number == 1 else 'steps'}"


def _quotes(steps: Sequence[StepView]) -> dict[int, list[str]]:
    """What is quoted of each step."""
    found: dict[int, list[str]] = {}
    for step in steps:
        for chip in step.chips:
            for one in chip.evidence:
                found.setdefault(one.step, []).append(one.quote)
    return found


def _repeated(steps: Sequence[StepView]) -> dict[int, int]:
    """The steps whose reasoning stands in an earlier step already, each with the first such step.

    Where one LLM call is written as several steps, each of them repeats it.
    """
    found: dict[int, int] = {}
    for before, step in pairwise(steps):
        if step.call is not None and (step.call, step.reasoning) == (before.call, before.reasoning):
            found[step.number] = found.get(before.number, before.number)
    return found


def _whole(step: StepView) -> float:
    return max(step.own_usd or 0.0, 0.0) + max(step.carried_at_least_usd or 0.0, 0.0)


def _printed(text: str) -> tuple[str, Shown]:
    """What a verifier printed: its last line, which mostly sums it up, and all of it."""
    # Rulers around a line are no part of what it says.
    last = next((said for line in reversed(text.splitlines()) if (said := line.strip("=-_* \t"))), "")
    return last if len(last) <= _LAST else f"{last[: _LAST - 1]}…", shown(text)


def _step(step: StepView, same_as: int | None, quotes: Sequence[str], dearest: float) -> _Step:
    reasoning = shown(step.reasoning, quotes) if step.reasoning and step.reasoning.strip() else None
    # Where words of it are quoted, it stays.
    if same_as is not None and reasoning is not None and "<mark>" not in reasoning.html:
        reasoning = None
    else:
        same_as = None
    return _Step(
        given=step,
        message=shown(step.message, quotes) if step.message.strip() else None,
        reasoning=reasoning,
        reasoning_of=same_as,
        calls=[
            _Call(
                one.name,
                one.did,
                one.seconds,
                shown(one.arguments, quotes),
                None if one.output is None else shown(one.output, quotes),
            )
            for one in step.calls
        ],
        observations=[shown(one, quotes) for one in step.observations],
        bar=_bar(step, dearest),
        chips=sorted(step.chips, key=lambda chip: (not chip.is_flag, chip.criterion)),
    )


def _bar(step: StepView, dearest: float) -> _Bar | None:
    if step.own_usd is None or not dearest or (step.call is None and not _whole(step)):
        return None
    return _Bar(_WIDTH * max(step.own_usd, 0.0) / dearest, _WIDTH * _whole(step) / dearest)


def _strip(steps: Sequence[StepView], dearest: float) -> list[_Column]:
    """All steps side by side, across 1,000 units.

    Heights are square roots of costs: beside one dear step the others would else not be seen.
    """
    if not steps:
        return []
    width = 1000 / len(steps)
    return [
        _Column(
            step=one,
            left=at * width,
            width=max(width - 1, 0.5),
            own=_height(one, dearest) * (max(one.own_usd or 0.0, 0.0) / (_whole(one) or 1.0)),
            whole=_height(one, dearest),
        )
        for at, one in enumerate(steps)
    ]


def _height(step: StepView, dearest: float) -> float:
    return _STRIP_HEIGHT * math.sqrt(_whole(step) / dearest) if dearest else 0.0


def siblings_of(
    row: Row, rows: Mapping[tuple[str, str, str], Sequence[Row]], pages: frozenset[str]
) -> list[tuple[str, str | None, bool]]:
    """The attempts of the same variant at the same task, this one among them.

    Args:
        row: the trial's row.
        rows: all rows, by group, task and variant.
        pages: all pages that there are.
    """
    found: list[tuple[str, str | None, bool]] = []
    for one in rows.get((row["group"], row["task"], row["variant"]), ()):
        place = trial_place(one["trial"])
        found.append((one["trial"], place if place in pages else None, one["trial"] == row["trial"]))
    return found
