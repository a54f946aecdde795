"""`kilobench calibrate --export`: which steps people are asked to label, and how labels come back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from calibrating import lines, written
from hypothesis import given
from hypothesis import strategies as st
from opik.rest_api.types import (
    CategoricalFeedbackDetailCreate,
    FeedbackCreate_Categorical,
    FeedbackScoreBatchItem,
)

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import IncompleteError
from adapter.opik_annotation import Annotation
from adapter.opik_connection import Connection
from judges.calibration.kept import kept
from judges.calibration.labels import Place
from judges.calibration.to_label import Opinion, Why, to_label
from judges.criteria import criteria
from judges.verdict import Verdict
from pipelines.label_export import ExportRequest, export

EXPERIMENT = "set/toy@1.0/openai/gpt-5-mini/job"
LABELS = "p.labels"
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"[:36]
STEPS = [("t", step) for step in range(1, 9)]


def opinion(step: int, label: str, by: str = "m", confidence: float | None = None, name: str = "efficiency") -> Opinion:
    return Opinion(("t", step), name, label, by, confidence)


def chosen(opinions: Iterable[Opinion], count: int = 8, seed: int = 0) -> list[tuple[int, Why]]:
    return [(one.place[1], one.why) for one in to_label(opinions, criteria(), STEPS, count, seed)]


def test_steps_are_chosen_by_how_far_judges_are_apart_and_then_by_doubt() -> None:
    said = [
        *(opinion(1, "necessary", by) for by in ("m", "n")),
        *(opinion(2, label, by) for label, by in (("necessary", "m"), ("avoidable", "n"))),
        *(opinion(3, label, by) for label, by in (("necessary", "m"), ("redundant", "n"))),
        *(opinion(4, label, by) for label, by in (("necessary", "m"), ("redundant", "rule:x"))),
        *(opinion(5, label, by) for label, by in (("avoidable", "m"), ("redundant", "rule:x"))),
        opinion(6, "necessary", confidence=0.3),
        opinion(7, "necessary", confidence=0.5),
        opinion(8, "necessary", confidence=0.9),
    ]
    found = chosen(said)
    assert found[:6] == [
        (3, Why.MODELS),
        (2, Why.MODELS),
        (4, Why.RULE),
        (5, Why.RULE),
        (6, Why.UNSURE),
        (7, Why.UNSURE),
    ]
    assert {one for one, _ in found[6:]} == {1, 8}
    assert chosen(said, 2) == found[:2]


def test_what_is_no_mark_disagrees_with_nothing_and_rules_with_no_rule() -> None:
    said = [
        opinion(1, "not visible", "m", name="reasoning_quality"),
        opinion(1, "flawed", "n", name="reasoning_quality"),
        opinion(2, "redundant", "rule:x"),
        opinion(2, "avoidable", "rule:y"),
        Opinion(("elsewhere", 1), "efficiency", "redundant", "m"),
        opinion(3, "nonsense", "m"),
        opinion(3, "ugly", "m", name="beauty"),
    ]
    assert {why for _, why in chosen(said)} == {Why.CHANCE}


def test_chance_has_a_seed() -> None:
    assert chosen([]) == chosen([])
    assert len({tuple(step for step, _ in chosen([], 4, seed)) for seed in range(10)}) > 5


@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.sampled_from(["necessary", "avoidable", "redundant"]), st.sampled_from("mn"))
    )
)
def test_each_step_is_chosen_once_at_most(said: list[tuple[int, str, str]]) -> None:
    found = chosen([opinion(*one) for one in said])
    assert sorted(step for step, _ in found) == list(range(1, 9))
    ranks = [list(Why).index(why) for _, why in found]
    assert ranks == sorted(ranks)


@pytest.fixture
def uploaded(tmp_path: Path, server: EmbeddedOpik, kilobench: Any) -> None:
    """Two trials of four steps, of which rules flag the two that read a file again."""
    job = JobBuilder(tmp_path)
    read = ("Read", {"file_path": "a.py"}, f"token = '{SECRET}'")
    for name in ("a__1", "a__2"):
        job.trial(
            name, steps=[user_step("Fix it."), *(agent_step("I look.", read) for _ in range(3)), agent_step("Done.")]
        )
    assert kilobench("run", job.path, "--project", "p", "--opik", server.url).code == 0


@pytest.fixture
def exported(server: EmbeddedOpik, kilobench: Any, tmp_path: Path) -> Any:
    """Exports steps; one model said that the second step of the first trial is necessary, another that it is not."""
    said = [*lines("job/a__1", ".nnn", by="m"), *lines("job/a__1", ".ra.", by="n"), *lines("job/a__2", ".n..", by="m")]
    made = written(tmp_path / "said.jsonl", said)

    def call(*arguments: object) -> Any:
        where = ("--opik", server.url, "--predictions", made, "--json")
        return kilobench("calibrate", "--export", *where, *(arguments or ("--experiment", EXPERIMENT)))

    return call


def waiting(connection: Connection) -> dict[str, Any]:
    """The small traces, by name."""
    return {str(one.name): one for one in connection.client.search_traces(project_name=LABELS)}


def test_steps_wait_in_a_queue_the_most_disputed_first(uploaded: None, exported: Any, connection: Connection) -> None:
    result = exported("--experiment", EXPERIMENT, "--count", 3)
    assert result.code == 0, result.err
    assert [(one["trial"], one["step"], one["why"]) for one in result.json["steps"][:2]] == [
        ("job/a__1", 2, "models disagree"),
        ("job/a__1", 3, "models disagree"),
    ]
    assert (result.json["steps"][2]["trial"], result.json["steps"][2]["why"]) == (
        "job/a__1",
        "a rule and a model disagree",
    )
    (queue,) = connection.client.rest_client.annotation_queues.find_annotation_queues().content or []
    assert (queue.id, queue.name, queue.scope) == (result.json["queue_id"], "steps to label", "trace")
    assert (queue.project_name, queue.items_count, result.json["waiting"]) == (LABELS, 3, 3)
    assert queue.feedback_definition_names == [*criteria()]
    assert "redundant: It could bring nothing new" in str(queue.instructions)


def test_people_choose_among_the_criterions_labels(uploaded: None, exported: Any, connection: Connection) -> None:
    exported()
    found = connection.client.rest_client.feedback_definitions.find_feedback_definitions(size=10).content or []
    offered = {one.name: one.details.categories for one in found}  # pyright: ignore[reportAttributeAccessIssue]
    assert offered == {
        "efficiency": {"necessary": 1, "avoidable": 0.5, "redundant": 0},
        "reasoning_quality": {"sound": 1, "weak": 0.5, "flawed": 0, "not visible": -1},
        "tool_choice": {"correct": 1, "acceptable": 0.5, "wrong": 0},
    }


def test_a_step_is_shown_whole_with_what_was_known_before_it_and_nothing_else(
    uploaded: None, exported: Any, connection: Connection
) -> None:
    exported()
    one = waiting(connection)["job/a__1, step 3"]
    assert one.input["task"] == "Fix it."
    assert "step 2" in one.input["earlier_steps"]
    assert "step 3" not in one.input["earlier_steps"]
    assert "step 4" not in one.input["earlier_steps"]
    assert one.output["message"] == "I look."
    assert one.output["tool_calls"][0]["tool"] == "Read"
    assert one.output["tool_calls"][0]["arguments"] == {"file_path": "a.py"}
    everything = json.dumps(
        [one.input, one.output, one.metadata, one.tags, [str(score) for score in one.feedback_scores or []]]
    )
    assert SECRET not in everything
    for word in ("disagree", "redundant", "reward", "passed"):
        assert word not in everything, "what judges said, and how it ended, must not lead people"


def test_exporting_again_adds_nothing_and_more_are_others(
    uploaded: None, exported: Any, connection: Connection
) -> None:
    first = exported("--experiment", EXPERIMENT, "--count", 3).json
    again = exported("--experiment", EXPERIMENT, "--count", 3).json
    assert (again["steps"], again["waiting"], again["queue_id"]) == ([], 3, first["queue_id"])
    more = exported("--project", "p", "--count", 5).json
    other = exported("--project", "p", "--count", 50, "--queue", "other").json
    places = [(one["trial"], one["step"]) for run in (first, more, other) for one in run["steps"]]
    assert len(places) == len(set(places)) == 8
    assert (more["waiting"], other["waiting"], len(waiting(connection))) == (5, 3, 8)
    assert exported("--project", "p", "--queue", "third").code == 2


def test_an_export_that_was_stopped_before_the_queue_is_finished_by_the_next(
    uploaded: None, exported: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise IncompleteError("stopped", "again")

    with monkeypatch.context() as stopping:
        stopping.setattr(Annotation, "fill_queue", stop)
        assert exported("--project", "p", "--count", 3).code == 3
    assert len(waiting(connection)) == 3
    assert exported("--project", "p", "--count", 3).json["steps"] == []
    (queue,) = connection.client.rest_client.annotation_queues.find_annotation_queues().content or []
    assert (queue.items_count, len(waiting(connection))) == (3, 3)


def test_a_queue_that_somebody_made_is_filled_and_no_second_is_made(
    uploaded: None, exported: Any, connection: Connection
) -> None:
    exported("--project", "p", "--count", 1, "--queue", "other")
    rest = connection.client.rest_client
    project = rest.projects.retrieve_project(name=LABELS)
    rest.annotation_queues.create_annotation_queue(project_id=str(project.id), name="mine", scope="trace")
    assert exported("--project", "p", "--count", 3, "--queue", "mine").code == 0
    found = rest.annotation_queues.find_annotation_queues().content or []
    assert {(one.name, one.items_count) for one in found} == {("other", 1), ("mine", 3)}
    assert len(found) == 2


def label(connection: Connection, name: str, value: float, category: str, criterion: str = "efficiency") -> None:
    """A person labels a step that waits in the queue."""
    connection.client.rest_client.traces.score_batch_of_traces(
        scores=[
            FeedbackScoreBatchItem(
                id=waiting(connection)[name].id,
                project_name=LABELS,
                name=criterion,
                value=value,
                category_name=category,
                source="ui",
            )
        ]
    )


@pytest.mark.parametrize("by", ["experiment", "queue"])
def test_labels_in_the_queue_are_labels_of_the_steps_that_they_show(
    by: str, uploaded: None, exported: Any, connection: Connection, server: EmbeddedOpik, kilobench: Any
) -> None:
    exported()
    label(connection, "job/a__1, step 3", 0, "redundant")
    label(connection, "job/a__1, step 4", 1, "necessary")
    label(connection, "job/a__2, step 3", 0, "redundant")
    label(connection, "job/a__2, step 2", -1, "not visible", "reasoning_quality")
    where = ("--experiment", EXPERIMENT) if by == "experiment" else ("--queue", "steps to label")
    result = kilobench("calibrate", *where, "--opik", server.url, "--json")
    assert result.code == 0, result.err
    (one,) = result.json["judges"]
    assert one["by"].startswith("rule:")
    assert (one["compared"], one["precision"]["value"]) == (3, pytest.approx(2 / 3))
    assert result.json["labels"]["labels"] == 4
    assert len(kept().by_judge) == 1


def test_a_queue_that_is_not_there_is_named(server: EmbeddedOpik, kilobench: Any) -> None:
    result = kilobench("calibrate", "--queue", "none", "--opik", server.url)
    assert result.code == 2
    assert "no annotation queue 'none'" in result.err


def test_another_definition_of_the_same_name_is_left_as_it_is(
    uploaded: None, exported: Any, connection: Connection
) -> None:
    connection.client.rest_client.feedback_definitions.create_feedback_definition(
        request=FeedbackCreate_Categorical(
            name="efficiency", details=CategoricalFeedbackDetailCreate(categories={"good": 1, "bad": 0})
        )
    )
    result = exported("--project", "p")
    assert result.code == 2
    assert "feedback definition efficiency with other labels" in " ".join(result.err.split())
    assert exported("--project", "p", "--criterion", "tool_choice").json["criteria"] == ["tool_choice"]


def test_verdicts_may_come_from_elsewhere(uploaded: None, server: EmbeddedOpik) -> None:
    place: Place = ("job/a__2", 5)

    def verdict(by: str, text: str, value: float) -> Verdict:
        said = {"trial": place[0], "step": place[1], "criterion": "tool_choice", "explanation": "why", "by": by}
        return Verdict.model_validate(said | {"label": text, "value": value})

    both = [verdict("m", "correct", 1), verdict("n", "wrong", 0)]
    result = export(ExportRequest(project="p", count=1, opik=server.url), lambda _: both)
    assert [(one.trial, one.step, one.why) for one in result.steps] == [(*place, "models disagree")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one of --experiment and --project"),
        (("--project", "p", "--experiment", "e"), "Give one of --experiment and --project"),
        (("--project", "nowhere"), "no project nowhere"),
        (("labels.jsonl", "--project", "p"), "no labels are compared"),
    ],
    ids=["nothing", "both", "no such project", "labels"],
)
def test_what_is_exported_must_be_clear(
    arguments: tuple[str, ...], message: str, server: EmbeddedOpik, kilobench: Any
) -> None:
    result = kilobench("calibrate", "--export", "--opik", server.url, *arguments)
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert kilobench("calibrate", "--project", "p").code == 2


def test_what_was_exported_is_told(uploaded: None, server: EmbeddedOpik, kilobench: Any) -> None:
    shown = kilobench("calibrate", "--export", "--project", "p", "--count", 3, "--opik", server.url)
    assert shown.code == 0
    assert "3 steps" in shown.out
    assert "steps to label, 3 steps, in project p.labels" in shown.out
