"""What Opik's dashboards are made of: sections of widgets on a grid, in the shapes of the frontend's schema, version 4.

Nothing in them depends on the time or on chance: what shows the same has the same bytes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from views import format as fmt

type Json = dict[str, object]

# Opik's own limits (HTTP 400 or 422 beyond them).
LONGEST_NAME = 120
LONGEST_DESCRIPTION = 1000
MOST_EXPERIMENTS = 100

_IDS = uuid.UUID("3f2e8a52-6f0c-5f6e-9a38-0f2a4c1d7b61")


@dataclass(frozen=True, slots=True)
class DashboardSpec:
    """What `client.create_dashboard(name, type=kind, description=..., sections=...)` takes."""

    name: str
    description: str
    sections: list[Json]
    kind: Literal["experiments", "multi_project"] = "experiments"


def spec(
    name: str, description: str, sections: list[Json], kind: Literal["experiments", "multi_project"] = "experiments"
) -> DashboardSpec:
    """A dashboard whose name and description Opik takes."""
    return DashboardSpec(shortened(name), fmt.plain(description)[:LONGEST_DESCRIPTION], sections, kind)


def shortened(name: str) -> str:
    """The name as Opik takes it; a changed one ends in a hash, so that it stays the only one of its kind."""
    line = fmt.plain(" ".join(name.split()))
    if line == name and len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{line[: LONGEST_NAME - len(digest) - 3]}… #{digest}"


def part_id(name: str, part: str) -> str:
    """The id of a part of the dashboard of this name."""
    return str(uuid.uuid5(_IDS, f"{part}\n{name}"))


def widget(name: str, part: str, kind: str, title: str, config: Json) -> Json:
    """A widget; `part` tells it from the others on the dashboard `name`."""
    return {"id": part_id(name, part), "type": kind, "title": title, "config": config}


def section(name: str, title: str, widgets: Sequence[tuple[Json, int]]) -> Json:
    """Widgets over the whole width of the grid (6 columns), one below the other, each with its height in rows."""
    layout: list[Json] = []
    top = 0
    for one, height in widgets:
        limits = {"minW": 4, "maxW": 6, "minH": 4, "maxH": 12}
        layout.append({"i": one["id"], "x": 0, "y": top, "w": 6, "h": height, **limits})
        top += height
    return {
        "id": section_id(name, title),
        "title": title,
        "widgets": [one for one, _ in widgets],
        "layout": layout,
    }


def section_id(name: str, title: str) -> str:
    """The id of a section: it follows from the title and the dashboard's name, as it is stored."""
    return part_id(shortened(name), f"section {title}")


def is_made_here(name: str, sections: Mapping[str, str]) -> bool:
    """Whether a dashboard is one of ours: nobody else gives a section such an id.

    Args:
        name: the dashboard's name.
        sections: titles by id.
    """
    return any(section_id(name, title) == found for found, title in sections.items())


def condition(name: str, part: str, field: str, value: str, *, kind: str = "string", operator: str = "=") -> Json:
    """A filter of a widget."""
    return {"id": part_id(name, part), "field": field, "type": kind, "operator": operator, "key": "", "value": value}


def group(name: str, key: str) -> Json:
    """Groups of experiments by a key of their configuration."""
    return {"id": part_id(name, f"group {key}"), "field": "metadata", "type": "dictionary", "direction": "", "key": key}
