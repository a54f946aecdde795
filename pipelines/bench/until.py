"""Adding attempts until a gate has an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.gate.deciding import GateRequest, gate
from pipelines.gate.results import GateResult
from pipelines.progress import Bars
from views.gate_sequential import Look


@dataclass(frozen=True, slots=True)
class Until:
    """The gate that decides when there are attempts enough.

    Attributes:
        gate: the baseline and the rule; the candidate and the look are filled in.
        most: attempts at each task, at most: as many looks are planned.
    """

    gate: GateRequest
    most: int

    def ask(self, jobs: Sequence[Path], bars: Bars) -> GateResult:
        """What the gate says of the attempts so far.

        Args:
            jobs: one for each attempt at each task.
            bars: where progress is shown.

        Raises:
            BadInputError: the baseline cannot be compared with.
            IncompleteError: Opik does not answer or refuses.
        """
        request = replace(self.gate, candidate=tuple(map(str, jobs)), look=Look(len(jobs), self.most))
        answer = gate(request, bars)
        if not isinstance(answer, GateResult):
            raise TypeError("a gate with a candidate decides")
        return answer
