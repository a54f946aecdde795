"""Criteria as text files: a YAML front matter that the code reads, and a rubric that a judge model reads.

A file begins with a line `---`, holds the fields of `Criterion` up to the next line `---`, and what follows is
the rubric. Nothing else decides what a criterion is, so a new one needs no code.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

_FENCE = "---"

type Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
type Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
type Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class CriterionError(ValueError):
    """A criterion's file that cannot be used; the message names the file, the field and what to correct."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AppliesTo(StrEnum):
    """Which of the agent's steps a criterion is asked of."""

    EVERY_STEP = "every_step"
    TOOL_CALLS = "tool_calls"
    """those with a tool call"""
    REASONING = "reasoning"
    """those with a message or thinking"""
    LAST_STEP = "last_step"
    """the agent's last"""


class Label(_Model):
    """One of the answers a judge may give."""

    label: Text
    """What the judge writes."""
    value: Share | None
    """1 for the best, 0 for the worst; null for an answer that is no mark at all."""
    meaning: Text
    """When it applies, in one sentence."""


class Change(_Model):
    """What one version of a criterion changed."""

    version: int = Field(ge=1)
    change: Text


class Criterion(_Model):
    """What a step is judged by: one question, the answers to choose from, and the rubric."""

    name: Text
    """For people."""
    version: int = Field(ge=1)
    """Raised with every change of the file, and kept with every verdict."""
    criterion: Identifier
    """For the code: the name of the score."""
    question: Text
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    """From the best to the worst; those without a value come last."""
    applies_to: AppliesTo = AppliesTo.EVERY_STEP
    """Which steps it is asked of."""
    inputs: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """What the judge is given to read."""
    changelog: Annotated[tuple[Change, ...], Field(min_length=1)]
    rubric: Text
    """The body of the file."""

    @model_validator(mode="after")
    def _labels_are_ordered(self) -> Self:
        names = [label.label for label in self.labels]
        if len(set(names)) != len(names):
            raise ValueError("labels: each label may stand there once")
        values = [label.value for label in self.labels]
        known = [value for value in values if value is not None]
        if len(known) < 2 or values[: len(known)] != known or known != sorted(set(known), reverse=True):
            raise ValueError(
                "labels: at least two have a value, the values fall from the best to the worst, "
                "and labels with the value null come last"
            )
        if self.version not in {change.version for change in self.changelog}:
            raise ValueError(f"changelog: version {self.version} is not in it")
        return self

    @property
    def prompt_version(self) -> str:
        """`criterion@version`: which text a verdict was reached with."""
        return f"{self.criterion}@{self.version}"

    @property
    def worst(self) -> Label:
        """The label with the lowest value."""
        return [label for label in self.labels if label.value is not None][-1]

    def label(self, name: str) -> Label | None:
        """The label of that name; None when the criterion has no such label."""
        return next((label for label in self.labels if label.label == name), None)


class SystemPrompt(_Model):
    """What a judge is told, whatever it is asked about: a text with places for the criteria and the categories."""

    name: Text
    identifier: Identifier = "system"
    version: int = Field(ge=1)
    changelog: Annotated[tuple[Change, ...], Field(min_length=1)]
    text: Text
    """The body of the file, with `{categories}` in it, and `{criteria}` where there are any."""

    @property
    def prompt_version(self) -> str:
        """`identifier@version`."""
        return f"{self.identifier}@{self.version}"

    def filled(self, *, categories: str, criteria: str = "") -> str:
        """The text with these in their places."""
        return self.text.replace("{categories}", categories).replace("{criteria}", criteria)


def load_criterion(path: Path | Traversable) -> Criterion:
    """Read one criterion from its file.

    Raises:
        CriterionError: the file cannot be read, or a field in it is missing or wrong.
    """
    fields, rubric = _read(path)
    if "rubric" in fields:
        raise CriterionError(f"{path}: rubric: the rubric is the text below the front matter. Move it there.")
    try:
        return Criterion.model_validate({**fields, "rubric": rubric})
    except ValidationError as error:
        raise CriterionError(f"{path}: {_first_problem(error)}. Correct this field in the file.") from error


def load_folder(folder: Path) -> tuple[Criterion, ...]:
    """Read the criteria in a folder: each file in it that ends with `.md`, by name.

    Raises:
        CriterionError: there is none, one cannot be used, or two are of one criterion.
    """
    if not folder.is_dir():
        raise CriterionError(f"{folder}: it is no folder. Name one that holds criteria as .md files.")
    loaded: dict[str, tuple[Path, Criterion]] = {}
    for path in sorted(folder.glob("*.md")):
        criterion = load_criterion(path)
        first = loaded.setdefault(criterion.criterion, (path, criterion))[0]
        if first != path:
            raise CriterionError(f"{path}: criterion {criterion.criterion} stands in {first} too. Keep one of them.")
    if not loaded:
        raise CriterionError(f"{folder}: it holds no .md file. Put a criterion in it.")
    return tuple(criterion for _, criterion in loaded.values())


def _read(path: Path | Traversable) -> tuple[dict[object, object], str]:
    """The fields of a file's front matter, and what stands below it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CriterionError(f"{path}: cannot be read: {error}. Give a text file in UTF-8.") from error
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        raise CriterionError(f"{path}: front matter is missing. Begin the file with a line of three hyphens.")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise CriterionError(f"{path}: front matter has no end. Close it with a line of three hyphens.")
    try:
        fields: object = yaml.safe_load("\n".join(lines[1:end]))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise CriterionError(f"{path}: front matter is not YAML: {reason}. Correct it there.") from error
    if not isinstance(fields, dict):
        raise CriterionError(f"{path}: front matter is not a list of fields. Write `field: value` lines.")
    return fields, "\n".join(lines[end + 1 :])


@cache
def bundled_criteria() -> tuple[Criterion, ...]:
    """The criteria that come with the package, by file name."""
    files = sorted(resources.files("prompts").iterdir(), key=lambda file: file.name)
    return tuple(load_criterion(file) for file in files if file.name.endswith(".md"))


@cache
def system_prompt() -> SystemPrompt:
    """The system prompt of all judges of steps."""
    return _system("judge.md")


@cache
def root_cause_prompt() -> SystemPrompt:
    """The system prompt of the judge of root causes."""
    return _system("root_cause.md")


def _system(name: str) -> SystemPrompt:
    fields, text = _read(resources.files("prompts") / "system" / name)
    return SystemPrompt.model_validate({**fields, "text": text})


def _first_problem(error: ValidationError) -> str:
    """Field and reason of the first problem, such as `labels.0.value: Field required`."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason
