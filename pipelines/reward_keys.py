"""Whether the reward that was to decide is there at all: a key that no trial has is a mistake to tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter.errors import BadInputError
from adapter.jobs import Job
from adapter.loose import mapping
from adapter.trial import Trial
from adapter.trial_files import TrialFiles
from views import format as fmt

_SHOWN = 8


def check_first(jobs: Sequence[Job], wanted: str | None) -> None:
    """To be asked before anything is sent: a mistyped key would make every stored trial ungraded.

    What stands in results and in the verifier's own files is looked at; `RewardKeys` has the last word.

    Raises:
        BadInputError: no trial has the reward that was to decide, and some have others.
    """
    if wanted is None:
        return
    keys = RewardKeys(wanted)
    for folder in (folder for job in jobs if not job.is_bare for folder in job.trials):
        files = TrialFiles(folder)
        if files.has("verifier", "reward.json"):
            keys.note(files.object(files.folder / "verifier" / "reward.json"))
        if files.has("verifier", "reward.txt"):
            keys.note(["reward"])
        if files.has("result.json"):
            keys.note(
                mapping(mapping(files.object(files.folder / "result.json").get("verifier_result")).get("rewards"))
            )
    keys.check()


class RewardKeys:
    """The rewards that trials have, as many as an error message can name.

    Args:
        wanted: the key that was asked for; None for Harbor's own choice.
    """

    def __init__(self, wanted: str | None) -> None:
        self._wanted = wanted
        self._there: dict[str, None] = {}

    def add(self, trial: Trial) -> None:
        """Notes a trial's rewards."""
        self.note(trial.rewards)

    def note(self, rewards: Iterable[str]) -> None:
        """Notes the names of rewards."""
        for key in rewards:
            if key == self._wanted or len(self._there) < _SHOWN:
                self._there[key] = None

    def check(self) -> None:
        """To be asked once all trials were noted.

        Raises:
            BadInputError: no trial has the reward that was to decide, and some have others.
        """
        if self._wanted is None or not self._there or self._wanted in self._there:
            return
        there = ", ".join(fmt.one_line(key) for key in self._there)
        raise BadInputError(
            f"No trial has a reward named {fmt.one_line(self._wanted)}.", f"Give one of those that are there: {there}."
        )
