"""Regrades: the latest grade of a trial counts, once, and nothing is spent twice."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builder import JobBuilder
from hypothesis import given
from hypothesis import strategies as st
from tabled import trial, trials

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import connect
from adapter.trial import Status
from pipelines.progress import Bars
from pipelines.regrades import Graded, standings
from pipelines.results import RunResult
from pipelines.run import Options, run
from views.comparisons import compare
from views.metrics import variant_results

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def uid(number: int) -> str:
    """A trial's id."""
    return f"00000000-0000-4000-8000-{number:012}"


def graded(number: int, status: str, *, of: int | None = None, hour: int | None = 0, name: str | None = None) -> Graded:
    """The grade of trial `number`, a regrade of trial `of`."""
    return Graded(
        name=name or f"job/{number}",
        job_id="job-id",
        trial_id=uid(number),
        source=None if of is None else uid(of),
        status=Status(status),
        reward={"passed": 1.0, "failed": 0.0}.get(status),
        at=None if hour is None else NOON + timedelta(hours=hour),
    )


# What was read; the attempt that counts, whether it passed, and by which regrade.
CHAINS: dict[str, tuple[list[Graded], tuple[str, bool | None, str | None]]] = {
    "no regrade": ([graded(1, "failed")], ("job/1", False, None)),
    "one regrade": ([graded(1, "failed"), graded(2, "passed", of=1)], ("job/1", True, "job/2")),
    "a regrade that takes a pass away": (
        [graded(1, "passed"), graded(2, "failed", of=1)],
        ("job/1", False, "job/2"),
    ),
    "two regrades, the later one named first": (
        [graded(1, "failed"), graded(2, "passed", of=1, hour=2), graded(3, "failed", of=1, hour=1)],
        ("job/1", True, "job/2"),
    ),
    "a regrade of a regrade": (
        [graded(1, "failed"), graded(2, "failed", of=1, hour=1), graded(3, "passed", of=2, hour=2)],
        ("job/1", True, "job/3"),
    ),
    "an attempt that the verifier's failure kept out": (
        [graded(1, "infrastructure_error"), graded(2, "passed", of=1)],
        ("job/1", True, "job/2"),
    ),
    "a regrade without a time": (
        [graded(1, "failed"), graded(2, "passed", of=1, hour=None), graded(3, "failed", of=1, hour=1)],
        ("job/1", False, "job/3"),
    ),
    "a regrade that gave no grade": (
        [graded(1, "failed"), graded(2, "infrastructure_error", of=1)],
        ("job/1", False, None),
    ),
    "a regrade that crashed is no failed attempt": (
        [graded(1, "passed"), graded(2, "agent_error", of=1)],
        ("job/1", True, None),
    ),
    "the attempt itself was not read": (
        [graded(2, "failed", of=1, hour=1), graded(3, "passed", of=1, hour=2)],
        ("job/3", True, None),
    ),
    "the attempt was not read, a chain": (
        [graded(2, "failed", of=1, hour=1), graded(3, "passed", of=2, hour=2)],
        ("job/3", True, None),
    ),
    "the attempt was not read and its regrade crashed": ([graded(2, "agent_error", of=1)], ("job/2", None, None)),
    "a trial that says it grades itself": ([graded(1, "passed", of=1)], ("job/1", True, None)),
    "a circle": (
        [graded(1, "failed", of=3, hour=1), graded(2, "passed", of=1, hour=3), graded(3, "failed", of=2, hour=2)],
        ("job/2", True, None),
    ),
    "a circle with a tail": (
        [graded(1, "failed", of=2), graded(2, "failed", of=1, hour=1), graded(3, "passed", of=2, hour=2)],
        ("job/3", True, None),
    ),
}


@pytest.mark.parametrize(("read", "expected"), CHAINS.values(), ids=CHAINS)
def test_the_latest_grade_counts_once_in_any_order(
    read: list[Graded], expected: tuple[str, bool | None, str | None]
) -> None:
    for order in itertools.permutations(read):
        found = {one.name: one for one in standings(order).values()}
        ((name, attempt),) = [(name, one) for name, one in found.items() if one.regrade_of is None]
        assert (name, attempt.passed, attempt.graded_by) == expected
        assert attempt.stands_for_source == (next(one for one in read if one.name == name).source is not None)
        others = [one for other, one in found.items() if other != name]
        assert all((one.regrade_of, one.passed) == (name, None) for one in others)


def test_a_regrade_that_stands_for_an_attempt_and_crashed_is_no_failure_of_the_agent() -> None:
    (standing,) = standings([graded(2, "agent_error", of=1)]).values()
    assert standing.status is Status.INFRASTRUCTURE_ERROR


@given(
    st.lists(
        st.tuples(st.integers(0, 7) | st.none(), st.sampled_from(sorted(Status)), st.integers(0, 3) | st.none()),
        max_size=8,
    )
)
def test_every_chain_has_one_attempt_whoever_links_to_whom(links: list[tuple[int | None, Status, int | None]]) -> None:
    read = [graded(number, status, of=of, hour=hour) for number, (of, status, hour) in enumerate(links)]
    assert standings(read) == standings(read[::-1])
    found = {one.name: one for one in standings(read).values()}
    assert found.keys() == {one.name for one in read}
    for one in read:
        standing = found[one.name]
        if standing.regrade_of is not None:
            assert one.source is not None
            assert standing.passed is None
            assert found[standing.regrade_of].regrade_of is None
        if standing.graded_by is not None:
            assert found[standing.graded_by].regrade_of == one.name


def test_a_long_chain_takes_no_longer_than_its_length_allows() -> None:
    read = [graded(0, "failed")]
    read += [graded(number, "passed", of=number - 1, hour=number) for number in range(1, 20_000)]
    assert standings(read)[read[0].key].graded_by == "job/19999"


def test_trials_of_one_name_stand_for_themselves() -> None:
    # Their folders' names differed in a secret, which was taken out of both.
    alike = [graded(1, "failed", name="job/x"), graded(2, "passed", name="job/x"), graded(3, "passed", of=1)]
    found = standings(alike)
    assert {one.key: (found[one.key].passed, found[one.key].graded_by) for one in alike} == {
        alike[0].key: (True, "job/3"),
        alike[1].key: (True, None),
        alike[2].key: (None, None),
    }


def regraded_table() -> pd.DataFrame:
    return trials(
        trial("a", "passed", graded_by="job/0003"),
        trial("b", "failed"),
        trial("a", "passed", regrade_of="job/0001", cost_usd=None),
        trial("c", "failed", version="9", regrade_of="job/0001"),
        trial("d", dataset="other", regrade_of="job/0001"),
    )


def test_a_regrade_is_in_no_number_of_its_variant() -> None:
    (result,) = variant_results(regraded_table()[lambda table: table["dataset"] == "bench"])
    assert (result.attempts, result.passes, result.excluded, result.regraded) == (2, 1, {}, 1)
    assert (result.cost_per_attempt_usd.value, result.cost_per_attempt_usd.missing) == (1.0, 0)


def test_a_variant_and_a_dataset_of_regrades_alone_are_not_compared() -> None:
    assert compare(regraded_table()) == []


def regrade(job: JobBuilder, name: str, source: str, **more: Any) -> None:
    """Adds a trial that only grades `source` (a path of a trial) again."""
    folder = job.trial(name, **more)
    result = json.loads((folder / "result.json").read_text())
    result["config"]["source_trial"] = {"action": "regrade", "type": "local", "trial_id": source}
    result["agent_execution"] = None
    (folder / "result.json").write_text(json.dumps(result))


def id_of(folder: Path) -> str:
    return json.loads((folder / "result.json").read_text())["id"]


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A job in which a trial of each model failed, and a later job that grades one of them again: it passed."""
    first = JobBuilder(tmp_path / "jobs", "first")
    small = first.trial("a__1", model="openai/gpt-5-mini", reward=0.0)
    first.trial("a__2", model="anthropic/claude-sonnet-4-5", reward=0.0)
    second = JobBuilder(tmp_path / "jobs", "again")
    regrade(second, "a__1", id_of(small).upper(), model="openai/gpt-5-mini", reward=1.0)
    return tmp_path / "jobs"


def done(server: EmbeddedOpik, *paths: Path, **options: Any) -> RunResult:
    return run(Options(paths, "test", server.url, **options), Bars(quiet=True))


def test_the_new_grade_counts_in_the_comparison_and_the_cost_once(server: EmbeddedOpik, jobs: Path) -> None:
    result = done(server, jobs)
    assert (result.exit_code, result.skipped) == (0, ())
    large, small = result.variants["set"]
    assert (small.variant, small.attempts, small.passes, small.regraded) == ("toy@1.0/openai/gpt-5-mini", 1, 1, 1)
    assert (large.attempts, large.passes, large.regraded) == (1, 0, 0)
    assert small.cost_to_complete_usd.value == 0.01
    totals = result.totals
    assert (totals.trials, totals.regrades, totals.cost_known, totals.cost_unknown) == (3, 1, 2, 0)
    assert totals.cost_usd == pytest.approx(0.02)
    assert (totals.steps, totals.agent_steps, totals.tool_calls) == (4, 2, 2)
    assert not any(done(server, jobs).written.model_dump().values())


def test_the_sources_experiment_has_the_new_grade_and_the_regrades_own_has_none(
    server: EmbeddedOpik, jobs: Path
) -> None:
    done(server, jobs / "first")
    result = done(server, jobs)
    with connect(server.url, "test") as connection:
        found = connection.client.rest_client.experiments.find_experiments(size=10).content or []
        (view,) = connection.client.get_dashboards(name="model-vs-model on")
        shown = json.dumps(view.config)
    scores = {one.name: {score.name: score.value for score in one.experiment_scores or []} for one in found}
    small = "set/toy@1.0/openai/gpt-5-mini"
    assert scores[f"{small}/first"]["pass_rate"] == 1.0
    assert scores[f"{small}/again"] == {}
    ids = {one.name: str(one.id) for one in found}
    # The link to all experiments of the dataset has both; what the view itself shows has one.
    assert shown.count(ids[f"{small}/first"]) > shown.count(ids[f"{small}/again"]) == 1
    assert result.written.dashboards == 1


def test_the_tables_say_who_graded_whom(server: EmbeddedOpik, jobs: Path, tmp_path: Path) -> None:
    done(server, jobs, tables=tmp_path / "tables")
    table = pd.read_parquet(tmp_path / "tables" / "trials.parquet").set_index("trial")
    columns = ["status", "reward", "passed", "regrade_of", "graded_by"]
    rows = {name: [None if pd.isna(one) else one for one in row] for name, *row in table[columns].itertuples()}
    assert rows == {
        "again/a__1": ["passed", 1.0, None, "first/a__1", None],
        "first/a__1": ["passed", 1.0, True, None, "again/a__1"],
        "first/a__2": ["failed", 0.0, False, None, None],
    }


def test_a_regrade_whose_source_was_not_given_stands_for_it_and_says_so(server: EmbeddedOpik, jobs: Path) -> None:
    result = done(server, jobs / "again")
    (variant,) = result.variants["set"]
    assert (variant.attempts, variant.passes, variant.regraded) == (1, 1, 0)
    assert variant.cost_per_attempt_usd.value is None
    assert (result.totals.regrades, result.totals.cost_unknown, result.totals.steps) == (0, 1, 2)
    assert result.exit_code == 0
    (skipped,) = result.skipped
    assert skipped.path == "again/a__1"
    assert "grades again a trial that was not read" in skipped.reason


def test_the_steps_of_a_regrade_are_its_sources_and_count_once(kilobench: Any, jobs: Path) -> None:
    assert "read: 3 trials, 4 steps;" in kilobench("inspect", jobs).out
    assert "read: 1 trials, 2 steps;" in kilobench("inspect", jobs / "again").out


def test_the_terminal_and_the_report_say_how_many_were_regraded(kilobench: Any, jobs: Path, tmp_path: Path) -> None:
    said = kilobench("run", jobs, "--report", tmp_path / "report").out
    assert "1/1 (1 regraded)" in said
    assert "(regrades among them: 1, at no new cost)" in said
    page, trials = (
        " ".join((tmp_path / "report" / name).read_text().split()) for name in ("index.html", "trials.html")
    )
    assert "2 count as attempts, 1 only grade another again" in page
    assert "1 by a later grade" in page
    assert 'only grades again <span class="name">first/a__1</span>' in trials
    assert 'graded by <span class="name">again/a__1</span>' in trials
