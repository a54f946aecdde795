"""Whatever was done to a real trial's files, it is read or named, and what was read breaks nothing later."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, trajectory
from conftest import REPOSITORY, SHARED_DATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_jsonable_python

from adapter.errors import KilobenchError
from adapter.files import MAX_MEMORY
from adapter.jobs import find_jobs
from adapter.opik_rows import rows
from adapter.trial import Status, Trial
from judges.rollup import rollup
from judges.rules import judge
from pipelines.cost import price_trial, trial_tokens
from pipelines.read import Skipped, read_trials

HUGE, DOUBLED = "@huge@", "@doubled@"
"""Stand-ins for what Python's own JSON cannot write: an integer of 5,000 digits, and a key that is there twice."""

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.5, -0.5, 2**31, 2**63, -(2**64), 10**400, HUGE),
    *(1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf),
    *(
        "",
        " ",
        "x",
        "NaN",
        "-1",
        "1e999",
        "\ud800",
        "a\udfff\x00b",
        "\u202e😀",
        "../../etc/passwd",
        "/etc/passwd",
        "y" * 70_000,
    ),
    *("2026-03-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T10:00:00", "10:00", "²"),
    *(
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"a": {"b": [1]}},
        {"a": math.nan, "b": [math.inf]},
        [{"type": "text", "text": "x"}],
        [1, "x", None, {}],
    ),
    *('{"command": "ls"}', "[1, 2]", "[" * 150 + "]" * 150, "[NaN]", '{"a": 1e999}'),
    json.loads("[" * 150 + "]" * 150),
    json.loads('{"a":' * 150 + "1" + "}" * 150),
    json.loads("[" * 300 + "]" * 300),
]


def drop(data: st.DataObject, parent: Any, key: Any) -> None:
    del parent[key]


def retype(data: st.DataObject, parent: Any, key: Any) -> None:
    parent[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))


def nest(data: st.DataObject, parent: Any, key: Any) -> None:
    parent[key] = data.draw(st.sampled_from([[parent[key]], {"value": parent[key]}, {key: parent[key]}]))


def duplicate(data: st.DataObject, parent: Any, key: Any) -> None:
    if isinstance(parent, list):
        parent.extend([parent[key]] * data.draw(st.integers(1, 3)))
    else:
        parent[DOUBLED + str(key)] = data.draw(st.sampled_from(VALUES))


def swap(data: st.DataObject, parent: Any, key: Any) -> None:
    other = data.draw(st.sampled_from(list(range(len(parent)) if isinstance(parent, list) else parent)))
    parent[key], parent[other] = parent[other], parent[key]


def truncate(data: st.DataObject, parent: Any, key: Any) -> None:
    value = parent[key]
    if isinstance(value, str | list):
        parent[key] = value[: data.draw(st.integers(0, len(value)))]
    elif isinstance(value, dict):
        parent[key] = dict(list(value.items())[: data.draw(st.integers(0, len(value)))])
    else:
        parent[key] = None


def text_of(value: Any) -> bytes:
    """The value as JSON, with what the stand-ins stand for."""
    text = json.dumps(value).replace(f'"{HUGE}"', "9" * 5000)
    return text.replace(f'"{DOUBLED}', '"').encode()


def cut(data: st.DataObject, raw: bytes) -> bytes:
    return raw[: data.draw(st.integers(0, len(raw)))]


def flip(data: st.DataObject, raw: bytes) -> bytes:
    flipped = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        flipped[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b'"{}[],:\\0e-n\x00\xff\xed'))
    return bytes(flipped)


def insert(data: st.DataObject, raw: bytes) -> bytes:
    at = data.draw(st.sampled_from([0, len(raw)]) | st.integers(0, len(raw)))
    what = [
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x00",
        b"[" * 100_000,
        b'{"":' * 300,
        b"{}",
        b"\\ud800",
        b"\xed\xa0\x80",
        b"NaN",
    ]
    return raw[:at] + data.draw(st.sampled_from(what)) + raw[at:]


def recode(data: st.DataObject, raw: bytes) -> bytes:
    return raw.decode().encode(data.draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"])))


CHANGES = [drop, retype, retype, retype, nest, duplicate, swap, truncate]
DAMAGES = [cut, flip, insert, recode]


SOURCES = {"examples": REPOSITORY / "examples" / "jobs", "../shared/data": SHARED_DATA}
LARGEST = 100_000
"""Bytes of a trial's files: larger ones take long to change, and say no more."""


@cache
def folders(source: str) -> tuple[Path, ...]:
    """Real trials, one of each task and job: those of the example jobs, or those beside a developer's checkout."""
    tasks = {
        (path.parents[1].name, path.parent.name.rsplit("__")[0]): path.parent
        for path in sorted(SOURCES[source].rglob("result.json"))
        if "__" in path.parent.name
    }
    return tuple(one for one in tasks.values() if sum(path.stat().st_size for path in one.rglob("*")) < LARGEST)


@pytest.fixture(params=SOURCES)
def trials(request: pytest.FixtureRequest) -> tuple[Path, ...]:
    """The folders of real trials."""
    found = folders(request.param)
    if not found:
        assert request.param != "examples"
        pytest.skip(f"{request.param} is not here: it is no part of the project")
    return found


@cache
def contents(folder: Path) -> dict[str, bytes]:
    """The files that the reader looks at, of a trial and of its job, by their path in the job."""
    of_trial = {
        f"{folder.name}/{path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name in ("result.json", "config.json", "reward.json", "reward.txt") or path.match("trajectory*.json")
    }
    of_job = {name: folder.parent / name for name in ("result.json", "config.json")}
    return of_trial | {name: path.read_bytes() for name, path in of_job.items() if path.is_file()}


def places(parent: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys."""
    keys = list(parent) if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
    for key in keys:
        yield parent, key
        yield from places(parent[key])


def place(data: st.DataObject, value: Any) -> tuple[Any, Any]:
    """A container in a JSON value, and a key in it: any of them, or one that is more likely not deep."""
    parent, key = [value], 0
    if data.draw(st.booleans()):
        return data.draw(st.sampled_from([(parent, key), *places(value)]))
    for _ in range(data.draw(st.integers(0, 4))):
        inner = parent[key]
        if not isinstance(inner, list | dict) or not inner:
            break
        parent, key = inner, data.draw(st.sampled_from(list(range(len(inner)) if isinstance(inner, list) else inner)))
    return parent, key


def changed(data: st.DataObject, raw: bytes) -> bytes:
    """A JSON file of which some fields are not what they were."""
    whole = [json.loads(raw)]
    for _ in range(data.draw(st.integers(1, 4))):
        if not whole:
            break
        parent, key = place(data, whole[0])
        if not isinstance(parent, list) or parent[key] is not whole[0]:
            data.draw(st.sampled_from(CHANGES))(data, parent, key)
        else:
            retype(data, whole, 0)
    return text_of(whole[0])


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)


def leaves(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a record, with the class and the field that it stands in."""
    if dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from leaves(getattr(value, one.name), f"{type(value).__name__}.{one.name}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item, field)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(key, field)
            yield from leaves(item, field)
    else:
        yield field, value


COSTS = {"Step.recorded_cost_usd", "Trial.recorded_cost_usd", "StepCost.usd", "TrialCost.usd"}


def check_json(value: Any) -> None:
    """It can be written as JSON that every reader takes: no NaN, and all of its text is text."""
    json.dumps(to_jsonable_python(value, inf_nan_mode="constants"), allow_nan=False, ensure_ascii=False).encode()


def check(trial: Trial) -> None:
    """The record says nothing impossible, and every later stage takes it."""
    cost = price_trial(trial)
    for record in (trial, cost, trial_tokens(trial)):
        for field, value in leaves(record):
            if field.startswith("Tokens."):
                assert value is None or (type(value) is int and value >= 0), (field, value)
            if field in COSTS:
                assert value is None or (math.isfinite(value) and value >= 0), (field, value)
            assert not isinstance(value, datetime) or value.tzinfo is not None, (field, value)
        check_json(record)
    for row in rows(trial, cost):
        check_json(row)
    verdicts = judge(trial)
    check_json(verdicts)
    assert all(0 <= share <= 1 for share in rollup(trial, verdicts).values())


def check_all(path: Path) -> list[Trial]:
    """Every trial folder at a path is read or named with a reason, or the path is refused with what to do."""
    try:
        jobs = find_jobs([path])
    except KilobenchError as error:
        assert error.what and error.hint  # noqa: PT017, PT018  (either outcome is right; neither may be a traceback)
        return []
    skipped: list[Skipped] = []
    trials: list[Trial] = []
    for trial in read_trials(jobs, skipped, lambda _: None):
        check(trial)
        trials.append(trial)
    told = {trial.name for trial in trials} | {one.path for one in skipped}
    assert {f"{job.name}/{folder.name}" for job in jobs for folder in job.trials} <= told
    assert all(one.reason for one in skipped)
    check_json(skipped)
    return trials


def check_files(files: dict[str, bytes]) -> list[Trial]:
    """Reads a job with these files."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "job", files)
        return check_all(Path(folder))


def test_a_pipe_in_place_of_any_file_does_not_block(tmp_path: Path) -> None:
    files = contents(folders("examples")[0])
    for name in files:
        job = tmp_path / name.replace("/", "-") / "job"
        write(job, files)
        (job / name).unlink()
        os.mkfifo(job / name)
        check_all(job)


def test_no_link_leads_out_of_a_job(tmp_path: Path) -> None:
    files, elsewhere = contents(folders("examples")[0]), tmp_path / "elsewhere"
    marked = {name: re.sub(rb'("message"|"task_name"): "', rb'\1: "MARK', raw) for name, raw in files.items()}
    assert sum(raw.count(b"MARK") for raw in marked.values()) > 2
    write(elsewhere, marked)
    (name,) = {name.partition("/")[0] for name in files if "/" in name}
    for place in sorted({name, *files, f"{name}/agent", f"{name}/verifier"}):
        job = tmp_path / place.replace("/", "-") / "job"
        write(job, files)
        target = job / place
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        target.symlink_to(elsewhere / place)
        for trial in check_all(job):
            assert "MARK" not in str(trial), place


def test_the_real_trials_are_read_as_they_are(trials: tuple[Path, ...]) -> None:
    for folder in trials:
        (trial,) = check_files(contents(folder))
        assert trial.status not in (Status.UNREADABLE, Status.RUNNING)


EXAMPLES = settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def json_files(files: dict[str, bytes]) -> list[str]:
    """The JSON files; the trajectories and the results, which say the most, several times."""
    names = [name for name in files if name.endswith(".json")]
    return names + [name for name in names if "trajectory" in name] * 3 + [name for name in names if "result" in name]


@pytest.mark.parametrize("value", [math.nan, -math.inf, [math.nan], {"a": math.inf}, HUGE, "\ud800", -1])
def test_what_is_no_number_may_stand_anywhere(value: Any) -> None:
    files = contents(folders("examples")[0])
    for name in files:
        if name.endswith(("trajectory.json", "/result.json")):
            for number in range(len(list(places(json.loads(files[name]))))):
                whole = json.loads(files[name])
                parent, key = list(places(whole))[number]
                parent[key] = copy.deepcopy(value)
                check_files({**files, name: text_of(whole)})


@EXAMPLES
@given(data=st.data())
def test_whatever_stands_in_the_fields_a_trial_is_read_or_named(trials: tuple[Path, ...], data: st.DataObject) -> None:
    files = dict(contents(data.draw(st.sampled_from(trials))))
    for name in data.draw(st.lists(st.sampled_from(json_files(files)), min_size=1, max_size=3, unique=True)):
        files[name] = changed(data, files[name])
    check_files(files)


@EXAMPLES
@given(data=st.data())
def test_whatever_was_done_to_the_bytes_a_trial_is_read_or_named(trials: tuple[Path, ...], data: st.DataObject) -> None:
    files = dict(contents(data.draw(st.sampled_from(trials))))
    for name in data.draw(st.lists(st.sampled_from(json_files(files)), min_size=1, max_size=3, unique=True)):
        if files[name]:
            files[name] = data.draw(st.sampled_from(DAMAGES))(data, files[name])
    check_files(files)


READ = """
from adapter.jobs import find_jobs
from pipelines.read import read_trials

told = {"skipped": []}
told["trials"] = [
    {
        "steps": len(trial.steps),
        "output": sum(len(call.output or "") for step in trial.steps for call in step.tool_calls),
        "last": trial.steps[-1].message if trial.steps else "",
        "reasons": [finding.message for finding in trial.findings],
    }
    for trial in read_trials(find_jobs([Path(sys.argv[1])]), told["skipped"], lambda _: None)
]
told["skipped"] = [one.reason for one in told["skipped"]]
"""

PEAK = """
status = Path("/proc/self/status")  # getrusage would tell of the parent's memory, too
lines = status.read_text().splitlines() if status.exists() else []
peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
print(json.dumps({"told": told, "peak": peak}))
"""


def run_apart(code: str, path: Path) -> dict[str, Any]:
    """What some code about a path puts into `told`, and the bytes of memory that a process needed for it at most."""
    whole = f"import json, sys\nfrom pathlib import Path\n{code}\n{PEAK}"
    command = [sys.executable, "-c", whole, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout)


def read_in_a_process_of_its_own(job: Path, at_most: float) -> dict[str, Any]:
    """What the one trial of a job comes to, in a process that uses at most so many GiB of memory."""
    done = run_apart(READ, job)
    assert done["told"]["skipped"] == []
    assert done["peak"] is None or done["peak"] < at_most * 2**30, done["peak"] / 2**30
    (trial,) = done["told"]["trials"]
    return trial


def job_with(tmp_path: Path, write_to: Callable[[Any], object]) -> Path:
    """A job of one trial, whose trajectory is written by a function."""
    job = JobBuilder(tmp_path)
    path = job.trial() / "agent" / "trajectory.json"
    with path.open("wb") as file:
        write_to(file)
    return job.path


def around_steps() -> tuple[bytes, bytes]:
    """What stands before and after the steps of a trajectory."""
    before, _, after = json.dumps(trajectory([]) | {"steps": "HERE"}).partition('"HERE"')
    return f"{before}[".encode(), f"]{after}".encode()


def ordinary_step(number: int, output: str) -> bytes:
    """A step of some kilobytes."""
    call = ("bash", {"command": f"cat -n file_{number}.py", "timeout": 10}, output)
    step = agent_step(
        f"Step {number}", call, reasoning="I look at the next file. " * 20, cost=0.01, tokens=(9000, 90, 8000)
    )
    return json.dumps({"step_id": number} | step).encode()


@pytest.mark.slow
def test_a_trajectory_of_200_megabytes_is_read_to_its_end(tmp_path: Path) -> None:
    output = "".join(f"{line}\tdef f_{line}(a, b): return {{'a': [a, {line}]}}\n" for line in range(60))
    count = 200_000_000 // len(ordinary_step(1, output))

    def write_to(file: Any) -> None:
        before, after = around_steps()
        file.write(before)
        file.write(b",".join(ordinary_step(number, output) for number in range(1, count + 1)))
        file.write(after)

    job = job_with(tmp_path, write_to)
    trial = read_in_a_process_of_its_own(job, at_most=1.5)
    assert (trial["steps"], trial["last"]) == (count, f"Step {count}")
    assert trial["output"] == count * len(output)


@pytest.mark.slow
def test_one_output_of_150_megabytes_is_read_whole(tmp_path: Path) -> None:
    # Full of what would be values outside of a text.
    output = '[{"a": 1}, [2, 3], "\\"]\n' * 6_250_000
    before, after = around_steps()
    job = job_with(tmp_path, lambda file: file.write(before + ordinary_step(1, output) + after))
    trial = read_in_a_process_of_its_own(job, at_most=1.5)
    assert (trial["steps"], trial["output"]) == (1, len(output))


BOMBS = {
    "lists": (b"[],", 60_000_000, "so many values"),
    "nested lists": (b"[" * 190 + b"]" * 190 + b",", 60_000_000, "so many values"),
    "nested objects": (b'{"a":' * 190 + b"1" + b"}" * 190 + b",", 70_000_000, "so many values"),
    "small objects": (b'{"a":1},', 70_000_000, "so many values"),
    "numbers": (b"0,", 80_000_000, "so many values"),
    "texts": (b'"\\\\\\"",', 240_000_000, "so many values"),
    "depth": (b"[", 40_000_000, "so many values"),
    "less depth": (b"[", 5_000_000, "is nested too deeply: at most 200 levels are read"),
    "a long number": (b"9", 20_000_000, "holds an integer that is too long: at most 4,300 digits are read"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_the_limit_named(tmp_path: Path, name: str) -> None:
    piece, size, reason = BOMBS[name]
    job = job_with(tmp_path, lambda file: file.write(b"[" + piece * (size // len(piece)) + b"0]"))
    trial = read_in_a_process_of_its_own(job, at_most=1)
    assert trial["steps"] == 0
    assert any(reason in one for one in trial["reasons"]), trial["reasons"]


LARGEST_READ = {
    "lists": (b"[],", 40_000_000),
    "objects": (b'{"a":1},', 54_000_000),
    "numbers": (b"1000,", 119_000_000),
    "wide text": ('"😀'.encode() + b"a" * 1000 + b'",', 240_000_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGEST_READ)
def test_what_just_passes_the_limits_needs_no_more_memory_than_they_say(tmp_path: Path, name: str) -> None:
    piece, size = LARGEST_READ[name]
    path = tmp_path / "trajectory.json"
    path.write_bytes(b"[" + piece * (size // len(piece)) + b"0]")
    told = run_apart("from adapter.files import read_json; told = len(read_json(Path(sys.argv[1])))", path)
    assert told["told"] == size // len(piece) + 1
    assert told["peak"] is None or told["peak"] < MAX_MEMORY + 2**27
