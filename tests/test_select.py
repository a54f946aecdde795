"""`kilobench select`: fast, stable, telling tasks of every kind, the same for the same history."""

from __future__ import annotations

import random
import statistics
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipelines.select.results import SelectResult
from pipelines.subsets import subset_of
from views.gate_power import lowered, power
from views.selection import Selection, Wanted, select
from views.statistics import wilson
from views.task_history import TaskHistory, discriminations, flakiness, kendall, p90_seconds


def task(name: str, results: Mapping[str, str], seconds: float = 60.0, category: str | None = None) -> TaskHistory:
    """A task, of whose attempts by each variant those with a `+` passed."""
    found = {variant: tuple(one == "+" for one in attempts) for variant, attempts in results.items()}
    return TaskHistory(name, found, (seconds,) * sum(map(len, found.values())), category)


def names(found: Selection) -> set[str]:
    return {one.task.name for one in found.chosen}


def why(found: Selection, name: str) -> str:
    return next(one.why for one in found.choices if one.task.name == name)


TELLING = {"good": "+++", "poor": "---"}
SAME = {"good": "+++", "poor": "+++"}


def test_the_flakiness_is_the_share_of_unequal_pairs_of_one_variant() -> None:
    # Of 4 attempts with one failure 3 of 6 pairs differ; of 2 that agree none of 1.
    found = flakiness(task("a", {"x": "+++-", "y": "--"}))
    assert (found.value, found.pairs) == (3 / 7, 7)
    assert (found.low, found.high) == wilson(3 / 7, 3)
    # Variants that differ from each other are not flaky.
    assert flakiness(task("a", TELLING)).value == 0.0


def test_nobody_knows_how_stable_a_task_is_that_was_tried_once() -> None:
    found = flakiness(task("a", {"x": "+", "y": "-"}))
    assert (found.value, found.low, found.high, found.pairs) == (None, None, None, 0)


@given(st.dictionaries(st.sampled_from("abcd"), st.text("+-", min_size=1, max_size=6), min_size=1))
def test_the_interval_of_the_flakiness_holds_its_estimate(results: dict[str, str]) -> None:
    found = flakiness(task("a", results))
    if found.value is not None:
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_task_tells_variants_apart_that_the_others_tell_apart() -> None:
    tasks = [
        task("telling", {"a": "++", "b": "+-", "c": "--"}),
        task("same", {"a": "++", "b": "++", "c": "++"}),
        task("against", {"a": "--", "b": "+-", "c": "++"}),
        task("other", {"a": "++", "b": "+-", "c": "--"}),
        task("third", {"a": "++", "b": "--", "c": "--"}),
    ]
    found = discriminations(tasks)
    shares = {one.name: [one.pass_share(variant) for variant in "abc"] for one in tasks}
    for name, own in shares.items():
        rest = [sum(share[place] for other, share in shares.items() if other != name) for place in range(3)]
        r = 0.0 if len(set(own)) == 1 else float(stats.pearsonr(own, rest).statistic)
        assert found[name] == pytest.approx(r * statistics.pstdev(own))
    assert found["telling"] > 0 > found["against"]
    assert found["same"] == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=8))
def test_the_rank_correlation_is_kendalls_tau_b(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = kendall(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(float(stats.kendalltau(first, second).statistic))


def test_what_is_slow_flaky_unsolved_or_not_tried_by_all_is_out_with_the_reason() -> None:
    tasks = [
        task("fine", TELLING),
        task("slow", TELLING, seconds=400.0),
        task("flaky", {"good": "+-+-", "poor": "----"}),
        task("never", {"good": "---", "poor": "---"}),
        task("partly", {"good": "+++"}),
        TaskHistory("timeless", {"good": (True,), "poor": (False,)}),
    ]
    found = select(tasks, Wanted())
    assert names(found) == {"fine"}
    for name, said in {
        "slow": "slow: 9 of 10 trials within 6 min 40 s, not 5 min",
        "flaky": "flaky: 33.3 %",
        "never": "never solved",
        "partly": "not tried by poor",
        "timeless": "not known",
    }.items():
        assert said in why(found, name), why(found, name)
    assert "stability" not in why(found, "fine")
    assert p90_seconds(task("a", TELLING, seconds=7.0)) == 7.0


def test_the_best_of_each_kind_are_chosen() -> None:
    tasks = [task(f"easy-{n}", SAME, category="easy") for n in range(6)]
    tasks += [task(f"hard-{n}", TELLING if n < 2 else SAME, category="hard") for n in range(3)]
    tasks.append(task("rare", SAME, category="rare"))
    found = select(tasks, Wanted(tasks=5))
    chosen = names(found)
    assert len(chosen) == 5
    # Three kinds in proportion, the rare one not forgotten; of the hard ones those that tell something.
    assert {name.partition("-")[0] for name in chosen} == {"easy", "hard", "rare"}
    assert "hard-2" not in chosen
    assert "others of its kind tell more" in why(found, "hard-2")


def test_of_tasks_that_tell_the_same_the_faster_is_chosen() -> None:
    tasks = [task("a", TELLING, 90.0), task("b", TELLING, 30.0), task("c", TELLING, 60.0)]
    assert names(select(tasks, Wanted(tasks=1))) == {"b"}


def test_tasks_are_exchanged_until_the_subset_ranks_variants_as_all_tasks_do() -> None:
    # By themselves the best two tell a from the others, and c from b the wrong way.
    tasks = [
        task("1", {"a": "++", "b": "--", "c": "++"}),
        task("2", {"a": "++", "b": "--", "c": "++"}),
        *(task(f"3-{n}", {"a": "++", "b": "++", "c": "--"}) for n in range(3)),
        *(task(f"4-{n}", {"a": "++", "b": "++", "c": "++"}) for n in range(2)),
    ]
    found = select(tasks, Wanted(tasks=3))
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.left_out_error is not None


def made(count: int, seed: int) -> list[TaskHistory]:
    draw = random.Random(seed)
    return [
        TaskHistory(
            f"task-{n:02}",
            {
                variant: tuple(draw.random() < skill for _ in range(3))
                for variant, skill in zip("abc", (0.9, 0.6, 0.4), strict=True)
            },
            tuple(draw.uniform(10, 400) for _ in range(9)),
            draw.choice(["x", "y", None]),
        )
        for n in range(count)
    ]


@given(st.integers(1, 30), st.integers(0, 99), st.integers(1, 15), st.randoms(use_true_random=False))
def test_the_same_history_in_any_order_gives_the_same_tasks_and_no_more_than_wanted(
    count: int, seed: int, wanted: int, order: random.Random
) -> None:
    tasks = made(count, seed)
    found = select(tasks, Wanted(tasks=wanted, flaky=0.6))
    order.shuffle(tasks)
    assert select(tasks, Wanted(tasks=wanted, flaky=0.6)) == found
    may = [one for one in found.choices if one.is_chosen or "others of its kind" in one.why]
    assert len(found.chosen) == min(wanted, len(may))


def test_a_variant_that_took_no_part_in_the_choice_is_measured_by_it() -> None:
    tasks = [task(f"t{n}", {"a": "++", "b": "++", "c": "--"}) for n in range(4)]
    # Whatever is chosen, each variant's rate is that of all tasks.
    assert select(tasks, Wanted(tasks=2)).left_out_error == 0
    assert select([task("t", TELLING)], Wanted()).left_out_error is None


def test_a_drop_lowers_every_rate_by_the_same_factor() -> None:
    assert lowered([1.0, 0.5, 0.0], 0.25) == pytest.approx([0.5, 0.25, 0.0])
    assert lowered([0.1, 0.1], 0.2) == [0.0, 0.0]


def test_power_grows_with_the_drop_and_with_the_attempts() -> None:
    rates = [1.0] * 10
    by_attempts = [power(rates, 0.2, attempts) for attempts in (1, 3, 5)]
    assert by_attempts == sorted(by_attempts)
    assert power(rates, 0.5, 3) > power(rates, 0.2, 3)
    assert power(rates, 0.0, 3) <= 0.05
    assert power(rates, 0.9, 5) == 1.0


def history(folder: Path, **more: Any) -> Path:
    """Two jobs of two models at four tasks, two attempts each, one of them a minute longer."""
    for model, solves in (("openai/strong", {"a", "b", "c"}), ("openai/weak", {"c"})):
        job = JobBuilder(folder / "jobs", model.partition("/")[2])
        for name in "abcd":
            for attempt in range(2):
                job.trial(
                    f"{name}__{attempt}",
                    task=f"org/{name}",
                    model=model,
                    reward=float(name in solves),
                    task_checksum=name * 8,
                    **more,
                )
    return folder / "jobs"


def test_a_history_becomes_a_file_that_bench_and_gate_take(tmp_path: Path, kilobench: Any) -> None:
    jobs = history(tmp_path)
    told = kilobench("select", jobs, "-n", "2", "-o", tmp_path / "subset.toml", "--json")
    assert told.code == 0, told.err
    result = SelectResult.model_validate(told.json)
    assert [one.task for one in result.tasks if one.chosen] == ["org/a", "org/b"]
    assert {one.task: one.discrimination for one in result.tasks}["org/a"] == pytest.approx(0.5)
    assert result.reference.endswith("openai/strong")
    assert [one.attempts for one in result.power] == [1, 2, 3, 4, 5]
    assert subset_of(tmp_path / "subset.toml") == ("org/a", "org/b")
    read = tomllib.loads((tmp_path / "subset.toml").read_text())
    assert [one["why"] for one in read["task"] if one["name"] == "org/d"] == ["never solved: it cannot show a loss"]
    before = (tmp_path / "subset.toml").read_bytes()
    again = kilobench("select", jobs, "-n", "2", "-o", tmp_path / "subset.toml")
    assert (tmp_path / "subset.toml").read_bytes() == before
    text = " ".join(again.out.split())
    assert "2 of 4 tasks" in text
    assert "a drop of 20.0 % is found in" in text
    strong, weak = (jobs / name for name in ("strong", "weak"))
    gated = kilobench(
        *("gate", "--baseline", strong, "--candidate", weak, "--subset", tmp_path / "subset.toml"),
        *("--opik", "embedded", "--json"),
    )
    assert gated.json["tasks"] == 2


def test_attempts_at_an_older_version_of_a_task_are_left_out(tmp_path: Path, kilobench: Any) -> None:
    jobs = history(tmp_path)
    old = JobBuilder(jobs, "old")
    times = {"started_at": "2020-01-01T00:00:00Z", "finished_at": "2020-01-01T00:01:00Z"}
    old.trial("a__9", task="org/a", model="openai/weak", reward=1.0, task_checksum="another", **times)
    result = SelectResult.model_validate(kilobench("select", jobs, "-o", tmp_path / "subset.toml", "--json").json)
    assert result.older == 1
    assert next(one for one in result.tasks if one.task == "org/a").attempts == 4


@pytest.mark.parametrize("case", ["one variant", "nothing fits", "another dataset", "no folder", "no output"])
def test_a_history_that_nothing_can_be_chosen_from_is_refused(tmp_path: Path, kilobench: Any, case: str) -> None:
    jobs = history(tmp_path)
    arguments: dict[str, tuple[tuple[object, ...], str]] = {
        "one variant": ((jobs / "strong",), "one variant only"),
        "nothing fits": ((jobs, "--max-minutes", "0"), "No task is fit for a gate"),
        "another dataset": ((jobs, "--dataset", "other"), "--dataset can be set"),
        "no folder": ((tmp_path / "none",), "does not exist"),
        "no output": ((jobs, "-o", tmp_path / "none" / "x.toml"), "cannot be written"),
    }
    given, said = arguments[case]
    result = kilobench("select", *given, *(() if "-o" in given else ("-o", tmp_path / "subset.toml")))
    assert result.code == 2
    assert said in " ".join(result.err.split())
    assert not (tmp_path / "subset.toml").exists()
