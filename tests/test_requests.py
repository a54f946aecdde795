"""How many requests a job takes: by its rows, and not by its tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.embedded_opik import EmbeddedOpik
from pipelines.progress import Bars
from pipelines.run import Options, run


def requests(folder: Path, tasks: int, steps: int) -> int:
    """What a run on one model asks of a store."""
    job = JobBuilder(folder / "jobs")
    for task in range(tasks):
        job.trial(f"t{task}__1", steps=[user_step(f"Task {task}."), *(agent_step(str(n)) for n in range(steps))])
    with EmbeddedOpik(folder / "opik.db") as server:
        run(Options((folder / "jobs",), "test", server.url), Bars(quiet=True))
        asked = server.app.state.requests
        return sum(number for (_, path, _), number in asked.items() if "is-alive" not in path)


def test_no_request_is_for_a_task(tmp_path: Path) -> None:
    assert requests(tmp_path / "few", tasks=2, steps=1) == requests(tmp_path / "many", tasks=60, steps=1)


@pytest.mark.slow
def test_at_most_one_request_is_for_five_hundred_spans(tmp_path: Path) -> None:
    spans = 4000
    few = requests(tmp_path / "few", tasks=20, steps=1)
    assert requests(tmp_path / "many", tasks=20, steps=spans // 20) - few <= spans / 500
