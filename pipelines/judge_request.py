"""What `kilobench judge` is asked to do, as a record that can be kept: a batch is collected as it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError

from adapter.errors import BadInputError
from adapter.remote import path_of
from judges.panel import Combine
from judges.sampling import Only
from judges.transcript.windows import DEFAULT_WINDOW
from prompts import system_prompt

DEFAULT_CAP_USD = 5.0


def _place(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if isinstance(value, str):
        return path_of(value)
    raise ValueError("a path is a text")


Place = Annotated[Path, PlainValidator(_place, json_schema_input_type=str), PlainSerializer(str)]
"""A path, or a URL, which stays one when it was written and is read again."""


class Which(BaseModel):
    """Which trials: of job folders, or stored ones: of experiments, or of a project, or by their traces' ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: tuple[Place, ...] = ()
    """Job folders, or folders of them."""
    experiments: tuple[str, ...] = ()
    """Names of experiments."""
    project: str | None = None
    """The name of a project."""
    oql: str | None = None
    """A filter on the project's traces, in Opik's query language."""
    traces: tuple[str, ...] = ()
    """Ids of traces."""

    def check(self) -> None:
        """Raises `BadInputError` unless exactly one kind is named."""
        # With job folders, a project is where the judge run is kept.
        named = (self.paths, self.experiments, self.project if not self.paths else None, self.traces)
        if sum(map(bool, named)) != 1:
            raise BadInputError(
                "What is to be judged is not clear.",
                "Give job folders, or one of --experiment NAME, --project NAME and --trace ID.",
            )
        if self.oql is not None and (self.project is None or self.paths):
            raise BadInputError("--filter goes with --project.", "Name the project whose traces it filters.")


class JudgeRequest(BaseModel):
    """What is to be judged, by whom, and within which limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    which: Which
    opik: str | None = None
    """`embedded`, the address of an Opik, or None for the configured one."""
    models: tuple[str, ...] = ()
    """The judge models, as LiteLLM spells them; without any, the rules judge alone."""
    api_base: str | None = None
    """Address of an OpenAI-compatible endpoint."""
    criteria: Path | None = None
    """A folder of criteria of one's own."""
    window: int = Field(DEFAULT_WINDOW, ge=1)
    combine: Combine = Combine.UNION
    escalate: str | None = None
    repeat: int = Field(1, ge=1)
    only: Only | None = None
    sample: int | None = Field(None, ge=1)
    seed: int = 0
    max_spend_usd: float | None = Field(DEFAULT_CAP_USD, ge=0, allow_inf_nan=False)
    """The cap; None lifts it."""
    concurrency: int = Field(16, ge=1)
    timeout: float = Field(120.0, gt=0, allow_inf_nan=False)
    """Seconds after which a call is given up."""
    rpm: int | None = Field(None, ge=1)
    tpm: int | None = Field(None, ge=1)
    prices: Path | None = None
    reward: str | None = None
    pass_at: float = 1.0

    @property
    def all_models(self) -> tuple[str, ...]:
        """Every model that may be asked, each once."""
        return tuple(dict.fromkeys((*self.models, *((self.escalate,) if self.escalate else ()))))

    @property
    def settings(self) -> dict[str, str | int | float | None]:
        """What of it determines the verdicts, beside models and prompts."""
        return {
            "system": system_prompt().prompt_version,
            "window": self.window,
            "combine": self.combine.value if len(self.models) > 1 else None,
            "escalate": self.escalate,
            "repeat": self.repeat,
            "only": None if self.only is None else self.only.value,
            "sample": self.sample,
        }

    def anywhere(self) -> JudgeRequest:
        """The same from whatever folder it is read: its paths are absolute."""
        which = self.which.model_copy(update={"paths": tuple(path.resolve() for path in self.which.paths)})
        files = {"criteria": self.criteria, "prices": self.prices}
        found = {name: path.resolve() for name, path in files.items() if path is not None}
        return self.model_copy(update={"which": which, **found})

    def check(self) -> None:
        """Raises `BadInputError` where options do not go together."""
        self.which.check()
        if len(set(self.models)) < len(self.models):
            raise BadInputError("A --judge-model is named twice.", "Name each once; --repeat asks one several times.")
        if self.escalate is not None and len(self.models) < 2:
            raise BadInputError(
                "--escalate needs judges that can disagree.", "Name at least two models with --judge-model."
            )
        if self.escalate in self.models:
            raise BadInputError(f"{self.escalate} is a judge already.", "Escalate to another model.")
        if not self.models and self.repeat > 1:
            raise BadInputError("--repeat is for models: rules always say the same.", "Name one with --judge-model.")


def checked(**values: object) -> JudgeRequest:
    """The request with these values.

    Raises:
        BadInputError: one of them is none that there is.
    """
    try:
        return JudgeRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = f"--{'-'.join(map(str, first['loc']))}".replace("_", "-")
        raise BadInputError(f"{option}: {first['msg']}.", "See kilobench judge --help.") from error
