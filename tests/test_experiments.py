"""An experiment in Opik says what was compared, what it came to, and what judged it."""

from __future__ import annotations

from typing import Any

import pytest
from builder import JobBuilder

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from judges.criteria import criteria
from prompts import Criterion


@pytest.fixture
def job(tmp_path: Any) -> JobBuilder:
    made = JobBuilder(tmp_path)
    made.trial("a__1", kwargs={"reasoning_effort": "high", "other": 1})
    made.trial("a__2", kwargs={"reasoning_effort": "high", "other": 1}, reward=0.0)
    return made


def experiment(connection: Connection) -> Any:
    (found,) = connection.client.rest_client.experiments.find_experiments(size=10).content or []
    return found


def test_its_configuration_holds_every_field_of_the_variant(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    kilobench("run", job.path, "--opik", server.url)
    found = experiment(connection)
    configured = {name: found.metadata[name] for name in ("agent", "agent_version", "model", "provider", "effort")}
    assert configured == {
        "agent": "toy",
        "agent_version": "1.0",
        "model": "gpt-5-mini",
        "provider": "openai",
        "effort": "high",
    }
    assert found.metadata["variant"].endswith(f"#{found.metadata['digest']}")
    assert (found.metadata["dataset"], found.metadata["dataset_version"], found.metadata["job"]) == (
        "set",
        "2.0",
        "job",
    )
    assert set(found.tags) == {
        "kilobench",
        "job:job",
        "agent:toy",
        "model:openai/gpt-5-mini",
        "dataset:set",
        "version:1.0",
    }


def test_its_scores_are_pass_rate_pass_at_k_and_costs(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    kilobench("run", job.path, "--opik", server.url)
    scores = {one.name: one.value for one in experiment(connection).experiment_scores}
    assert scores == {
        "pass_rate": 0.5,
        "pass@1": 0.5,
        "pass@2": 1.0,
        "cost_per_attempt_usd": 0.01,
        "cost_to_complete_usd": 0.02,
        "tokens_per_attempt": 1050.0,
        "seconds_per_attempt": 300.0,
    }


def test_a_tag_is_as_long_as_opik_takes(
    tmp_path: Any, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    job = JobBuilder(tmp_path, "j" * 150)
    job.trial()
    assert kilobench("run", job.path, "--opik", server.url).code == 0
    assert max(len(tag) for tag in experiment(connection).tags) == 100


def test_the_judges_prompts_are_versions_in_opiks_library_and_linked(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    assert kilobench("run", job.path, "--opik", server.url, "--json").json["written"]["prompts"] == len(criteria())
    found = experiment(connection)
    stored = {name: connection.client.get_prompt(f"kilobench.{name}", project_name="kilobench") for name in criteria()}
    for name, prompt in stored.items():
        assert prompt is not None
        assert prompt.prompt == criteria()[name].rubric
        assert prompt.metadata["version"] == criteria()[name].version
    assert found.metadata["judge_prompts"] == {
        criteria()[name].prompt_version: f"kilobench.{name} {prompt.commit}"
        for name, prompt in stored.items()
        if prompt
    }
    assert {one.commit for one in found.prompt_versions} == {prompt.commit for prompt in stored.values() if prompt}


def test_a_prompt_that_says_the_same_is_no_new_version_and_one_that_changed_is(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kilobench("run", job.path, "--opik", server.url)
    first = experiment(connection).metadata["judge_prompts"]
    assert kilobench("run", job.path, "--opik", server.url, "--json").json["written"]["prompts"] == 0
    changed: dict[str, Criterion] = dict(criteria())
    changed["efficiency"] = changed["efficiency"].model_copy(update={"rubric": "Another question."})
    monkeypatch.setattr("pipelines.prompt_library.criteria", lambda: changed)
    result = kilobench("run", job.path, "--opik", server.url, "--json").json
    assert (result["written"]["prompts"], result["written"]["experiments"]) == (1, 1)
    question = changed["efficiency"].model_copy(update={"question": "Why?"})
    monkeypatch.setattr("pipelines.prompt_library.criteria", lambda: changed | {"efficiency": question})
    assert kilobench("run", job.path, "--opik", server.url, "--json").json["written"]["prompts"] == 1
    monkeypatch.setattr("pipelines.prompt_library.criteria", lambda: changed)
    history = connection.client.get_prompt_history("kilobench.efficiency", project_name="kilobench")
    assert [one.prompt for one in history] == ["Another question."] * 2 + [criteria()["efficiency"].rubric]
    second = experiment(connection).metadata["judge_prompts"]
    assert {version for version in first if first[version] != second[version]} == {
        criteria()["efficiency"].prompt_version
    }


def test_a_run_that_does_not_judge_leaves_the_prompts_as_they_are(
    job: JobBuilder, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    kilobench("run", job.path, "--opik", server.url)
    judged = experiment(connection).metadata
    result = kilobench("run", job.path, "--opik", server.url, "--no-judge", "--json").json
    assert result["written"]["experiments"] == 0
    assert experiment(connection).metadata == judged
