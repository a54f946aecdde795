"""What an agent's own log says that a run came to: the last event of Claude Code's output, which Harbor keeps.

Only numbers and the names of models are taken from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.files import is_there, parse_json
from adapter.loose import Json, count, mapping, number, text
from adapter.tokens import MOST_USD, total
from adapter.trial import Tokens
from adapter.trial_files import TrialFiles

_LOG = "claude-code.txt"
_TAIL = 2**20
"""Bytes at the log's end in which its last event is looked for; it holds the agent's last message."""
_EVENT = b'"result"'
_OF_MODEL = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens")
"""Claude Code's counts for one model, in the order of `Tokens`."""
_OF_RUN = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
"""Its counts for the run, where it tells no models apart."""


@dataclass(frozen=True, slots=True)
class LogTotal:
    """What a log says of a run.

    Attributes:
        usd: US dollars; None when it does not say.
        tokens: None when it does not say.
        models: what each model cost, by the agent's own spelling; None where that is not known.
    """

    usd: float | None = None
    tokens: Tokens | None = None
    models: Mapping[str, float | None] = field(default_factory=dict[str, float | None])


def read_logs(files: TrialFiles, segments: Sequence[str]) -> LogTotal | None:
    """What the agent's logs say of the whole trial; None where one of them is not there or says nothing.

    Args:
        files: the trial's.
        segments: the names of the multi-step trial's steps; one empty name in an ordinary trial.
    """
    found: list[LogTotal] = []
    for segment in segments:
        place = ("steps", segment, "agent", _LOG) if segment else ("agent", _LOG)
        one = _read(files, files.folder.joinpath(*place))
        if one is None:
            return None
        found.append(one)
    if not found:
        return None
    costs = [one.usd for one in found if one.usd is not None]
    return LogTotal(
        sum(costs) if len(costs) == len(found) else None,
        total(one.tokens for one in found),
        _added([one.models for one in found]),
    )


def _added(found: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    models: dict[str, float | None] = {}
    for one in found:
        for name, usd in one.items():
            before = models.get(name, 0.0)
            models[name] = None if usd is None or before is None else before + usd
    return models


def _read(files: TrialFiles, path: Path) -> LogTotal | None:
    if not is_there(path):
        return None
    try:
        event = next(_results(files.tail(path, _TAIL)), None)
    except UnreadableError:
        return None
    return None if event is None else _total(event)


def _results(tail: bytes) -> Iterator[Json]:
    """The events that end a run, the last one first: what it says holds for all of the session."""
    for line in reversed(tail.splitlines()):
        if line.startswith(b"{") and _EVENT in line:
            try:
                event = mapping(parse_json(line, _LOG))
            except UnreadableError:
                continue  # the line that the tail begins in, or one that a kill cut off
            if event.get("type") == "result":
                yield event


def _total(event: Json) -> LogTotal:
    by_model = {name: mapping(one) for name, one in mapping(event.get("modelUsage")).items()}
    models = {name: one for name, one in by_model.items() if _is_used(one)}
    # The run's counts are those of its main conversation: sub-agents and titles are only among the models'.
    of_models = total(_tokens(one, _OF_MODEL) for one in models.values())
    tokens = of_models if models else _tokens(mapping(event.get("usage")), _OF_RUN)
    return LogTotal(
        usd=_usd(event.get("total_cost_usd")),
        tokens=tokens,
        models={name: _usd(one.get("costUSD")) for name, one in models.items() if text(name)},
    )


def _is_used(one: Json) -> bool:
    """Whether a model was called, as far as its counts show."""
    counts = [count(one.get(key)) for key in _OF_MODEL]
    return any(counts) or None in counts


def _tokens(values: Json, keys: tuple[str, ...]) -> Tokens | None:
    """Counts as tokens; None where one of them is not there, or nothing was used."""
    fresh, read, written, output = (count(values.get(key)) for key in keys)
    if None in (fresh, read, written, output) or not (fresh or read or written or output):
        return None
    return Tokens(fresh, read, written, output)


def _usd(value: object) -> float | None:
    found = number(value) if isinstance(value, int | float) else None
    return found if found is not None and 0 <= found <= MOST_USD else None
