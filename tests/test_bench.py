"""`kilobench bench` and `kilobench harbor`: a matrix becomes Harbor's commands: run, resumed, compared."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from conftest import REPOSITORY
from harbor.cli.utils import parse_kwargs
from hypothesis import given
from hypothesis import strategies as st
from opik_harbor import LOCAL, MODELS, harbor, write_tasks

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import BadInputError
from pipelines.bench.agents import KILO, agent_of, understood
from pipelines.bench.budget import May, expected_usd, may_start, spent_usd
from pipelines.bench.forecast import Spent, forecast, tasks_of, together
from pipelines.bench.harbor_process import runs_trials, with_plugin
from pipelines.bench.matrix import Matrix, Planned, Tasks
from pipelines.bench.results import BenchResult, State
from pipelines.bench.suite import matrix_of, read_suite

SUITES = REPOSITORY / "examples" / "suites"


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("kilo", ["-a", KILO]),
        ("kilo@v2.1-rc1", ["-a", KILO, "--ak", "version=2.1-rc1"]),
        ("kilo@7.7.9", ["-a", KILO, "--ak", "version=7.7.9"]),
        ("kilo@v2.0", ["-a", KILO, "--ak", 'version="2.0"']),
        ("kilo@rc", ["-a", KILO, "--ak", "version=rc"]),
        ("claude-code@2.1.0", ["-a", "claude-code", "--ak", "version=2.1.0"]),
        ("codex", ["-a", "codex"]),
        ("my.agents:Mine@vnext", ["-a", "my.agents:Mine", "--ak", "version=vnext"]),
        ("acp:opencode@1.3.9", ["-a", "acp:opencode@1.3.9"]),
    ],
)
def test_agents_are_named_with_their_version(text: str, arguments: list[str]) -> None:
    assert list(agent_of(text).arguments()) == arguments


@pytest.mark.parametrize("text", ["", "@1", "kilo@", "kilo@1 2", "--help", "a b"])
def test_what_names_no_agent_is_refused(text: str) -> None:
    if text == "--help":
        assert agent_of(text).name == text  # Harbor's to refuse: a name it does not know.
        return
    with pytest.raises(BadInputError, match="names no agent"):
        agent_of(text)


@pytest.mark.parametrize(
    ("given", "become"),
    [
        ("run -d x -a kilo@v2.0 -m m", f"run -d x -a {KILO} --ak 'version=\"2.0\"' -m m"),
        ("run --agent=claude-code@2.1.0 -q", "run -a claude-code --ak version=2.1.0 -q"),
        ("run -a acp:x@1 -- -a kilo@1", "run -a acp:x@1 -- -a kilo@1"),
        ("job resume -p jobs/x", "job resume -p jobs/x"),
    ],
)
def test_harbors_arguments_are_its_own_but_for_the_agent(given: str, become: str) -> None:
    assert understood(shlex.split(given)) == shlex.split(become)


@pytest.mark.parametrize(
    ("given", "does", "becomes"),
    [
        ("run -d x", True, "run -d x --plugin kilobench"),
        ("run -p my/kilobench/tasks -a x", True, "run -p my/kilobench/tasks -a x --plugin kilobench"),
        ("run -d x --plugin kilobench", True, "run -d x --plugin kilobench"),
        ("run -d x --plugin=kilobench", True, "run -d x --plugin=kilobench"),
        ("run --plugin other -d x", True, "run --plugin other -d x --plugin kilobench"),
        ("run -d x -- --plugin kilobench --help", True, "run -d x --plugin kilobench -- --plugin kilobench --help"),
        ("job resume -p jobs/x", True, "job resume -p jobs/x --plugin kilobench"),
        ("run --help", False, None),
        ("view jobs", False, None),
        ("job list", False, None),
        ("", False, None),
    ],
)
def test_the_plugin_is_on_once_where_trials_are_run(given: str, does: bool, becomes: str | None) -> None:
    assert runs_trials(shlex.split(given)) == does
    if becomes is not None:
        assert with_plugin(shlex.split(given)) == shlex.split(becomes)


@pytest.mark.parametrize("version", ["2.0", "2.10", "7", "1e3", "7.7.9", "rc"])
def test_harbor_takes_a_version_for_a_text_whatever_it_looks_like(version: str) -> None:
    assert parse_kwargs([agent_of(f"kilo@{version}").arguments()[-1]]) == {"version": version}


def planned(kilobench: Any, *arguments: object) -> BenchResult:
    result = kilobench("bench", *arguments, "--dry-run", "--json")
    assert result.code == 0, result.err
    return BenchResult.model_validate(result.json)


def test_every_agent_runs_with_every_model_at_every_effort_in_a_job_of_its_own(kilobench: Any) -> None:
    cells = ("-a", "kilo@v2.0", "-a", "kilo@v2.1-rc1", "-m", "anthropic/opus", "-m", "openai/gpt-5")
    told = planned(kilobench, "-d", "terminal-bench@2.0", *cells, "--effort", "low", "--effort", "high", "-k", "3")
    assert len({one.job for one in told.jobs}) == len({one.variant for one in told.jobs}) == 8
    assert {one.variant for one in told.jobs} >= {"kilo@2.1-rc1/openai/gpt-5+low", "kilo@2.0/anthropic/opus+high"}
    first = shlex.split(told.jobs[0].command)
    assert first[:3] == ["opik", "harbor", "run"]
    for option, value in (("-d", "terminal-bench@2.0"), ("-k", "3"), ("--effort", "low"), ("--plugin", "kilobench")):
        assert first[first.index(option) + 1] == value
    assert all(one.state is State.NEW for one in told.jobs)


def test_a_jobs_name_is_its_variants_and_no_others(tmp_path: Path) -> None:
    tasks = Tasks(dataset="d@1")
    agent = (agent_of("kilo@1"),)

    def names(matrix: Matrix) -> set[str]:
        return {one.name for one in matrix.jobs()}

    base = Matrix(tasks, agent, ("a/b",))
    assert names(base) == names(Matrix(tasks, agent, ("a/b",), concurrent=9))
    others = [
        Matrix(Tasks(dataset="d@2"), agent, ("a/b",)),
        Matrix(Tasks(dataset="d@1", subset=("x",)), agent, ("a/b",)),
        Matrix(tasks, (agent_of("kilo@2"),), ("a/b",)),
        Matrix(tasks, agent, ("a/c",)),
        Matrix(tasks, agent, ("a/b",), ("low",)),
        Matrix(tasks, agent, ("a/b",), attempts=2),
        Matrix(tasks, agent, ("a/b",), environment="modal"),
        Matrix(tasks, agent, ("a/b",), extra=("--ak", "x=1")),
    ]
    assert len(set.union(names(base), *map(names, others))) == 1 + len(others)


def test_the_commands_are_printed_one_a_line_to_be_copied(kilobench: Any) -> None:
    result = kilobench("bench", "-p", "a folder", "-a", "codex", "-m", "x/y", "--dry-run", "--", "--ak", "k=long " * 30)
    lines = [one for one in result.out.splitlines() if one and not one.startswith("#")]
    assert len(lines) == 1
    assert shlex.split(lines[0])[:5] == ["opik", "harbor", "run", "-p", "a folder"]
    assert shlex.split(lines[0])[-1] == "k=long " * 30


def past(usd: dict[str, list[float]], **fields: Any) -> list[Spent]:
    usual = {"agent": "kilo", "model": "a/b", "effort": None, "dataset": "d"} | fields
    return [Spent(**usual, task=task, usd=one) for task, costs in usd.items() for one in costs]


def cell(**fields: Any) -> Planned:
    return Matrix(Tasks(dataset="d@1"), (agent_of("kilo@2"),), ("a/b",), **fields).jobs()[0]


def test_a_forecast_is_the_mean_of_the_tasks_with_the_interval_of_a_sum() -> None:
    found = forecast(cell(), past({"x": [1.0, 3.0], "y": [4.0], "z": [6.0]}), 6)
    # Means 2, 4, 6: mean 4, s 2; t(2) = 4.3027; 6 attempts: 24 plus and minus 4.3027 * 2 * sqrt(6 + 36 / 3).
    assert (found.attempts, found.usd_per_attempt, found.usd) == (6, 4.0, 24.0)
    assert found.low == 0.0
    assert found.high == pytest.approx(24 + 4.302653 * 2 * 18**0.5)
    assert "4 attempts of kilo/a/b" in found.rests_on


def test_a_forecast_rests_on_what_is_most_like_the_variant() -> None:
    other = past({"x": [9.0]}, agent="codex")
    assert forecast(cell(), other, 2).usd == 18.0
    assert "a/b with whatever agent" in forecast(cell(), other, 2).rests_on
    both = other + past({"x": [1.0]}, dataset="e")
    assert forecast(cell(), both, 2).usd == 2.0
    assert forecast(cell(), both + past({"x": [5.0]}), 2).usd == 10.0
    low = past({"x": [2.0]}, effort="low")
    assert forecast(cell(efforts=("low",)), low + past({"x": [8.0]}), 1).usd == 2.0


def test_what_is_not_known_stays_unknown() -> None:
    nothing = forecast(cell(), past({"x": [1.0]}, model="c/d"), 4)
    assert (nothing.usd, nothing.low, nothing.high) == (None, None, None)
    one = forecast(cell(), past({"x": [1.0]}), 4)
    assert (one.usd, one.low, one.high) == (4.0, None, None)
    uncounted = forecast(cell(), past({"x": [1.0]}), None)
    assert (uncounted.usd_per_attempt, uncounted.usd) == (1.0, None)
    assert forecast(cell(), [], 0).usd == 0.0
    assert together([one, nothing]).usd is None
    assert together([one, one]).usd == 8.0
    assert together([one, one]).high is None


def test_how_many_tasks_there_are_is_counted_or_not_known(tmp_path: Path) -> None:
    write_tasks(tmp_path, ["one", "two"])

    def count(tasks: Tasks) -> int | None:
        return tasks_of(Matrix(tasks, (agent_of("kilo"),)).jobs()[0], past({"x": [1.0], "y": [1.0]}))

    assert count(Tasks(path=tmp_path / "tiny")) == 2
    assert count(Tasks(path=tmp_path / "tiny" / "one")) == 1
    assert count(Tasks(dataset="d@7")) == 2
    assert count(Tasks(dataset="other@1")) is None
    assert count(Tasks(dataset="d@1", subset=("p", "q", "r"))) == 3
    assert count(Tasks(dataset="d@1", subset=("p*",))) is None


def test_a_dry_run_forecasts_from_the_jobs_that_are_there(tmp_path: Path, kilobench: Any) -> None:
    job = JobBuilder(tmp_path / "jobs", "old")
    for task, cost in (("a", 1.0), ("b", 2.0)):
        steps = [user_step(), agent_step("Done.", cost=cost)]
        job.trial(f"{task}__1", agent="kilo", model="openai/gpt-5", steps=steps)
    told = planned(kilobench, "-d", "set@2.0", "-a", "kilo@9", "-m", "openai/gpt-5", "-k", "2", "-o", tmp_path / "jobs")
    assert told.forecast is not None
    assert (told.forecast.attempts, told.forecast.usd) == (4, 6.0)
    result = kilobench(
        *("bench", "-d", "set@2.0", "-a", "kilo", "-m", "openai/gpt-5", "-m", "x/y"),
        *("--history", tmp_path / "jobs", "-o", tmp_path / "none", "--dry-run"),
    )
    text = " ".join(result.out.split())
    assert "2 attempts of kilo/openai/gpt-5" in text
    assert "no finished attempt of x/y is known" in text
    assert "not known for 1 of 2 variants" in text


@pytest.mark.parametrize(
    ("cap", "costs", "running", "history", "may"),
    [
        (1.0, [], 0, 0.5, May.START),
        (1.0, [], 1, 0.5, May.START),
        (1.0, [], 2, 0.5, May.WAIT),
        (1.0, [0.5], 1, 0.5, May.WAIT),
        (1.0, [0.5, 0.5], 0, 0.5, May.STOP),
        # What ended here says more than history.
        (1.0, [0.1], 0, 5.0, May.START),
        (1.0, [0.9], 0, 0.01, May.STOP),
        # Cheaper than it was thought: there is room again once one has ended.
        (1.0, [0.2, 0.2], 2, None, May.START),
        (1.0, [0.2, 0.2], 3, None, May.WAIT),
        # Nothing is known: the first runs alone, and no other follows if it says nothing.
        (1.0, [], 0, None, May.START),
        (1.0, [], 1, None, May.WAIT),
        (1.0, [None], 0, None, May.STOP),
        # One that is not known counts as another.
        (1.0, [0.4, None], 0, None, May.STOP),
        (1.3, [0.4, None], 0, None, May.START),
        # Free of charge, and without money.
        (0.0, [0.0], 3, None, May.START),
        (0.0, [], 0, None, May.STOP),
        (0.3, [0.1, 0.1], 0, None, May.START),
    ],
)
def test_a_trial_starts_where_what_is_spent_and_what_runs_leave_room_for_it(
    cap: float, costs: list[float | None], running: int, history: float | None, may: May
) -> None:
    assert may_start(cap, costs, running, history) is may


@given(
    costs=st.lists(st.none() | st.floats(0, 100), max_size=8),
    running=st.integers(0, 8),
    history=st.none() | st.floats(0, 100),
    cap=st.floats(0, 500),
)
def test_a_start_never_brings_what_is_expected_over_the_cap(
    costs: list[float | None], running: int, history: float | None, cap: float
) -> None:
    may, each = may_start(cap, costs, running, history), expected_usd(costs, history)
    if each is None:
        assert may is not May.START or running == 0
    elif may is May.START:
        spent = spent_usd(costs, each)
        assert spent is not None
        assert spent + (running + 1) * each <= cap * (1 + 1e-6)
    # A job that waits has something to wait for, and one that stops cuts nothing off.
    assert (may is May.WAIT) <= (running > 0)
    assert (may is May.STOP) <= (running == 0)


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_suites_that_come_with_it_are_matrices(path: Path, kilobench: Any) -> None:
    told = planned(kilobench, "--suite", path)
    assert len(told.jobs) == {"model-vs-model": 2, "version-vs-version": 2, "agent-vs-agent": 6}[path.stem]


def test_an_option_comes_before_what_the_suite_says(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text('path = "tasks"\nagents = ["kilo"]\nmodels = ["a/b", "a/c"]\nattempts = 2\nharbor = ["-q"]\n')
    (tmp_path / "some.txt").write_text("# the quick ones\none  # very\n\ntwo\none\n")
    suite = read_suite(path)
    assert matrix_of(suite).tasks.path == tmp_path / "tasks"
    other = matrix_of(suite, dataset="d@1", models=("x/y",), attempts=5, subset=tmp_path / "some.txt", extra=("-z",))
    assert (other.tasks, other.models) == (Tasks("d@1", None, ("one", "two")), ("x/y",))
    assert (other.attempts, other.extra) == (5, ("-q", "-z"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents = 3", "agents"),
        ("agent = ['kilo']", "agent: Extra inputs"),
        ("attempts = 0", "attempts"),
        ("= 1", "cannot be read"),
        ("", "not clear"),
        ("dataset = 'd'", "No agent is named"),
        ("dataset = 'd'\npath = 'p'\nagents = ['kilo']", "one of the two"),
        ("dataset = 'd'\nagents = ['kilo', 'kilo']", "-a kilo is given twice"),
        ("dataset = 'd'\nagents = ['kilo']\nmodels = ['m', 'm']", "-m m is given twice"),
        ("dataset = 'd'\nagents = ['kilo@']", "names no agent"),
    ],
)
def test_a_suite_that_cannot_be_used_is_one_clear_line(tmp_path: Path, kilobench: Any, text: str, said: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    result = kilobench("bench", "--suite", path, "--dry-run")
    assert result.code == 2
    assert said in " ".join(result.err.split())


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("# none\n", "names no task")])
def test_a_subset_that_names_nothing_is_refused(tmp_path: Path, kilobench: Any, content: str | None, said: str) -> None:
    path = tmp_path / "some.txt"
    if content is not None:
        path.write_text(content)
    result = kilobench("bench", "-d", "d", "-a", "kilo", "--subset", path, "--dry-run")
    assert result.code == 2
    assert said in " ".join(result.err.split())


def run(folder: Path, opik: str, *arguments: object, given: Sequence[str] | None = None) -> tuple[int, BenchResult]:
    """The matrix of both models, or of those that are given, on the tasks of a folder, really run."""
    models = [part for model in MODELS for part in ("-m", model)]
    done = harbor(
        *(
            *("-p", folder / "tiny", "-a", "live_agent:LiveAgent", "-e", LOCAL, "-n", "1", "--json"),
            *(models if given is None else given),
            *arguments,
        ),
        cwd=folder,
        opik=opik,
        program=("kilobench", "bench"),
        LIVE_ONCE=str(folder / "mark"),
    )
    assert "Traceback" not in done.stderr, done.stderr
    if not done.stdout:
        pytest.fail(done.stderr)
    return done.returncode, BenchResult.model_validate(json.loads(done.stdout))


@pytest.mark.slow
def test_a_matrix_is_run_resumed_and_compared_and_failed_attempts_are_kept(
    tmp_path: Path, server: EmbeddedOpik
) -> None:
    write_tasks(tmp_path, ["plain", "once"])
    code, told = run(tmp_path, server.url)
    assert code == 0
    for one in told.jobs:
        assert (one.state, one.trials, one.expected, one.exit_code) == (State.FINISHED, 2, 2, 0)
    assert sum(one.kept for one in told.jobs) == 1
    # Of one model what it cost is known, and of the other its price: an attempt put aside has its own.
    assert all((one.kept_usd or 0.0) > 0 if one.kept else one.kept_usd == 0.0 for one in told.jobs)
    (kept,) = (tmp_path / "jobs" / ".kept-attempts").glob("*/*")
    assert json.loads((kept / "result.json").read_text())["exception_info"]["exception_type"] == "ApiOverloadedError"
    assert told.run is not None
    (variants,) = told.run.variants.values()
    assert {(one.attempts, one.pass_rate.value) for one in variants} == {(2, 1.0)}
    assert len(told.run.comparisons) == 1
    # Finished jobs are not run again.
    code, again = run(tmp_path, server.url, "--dry-run")
    assert (code, [one.state for one in again.jobs]) == (0, [State.FINISHED, State.FINISHED])
    # Of a job that was stopped, what is missing is run, and nothing twice.
    first, second = (one.folder for one in told.jobs)
    there = sorted(path for path in (tmp_path / first).iterdir() if (path / "result.json").is_file())
    before = (there[0] / "result.json").read_bytes()
    shutil.rmtree(there[1])
    code, resumed = run(tmp_path, server.url)
    assert (code, [one.exit_code for one in resumed.jobs]) == (0, [0, None])
    assert (there[0] / "result.json").read_bytes() == before
    assert resumed.jobs[0].trials == 2
    assert second != first


@pytest.mark.slow
def test_a_cap_stops_the_matrix_before_it_is_passed_and_more_money_goes_on(
    tmp_path: Path, server: EmbeddedOpik
) -> None:
    # An attempt costs half a dollar, which nobody knows before the first has ended.
    write_tasks(tmp_path, ["one", "two", "once", "three"])
    model = ("-m", MODELS[0])
    at_a_time = ("-n", "4")
    code, told = run(tmp_path, server.url, *at_a_time, "--max-spend", "1.2", given=model)
    (job,) = told.jobs
    assert (code, told.max_spend, job.state, job.is_capped) == (3, 1.2, State.UNFINISHED, True)
    assert job.trials == 2
    # Four attempts cost 2, one of which the infrastructure failed; another try at that would cost 2.5 in all.
    code, more = run(tmp_path, server.url, *at_a_time, "--max-spend", "2.4", given=model)
    assert (code, more.jobs[0].trials, more.jobs[0].is_capped) == (3, 4, True)
    assert more.run is not None
    ((variant,),) = more.run.variants.values()
    assert (variant.attempts, variant.passes, variant.excluded) == (3, 3, {"infrastructure_error": 1})


@pytest.mark.slow
def test_a_trial_whose_environment_did_not_start_has_spent_nothing(tmp_path: Path, server: EmbeddedOpik) -> None:
    tasks = write_tasks(tmp_path, ["ill", "plain"])
    with (tasks / "ill" / "task.toml").open("a") as settings:
        settings.write('healthcheck = { command = "false", interval_sec = 0.1, retries = 1, start_period_sec = 0.0 }\n')
    code, told = run(tmp_path, server.url, "--max-spend", "0.9", "--retries", "0", given=("-m", MODELS[0]))
    # What an attempt costs was not known, and is not once the first has failed: the next runs all the same.
    (job,) = told.jobs
    assert (code, job.trials, job.is_capped) == (0, 2, False)


@pytest.mark.slow
def test_what_cannot_be_paid_is_not_begun(tmp_path: Path, server: EmbeddedOpik) -> None:
    write_tasks(tmp_path, ["one", "two"])
    # Of this model no price is known: after one attempt no cap can be kept.
    code, told = run(tmp_path, server.url, "--max-spend", "9", given=("-m", "lab/unpriced"))
    assert (code, told.jobs[0].trials, told.jobs[0].is_capped) == (3, 1, True)
    done = harbor(
        *("-p", tmp_path / "tiny", "-a", "live_agent:LiveAgent", "-m", "lab/other", "-e", LOCAL, "--max-spend", "0"),
        cwd=tmp_path,
        opik=server.url,
        program=("kilobench", "bench"),
    )
    assert done.returncode == 3
    assert "lets no trial start" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_harbors_own_command_line_works_word_for_word_with_the_plugin_on(tmp_path: Path, server: EmbeddedOpik) -> None:
    tasks = write_tasks(tmp_path, ["plain"])
    where = ("-e", LOCAL, "-o", tmp_path / "jobs", "--job-name", "job", "-y", "-q")
    done = harbor(
        *("run", "-p", tasks, "-a", "live_agent:LiveAgent", "-m", MODELS[0], *where),
        cwd=tmp_path,
        opik=server.url,
        program=("kilobench", "harbor"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "jobs" / "job" / "result.json").is_file()
    assert "to Opik: 1 traces" in done.stderr


@pytest.mark.slow
def test_attempts_are_added_until_the_gate_has_an_answer(tmp_path: Path, server: EmbeddedOpik) -> None:
    write_tasks(tmp_path, ["one", "two"])
    run(tmp_path, server.url, "-k", "3", given=("-m", MODELS[0]))
    (baseline,) = (path.parent for path in tmp_path.glob("jobs/*/config.json"))
    until = ("--until-decided", "--baseline", baseline, "--max-attempts", "3", "--margin", "0.7")
    (tmp_path / "subset.toml").write_text('[[task]]\nname = "tiny/one"\n[[task]]\nname = "tiny/two"\n')

    def ask(model: str, *options: str) -> tuple[int, BenchResult]:
        more = ("--subset", tmp_path / "subset.toml", "--summary", tmp_path / "summary.md")
        return run(tmp_path, server.url, *until, *more, *options, given=("-m", model))

    # Of two tasks one attempt each shows nothing; with a second one, a drop of 70 points can be ruled out.
    code, told = ask(MODELS[1])
    assert told.gate is not None
    assert (code, told.gate.decision, told.gate.look, told.gate.looks) == (0, "pass", 2, 3)
    assert [(one.state, one.trials) for one in told.jobs] == [(State.FINISHED, 2)] * 2
    assert "Pass" in (tmp_path / "summary.md").read_text()
    # The same command again would run nothing of these.
    code, again = ask(MODELS[1], "--dry-run")
    assert (code, [one.state for one in again.jobs]) == (0, [State.FINISHED, State.FINISHED, State.NEW])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-m", "a/b", "-m", "a/c", "--baseline", "x", "--until-decided"), "takes one variant, and this matrix has 2"),
        (("-m", "a/b", "-k", "2", "--baseline", "x", "--until-decided"), "one attempt at a time"),
        (("-m", "a/b", "--until-decided"), "needs a --baseline"),
        (("-m", "a/b", "--baseline", "x"), "--baseline is for --until-decided"),
    ],
)
def test_what_no_gate_can_decide_is_refused(kilobench: Any, arguments: tuple[str, ...], said: str) -> None:
    result = kilobench("bench", "-d", "d@1", "-a", "kilo", *arguments, "--dry-run")
    assert result.code == 2
    assert said in " ".join(result.err.split())


def test_the_rounds_until_it_is_decided_are_jobs_of_their_own(kilobench: Any) -> None:
    cells = ("-d", "d@1", "-a", "kilo", "-m", "a/b")
    rounds = planned(kilobench, *cells, "--until-decided", "--baseline", "x", "--max-attempts", "4")
    (whole,) = planned(kilobench, *cells).jobs
    assert [one.job for one in rounds.jobs] == [f"{whole.job}-{number}" for number in range(1, 5)]


def test_a_task_is_named_as_harbor_knows_it(tmp_path: Path) -> None:
    (tmp_path / "subset.toml").write_text('[[task]]\nname = "org/one"\n[[task]]\nname = "two"\nchosen = false\n')
    tasks = matrix_of(read_suite(SUITES / "model-vs-model.toml"), subset=tmp_path / "subset.toml").tasks
    assert tasks.arguments()[-4:] == ("-i", "org/one", "-i", "one")
