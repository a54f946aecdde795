"""A matrix as a file, `suite.toml`; what is said on the command line takes the place of what the file says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter.errors import BadInputError
from pipelines.bench.agents import agent_of
from pipelines.bench.matrix import Matrix, Tasks
from pipelines.subsets import subset_of


class Suite(BaseModel):
    """What a `suite.toml` may say; relative paths are taken from its own folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = None
    """`name@version` in Harbor's registry."""
    path: Path | None = None
    """A folder of tasks, in the dataset's place."""
    subset: tuple[str, ...] = ()
    """Names of tasks."""
    agents: tuple[str, ...] = ()
    """`NAME` or `NAME@VERSION`."""
    models: tuple[str, ...] = ()
    efforts: tuple[str, ...] = ()
    attempts: Annotated[int, Field(ge=1)] = 1
    environment: str | None = None
    """Harbor's `-e`."""
    concurrent: Annotated[int, Field(ge=1)] | None = None
    harbor: tuple[str, ...] = ()
    """Further arguments for `harbor run`."""


def read_suite(path: Path) -> Suite:
    """The suite in a file.

    Raises:
        BadInputError: it cannot be read, or a field in it is unknown or wrong.
    """
    hint = "docs/bench.md says what a suite holds; examples/suites has some."
    try:
        suite = Suite.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInputError(f"--suite {path} cannot be read: {error}.", hint) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInputError(f"--suite {path}: {where}: {first['msg']}.", hint) from error
    if suite.path is None or suite.path.is_absolute():
        return suite
    return suite.model_copy(update={"path": path.parent / suite.path})


def matrix_of(
    suite: Suite,
    *,
    dataset: str | None = None,
    path: Path | None = None,
    subset: Path | None = None,
    agents: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
    efforts: tuple[str, ...] = (),
    attempts: int | None = None,
    environment: str | None = None,
    concurrent: int | None = None,
    extra: tuple[str, ...] = (),
) -> Matrix:
    """The matrix of a suite and of what was given beside it, which comes first.

    Raises:
        BadInputError: it is none.
    """
    is_named = dataset is not None or path is not None
    tasks = Tasks(
        dataset=dataset if is_named else suite.dataset,
        path=path if is_named else suite.path,
        subset=suite.subset if subset is None else subset_of(subset),
    )
    matrix = Matrix(
        tasks=tasks,
        agents=tuple(map(agent_of, agents or suite.agents)),
        models=models or suite.models,
        efforts=efforts or suite.efforts,
        attempts=attempts or suite.attempts,
        environment=environment or suite.environment,
        concurrent=concurrent or suite.concurrent,
        extra=(*suite.harbor, *extra),
    )
    matrix.check()
    return matrix
