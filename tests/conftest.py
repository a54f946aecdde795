"""What every test starts from: no telemetry, no downloads, a home of its own."""

import os

# Before anything of Harbor, LiteLLM or Opik is imported.
os.environ |= {
    "HARBOR_TELEMETRY": "off",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "OPIK_SENTRY_ENABLE": "false",
    "OPIK_ANALYTICS_ENABLE": "false",
}

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opik
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import settings

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection, connect
from pipelines.cli import main

# Where a test says nothing: with thousands of tests, none has much time.
settings.register_profile("kilobench", max_examples=60)
settings.load_profile("kilobench")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests that a shell runs in its background have Ctrl-C ignored, and so would the commands that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What httpx gives a request that says nothing, five seconds, is little on a busy machine.
for _limit in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _limit, 60.0)

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: much of the time is spent waiting for processes that tests start."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first: a worker that gets one of them last would keep all waiting."""
    slow: dict[Path, int] = {}
    for item in items:
        slow[item.path] = slow.get(item.path, 0) + (item.get_closest_marker("slow") is not None)
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, and no Opik that the developer has configured."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("OPIK_") and name not in ("OPIK_SENTRY_ENABLE", "OPIK_ANALYTICS_ENABLE"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it for its workers
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KILOBENCH_HOME", str(home / "kilobench"))
    return home


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedOpik]:
    """An embedded store of the test's own."""
    with EmbeddedOpik(tmp_path / "opik.db") as running:
        yield running


@pytest.fixture
def connection(server: EmbeddedOpik) -> Iterator[Connection]:
    """The real SDK, talking to that store over HTTP."""
    with connect(server.url, "test") as open_connection:
        yield open_connection


@pytest.fixture
def sdk(server: EmbeddedOpik, monkeypatch: pytest.MonkeyPatch) -> Iterator[opik.Opik]:
    """The SDK's own public client, as a user of Opik makes it, on that store."""
    # With it, the SDK hands httpx a deprecated argument, and warnings are errors here.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    client = opik.Opik(host=server.url, workspace="default", project_name="demo", _show_misconfiguration_message=False)
    yield client
    client.end()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real runs and labels that lies beside a developer's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: it is no part of the project")
    return SHARED_DATA


class Result:
    """What a command left: its exit code and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def kilobench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command line in this process."""

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["kilobench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    return call
