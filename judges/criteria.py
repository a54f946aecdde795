"""The criteria in force, by the name of their score."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from prompts import Criterion, bundled_criteria

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def criteria() -> Mapping[str, Criterion]:
    """The bundled criteria."""
    return MappingProxyType({criterion.criterion: criterion for criterion in bundled_criteria()})
