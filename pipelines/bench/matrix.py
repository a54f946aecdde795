"""The matrix: what is run with what, and the one Harbor command for each variant of it. Pure."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from adapter.errors import BadInputError
from pipelines.bench.agents import Agent
from pipelines.subsets import as_harbor_knows
from views import format as fmt

PLUGIN = "kilobench"


@dataclass(frozen=True, slots=True)
class Tasks:
    """What is tried: a dataset of Harbor's registry, or a folder of tasks; of it those that are named, else all.

    Attributes:
        dataset: `name@version`; None for a folder.
        path: the folder, or a single task's; None for a dataset.
        subset: names of tasks, patterns among them, as Harbor's `-i` takes them.
    """

    dataset: str | None = None
    path: Path | None = None
    subset: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What its jobs are called by."""
        return (self.dataset if self.path is None else self.path.resolve().name) or "tasks"

    def arguments(self) -> tuple[str, ...]:
        """As `harbor run` takes it."""
        where = ("-d", self.dataset) if self.path is None else ("-p", str(self.path))
        wanted = dict.fromkeys(pattern for name in self.subset for pattern in as_harbor_knows(name))
        return (*(part for part in where if part is not None), *(part for name in wanted for part in ("-i", name)))


@dataclass(frozen=True, slots=True)
class Matrix:
    """What is run with what: each of the agents with each of the models and each of the efforts.

    Attributes:
        tasks: what is tried.
        agents: in their versions.
        models: `provider/name`; without any, the agents' own defaults.
        efforts: reasoning efforts; without any, the models' own defaults.
        attempts: at each task, by each variant.
        environment: Harbor's `-e`; None for its default.
        concurrent: trials at a time; None for Harbor's default.
        extra: further arguments for `harbor run`.
    """

    tasks: Tasks
    agents: tuple[Agent, ...]
    models: tuple[str, ...] = ()
    efforts: tuple[str, ...] = ()
    attempts: int = 1
    environment: str | None = None
    concurrent: int | None = None
    extra: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises `BadInputError` where it is none."""
        if (self.tasks.dataset is None) == (self.tasks.path is None):
            raise BadInputError("What is to be tried is not clear.", "Give -d DATASET or -p PATH, one of the two.")
        if not self.agents:
            raise BadInputError("No agent is named.", "Name one with -a, such as -a kilo@7.7.9.")
        for what, given in (
            ("-a", [one.label for one in self.agents]),
            ("-m", self.models),
            ("--effort", self.efforts),
        ):
            twice = next((one for one in given if list(given).count(one) > 1), None)
            if twice is not None:
                raise BadInputError(f"{what} {twice} is given twice.", "-k N tries each task several times.")

    def jobs(self) -> list[Planned]:
        """The variants, each with its job."""
        cells = itertools.product(self.agents, self.models or (None,), self.efforts or (None,))
        return [Planned(self, agent, model, effort) for agent, model, effort in cells]


@dataclass(frozen=True, slots=True)
class Planned:
    """One variant of a matrix, and the job that runs it.

    Attributes:
        matrix: of which it is one.
        round: which job of it this is, from 1, where attempts are added until it is decided; None for the only one.
    """

    matrix: Matrix = field(repr=False)
    agent: Agent
    model: str | None
    effort: str | None
    round: int | None = None

    @property
    def label(self) -> str:
        """`agent@version/model+effort`, as far as it is given."""
        label = self.agent.label if self.model is None else f"{self.agent.label}/{self.model}"
        return label if self.effort is None else f"{label}+{self.effort}"

    @property
    def name(self) -> str:
        """The job's name: the same for the same variant on the same tasks, and no other's.

        How many trials run at a time changes no result, and is no part of it.
        """
        one = self.matrix
        said = asdict(one.tasks) | {"agent": asdict(self.agent), "model": self.model, "effort": self.effort}
        said |= {"attempts": one.attempts, "environment": one.environment, "extra": one.extra}
        digest = fmt.short_hash(json.dumps(said, sort_keys=True, default=str))
        # What tells variants apart stands before what is cut where a name is long.
        name = f"{fmt.slug(f'{self.label}-{one.tasks.label}')}-{digest}"
        return name if self.round is None else f"{name}-{self.round}"

    def arguments(self, jobs: Path) -> list[str]:
        """What `harbor run` is given.

        Args:
            jobs: the folder of jobs.
        """
        one = self.matrix
        found = ["run", *one.tasks.arguments(), *self.agent.arguments()]
        options: tuple[tuple[str, str | int | None], ...] = (
            ("-m", self.model),
            ("--effort", self.effort),
            ("-k", one.attempts),
            ("-e", one.environment),
            ("-n", one.concurrent),
            ("-o", str(jobs)),
            ("--job-name", self.name),
            ("--plugin", PLUGIN),
        )
        found += [part for option, value in options if value is not None for part in (option, str(value))]
        return [*found, "-y", *one.extra]
