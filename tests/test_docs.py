"""What is generated is not stale, and nothing names where packages come from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY


@pytest.mark.slow
def test_the_generated_help_texts_and_the_schemas_are_those_of_now() -> None:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "help_texts.py"), "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_field_of_the_json_of_a_run_has_its_place_in_the_schema() -> None:
    schema = json.loads((REPOSITORY / "docs" / "run.schema.json").read_text())
    assert {"totals", "variants", "comparisons", "findings", "verdicts", "skipped", "written"} <= set(
        schema["required"]
    )


def test_every_field_of_the_json_of_an_inspection_has_its_place_in_the_schema() -> None:
    schema = json.loads((REPOSITORY / "docs" / "inspect.schema.json").read_text())
    assert set(schema["required"]) == {"trials", "skipped"}
    trial = schema["$defs"]["InspectedTrial"]
    assert set(trial["required"]) == set(trial["properties"])
    assert {"trial", "task", "status", "tokens", "cost_usd", "cost_provenance", "findings"} < set(trial["required"])
    assert set(schema["$defs"]["TokenCounts"]["required"]) == {
        "input",
        "cache_read",
        "cache_write",
        "output",
        "reasoning",
    }
    assert set(schema["$defs"]["InspectedFinding"]["required"]) == {"code", "severity", "step", "message"}


def test_every_field_of_the_json_of_a_cost_has_its_place_in_the_schema() -> None:
    schema = json.loads((REPOSITORY / "docs" / "cost.schema.json").read_text())["$defs"]
    ending = {"by", "totals", "skipped", "findings", "retries_lost", "prices", "unpriced"}
    for name in ("CostOfSteps", "CostOfCalls", "CostOfTrials", "CostOfVariants", "CostOfCategories"):
        assert ending < set(schema[name]["required"])
    for name in ("TrialWithSteps", "TrialWithCalls", "CostedStep", "CostedCall", "Breakdown", "CategoryCost"):
        assert set(schema[name]["required"]) == set(schema[name]["properties"])
    assert {"trial", "cost_usd", "provenance", "recorded_usd", "residual_usd", "steps"} < set(
        schema["TrialWithSteps"]["required"]
    )
    assert {"step", "call", "cost_usd", "provenance", "tokens", "breakdown", "own_usd", "carried_usd", "latency_s"} < (
        set(schema["CostedStep"]["required"])
    )


def test_the_locks_hash_everything_and_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-lint.lock"):
        text = (REPOSITORY / name).read_text()
        assert "://" not in text
        pinned = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, re.DOTALL | re.MULTILINE)
        assert pinned
        assert all("--hash=sha256:" in one for one in pinned)


def markdown() -> list[Path]:
    """The pages of documentation."""
    return [path for path in REPOSITORY.glob("**/*.md") if not {".venv", "node_modules"} & set(path.parts)]


@pytest.mark.parametrize("page", markdown(), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_link_in_the_documentation_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target
