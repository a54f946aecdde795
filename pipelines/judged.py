"""What the judges say of one trial, wherever it is to be stored or not."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapter.trial import Trial
from judges.criteria import criteria
from judges.rollup import rollup
from judges.rules import judge
from judges.verdict import Verdict

_WORTH_TAKING = ("tool_choice", "efficiency")
"""The criteria by which a step is judged as to whether it was worth taking."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of one trial. It holds the verdicts' texts, and none of the trial.

    Attributes:
        verdicts: in the order of the steps. A step that no judge speaks of has none.
        shares: the share of the agent's steps that is flagged, by criterion (`<criterion>_flagged`).
        judges: the model, with its prompt, that a share rests on, by the same names; rules alone are not named.
    """

    verdicts: tuple[Verdict, ...]
    shares: dict[str, float]
    judges: dict[str, str] = field(default_factory=dict[str, str], kw_only=True)

    @property
    def wasted(self) -> frozenset[int]:
        """The numbers of the steps that are wasted: their tool choice is wrong, or they are redundant."""
        worst = {name: criteria()[name].worst.label for name in _WORTH_TAKING}
        return frozenset(one.step for one in self.verdicts if worst.get(one.criterion) == one.label)


def judged(trial: Trial) -> Judged:
    """Judges every step of a trial."""
    verdicts = tuple(judge(trial))
    return Judged(verdicts, rollup(trial, verdicts))


def wasted(trial: Trial, said: Judged | None) -> frozenset[int] | None:
    """The steps that are wasted; None where the trial was not judged, and for a regrade: it took none anew."""
    return None if said is None or trial.source_trial_id is not None else said.wasted
