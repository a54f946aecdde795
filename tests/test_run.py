"""`kilobench run`, from the command line to what is in Opik, on disk and on the screen."""

from __future__ import annotations

import html
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pandas as pd
import pytest
from builder import JobBuilder, agent_step, read_one, user_step
from conftest import REPOSITORY

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import connect, store_path
from adapter.trial import Finding, Severity, Status
from pipelines.read import why_not
from views.tables import STEPS, TRIALS


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """Two versions of an agent with two models each on six tasks; the new version passes more, for more money."""
    folder = tmp_path / "jobs"
    for version, passing in (("1.0", 2), ("1.1", 6)):
        job = JobBuilder(folder, f"v{version}")
        for model in ("openai/gpt-5-mini", "anthropic/claude-sonnet-4-5"):
            for task in range(6):
                job.trial(
                    f"task-{task}__{model[:3]}{version}",
                    task=f"task-{task}",
                    model=model,
                    version=version,
                    reward=float(task < passing),
                    steps=[user_step(), agent_step("Done.", ("bash", {"command": "ls"}, "a"), cost=float(version))],
                )
    return folder


def test_the_whole_job_is_done_and_said(kilobench: Any, jobs: Path, tmp_path: Path) -> None:
    result = kilobench("run", jobs, "--json", "--report", tmp_path / "report", "--tables", tmp_path / "tables")
    assert result.code == 0
    found = result.json
    assert found["totals"] == {
        "jobs": 2,
        "trials": 24,
        "steps": 48,
        "agent_steps": 24,
        "tool_calls": 24,
        "cost_usd": pytest.approx(25.2),
        "cost_known": 24,
        "cost_unknown": 0,
        "residual_usd": None,
        "regrades": 0,
        "retries_lost": 0,
    }
    assert found["written"] == {
        "traces": 24,
        "spans": 48,
        "scores": 24 * 4 + 24 * 3,
        "dataset_items": 6,
        "experiments": 4,
        "experiment_items": 24,
        "dashboards": 4 + 2 + 1,
        "prompts": 3,
    }
    kinds = sorted(
        (one["by"], one["fixed"].get("agent_version") or one["fixed"].get("model")) for one in found["comparisons"]
    )
    assert [kind for kind, _ in kinds] == ["model", "model", "version", "version"]
    versions = next(one for one in found["comparisons"] if one["by"] == "version")
    (pair,) = versions["pairs"]
    assert (pair["tasks"], pair["gained"], pair["lost"]) == (6, ["task-2", "task-3", "task-4", "task-5"], [])
    rate = next(metric for metric in pair["metrics"] if metric["metric"] == "pass_rate")
    assert rate["difference"] == pytest.approx(4 / 6)
    assert versions["variants"][0]["cost_to_complete_usd"]["value"] == pytest.approx(3.0)

    page = (tmp_path / "report" / "index.html").read_text()
    assert versions["headline"].split(";")[0][:40] in page
    assert page.count("<script") == page.count("<script>") == 1  # its own, by its hash
    trials, steps = (pd.read_parquet(tmp_path / "tables" / f"{name}.parquet") for name in ("trials", "steps"))
    assert (len(trials), list(trials.columns)) == (24, list(TRIALS.columns))
    assert (len(steps), list(steps.columns)) == (48, list(STEPS.columns))


def rows() -> dict[str, int]:
    """How many rows each table of the embedded store has."""
    with sqlite3.connect(store_path()) as database:
        names = database.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        counted = {name: database.execute(f'select count(*) from "{name}"').fetchone()[0] for (name,) in names}
    database.close()
    return counted


def test_a_second_run_writes_nothing_and_says_so(kilobench: Any, jobs: Path) -> None:
    first, before = kilobench("run", jobs, "--json").json, rows()
    second = kilobench("run", jobs, "--json").json
    assert set(second["written"].values()) == {0}
    assert rows() == before
    assert second["comparisons"] == first["comparisons"]
    assert "written to Opik: nothing" in kilobench("run", jobs).out


def test_saved_views_are_found_by_name_and_say_what_changed(kilobench: Any, jobs: Path) -> None:
    first = kilobench("run", jobs / "v1.0", "--json").json
    (view,) = first["comparisons"][0]["dashboards"]
    assert view["name"] == "kilobench: model-vs-model on set, toy@1.0"
    assert view["url"] == f"http://127.0.0.1:5173/default/dashboards/{view['id']}"
    job = JobBuilder(jobs, "more")
    job.trial("task-9__x", model="openai/gpt-5-mini", reward=0.0)
    second = kilobench("run", jobs / "v1.0", jobs / "more", "--json").json
    (same,) = second["comparisons"][0]["dashboards"]
    assert same["id"] == view["id"]
    assert second["written"]["dashboards"] == 1
    with connect("embedded", "kilobench") as connection:
        (stored,) = connection.client.get_dashboards(name="model-vs-model on set")
        config = json.dumps(stored.config)
    assert "`v1.0`" in config
    assert "`more`" in config


def test_the_printed_address_of_a_view_opens_in_the_store_and_shows_the_comparison(kilobench: Any, jobs: Path) -> None:
    (found,) = kilobench("run", jobs / "v1.0", "--json").json["comparisons"]
    address = urlsplit(found["dashboards"][0]["url"])
    with EmbeddedOpik(store_path()) as store:
        page = httpx.get(f"http://127.0.0.1:{store.port}{address.path}")
    assert page.status_code == 200
    text = " ".join(html.unescape(page.text).split())
    assert found["headline"].split(":")[0] in text
    for column in ("pass_rate", "cost_to_complete_usd", "set/toy@1.0/openai/gpt-5-mini/v1.0"):
        assert column in text


def test_experiments_carry_their_own_scores(kilobench: Any, jobs: Path) -> None:
    kilobench("run", jobs / "v1.0", "--project", "mine")
    with connect("embedded", "mine") as connection:
        found = connection.client.rest_client.experiments.find_experiments(size=10).content or []
    scores = {one.name: {score.name: score.value for score in one.experiment_scores or []} for one in found}
    assert scores["set/toy@1.0/openai/gpt-5-mini/v1.0"] == {
        "pass_rate": pytest.approx(1 / 3),
        "pass@1": pytest.approx(1 / 3),
        "cost_per_attempt_usd": 1.0,
        "cost_to_complete_usd": 3.0,
        "tokens_per_attempt": 1050,
        "seconds_per_attempt": 300,
    }


def test_without_judging_no_step_has_a_verdict(kilobench: Any, jobs: Path) -> None:
    found = kilobench("run", jobs / "v1.0", "--no-judge", "--json").json
    assert found["verdicts"] is None
    assert found["written"]["scores"] == 12 * 4
    assert found["variants"]["set"][0]["scores"]["efficiency"]["value"] is None


def test_what_cannot_be_read_is_named_and_the_rest_go_on(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial("good__1")
    (job.trial("cut__1") / "result.json").write_text('{"id": "x"')
    (job.trial("gone__1") / "result.json").unlink()
    (job.trial("binary__1") / "result.json").write_bytes(b"\x00\xff\xfe" * 99)
    result = kilobench("run", job.path, "--json")
    assert result.code == 3
    assert result.json["totals"]["trials"] == 1
    assert {one["path"] for one in result.json["skipped"]} == {"job/cut__1", "job/gone__1", "job/binary__1"}
    said = kilobench("run", job.path)
    assert said.code == 3
    assert "left out: job/cut__1: result.json is no JSON" in said.out


@pytest.mark.parametrize(
    ("status", "findings", "reason"),
    [
        (Status.RUNNING, (), "no result.json: still running or killed"),
        (
            Status.UNREADABLE,
            (Finding("a", Severity.INFO, "By the way."), Finding("b", Severity.ERROR, "It is cut.")),
            "It is cut.",
        ),
        (Status.UNREADABLE, (), "its result cannot be read"),
    ],
)
def test_a_trial_without_a_result_is_named_and_goes_no_further(
    tmp_path: Path, status: Status, findings: tuple[Finding, ...], reason: str
) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial())
    assert why_not(trial) is None
    assert why_not(replace(trial, status=status, findings=findings)) == reason


def test_a_job_that_still_runs_is_read_as_far_as_it_is(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path, finished_at=None, n_total_trials=9)
    job.trial()
    result = kilobench("run", job.path, "--json")
    assert result.code == 3
    (skipped,) = result.json["skipped"]
    assert "still runs or was interrupted (1 of 9 trials are there)" in skipped["reason"]


def test_a_damaged_job_file_that_heals_changes_no_id(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    whole = (job.path / "result.json").read_text()
    (job.path / "result.json").write_text(whole[:20])
    assert kilobench("run", job.path, "--json").code == 3
    before = rows()
    (job.path / "result.json").write_text(whole)
    assert kilobench("run", job.path, "--json").code == 0
    assert rows() == before


def test_a_job_without_an_end_is_named_beside_its_damaged_settings(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path, finished_at=None, n_total_trials=9)
    job.trial()
    (job.path / "config.json").write_text("{")
    damaged, unfinished = (one["reason"] for one in kilobench("run", job.path, "--json").json["skipped"])
    assert "config.json" in damaged
    assert "The job has no end" in unfinished
    assert "(1 of 9 trials are there)" in unfinished


KEYS = ["sk-" + "ant-" + letter * 20 for letter in "ab"]


def test_trials_whose_names_hold_secrets_are_stored_and_told_apart(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path, KEYS[0])
    for key in KEYS:
        job.trial(f"{key}__1", task="t")
    cut = job.trial(f"{KEYS[1]}__2")
    (cut / "result.json").write_text("{")
    (cut / "agent" / "trajectory.json").unlink()
    (cut / "config.json").unlink()
    result = kilobench("run", job.path, "--json", "--tables", tmp_path / "tables")
    assert (result.code, result.json["totals"]["trials"], result.json["totals"]["agent_steps"]) == (3, 2, 2)
    names = pd.read_parquet(tmp_path / "tables" / "trials.parquet")["trial"]
    assert len(set(names)) == 2
    assert all("[REDACTED: Anthropic key]" in name for name in names)
    (skipped,) = result.json["skipped"]
    assert skipped["path"] == "[REDACTED: Anthropic key]/[REDACTED: Anthropic key]"
    told = [result, kilobench("inspect", job.path), kilobench("inspect", job.path, "--json")]
    stored = store_path().read_bytes()
    for key in KEYS:
        assert all(key not in one.out + one.err for one in told)
        assert key.encode() not in stored


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_names_that_are_no_text_or_move_the_cursor_are_safe(kilobench: Any, tmp_path: Path, command: str) -> None:
    job = JobBuilder(tmp_path)
    job.trial("a__1", task="\ud800\x1b[2Jt", agent="\udfff").rename(job.path / os.fsdecode(b"a\xff\x1b[2J\n__1"))
    told = kilobench(command, job.path)
    assert told.code == 0
    assert "\x1b" not in told.out + told.err
    text = kilobench(command, job.path, "--json").out
    assert "\x1b" not in text
    json.loads(text.encode("utf-8"))


def test_a_copied_trial_counts_once_and_is_named(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    shutil.copytree(job.trial("a__1"), job.path / "a__1.bak")
    result = kilobench("run", job.path, "--json")
    assert (result.code, result.json["totals"]["trials"]) == (0, 1)
    assert result.json["skipped"] == [{"path": "job/a__1.bak", "reason": "It has the id of job/a__1: a copy?"}]


def test_the_same_job_at_two_paths_is_refused(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path / "one")
    job.trial()
    shutil.copytree(job.path, tmp_path / "two" / "job")
    result = kilobench("run", tmp_path / "one", tmp_path / "two")
    assert (result.code, "are the same job" in result.err) == (2, True)


def test_two_jobs_of_one_name_are_told_apart(kilobench: Any, tmp_path: Path) -> None:
    for place, job_id in (
        ("one", "11111111-0000-4000-8000-000000000000"),
        ("two", "22222222-0000-4000-8000-000000000000"),
    ):
        JobBuilder(tmp_path / place, id=job_id).trial()
    result = kilobench("run", tmp_path / "one", tmp_path / "two", "--json")
    assert (result.code, result.json["totals"]["trials"]) == (0, 2)
    assert result.json["variants"]["set"][0]["jobs"] == ["job@11111111", "job@22222222"]


def test_an_empty_job_among_others_is_named(kilobench: Any, tmp_path: Path) -> None:
    JobBuilder(tmp_path, "full").trial()
    JobBuilder(tmp_path, "empty")
    result = kilobench("run", tmp_path, "--json")
    assert result.code == 3
    assert {"path": "empty", "reason": "The job holds no trial."} in result.json["skipped"]


# Options, and how many of three trials pass, with the rewards {"reward": 0, "speed": 0.25 / 0.5 / 1}.
GRADINGS = [
    ((), 0),
    (("--reward", "speed"), 1),
    (("--reward", "speed", "--pass-at", "0.5"), 2),
    (("--pass-at", "0"), 3),
    (("--reward", "speed", "--pass-at", "-1e9"), 3),
]


@pytest.mark.parametrize(("options", "passes"), GRADINGS)
def test_the_reward_and_the_threshold_that_decide_can_be_chosen(
    kilobench: Any, tmp_path: Path, options: tuple[str, ...], passes: int
) -> None:
    job = JobBuilder(tmp_path)
    for number, speed in enumerate((0.25, 0.5, 1)):
        job.trial(f"a__{number}", verifier_result={"rewards": {"reward": 0, "speed": speed}})
    (variant,) = kilobench("run", job.path, "--json", *options).json["variants"]["set"]
    assert (variant["attempts"], variant["passes"]) == (3, passes)


def test_a_reward_that_no_trial_has_is_refused_with_those_that_are_there(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial(verifier_result={"rewards": {"reward": 1, "a\x1b[31m": 2}})
    result = kilobench("run", job.path, "--reward", "spede")
    assert result.code == 2
    assert "No trial has a reward named spede." in result.err
    assert "those that are there: reward, a" in result.err
    assert "\x1b[31m" not in result.err


def test_attempts_that_harbor_threw_away_are_said_and_leave_nothing_to_do(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path, stats={"n_retries": 2})
    job.trial()
    result = kilobench("run", job.path, "--json")
    assert result.code == 0
    assert "2 retried attempt(s)" in result.json["skipped"][0]["reason"]
    assert result.json["totals"]["retries_lost"] == 2
    said = kilobench("run", job.path, "--report", tmp_path / "report").out
    assert "lost: attempts that Harbor threw away and tried again: 2; their cost is unknown" in said
    page = " ".join((tmp_path / "report" / "index.html").read_text().split())
    assert "Harbor threw away 2 attempts and tried again. What these cost is not known" in page


def test_what_costs_nobody_knows_is_null_and_shown_as_unknown(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial(model="nobody/knows", steps=[agent_step("x")])
    found = kilobench("run", job.path, "--json").json
    assert found["totals"]["cost_usd"] is None
    assert found["variants"]["set"][0]["cost_per_attempt_usd"]["value"] is None
    assert "$0" not in kilobench("run", job.path).out


def test_markup_and_control_characters_in_names_are_shown_as_text(kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    job.trial(task="[red]x[/red]\x1b[2J", agent="<b>|`a`", model="[bold]/\x1b[31mm")
    result = kilobench("run", job.path, "--report", tmp_path / "report")
    assert result.code == 0
    assert "\x1b" not in result.out
    assert "<b>|" not in (tmp_path / "report" / "index.html").read_text()


# Arguments, exit code, and what the line on standard error says.
MISTAKES: list[tuple[list[str], int, str]] = [
    (["run", "{tmp}/nowhere"], 2, "does not exist"),
    (["run", "{tmp}"], 2, "is no Harbor job"),
    (["run", "{tmp}/jobs", "--opik", "nonsense"], 2, "is no address"),
    (["run", "{tmp}/jobs", "--opik", "http://["], 2, "is no address"),
    (["run", "{tmp}/jobs", "--opik", "http://127.0.0.1:9/api"], 3, "No Opik answers"),
    (["run", "{tmp}/jobs", "--project", " "], 2, "is no name"),
    (["run", "{tmp}/jobs", "--project", "a\udcff"], 2, "is no name"),
    (["run", "{tmp}/jobs", "--report", "/dev/null/x"], 2, "cannot be written to"),
    (["run", "{tmp}/jobs", "--tables", "/dev/null/x"], 2, "cannot be written to"),
    (["run", "{tmp}/jobs", "--pass-at", "nan"], 2, "nan is no number to compare with"),
    (["run", "{tmp}/jobs", "--pass-at", "-inf"], 2, "-inf is no number to compare with"),
    (["run", "{tmp}/jobs", "--pass-at", "most"], 2, "a valid number"),
    (["run"], 2, "Missing argument"),
    (["walk"], 2, "No such command"),
]


@pytest.mark.parametrize(("arguments", "code", "line"), MISTAKES)
def test_a_mistake_is_one_clear_line_and_what_to_do(
    kilobench: Any, jobs: Path, tmp_path: Path, arguments: list[str], code: int, line: str
) -> None:
    (tmp_path / "empty").mkdir()
    place = tmp_path / "empty" if arguments[1:] == ["{tmp}"] else tmp_path
    result = kilobench(*(argument.format(tmp=place) for argument in arguments))
    assert result.code == code
    assert line in " ".join(result.err.split())
    assert len(result.err.strip().splitlines()) <= 5


def test_an_empty_job_and_a_job_of_unreadable_trials_only_are_refused(kilobench: Any, tmp_path: Path) -> None:
    assert "empty job" in kilobench("run", JobBuilder(tmp_path, "empty").path).err
    job = JobBuilder(tmp_path)
    (job.trial() / "result.json").write_text("")
    result = kilobench("run", job.path)
    assert (result.code, "No trial could be read" in result.err) == (2, True)


def test_a_store_that_is_no_store_is_refused_with_what_to_do(kilobench: Any, jobs: Path) -> None:
    store_path().parent.mkdir(parents=True)
    store_path().write_text("this is no database, and long enough to be taken for one" * 100)
    result = kilobench("run", jobs)
    assert result.code == 3
    assert str(store_path()) in result.err.replace("\n", "")


def test_a_port_that_is_taken_is_refused_before_anything_is_said_to_run(kilobench: Any, server: EmbeddedOpik) -> None:
    result = kilobench("serve", "--port", server.port)
    assert result.code == 2
    assert str(server.port) in result.err
    assert "The embedded store is at" not in result.err


def test_the_configured_opik_is_used(
    kilobench: Any, jobs: Path, server: EmbeddedOpik, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", server.url)
    found = kilobench("run", jobs / "v1.0", "--json").json
    assert not found["embedded"]
    assert found["comparisons"][0]["dashboards"][0]["url"].startswith(server.url.removesuffix("/api") + "/default/")
    assert not store_path().exists()


@pytest.mark.parametrize("body", ["[1]", "{}", "<html>hello</html>"])
def test_a_web_server_that_is_no_opik_is_refused_at_once(
    kilobench: Any, jobs: Path, body: str, other_server: Callable[[str], str]
) -> None:
    result = kilobench("run", jobs, "--opik", other_server(body))
    assert result.code in (2, 3)
    assert "no Opik" in " ".join(result.err.split()) or "refuses" in result.err


@pytest.fixture
def other_server() -> Iterator[Callable[[str], str]]:
    """A web server on loopback that answers everything with one text."""
    running: list[ThreadingHTTPServer] = []

    def start(body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Silent."""

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=running[0].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[0].server_port}/api"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def command(*arguments: object, limit: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command as a process of its own."""
    binary = Path(sys.executable).with_name("kilobench")
    words = " ".join(f"'{argument}'" for argument in arguments)
    return subprocess.run(
        ["sh", "-c", f"{limit} exec '{binary}' {words}"],
        env=os.environ | environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_full_disk_ends_with_a_clear_line_and_the_next_run_completes(jobs: Path, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert command("run", jobs / "v1.0", KILOBENCH_HOME=home).returncode == 0
    full = command("run", jobs, limit="ulimit -f 150;", KILOBENCH_HOME=home)
    assert (full.returncode, "Traceback" in full.stderr) == (3, False), full.stderr
    assert "Run the same command again" in full.stderr
    again = command("run", jobs, "--json", KILOBENCH_HOME=home)
    assert again.returncode == 0
    assert json.loads(again.stdout)["totals"]["trials"] == 24
    assert set(json.loads(command("run", jobs, "--json", KILOBENCH_HOME=home).stdout)["written"].values()) == {0}


# How the output goes wrong, and the exit code that is right all the same.
OUTPUTS = [
    ("a reader that leaves", "| head -c 1 >/dev/null", 0),
    ("closed", ">&-", 0),
    ("full", ">/dev/full", 3),
]


@pytest.mark.slow
@pytest.mark.parametrize(("redirect", "code"), [case[1:] for case in OUTPUTS], ids=[case[0] for case in OUTPUTS])
def test_output_that_cannot_be_written_is_no_traceback(
    kilobench: Any, jobs: Path, tmp_path: Path, redirect: str, code: int
) -> None:
    binary = Path(sys.executable).with_name("kilobench")
    done = subprocess.run(
        ["bash", "-c", f"'{binary}' run '{jobs / 'v1.0'}' {redirect}; exit ${{PIPESTATUS[0]}}"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert kilobench("run", jobs / "v1.0", "--json").json["written"]["spans"] == 0


@pytest.mark.slow
def test_ctrl_c_says_that_the_work_is_taken_up_again(jobs: Path) -> None:
    asked, stopped = Semaphore(0), Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.release()
            stopped.wait()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    binary = Path(sys.executable).with_name("kilobench")
    with subprocess.Popen(
        [str(binary), "run", str(jobs), "--opik", f"http://127.0.0.1:{server.server_port}/api"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # One request is of the SDK's own thread, which starts while the client is made; with both, the command waits.
        assert asked.acquire(timeout=60)
        assert asked.acquire(timeout=60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    stopped.set()
    server.shutdown()
    server.server_close()
    assert (process.returncode, "Run the same command again" in err, "Traceback" in err) == (130, True, False)


@pytest.mark.slow
def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['kilobench', '--help']\n"
        "from pipelines.cli import main\n"
        "try:\n  main()\nfinally:\n  print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for heavy in ("litellm", "opik", "pandas", "scipy", "altair", "harbor", "fastapi", "pydantic"):
        assert f"'{heavy}'" not in done.stdout


@pytest.mark.slow
def test_a_run_never_imports_litellm(jobs: Path, tmp_path: Path) -> None:
    script = (
        f"import sys; sys.argv = ['kilobench', 'run', {str(jobs / 'v1.0')!r}, '--report', {str(tmp_path / 'r')!r}]\n"
        "from pipelines.cli import main\ntry:\n  main()\nfinally:\n  print('litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_reward_that_no_trial_has_is_told_before_anything_is_sent(
    tmp_path: Path, server: EmbeddedOpik, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    assert kilobench("upload", job.path, "--opik", server.url).code == 0
    before = dict(server.app.state.rows_written)
    result = kilobench("upload", job.path, "--opik", server.url, "--reward", "typo")
    assert (result.code, dict(server.app.state.rows_written)) == (2, before)
    assert "No trial has a reward named typo" in result.err


def test_what_a_rerun_takes_away_is_said(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial()
    kilobench("upload", job.path, "--opik", server.url)
    (folder / "agent" / "trajectory.json").unlink()
    result = kilobench("upload", job.path, "--opik", server.url)
    assert "left out: job: 2 spans were removed from Opik: the job's files do not hold them any more." in result.out
    assert "findings: 1 no_trajectory" in result.out


ADDRESSES = [
    ("rubbish", 2, "rubbish is no address"),
    ("http://127.0.0.1:{port}", 2, "try http://127.0.0.1:{port}/api"),
    ("http://user:word@127.0.0.1:{port}", 2, "try http://127.0.0.1:{port}/api"),
]


@pytest.mark.parametrize(("address", "code", "said"), ADDRESSES)
def test_a_configured_address_that_is_none_is_told_of_in_two_lines(
    tmp_path: Path,
    server: EmbeddedOpik,
    kilobench: Any,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", address.format(port=server.port))
    job = JobBuilder(tmp_path)
    job.trial()
    result = kilobench("upload", job.path)
    assert result.code == code
    assert said.format(port=server.port) in result.err
    assert "Traceback" not in result.err
    assert "word" not in result.err
    assert len(result.err.strip().splitlines()) == 2


def test_a_password_in_the_address_is_shown_nowhere(
    tmp_path: Path, server: EmbeddedOpik, kilobench: Any, own_home: Path
) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    address = f"http://user:word@127.0.0.1:{server.port}/api"
    result = kilobench("run", job.path, "--opik", address, "--json")
    assert result.code == 0
    assert "word" not in result.out.replace("keyword", "").replace("password", "")
    assert not any("word" in path.name for path in (own_home / "kilobench").iterdir())
