"""An import never points upward between the floors."""

import ast
from pathlib import Path

import pytest
from conftest import REPOSITORY

FLOORS = {"adapter": 1, "prompts": 1, "judges": 2, "views": 2, "pipelines": 3}
MODULES = sorted(path for folder in FLOORS for path in (REPOSITORY / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def allowed(folder: str) -> set[str]:
    """Itself and every floor below."""
    return {folder} | {name for name, floor in FLOORS.items() if floor < FLOORS[folder]}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_module_imports_only_from_its_folder_and_the_floors_below(path: Path) -> None:
    folder = path.relative_to(REPOSITORY).parts[0]
    assert (imported(path) & FLOORS.keys()) <= allowed(folder)


def test_every_folder_of_code_has_a_floor() -> None:
    assert {path.relative_to(REPOSITORY).parts[0] for path in MODULES} == FLOORS.keys()
