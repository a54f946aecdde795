"""The real Kilo, told by what the agent tells it, against a scripted model: it does as it is told, and it is ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from harbor.models.trajectories import Trajectory
from kilo_cli import kilo_program
from scripted_model import SUMMARY, Answer, scripted_model

from adapter.kilo.atif import trajectory_of
from adapter.kilo.commands import EVENTS, INSTRUCTION, PID, models_command, run_command, stop_command
from adapter.kilo.config import Model, config_content
from adapter.kilo.environment import MARK, variables
from adapter.kilo.install import FOLDER
from adapter.kilo.outcome import Kind, Problem, problem_of
from adapter.kilo.source import read_log

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found by /proc of Linux")
KEY = "not-a-real-key"
INSTRUCTION_TEXT = 'Make the file "done"; it\'s $HOME\\n that matters.'
SCRIPTS = {
    "works": [
        Answer(calls=[("bash", {"command": "cat AGENTS.md > done", "description": "Make it"})]),
        Answer("It is made.", usage=(1200, 30, 1000)),
    ],
    "cut": [Answer("This is", finish="length")],
    "long": [Answer(calls=[("bash", {"command": "setsid sleep 300 & sleep 300", "description": "Wait"})])],
}
CRASH = [
    Answer(calls=[("bash", {"command": "true", "description": "Look"})]),
    Answer(calls=[("bash", {"command": "kill -9 $PPID; sleep 30", "description": "Crash"})]),
]


@dataclass
class Place:
    """Where Kilo runs: a project, and the folder of its logs."""

    program: Path
    root: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for name in ("project", "logs", "home"):
            (self.root / name).mkdir()
        (self.root / "project" / "AGENTS.md").write_text("Speak plainly.\n")
        (self.logs / INSTRUCTION).write_text(INSTRUCTION_TEXT)

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def environment(self, model: Model, key: str = KEY) -> dict[str, str]:
        found = variables(
            PurePosixPath(self.logs),
            self.mark,
            provider=model.provider,
            config=config_content(model),
            retries=1,
            secrets={"LAB_API_KEY": key},
        )
        path = f"{self.program.parent}:{os.defpath}:/usr/bin:/bin"
        return found | {"PATH": path, "HOME": str(self.root / "home"), "TMPDIR": str(self.root)}

    def command(self, model: Model) -> str:
        chosen = ["--auto", "--format", "json", "--thinking", "--title", "t", "--model", f"lab/{model.name}"]
        return run_command(PurePosixPath(self.logs), [*chosen, "--print-logs", "--log-level", "WARN"])

    def run(self, model: Model, key: str = KEY) -> Problem | None:
        done = self.shell(self.command(model), self.environment(model, key))
        stderr = (self.logs / "kilo.stderr").read_text()
        return problem_of(done.returncode, (self.logs / EVENTS).read_bytes().splitlines(), stderr)

    def shell(self, command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.root / "project",
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    return kilo_program(tmp_path_factory.mktemp("kilo"))


@pytest.fixture
def place(program: Path, tmp_path: Path) -> Place:
    return Place(program, tmp_path)


def marked(mark: str) -> list[int]:
    """The processes that carry the mark and have not ended."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@dataclass(frozen=True)
class Ended:
    """A run of Kilo that has ended: where, and how."""

    place: Place
    problem: Problem | None
    asked: list[dict[str, Any]]

    @property
    def trajectory(self) -> Trajectory:
        return trajectory_of(read_log(self.place.logs))


PRICE = {"input": 2.0, "output": 8.0, "cache_read": 0.5}
RUNS: dict[str, dict[str, Any]] = {
    "works": {"price": PRICE},
    "wrong": {"key": "wrong"},
    "nosuch": {},
    "cut": {},
    "full": {"price": PRICE, "limit": {"context": 128_000}},
    "crash": {},
    "still": {"request_timeout": 3, "silence_timeout": 3},
}


@pytest.fixture(scope="module")
def ended(program: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every way in which a run can end, each run once: most of their time they wait, so several at a time."""
    scripts = {name: script for name, script in SCRIPTS.items() if name != "long"}
    scripts |= dict.fromkeys(("wrong", "full"), scripts["works"]) | {"crash": CRASH}
    with scripted_model(scripts, key=KEY, hangs=["still"], overflows=["full"]) as api:

        def run(name: str) -> Ended:
            place, options = Place(program, tmp_path_factory.mktemp(name)), dict(RUNS[name])
            key = options.pop("key", KEY)
            problem = place.run(Model("lab", name, base_url=api.address, **options), key)
            return Ended(place, problem, [one for one in api.asked if one["model"] == name])

        with ThreadPoolExecutor(4) as several:
            found = dict(zip(RUNS, several.map(run, RUNS), strict=True))
        # The one with the wrong key has sent that, and no other run has.
        assert set(api.keys) == {KEY, "wrong"}
    return found


@pytest.mark.slow
def test_kilo_works_on_the_instruction_with_the_key_and_the_rules_of_the_project(ended: dict[str, Ended]) -> None:
    run = ended["works"]
    assert run.problem is None
    assert (run.place.root / "project" / "done").read_text() == "Speak plainly.\n"
    assert "Speak plainly." in str(run.asked[0]["messages"])
    assert INSTRUCTION_TEXT in "".join(
        one["text"] if isinstance(one, dict) else one
        for message in run.asked[0]["messages"]
        for one in (message["content"] if isinstance(message["content"], list) else [message["content"]])
    )
    assert len(run.asked) == 2  # no title was asked for, nor anything else
    totals = run.trajectory.final_metrics
    assert totals is not None
    assert totals.total_prompt_tokens == 2200
    assert totals.total_cost_usd == pytest.approx((1200 * 2 + 1000 * 0.5 + 80 * 8) / 1e6)
    kept = b"".join(path.read_bytes() for path in run.place.logs.rglob("*") if path.is_file())
    assert KEY.encode() not in kept


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wrong", Kind.AUTHENTICATION),
        ("nosuch", Kind.MODEL),
        ("cut", Kind.OUTPUT_LENGTH),
        ("still", Kind.STALLED),
        ("crash", Kind.OTHER),
    ],
)
def test_a_failure_is_what_failed(ended: dict[str, Ended], name: str, kind: Kind) -> None:
    problem = ended[name].problem
    assert problem is not None
    assert problem.kind is kind


@pytest.mark.slow
def test_a_context_that_was_too_long_and_was_summed_up_is_no_failure(ended: dict[str, Ended]) -> None:
    assert ended["full"].problem is None
    kept = ended["full"].trajectory
    assert "system" in [step.source for step in kept.steps]
    # The call before, the summary, and the call after it; what was refused cost nothing.
    spent = [(1000, 50, 0), SUMMARY.usage, (1200, 30, 1000)]
    assert kept.final_metrics is not None
    assert kept.final_metrics.total_prompt_tokens == sum(prompt for prompt, _, _ in spent)
    usd = sum((prompt - cached) * 2 + cached * 0.5 + output * 8 for prompt, output, cached in spent) / 1e6
    assert kept.final_metrics.total_cost_usd == pytest.approx(usd)


@pytest.mark.slow
def test_a_crash_keeps_what_was_spent(ended: dict[str, Ended]) -> None:
    kept = ended["crash"].trajectory
    assert kept.final_metrics is not None
    assert kept.final_metrics.total_prompt_tokens == 1000
    assert [step.source for step in kept.steps] == ["user", "agent", "agent"]


@pytest.mark.slow
def test_a_provider_without_its_key_is_not_found(place: Place) -> None:
    environment = place.environment(Model("lab", "x", base_url="http://127.0.0.1:9/v1")) | {"KILO_CONFIG_CONTENT": "{}"}
    missing = place.shell(models_command("openai"), environment)
    assert "Provider not found" in missing.stdout + missing.stderr
    there = place.shell(models_command("openai"), environment | {"OPENAI_API_KEY": "x"})
    assert "openai/gpt-5" in there.stdout.splitlines()


@pytest.mark.slow
@needs_proc
def test_kilo_and_all_that_it_started_are_ended_and_what_it_did_is_kept(place: Place) -> None:
    with scripted_model(SCRIPTS) as api:
        model = Model("lab", "long", base_url=api.address)
        running = subprocess.Popen(
            ["bash", "-c", place.command(model)], cwd=place.root / "project", env=place.environment(model)
        )
        _until(lambda: len(_sleeping(place.mark)) == 2)
        done = place.shell(stop_command(PurePosixPath(place.logs), place.mark), {"PATH": os.defpath})
        running.wait(timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert marked(place.mark) == []
    assert not (place.logs / PID).exists()
    assert [step.source for step in trajectory_of(read_log(place.logs)).steps] == ["user", "agent"]


@needs_proc
def test_what_dropped_the_mark_is_ended_with_its_parent(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    inner = "setsid env -i sleep 300 & trap '' TERM; echo $! > child; while :; do sleep 300; done"
    running = subprocess.Popen(
        ["sh", "-c", inner], cwd=tmp_path, env={"PATH": os.defpath, MARK: mark}, start_new_session=True
    )
    _until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip() != "")
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    (tmp_path / PID).write_text(f"{running.pid}\n")
    stop = stop_command(PurePosixPath(tmp_path), mark)
    done = subprocess.run(["bash", "-c", stop], env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert running.wait(timeout=10) != 0
    assert not child.exists() or "Z" in (child / "stat").read_text().split(") ")[1][:1]


@needs_proc
def test_a_process_that_took_over_the_number_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "300"])
    try:
        (tmp_path / PID).write_text(f"{other.pid}\n")
        stop = stop_command(PurePosixPath(tmp_path), uuid.uuid4().hex)
        subprocess.run(["bash", "-c", stop], env={"PATH": os.defpath}, check=True)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_commands_find_what_was_installed_first(tmp_path: Path) -> None:
    assert run_command(PurePosixPath(tmp_path), []).startswith(f'export PATH={FOLDER}/bin:"$PATH"')


def _sleeping(mark: str) -> list[int]:
    return [one for one in marked(mark) if (Path("/proc") / str(one) / "comm").read_text().strip() == "sleep"]


def _until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something is so, looking again and again."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to that in time"
        threading.Event().wait(0.05)
