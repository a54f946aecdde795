"""The local environment: Harbor's trials without Docker, each kept to a folder and to processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from conftest import REPOSITORY
from harbor.models.task.config import EnvironmentConfig
from harbor.models.trial.paths import TrialPaths
from opik_harbor import LOCAL, harbor

from adapter.errors import BadInputError
from adapter.local_dockerfile import copies
from adapter.local_environment import LocalEnvironment
from adapter.local_isolation import ByPaths

type Body = Callable[[LocalEnvironment], Awaitable[None]]
type InTrial = Callable[[Body], None]


def environment(folder: Path, **options: Any) -> LocalEnvironment:
    """An environment as Harbor makes it for a trial, whose folder is below another."""
    given = folder / "environment"
    given.mkdir(exist_ok=True)
    return LocalEnvironment(
        environment_dir=given,
        environment_name="tiny",
        session_id="tiny__1__env",
        trial_paths=TrialPaths(folder / "trial"),
        task_env_config=options.pop("task", None) or EnvironmentConfig(),
        folder=str(folder / "trials"),
        **options,
    )


@pytest.fixture(scope="module")
def why_no_namespaces(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """What this machine says where a trial cannot have namespaces."""

    async def attempt() -> None:
        trial = environment(tmp_path_factory.mktemp("attempt"), isolation="namespaces")
        await trial.start(force_build=False)
        await trial.stop(delete=True)

    try:
        asyncio.run(attempt())
    except BadInputError as refused:
        return refused.what
    return None


@pytest.fixture(params=["paths", "namespaces"])
def isolation(request: pytest.FixtureRequest, why_no_namespaces: str | None) -> str:
    if request.param == "namespaces" and why_no_namespaces is not None:
        pytest.skip(why_no_namespaces)
    return request.param


@pytest.fixture
def in_trial(isolation: str, tmp_path: Path) -> InTrial:
    """Does something in a trial, and looks that nothing of it is left."""

    def call(body: Body) -> None:
        async def whole() -> None:
            trial = environment(tmp_path, isolation=isolation)
            await trial.start(force_build=False)
            try:
                await body(trial)
            finally:
                await trial.stop(delete=True)

        asyncio.run(whole())
        assert list((tmp_path / "trials").iterdir()) == []

    return call


def running(word: str) -> list[str]:
    """Command lines of this machine in which a word stands."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


@pytest.mark.slow
def test_harbors_oracle_solves_a_task(tmp_path: Path, isolation: str) -> None:
    task = tmp_path / "tasks" / "greet"
    for folder in ("environment", "solution", "tests"):
        (task / folder).mkdir(parents=True)
    (task / "task.toml").write_text('schema_version = "1.1"\n[task]\nname = "tiny/greet"\n')
    (task / "instruction.md").write_text("Greet the one named in /app/name.txt in /app/greeting.txt.\n")
    (task / "environment" / "Dockerfile").write_text("FROM debian\nWORKDIR /app\nCOPY . .\n")
    (task / "environment" / "name.txt").write_text("Ada")
    (task / "solution" / "solve.sh").write_text(
        '#!/bin/bash\nset -e\necho "Hello, $(cat name.txt)" > /app/greeting.txt\n'
    )
    (task / "tests" / "expected.txt").write_text("Hello, Ada\n")
    (task / "tests" / "test.sh").write_text(
        "#!/bin/bash\ncmp /app/greeting.txt /tests/expected.txt && [ ! -e /app/Dockerfile ] && reward=1 || reward=0\n"
        "echo $reward > /logs/verifier/reward.txt\n"
    )
    where = ("-o", tmp_path / "jobs", "--job-name", "job", "-y", "-q")
    chosen = ("-a", "oracle", "-e", LOCAL, "--ek", f"isolation={isolation}", "--ek", f"folder={tmp_path / 'trials'}")
    done = harbor(
        *("run", "-p", tmp_path / "tasks", *chosen, *where),
        cwd=tmp_path,
        opik=None,
        program=("harbor",),
        PYTHONPATH=str(REPOSITORY),
    )
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "jobs" / "job").glob("*/result.json")
    said = json.loads(result.read_text())
    assert said["exception_info"] is None
    assert said["verifier_result"]["rewards"] == {"reward": 1.0}
    assert list((tmp_path / "trials").iterdir()) == []


def test_a_command_leaves_its_output_and_its_exit_code(in_trial: InTrial) -> None:
    async def body(trial: LocalEnvironment) -> None:
        done = await trial.exec('echo out "$GIVEN"; echo error >&2; exit 7', env={"GIVEN": "/app/x"})
        assert done.return_code == 7
        assert done.stderr == "error\n"
        assert (done.stdout or "").endswith("/app/x\n")
        assert (await trial.exec("kill -TERM $$")).return_code == 143
        assert (await trial.exec("pwd")).stdout == "/app\n"
        assert (await trial.exec("pwd", cwd="/logs")).stdout == "/logs\n"
        assert (await trial.exec("pwd", cwd="/app/nowhere")).return_code == 126

    in_trial(body)


def test_who_listens_hears_the_output(in_trial: InTrial) -> None:
    heard: list[tuple[str, str]] = []

    async def listen(text: str, stream: str) -> None:
        heard.append((text, stream))

    async def body(trial: LocalEnvironment) -> None:
        with trial.scoped_output_callback(listen):
            await trial.exec("echo one; echo two >&2")

    in_trial(body)
    assert heard == [("one\n", "stdout"), ("two\n", "stderr")]


def test_a_command_in_the_background_keeps_nobody_waiting_and_lives_until_the_stop(in_trial: InTrial) -> None:
    word = f"3600.{uuid.uuid4().int}"

    async def body(trial: LocalEnvironment) -> None:
        done = await trial.exec(f"setsid sleep {word} & echo begun", timeout_sec=60)
        assert done.stdout == "begun\n"
        assert (await trial.exec("true")).return_code == 0
        assert running(word)

    in_trial(body)
    assert not running(word)


# Of every kind: in a session of its own, orphaned there, and without any variable to be known by.
TREE = "setsid sleep {0} & (setsid setsid sleep {0} &) ; env -i /bin/bash -c 'sleep {0}; :' & touch /app/begun; wait"


def test_after_a_time_out_the_whole_tree_is_gone(in_trial: InTrial) -> None:
    word = f"3600.{uuid.uuid4().int}"

    async def body(trial: LocalEnvironment) -> None:
        with pytest.raises(RuntimeError, match="timed out after 1 seconds"):
            await trial.exec(TREE.format(word), timeout_sec=1)
        assert (await trial.exec("test -e /app/begun")).return_code == 0
        assert not running(word)

    in_trial(body)


def test_after_a_cancellation_the_whole_tree_is_gone(in_trial: InTrial) -> None:
    word = f"3600.{uuid.uuid4().int}"

    async def body(trial: LocalEnvironment) -> None:
        task = asyncio.ensure_future(trial.exec(TREE.format(word)))
        while not (trial.root / "app" / "begun").exists():  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not running(word)

    in_trial(body)


def test_what_was_uploaded_comes_back_the_same(in_trial: InTrial, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "run.sh").write_bytes(b"#!/bin/bash\r\ncat /app/data </logs/x\n")
    (source / "run.sh").chmod(0o755)
    (source / "inner" / "bytes").write_bytes(bytes(range(256)) + b"/app/x")
    (source / "link").symlink_to("run.sh")

    async def body(trial: LocalEnvironment) -> None:
        await trial.upload_dir(source, "/app/kept")
        await trial.upload_file(source / "run.sh", "/tmp/one/run.sh")
        assert await trial.is_dir("/app/kept/inner")
        assert await trial.is_file("/app/kept/link")
        assert not await trial.is_file("/app/kept/inner")
        assert (await trial.exec("test -x /tmp/one/run.sh && test -L /app/kept/link")).return_code == 0
        await trial.exec("mkfifo /app/kept/pipe; ln -s /app/kept/inner/bytes /app/kept/other")
        await trial.download_dir("/app/kept", tmp_path / "back")
        await trial.download_dir_with_exclusions(
            source_dir="/app/kept", target_dir=tmp_path / "tar", exclude=["pipe", "other"]
        )
        await trial.download_file("/tmp/one/run.sh", tmp_path / "one.sh")
        with pytest.raises(NotADirectoryError):
            await trial.download_dir("/app/nowhere", tmp_path / "nowhere")

    in_trial(body)
    back = tmp_path / "back"
    assert {path.name for path in back.rglob("*")} == {"run.sh", "inner", "bytes", "link", "other"}
    for name in ("run.sh", "inner/bytes", "link"):
        assert (back / name).read_bytes() == (source / name).read_bytes()
    assert (back / "other").read_bytes() == (source / "inner" / "bytes").read_bytes()
    assert not (back / "link").is_symlink()
    assert (back / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "one.sh").read_bytes() == (source / "run.sh").read_bytes()
    assert (tmp_path / "tar" / "inner" / "bytes").is_file()


def test_a_path_out_of_the_sandbox_is_refused(in_trial: InTrial, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "new").write_text("new")

    async def body(trial: LocalEnvironment) -> None:
        up = "../" * len(trial.root.parts)
        for path in (f"/app/../{up}{outside}/secret", f"{up}{outside}/secret", "/etc/passwd", "/usr/bin/env"):
            with pytest.raises(BadInputError):
                await trial.upload_file(tmp_path / "new", path)
            with pytest.raises(BadInputError):
                await trial.download_file(path, tmp_path / "got")
        for path in ("/", "/app/..", "/etc", f"/app/{up}{outside}"):
            with pytest.raises(BadInputError):
                await trial.empty_dirs([path])
            with pytest.raises(BadInputError):
                await trial.reset_dirs(remove_dirs=[path], create_dirs=[])

    in_trial(body)
    assert (outside / "secret").read_text() == "secret"
    assert not (tmp_path / "got").exists()


def test_a_link_out_of_the_sandbox_is_not_followed(in_trial: InTrial, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "secret").write_text("changed")
    (source / "file").write_text("changed")

    async def body(trial: LocalEnvironment) -> None:
        up = "../" * len(trial.root.parts)
        app = trial.root / "app"
        (app / "folder").symlink_to(up + str(outside).lstrip("/"))
        (app / "file").symlink_to(f"{up}{outside}/secret")
        with pytest.raises(BadInputError, match="leads out"):
            await trial.upload_dir(source, "/app")
        with pytest.raises(BadInputError, match="leads out"):
            await trial.download_file("/app/folder/secret", tmp_path / "got")
        await trial.download_dir("/app", tmp_path / "back")

    in_trial(body)
    assert (outside / "secret").read_text() == "secret"
    # The upload put its file in the place of the link.
    assert {path.name: path.read_text() for path in (tmp_path / "back").iterdir()} == {"file": "changed"}
    assert not (tmp_path / "got").exists()


def test_a_stop_deletes_nothing_but_the_trials_folder(in_trial: InTrial, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")

    async def body(trial: LocalEnvironment) -> None:
        (trial.root / "app" / "outside").symlink_to(outside)
        await trial.exec("mkdir -p /app/closed/inner; touch /app/closed/inner/file; chmod -R a-w /app/closed")

    in_trial(body)
    assert (outside / "kept").read_text() == "kept"


def test_a_trial_can_be_kept(tmp_path: Path, isolation: str) -> None:
    async def whole() -> Path:
        trial = environment(tmp_path, isolation=isolation)
        await trial.start(force_build=False)
        await trial.exec("echo kept > /logs/agent.txt", cwd="/logs")
        root = trial.root
        await trial.stop(delete=False)
        await trial.stop(delete=False)
        with pytest.raises(RuntimeError, match="not running"):
            await trial.exec("true")
        return root

    assert (asyncio.run(whole()) / "logs" / "agent.txt").read_text() == "kept\n"


def test_commands_see_no_variable_of_this_machine_that_harbor_did_not_give(
    tmp_path: Path, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-host")
    monkeypatch.setenv("GIVEN_KEY", "sk-of-the-host")
    seen: dict[str, str] = {}

    async def whole() -> None:
        trial = environment(tmp_path, isolation=isolation, persistent_env={"GIVEN_KEY": "sk-given", "TERM": "vt100"})
        await trial.start(force_build=False)
        try:
            done = await trial.exec("env; cat /proc/1/environ | tr '\\0' '\\n' | sed s/^/first:/", env={"MORE": "1"})
        finally:
            await trial.stop(delete=True)
        seen.update(line.partition("=")[::2] for line in (done.stdout or "").splitlines())

    asyncio.run(whole())
    own = {name for name in seen if not name.startswith("first:")}
    told = {"PATH", "HOME", "LANG", "TERM", "GIVEN_KEY", "MORE", "KILOBENCH_TRIAL", "KILOBENCH_COMMAND"}
    assert own - {"TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"} == told
    assert (seen["GIVEN_KEY"], seen["TERM"]) == ("sk-given", "vt100")
    if isolation == "namespaces":
        assert "sk-of-the-host" not in seen.values()


def test_with_namespaces_the_machines_folders_are_there_and_cannot_be_written_to(
    tmp_path: Path, why_no_namespaces: str | None
) -> None:
    if why_no_namespaces is not None:
        pytest.skip(why_no_namespaces)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tool").write_text("tool")

    async def whole() -> None:
        trial = environment(tmp_path, isolation="namespaces", shared=str(tools))
        await trial.start(force_build=False)
        try:
            assert (await trial.exec(f"cat {tools}/tool")).stdout == "tool"
            for folder in ("/usr", "/etc", str(tools)):
                done = await trial.exec(f"touch {folder}/kilobench-was-here")
                assert done.return_code != 0
                assert "Read-only file system" in (done.stderr or "")
            assert (await trial.exec("echo x > /tmp/x && echo x > /dev/null && cat /tmp/x")).stdout == "x\n"
            assert (await trial.exec(f"ls {tmp_path}/outside")).return_code != 0
        finally:
            await trial.stop(delete=True)

    (tmp_path / "outside").mkdir()
    asyncio.run(whole())
    assert (tools / "tool").read_text() == "tool"


def test_with_namespaces_root_runs_a_command_as_another_user(tmp_path: Path, why_no_namespaces: str | None) -> None:
    if why_no_namespaces is not None or os.geteuid() != 0:
        pytest.skip(why_no_namespaces or "only root can become another user")

    async def whole() -> None:
        trial = environment(tmp_path, isolation="namespaces")
        await trial.start(force_build=False)
        try:
            done = await trial.exec('id -u; touch "$HOME/mine" && echo "$HOME"', user="nobody")
            assert done.stdout == "65534\n/home/nobody\n"
        finally:
            await trial.stop(delete=True)

    asyncio.run(whole())


def test_where_namespaces_cannot_be_had_the_start_says_what_to_do(
    tmp_path: Path, why_no_namespaces: str | None
) -> None:
    if why_no_namespaces is not None:
        pytest.skip(why_no_namespaces)
    program = """if True:
        import asyncio, pathlib
        from test_local_environment import environment
        asyncio.run(environment(pathlib.Path.cwd(), isolation="namespaces").start(False))
    """
    limit = 'echo 0 > /proc/sys/user/max_mnt_namespaces && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "/bin/bash", "-c", limit, sys.executable, program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "adapter.errors" not in done.stderr:
        pytest.skip(f"a limit on namespaces cannot be set here: {done.stderr}")
    assert "Namespaces cannot be had here: unshare" in done.stderr
    assert "or use isolation=paths" in done.stderr
    assert list((tmp_path / "trials").iterdir()) == []


def test_a_user_that_commands_cannot_be_run_as_is_refused(in_trial: InTrial) -> None:
    async def body(trial: LocalEnvironment) -> None:
        assert (await trial.exec("true", user="root")).return_code == 0
        assert (await trial.exec("true", user=os.geteuid())).return_code == 0
        with pytest.raises(BadInputError, match="as the user no-such-user"):
            await trial.exec("true", user="no-such-user")

    in_trial(body)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("cat /app/x > '/logs/y'", "cat R/app/x > 'R/logs/y'"),
        ("PATH=/app/bin:/tests:$PATH rm -rf /app/*", "PATH=R/app/bin:R/tests:$PATH rm -rf R/app/*"),
        ('open(f"/app/{name}") # {"at": "/tests"}', 'open(f"R/app/{name}") # {"at": "R/tests"}'),
        ("#!/app/bin/python\ngcc -I/app/include </tmp/in", "#!R/app/bin/python\ngcc -IR/app/include <R/tmp/in"),
        ("file:///app/page.html", "file://R/app/page.html"),
        ("cat R/app/x /work/deep/er", "cat R/app/x R/work/deep/er"),
        ('cd "$HOME"/tests && ls src/app ~/app ../tests ${D}/app $(pwd)/app', None),
        ("curl http://host/app/x https://host:80/tests", None),
        ("ls /application /app.py /app-data /etc/passwd </app>", None),
        ("import x from '@/app/y'; s/\\/app/x/", None),
    ],
)
def test_paths_of_the_task_are_rewritten_and_nothing_else(tmp_path: Path, text: str, rewritten: str | None) -> None:
    by_paths = ByPaths(tmp_path, PurePosixPath("/work/deep"), ())
    root = str(by_paths.root)
    text = text.replace("R/", f"{root}/")
    expected = text if rewritten is None else rewritten.replace("R/", f"{root}/")
    assert by_paths.inward(text) == expected
    assert by_paths.inward(expected) == expected
    assert by_paths.outward(expected).count(root) == 0


def test_options_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="isolation=docker"):
        environment(tmp_path, isolation="docker")
    with pytest.raises(BadInputError, match="shared=nowhere"):
        environment(tmp_path, shared="nowhere")


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ("FROM x\nCOPY app/ /app/\n", [(("app/",), "/app", True)]),
        ("FROM x\nWORKDIR /w\nCOPY a.py b.py .\n", [(("a.py", "b.py"), "/w", True)]),
        ("FROM x\nWORKDIR /w\nWORKDIR sub\ncopy a.py c.py\n", [(("a.py",), "/w/sub/c.py", False)]),
        ('FROM x\nCOPY --chown=1:1 ["a b", "/d/"]\n', [(("a b",), "/d", True)]),
        (
            "FROM x AS build\nCOPY a /a\nFROM y\nCOPY --from=build /a /a\nCOPY \\\n  # why\n  b /b\n",
            [(("b",), "/b", False)],
        ),
        ("FROM x\nADD https://example.com/a /a\nCOPY $FILES /a\nRUN echo COPY\nCOPY\n", []),
        ('FROM x\nCOPY "unclosed /a\nCOPY [1 /a\n', [(("[1",), "/a", False)]),
    ],
)
def test_what_a_dockerfile_copies_is_read(text: str, copied: list[tuple[tuple[str, ...], str, bool]]) -> None:
    assert [(one.sources, str(one.target), one.is_folder) for one in copies(text)] == copied


def test_what_a_dockerfile_copies_lies_where_it_says(tmp_path: Path, isolation: str) -> None:
    given = tmp_path / "environment"
    (given / "app" / "sub").mkdir(parents=True)
    (given / "app" / "sub" / "x.txt").write_text("x")
    (given / "one.cfg").write_text("1")
    (given / "not.txt").write_text("no")
    (tmp_path / "outside.txt").write_text("secret")
    (given / "link.txt").symlink_to(tmp_path / "outside.txt")
    (given / "Dockerfile").write_text("FROM x\nWORKDIR /app\nCOPY app/ .\nCOPY *.cfg link.txt ../app/conf/\n")

    async def look() -> None:
        trial = environment(tmp_path, isolation=isolation)
        await trial.start(force_build=False)
        try:
            done = await trial.exec("find . -type f | sort; cat sub/x.txt conf/one.cfg")
            assert done.stdout == "./conf/one.cfg\n./sub/x.txt\nx1"
        finally:
            await trial.stop(delete=True)

    asyncio.run(look())
