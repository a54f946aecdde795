"""What Opik holds after an upload of a real job is what stands in the job's files, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opik.rest_api.types import SpanPublic, TracePublic

from adapter.embedded_opik import EmbeddedOpik
from adapter.jobs import find_jobs
from adapter.opik_connection import Connection
from adapter.opik_read import OpikReader
from adapter.trial import Trial
from pipelines.cost import price_trial
from pipelines.read import read_trials, why_not

pytestmark = pytest.mark.slow
_MANY = 1_000_000


@pytest.fixture
def codetracer(shared_data: Path) -> Path:
    return shared_data / "codetracer"


def text(content: Any) -> str:
    """A message or an observation as one text."""
    return content if isinstance(content, str) else ""


def same(stored: object, on_disk: object) -> bool:
    """Whether a stored value is the one on disk; where a secret stood, only the mark is looked for."""
    return stored == on_disk or "[REDACTED: " in json.dumps(stored)


def test_every_field_of_the_files_is_in_the_store_and_every_trial_comes_back_as_it_is_read_from_disk(
    codetracer: Path, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    result = kilobench("upload", codetracer, "--project", "p", "--opik", server.url, "--json")
    assert result.code in (0, 3)
    client = connection.client
    traces = {
        str(trace.name).partition("/")[2]: trace
        for trace in client.search_traces(project_name="p", max_results=_MANY, truncate=False)
    }
    spans: dict[str, list[SpanPublic]] = {str(trace.id): [] for trace in traces.values()}
    for span in client.search_spans(project_name="p", max_results=_MANY, truncate=False):
        spans[str(span.trace_id)].append(span)
    folders = [path.parent for path in codetracer.glob("*/result.json")]
    assert traces.keys() == {folder.name for folder in folders}
    compared = sum(compare(folder, traces[folder.name], spans[str(traces[folder.name].id)]) for folder in folders)
    assert compared > 5_000, "steps and calls"
    check_read_back(codetracer, OpikReader(connection))


def compare(folder: Path, trace: TracePublic, spans: list[SpanPublic]) -> int:
    """Compares one trial's files with its trace; how many spans were compared."""
    result = json.loads((folder / "result.json").read_text())
    metadata: Any = trace.metadata
    assert metadata["task"] == result["task_name"]
    assert metadata["task_checksum"] == result["task_checksum"]
    assert metadata["agent_version"] == result["agent_info"]["version"]
    exception = result.get("exception_info")
    assert (trace.error_info and trace.error_info.exception_type) == (exception and exception["exception_type"])
    rewards = (result.get("verifier_result") or {}).get("rewards") or {}
    assert metadata["rewards"] == rewards
    assert {score.name: score.value for score in trace.feedback_scores or []}.get("reward") == rewards.get("reward")
    file = folder / "agent" / "trajectory.json"
    if not file.exists():
        assert not spans
        return 0
    steps = json.loads(file.read_text())["steps"]
    llm = sorted((span for span in spans if span.type == "llm"), key=lambda span: int(str(span.name).split()[1]))
    agent = [step for step in steps if step["source"] == "agent"]
    assert len(llm) == len(agent)
    for span, step in zip(llm, agent, strict=True):
        output: Any = span.output
        assert same(output["message"], text(step["message"]))
        assert same(output["reasoning"], step.get("reasoning_content") or None)
        record: Any = span.metadata
        metrics = step.get("metrics") or {}
        for name in ("prompt_tokens", "completion_tokens", "cached_tokens"):
            if metrics.get(name) is not None:
                assert record["record"]["raw"][name] == metrics[name]
        below = [one for one in spans if one.parent_span_id == span.id and one.type == "tool"]
        calls = step.get("tool_calls") or []
        results = (step.get("observation") or {}).get("results") or []
        by_call = {one.get("source_call_id"): one for one in results}
        for place, call in enumerate(calls):
            (stored,) = [
                one for one in below if str(one.metadata and one.metadata["kilobench_key"]).endswith(f"/{place}")
            ]  # type: ignore[index]
            assert stored.name == call["function_name"]
            assert same(stored.input, call["arguments"])
            given: Any = stored.output
            content = (by_call.get(call["tool_call_id"]) or {}).get("content")
            if isinstance(content, str):
                assert same(given["output"], content)
    return len(spans)


def check_read_back(codetracer: Path, reader: OpikReader) -> None:
    """Every trial comes back from the store as it is read from disk."""
    stored = {found.name: found for found in (reader.trial(one).trial for one in reader.of_project("p"))}
    (job,) = find_jobs([codetracer])
    on_disk: dict[str, Trial] = {
        trial.name: trial for trial in read_trials([job], [], lambda _: None) if why_not(trial) is None
    }
    assert stored.keys() == on_disk.keys()
    for name, trial in on_disk.items():
        assert stored[name] == trial
        assert price_trial(stored[name]) == price_trial(trial)
