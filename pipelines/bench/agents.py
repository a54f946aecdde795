"""Agents as people name them, `kilo@v2.1-rc1`, and as Harbor takes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapter.errors import BadInputError

KILO = "adapter.kilo:KiloCode"
"""Where Harbor finds the agent that it does not bring itself."""

_OWN = {"kilo": KILO, "kilo-code": KILO}
_VERSION = re.compile(r"v(?=\d)")
"""People put it before a number; packages have none."""
_NAME = re.compile(r"[\w.:+-]+(?:/[\w.:+-]+)?")


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent in one version.

    Attributes:
        name: as it was given.
        version: without a `v` before its number; None for the agent's own default.
    """

    name: str
    version: str | None = None

    @property
    def label(self) -> str:
        """`name@version`, or the name alone."""
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @property
    def own_name(self) -> str:
        """What the agent calls itself; of a class that Harbor does not bring, what was given."""
        return "kilo" if self.name in _OWN else self.name

    def arguments(self) -> tuple[str, ...]:
        """As `harbor run` takes it."""
        named = ("-a", _OWN.get(self.name, self.name))
        return named if self.version is None else (*named, "--ak", f"version={_as_text(self.version)}")


def _as_text(version: str) -> str:
    """A version as Harbor takes it for a text: `2.0` alone would be a number, and `2.10` another version."""
    try:
        float(version)
    except ValueError:
        return version
    return f'"{version}"'


def agent_of(text: str) -> Agent:
    """The agent that a text names: `kilo`, `kilo@v2.1-rc1`, `claude-code@2.1.0`, `module:Class@1.0`.

    An agent of the ACP registry (`acp:opencode@1.3.9`) keeps its version: Harbor reads it itself.

    Raises:
        BadInputError: it names none.
    """
    name, at, version = text.strip().partition("@")
    if name.startswith("acp:"):
        return Agent(text.strip())
    version = _VERSION.sub("", version, count=1) if version.startswith("v") else version
    if not _NAME.fullmatch(name) or (at and not _NAME.fullmatch(version)):
        raise BadInputError(f"-a {text} names no agent.", "Write it as NAME or NAME@VERSION, such as kilo@7.7.9.")
    return Agent(name, version or None)


def understood(arguments: list[str]) -> list[str]:
    """The arguments of `harbor` with each `-a NAME@VERSION` in Harbor's own words; all others as they are.

    Raises:
        BadInputError: `-a` names no agent.
    """
    found: list[str] = []
    rest = iter(arguments)
    for one in rest:
        if one == "--":
            return [*found, one, *rest]
        option, equals, value = one.partition("=")
        if one in ("-a", "--agent"):
            value = next(rest, "")
        elif not (equals and option in ("-a", "--agent")):
            found.append(one)
            continue
        found += agent_of(value).arguments()
    return found
