"""How many requests a job takes: by its rows and its attachments, and not by its tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from adapter.opik_ids import fixed
from adapter.opik_sent import batches, score_size
from adapter.opik_store import OpikStore, Score
from pipelines.progress import Bars
from pipelines.run import Options, run


def requests(folder: Path, tasks: int, steps: int) -> int:
    """How often a run on one model asks a store, but for its attachments: two requests for each file."""
    job = JobBuilder(folder / "jobs")
    for task in range(tasks):
        job.trial(f"t{task}__1", steps=[user_step(f"Task {task}."), *(agent_step(str(n)) for n in range(steps))])
    with EmbeddedOpik(folder / "opik.db") as server:
        run(Options((folder / "jobs",), "test", server.url), Bars(quiet=True))
        asked = server.app.state.requests
        attaching = sum(number for (_, path, _), number in asked.items() if "attachment" in path)
        assert attaching == 2 * tasks
        return sum(number for (_, path, _), number in asked.items() if "is-alive" not in path) - attaching


def test_no_request_is_for_a_task(tmp_path: Path) -> None:
    assert requests(tmp_path / "few", tasks=2, steps=1) == requests(tmp_path / "many", tasks=60, steps=1)


@pytest.mark.slow
def test_at_most_one_request_is_for_five_hundred_spans(tmp_path: Path) -> None:
    spans = 4000
    few = requests(tmp_path / "few", tasks=20, steps=1)
    assert requests(tmp_path / "many", tasks=20, steps=spans // 20) - few <= spans / 500


def test_the_items_of_a_large_dataset_are_one_version_of_it(server: EmbeddedOpik, connection: Connection) -> None:
    store = OpikStore(connection, "test")
    items = {fixed(str(number)): {"task": str(number), "instruction": "x" * 2000} for number in range(2500)}
    store.send_dataset_items("set", items)
    asked = server.app.state.requests
    assert [number for (_, path, _), number in asked.items() if path.endswith("/datasets/items")] == [3]
    assert store.dataset("set") == {item["task"]: item | {"id": key} for key, item in items.items()}
    dataset = connection.client.get_dataset("set", project_name="test")
    versions = connection.client.rest_client.datasets.list_dataset_versions(dataset.id)
    assert versions.total == 1


@pytest.mark.parametrize(
    ("reasons", "sizes"),
    [
        (["short"] * 2500, [1000, 1000, 500]),
        (["x" * 1_900_000] * 5, [2, 2, 1]),
        (["\n" * 1_900_000] * 3, [1, 1, 1]),  # Twice as long as JSON.
        (["x" * 9_000_000, "short"], [1, 1]),
    ],
    ids=["by count", "by bytes", "by what is sent", "one that is too long"],
)
def test_scores_are_sent_in_requests_that_opik_takes(reasons: list[str], sizes: list[int]) -> None:
    scores = [Score("id", "name", 1.0, None, reason) for reason in reasons]
    assert [len(batch) for batch in batches(scores, score_size)] == sizes
