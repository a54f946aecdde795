"""A baseline as a file: the results of one variant, attempt by attempt, as versioned JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter.errors import BadInputError
from adapter.trial import Variant
from pipelines.folders import writing_to
from pipelines.gate.attempts import GateSide
from views.gate_pairs import Side
from views.metrics import Attempt

FORMAT = 1
"""Of the files that are written; older ones are read, too."""
_AGAIN = "Write it again with `kilobench gate --baseline JOB --save-baseline FILE`."


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptAttempt(_Kept):
    """One attempt that counts; null is what is not known. `flagged` and `judges` are by criterion."""

    passed: bool
    checksum: str | None
    cost_usd: float | None = Field(ge=0, allow_inf_nan=False)
    seconds: float | None = Field(ge=0, allow_inf_nan=False)
    tokens: float | None = Field(ge=0, allow_inf_nan=False)
    steps: float | None = Field(ge=0, allow_inf_nan=False)
    flagged: dict[str, float]
    judges: dict[str, str]


class KeptTask(_Kept):
    """A task's attempts, and how many trials of it do not count, by status."""

    attempts: tuple[KeptAttempt, ...]
    excluded: dict[str, int] = {}


class KeptVariant(_Kept):
    """What was run."""

    agent: str
    agent_version: str | None
    model: str | None
    provider: str | None
    effort: str | None
    digest: str | None


class BaselineFile(_Kept):
    """The whole file. `kilobench_baseline` is the version of its format, `kilobench` that of the package."""

    kilobench_baseline: int
    kilobench: str
    dataset: str
    dataset_versions: tuple[str, ...]
    variant: KeptVariant
    jobs: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    is_open: bool = False
    tasks: dict[str, KeptTask]


def write_baseline(side: GateSide, path: Path) -> None:
    """Writes a side as a file; the same side gives the same file.

    Raises:
        BadInputError: it cannot be written.
    """
    kept = BaselineFile(
        kilobench_baseline=FORMAT,
        kilobench=version("kilobench"),
        dataset=side.dataset,
        dataset_versions=side.versions,
        variant=KeptVariant.model_validate(asdict(side.variant)),
        jobs=side.jobs,
        warnings=side.warnings,
        is_open=side.is_open,
        tasks={
            task: KeptTask(
                attempts=tuple(_kept(one) for one in side.side.tasks.get(task, ())),
                excluded=dict(side.side.excluded.get(task, {})),
            )
            for task in sorted(side.side.tried)
        },
    )
    text = json.dumps(kept.model_dump(), indent=1, sort_keys=True) + "\n"
    with writing_to(path.parent, "--save-baseline"):
        path.write_text(text, encoding="utf-8")


def read_baseline(path: Path, role: str) -> GateSide:
    """A side from a file.

    Args:
        path: the file.
        role: `baseline` or `candidate`.

    Raises:
        BadInputError: it cannot be read, is none, holds no attempt, or was written by a newer kilobench.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadInputError(f"The {role} {path} cannot be read: {error}.", _AGAIN) from error
    found = cast("dict[str, object]", value).get("kilobench_baseline") if isinstance(value, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise BadInputError(f"The {role} {path} is no saved baseline.", f"Give a job's folder, or a baseline. {_AGAIN}")
    if found > FORMAT:
        raise BadInputError(
            f"The {role} {path} was written by a newer kilobench (format {found}; this one reads up to {FORMAT}).",
            f"Update kilobench. Or, from the job: {_AGAIN[0].lower()}{_AGAIN[1:]}",
        )
    try:
        kept = BaselineFile.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInputError(f"The {role} {path} is damaged: {where}: {first['msg']}.", _AGAIN) from error
    side = GateSide(
        role=role,
        source=str(path),
        variant=Variant(**kept.variant.model_dump()),
        dataset=kept.dataset,
        versions=kept.dataset_versions,
        jobs=kept.jobs,
        side=Side(
            {
                task: tuple(_attempt(task, one) for one in each.attempts)
                for task, each in kept.tasks.items()
                if each.attempts
            },
            {task: each.excluded for task, each in kept.tasks.items() if each.excluded},
        ),
        warnings=kept.warnings,
        is_open=kept.is_open,
    )
    side.check()
    return side


def _kept(one: Attempt) -> KeptAttempt:
    return KeptAttempt(
        passed=one.passed,
        checksum=one.checksum,
        cost_usd=one.cost_usd,
        seconds=one.seconds,
        tokens=one.tokens,
        steps=one.steps,
        flagged=one.flagged,
        judges=one.judges,
    )


def _attempt(task: str, one: KeptAttempt) -> Attempt:
    return Attempt(
        task=task,
        checksum=one.checksum,
        passed=one.passed,
        cost_usd=one.cost_usd,
        seconds=one.seconds,
        tokens=one.tokens,
        steps=one.steps,
        flagged=one.flagged,
        judges=one.judges,
    )
