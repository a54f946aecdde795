"""Courses of runs, made by hand: what a test does not say is ordinary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapter.actions import Verb
from adapter.signatures import Signature
from views.course import Act, Course, Fault


def act(text: str, step: int = 1, *, failed: bool | None = None, content: str | None = None) -> Act:
    """An act as `verb:target`; `edit:a.py=x` writes x."""
    verb, _, target = text.partition(":")
    target, _, written = target.partition("=")
    return Act(step, Signature(Verb(verb), target), failed, verb, content or written or None)


def course(
    acts: Sequence[str | Act] = (),
    *,
    trial: str = "job/a__1",
    task: str = "a",
    passed: bool | None = False,
    variant: str = "toy@1.0/small",
    reached: Mapping[str, int] | None = None,
    faults: Mapping[int, Fault] | None = None,
    last_step: int | None = None,
) -> Course:
    """A run; each act is a step of its own, from step 1 on, where it is no `Act`."""
    made = [act(one, number) if isinstance(one, str) else one for number, one in enumerate(acts, 1)]
    return Course(
        trial=trial,
        key=trial,
        dataset="set",
        task=task,
        variant=variant,
        passed=passed,
        status="passed" if passed else "failed",
        acts=tuple(made),
        steps=tuple(range(1, (last_step or (made[-1].step + 1 if made else 0)) + 1)),
        reached=reached or {},
        faults=faults or {},
    )


def fault(label: str = "wrong", category: str | None = "ignored error") -> Fault:
    """The worst label of a judge."""
    return Fault("tool_choice", label, category, "It went on.", "read a.py", "rule:errors", ((1, "Error"),))
