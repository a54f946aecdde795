"""What every test starts from: no telemetry, no downloads, a home of its own."""

import os

# Before anything of Harbor, LiteLLM or Opik is imported.
os.environ |= {
    "HARBOR_TELEMETRY": "off",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPIK_SENTRY_ENABLE": "false",
    "OPIK_ANALYTICS_ENABLE": "false",
}

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection, connect

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, and no Opik that the developer has configured."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("OPIK_") and name not in ("OPIK_SENTRY_ENABLE", "OPIK_ANALYTICS_ENABLE"):
            monkeypatch.delenv(name)
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
def shared_data() -> Path:
    """The folder of real runs and labels that lies beside a developer's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: it is no part of the project")
    return SHARED_DATA
