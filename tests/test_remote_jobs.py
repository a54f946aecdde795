"""Jobs by URL: read where they lie, from a real S3 server, with the same results as from a folder."""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from builder import JobBuilder, agent_step, trajectory, user_step
from conftest import REPOSITORY

from adapter.errors import BadInputError, IncompleteError, UnreadableError
from adapter.files import read_bytes
from adapter.harbor import read_trial
from adapter.jobs import find_jobs
from adapter.remote import RemotePath, path_of
from adapter.remote_store import _store
from adapter.status import BY_REWARD
from pipelines.engine import LocalEngine
from pipelines.judge_request import JudgeRequest, Which
from pipelines.read import read_one, without_trials
from pipelines.worker_reading import check_reading

boto3 = pytest.importorskip("boto3", reason="needs the S3 library")
pytest.importorskip("s3fs", reason="needs s3fs: make setup")
moto_server = pytest.importorskip("moto.server", reason="needs moto's server: make setup")

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEOFATEST00", "AWS_SECRET_ACCESS_KEY": "a-secret-of-a-test"}
NOBODY = "http://127.0.0.1:9"


_REQUEST = re.compile(r"(GET|HEAD|PUT|POST) \S+")


class S3(logging.Handler):
    """A real S3 server, and the requests that reached it."""

    def __init__(self, url: str) -> None:
        super().__init__(logging.INFO)
        self.url = url
        self.requests: list[str] = []
        self.client = boto3.client("s3")
        self.iam = boto3.client("iam")

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if (found := _REQUEST.search(message)) is not None:
            self.requests.append(found[0])

    def bucket(self) -> str:
        name = f"nightly-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def put(self, folder: Path) -> str:
        """Copies a folder into a bucket of its own, and gives its URL there."""
        bucket = self.bucket()
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.client.put_object(
                    Bucket=bucket, Key=f"of/{folder.name}/{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
                )
        return f"s3://{bucket}/of/{folder.name}"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in KEYS.items():
            environment.setenv(name, value)
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            found = S3(f"http://{host}:{port}")
            log = logging.getLogger("werkzeug")
            log.setLevel(logging.INFO)
            log.propagate = False
            log.addHandler(found)
            yield found
            log.removeHandler(found)
        finally:
            server.stop()


@pytest.fixture
def elsewhere(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment that a test changes: connections are made anew before and after."""
    _store.cache_clear()
    yield monkeypatch
    _store.cache_clear()


@contextmanager
def as_a_user(s3: S3, environment: pytest.MonkeyPatch, **policy: str | list[str]) -> Generator[str]:
    """A user of the store who may do what a policy says, while the store asks everyone who they are."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    s3.iam.create_user(UserName=name)
    if policy:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | policy]}
        s3.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    key = s3.iam.create_access_key(UserName=name)["AccessKey"]
    environment.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    environment.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    asked = f"{s3.url}/moto-api/reset-auth"
    httpx.post(asked, content="0").raise_for_status()
    try:
        yield key["SecretAccessKey"]
    finally:
        httpx.post(asked, content="inf").raise_for_status()


def of_all_kinds(folder: Path) -> JobBuilder:
    """A job with a multi-step trial, a continued one, a damaged one, and a folder that is no trial."""
    job = JobBuilder(folder)
    job.trial("plain__1", printed="1 passed", kwargs={"reasoning_effort": "high"})
    job.trial("failed__1", reward=0.0)
    job.trial("damaged__1", raw_trajectory="{no json")
    (job.trial("broken__1") / "result.json").write_text("{")
    job.trial("steps__1", steps=[])
    job.segment("steps__1", "one", trajectory([user_step(), agent_step("One.", cost=0.01)]))
    job.segment("steps__1", "two", trajectory([user_step(), agent_step("Two.", cost=0.02)]))
    first = trajectory([user_step(), agent_step("Here.", cost=0.01)], continued_trajectory_ref="trajectory.cont-1.json")
    trial = job.trial("continued__1", raw_trajectory=first)
    rest = trajectory([agent_step("There.", cost=0.03, at="2026-03-01T10:02:00Z")])
    (trial / "agent" / "trajectory.cont-1.json").write_text(json.dumps(rest))
    (trial / "agent" / "trajectory.cont-9.json").write_text(json.dumps(rest))
    kept = job.trial("kept__1", steps=[]) / "artifacts" / "logs"
    kept.mkdir(parents=True)
    (kept / "trajectory.json").write_text(json.dumps(trajectory([user_step(), agent_step("Kept.", cost=0.01)])))
    (job.path / "notes").mkdir()
    (job.path / "notes" / "why.txt").write_text("nothing")
    return job


def test_an_inspection_of_a_url_says_what_that_of_the_folder_says(s3: S3, kilobench: Any, tmp_path: Path) -> None:
    job = of_all_kinds(tmp_path)
    url = s3.put(job.path)
    here, there = kilobench("inspect", "--json", job.path), kilobench("inspect", "--json", url)
    assert here.code == there.code == 3
    assert {one["trial"] for one in here.json["trials"]} == {
        f"job/{name}__1" for name in ("plain", "failed", "damaged", "broken", "steps", "continued", "kept")
    }
    assert "no trial" in json.dumps(here.json["skipped"])
    assert there.json == here.json


def test_names_that_no_path_can_have_and_marks_of_folders_are_passed_over(
    s3: S3, kilobench: Any, tmp_path: Path
) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    url = s3.put(job.path)
    bucket, _, place = url.removeprefix("s3://").partition("/")
    marks = ("", "task-a__1/", "task-a__1/agent/")
    odd = ("/", "task-a__1//agent/x", "../up/result.json", "task-a__1/../result.json", "task-a__1/./agent/x")
    for key in (*marks, *odd):
        s3.client.put_object(Bucket=bucket, Key=f"{place}/{key}", Body=b"")
    here, there = (kilobench("inspect", one, "--json") for one in (job.path, url))
    assert here.code == 0
    assert (there.code, there.json["trials"]) == (here.code, here.json["trials"])


def test_a_folder_of_jobs_and_one_of_bare_trajectories_are_found_by_url(s3: S3, kilobench: Any, tmp_path: Path) -> None:
    both = tmp_path / "both"
    for name in ("monday", "tuesday"):
        JobBuilder(both, name).trial()
    bare = both / "archive"
    bare.mkdir()
    (bare / "one.json").write_text(json.dumps(trajectory([user_step(), agent_step("Done.", cost=0.01)])))
    url = s3.put(both)
    here, there = kilobench("inspect", "--json", both), kilobench("inspect", "--json", f"{url}/")
    assert len(here.json["trials"]) == 3
    assert (there.code, there.json) == (here.code, here.json)


def test_what_a_job_cost_is_the_same_by_url(s3: S3, kilobench: Any, tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    for number in range(3):
        job.trial(f"task__{number}", reward=float(number > 0))
    here, there = (kilobench("cost", one, "--by", "step", "--json") for one in (job.path, s3.put(job.path)))
    assert here.code == there.code == 0
    assert there.json == here.json


def test_a_run_of_a_url_stores_and_compares_as_that_of_the_folder(
    s3: S3, kilobench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobBuilder(tmp_path)
    for model in ("openai/gpt-5", "openai/gpt-5-mini"):
        for task in "ab":
            job.trial(f"{task}-{model[-4:]}__1", task=task, model=model, reward=float(task == "a"))
    found = []
    for name, place in (("here", job.path), ("there", s3.put(job.path))):
        monkeypatch.setenv("KILOBENCH_HOME", str(tmp_path / name))
        done = kilobench("run", place, "--json")
        assert done.code == 0
        found.append(done.json)
    here, there = (_without_places(one) for one in found)
    assert here["written"]["traces"] == 4
    assert there == here
    # Stored once: the same job from its folder adds nothing.
    again = kilobench("run", job.path, "--json").json
    assert again["written"]["traces"] == again["written"]["spans"] == 0


def _without_places(value: Any) -> Any:
    """A result without where its store is: a port, and ids that a store gives."""
    if isinstance(value, dict):
        return {key: _without_places(one) for key, one in value.items() if key not in ("url", "opik", "id")}
    return [_without_places(one) for one in value] if isinstance(value, list) else value


def test_the_gate_takes_a_url_for_either_side(s3: S3, kilobench: Any, tmp_path: Path) -> None:
    sides = []
    for name in ("before", "after"):
        job = JobBuilder(tmp_path, name)
        for number in range(4):
            job.trial(f"task-{number}__1")
        sides.append(s3.put(job.path))
    done = kilobench("gate", "--baseline", sides[0], "--candidate", sides[1], "--json")
    assert done.code in (0, 3), done.err
    assert done.json["baseline"]["attempts"] == done.json["candidate"]["attempts"] == 4


def test_a_job_costs_two_listings_a_trial_and_one_request_for_each_file_that_is_read(
    s3: S3, kilobench: Any, tmp_path: Path
) -> None:
    counts = {}
    for trials in (4, 12):
        job = JobBuilder(tmp_path, f"job-{trials}")
        for number in range(trials):
            folder = job.trial(f"task__{number}", printed="ok")
            for name in range(5):  # none of these is read
                (folder / "artifacts").mkdir(exist_ok=True)
                (folder / "artifacts" / f"{name}.log").write_text("long")
        url = s3.put(job.path)
        s3.requests.clear()
        assert kilobench("inspect", url, "--json").code == 0
        kinds = Counter("list" if "list-type=2" in one else one.split(" ", 1)[0] for one in s3.requests)
        counts[trials] = kinds
    fewer, more = counts[4], counts[12]
    assert more["GET"] - fewer["GET"] == 8 * 3  # result.json, trajectory.json, test-stdout.txt
    assert more["list"] - fewer["list"] == 8 * 2
    assert more["HEAD"] == fewer["HEAD"] <= 6
    assert sum(fewer.values()) <= 4 * 5 + 14


def test_a_trial_is_read_the_same_in_a_worker_that_was_sent_its_url(s3: S3, tmp_path: Path) -> None:
    builder = JobBuilder(tmp_path)
    builder.trial(printed="1 passed")
    (here,), (there,) = (find_jobs([one]) for one in (builder.path, path_of(s3.put(builder.path))))
    assert isinstance(there.trials[0], RemotePath)
    expected = replace(read_trial(here, here.trials[0]), job_id=there.id)
    work = partial(read_one, without_trials(there), BY_REWARD)
    sent, folder = pickle.loads(pickle.dumps((work, there.trials[0])))
    assert sent(folder) == expected
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(work, there.trials[0]).result() == expected


def test_the_end_of_a_log_is_read_without_the_rest_and_limits_hold(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "long.log").write_bytes(b"x" * 5000 + b"the end")
    (tmp_path / "logs" / "empty.log").write_bytes(b"")
    log = path_of(s3.put(tmp_path / "logs")) / "long.log"
    assert read_bytes(log, tail=7) == b"the end"
    assert read_bytes(log.with_name("empty.log")) == b""
    with pytest.raises(UnreadableError, match=r"long\.log has 5,007 bytes; at most 100 are read"):
        read_bytes(log, limit=100)
    with pytest.raises(UnreadableError, match="a directory, not a file"):
        read_bytes(log.parent, log.parent.parent)
    with pytest.raises(UnreadableError, match="lies outside"):
        read_bytes(log, log.parent / "other")


def test_nothing_of_a_store_is_loaded_for_folders_of_this_machine() -> None:
    code = (
        "import sys, adapter.jobs, adapter.harbor, pipelines.cli\n"
        "print([one for one in ('fsspec', 's3fs', 'aiobotocore', 'botocore') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# What goes wrong is one line and what to do next, before anything is read.


def refused(kilobench: Any, *arguments: str) -> str:
    done = kilobench(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 2, done.err
    return done.err


def test_a_bucket_that_is_not_there(s3: S3, kilobench: Any) -> None:
    assert "there is no bucket no-such-bucket." in refused(kilobench, "inspect", "s3://no-such-bucket/jobs")


def test_a_place_in_a_bucket_without_a_job(s3: S3, kilobench: Any, tmp_path: Path) -> None:
    url = s3.put(JobBuilder(tmp_path).trial().parent)
    bucket = url.split("/")[2]
    assert f"s3://{bucket}/none does not exist." in refused(kilobench, "cost", f"s3://{bucket}/none")
    assert "is a file." in refused(kilobench, "cost", f"{url}/result.json")
    assert "is a trial" in refused(kilobench, "cost", f"{url}/task-a__1")


@pytest.mark.parametrize("command", ["inspect", "run", "upload", "compare", "judge", "investigate", "select"])
def test_a_bucket_without_permission(
    s3: S3, kilobench: Any, elsewhere: pytest.MonkeyPatch, own_home: Path, command: str
) -> None:
    bucket = s3.bucket()
    with as_a_user(s3, elsewhere) as secret:
        said = refused(kilobench, command, f"s3://{bucket}/jobs")
    assert f"s3://{bucket}/jobs cannot be read: the store gives no permission (AccessDenied)." in said
    assert secret not in said
    assert not (own_home / "kilobench").exists()


def test_a_trial_that_may_not_be_read_is_named_and_the_others_go_on(
    s3: S3, kilobench: Any, elsewhere: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = JobBuilder(tmp_path)
    job.trial("mine__1")
    job.trial("theirs__1")
    url = s3.put(job.path)
    place = url.removeprefix("s3://")
    bucket = place.split("/", 1)[0]
    may_read = (f"{place}/config.json", f"{place}/result.json", f"{place}/mine__1/*")
    allowed = [f"arn:aws:s3:::{one}" for one in (bucket, *may_read)]
    with as_a_user(s3, elsewhere, Action=["s3:ListBucket", "s3:GetObject"], Resource=allowed):
        done = kilobench("inspect", url, "--json")
    assert done.code == 3
    assert {one["trial"]: one["status"] for one in done.json["trials"]} == {"job/mine__1": "passed"}
    (skipped,) = done.json["skipped"]
    assert skipped["path"] == "job/theirs__1"
    assert skipped["reason"].startswith("result.json: the store gives no permission")


def test_without_credentials(kilobench: Any, elsewhere: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        elsewhere.delenv(name)
    said = refused(kilobench, "inspect", "s3://nightly/jobs")
    assert "s3://nightly/jobs cannot be read: there are no credentials for the store." in said
    assert "AWS_PROFILE" in said


def test_a_store_that_does_not_answer(kilobench: Any, elsewhere: pytest.MonkeyPatch) -> None:
    elsewhere.setenv("AWS_ENDPOINT_URL", NOBODY)
    begun = time.monotonic()
    said = refused(kilobench, "inspect", "s3://nightly/jobs")
    assert "s3://nightly/jobs cannot be read: the store does not answer" in said
    assert time.monotonic() - begun < 60


def test_a_store_that_stops_to_answer_ends_the_reading(s3: S3, elsewhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    builder = JobBuilder(tmp_path)
    builder.trial()
    (job,) = find_jobs([path_of(s3.put(builder.path))])
    _store.cache_clear()
    elsewhere.setenv("AWS_ENDPOINT_URL", NOBODY)
    with pytest.raises(IncompleteError, match="does not answer") as ended:
        read_one(job, BY_REWARD, job.trials[0])
    same = pickle.loads(pickle.dumps(ended.value))
    assert (type(same), same.what, same.hint) == (IncompleteError, ended.value.what, ended.value.hint)


class Elsewhere(LocalEngine):
    """An engine with one worker, whose environment is this one's."""

    def ask_workers[R](self, question: Callable[[], R]) -> dict[str, R]:
        return {"tcp://10.0.0.6:9000": pickle.loads(pickle.dumps(question))()}


def test_a_worker_that_cannot_read_the_store_is_named_before_any_work(
    s3: S3, elsewhere: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    builder = JobBuilder(tmp_path)
    builder.trial()
    jobs = find_jobs([path_of(s3.put(builder.path))])
    check_reading(Elsewhere(1), jobs)
    with as_a_user(s3, elsewhere):
        _store.cache_clear()
        with pytest.raises(BadInputError, match=r"worker tcp://10\.0\.0\.6:9000 cannot read s3://.*no permission"):
            check_reading(Elsewhere(1), jobs)
    _store.cache_clear()
    elsewhere.setitem(sys.modules, "s3fs", None)
    elsewhere.delitem(importlib.import_module("fsspec.registry")._registry, "s3")
    with pytest.raises(BadInputError, match="s3:// needs s3fs"):
        check_reading(Elsewhere(1), jobs)


def test_a_worker_that_does_not_see_the_folder_is_named_before_any_work(tmp_path: Path) -> None:
    builder = JobBuilder(tmp_path)
    builder.trial()
    jobs = find_jobs([builder.path])
    check_reading(Elsewhere(1), jobs)
    builder.path.rename(tmp_path / "gone")
    with pytest.raises(BadInputError, match=r"cannot read .*/task-a__1: No such file or directory"):
        check_reading(Elsewhere(1), jobs)


@pytest.mark.parametrize("url", ["foo://nightly/jobs", "https://example.com/jobs", "simplecache://nightly/jobs"])
def test_a_protocol_that_jobs_cannot_be_read_by(kilobench: Any, url: str) -> None:
    assert "is no protocol that job folders can be read by." in refused(kilobench, "inspect", url)


def test_a_library_that_is_not_installed(kilobench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = importlib.import_module("fsspec.registry")
    for url, module, extra in (
        ("s3://nightly/jobs", "s3fs", "s3"),
        ("gs://nightly/jobs", "gcsfs", "gs"),
        ("abfs://box@account.dfs.core.windows.net/jobs", "adlfs", "abfs"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(registry._registry, url.split(":", 1)[0], raising=False)
        assert f'pip install "kilobench[{extra}]"' in refused(kilobench, "inspect", url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAEXAMPLE:hunter2@nightly/jobs",
        "s3://AKIAEXAMPLE:hunter2/with-a-slash@nightly/jobs",
        "s3://hunter2@nightly/jobs",
        "abfs://box:hunter2@account.dfs.core.windows.net/jobs",
        "s3://nightly/jobs?X-Amz-Signature=hunter2",
    ],
)
def test_a_url_with_a_key_in_it_is_refused_and_not_shown(kilobench: Any, url: str) -> None:
    for arguments in (("inspect", url), ("gate", "--baseline", url, "--candidate", "x")):
        said = refused(kilobench, *arguments)
        assert "holds a user, a key or a query; it is not shown here." in said
        assert "hunter2" not in said


def test_a_url_that_names_no_bucket(kilobench: Any) -> None:
    assert "s3:// names no bucket." in refused(kilobench, "inspect", "s3:///jobs")


@pytest.mark.parametrize(
    "arguments",
    [
        ("cost", "JOB", "--tables", "URL"),
        ("run", "JOB", "--report", "URL"),
        ("compare", "JOB", "--csv", "URL"),
        ("select", "JOB", "-o", "URL"),
        ("gate", "--baseline", "JOB", "--save-baseline", "URL"),
    ],
)
def test_nothing_is_written_to_a_url(
    kilobench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    job = JobBuilder(tmp_path)
    job.trial()
    monkeypatch.chdir(tmp_path)
    named = {"JOB": str(job.path), "URL": "s3://nightly/out"}
    done = kilobench(*(named.get(one, one) for one in arguments))
    assert done.code == 2
    assert "Only jobs are read by URL" in " ".join(done.err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["job"]


def test_what_a_batch_was_asked_of_stays_a_url_in_its_ticket() -> None:
    url = path_of("memory://nightly/jobs")
    request = JudgeRequest(which=Which(paths=(url, Path("/jobs"))))
    again = JudgeRequest.model_validate_json(request.anywhere().model_dump_json())
    assert again.which.paths == (url, Path("/jobs"))
    assert isinstance(again.which.paths[0], RemotePath)
    assert str(again.which.paths[0]) == "memory://nightly/jobs"
