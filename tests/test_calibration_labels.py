"""Label files: what is read of them, and what of them cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.calibration.labels import DECISIVE, NOT_NAMED, Labels, label_of, parse_labels
from judges.calibration.reference import between_people, decisive_steps, reference
from judges.calibration.sources import agentrx, who_and_when
from judges.criteria import criteria
from prompts import Criterion, Label

EFFICIENCY = criteria()["efficiency"]


def line(**fields: Any) -> bytes:
    """A label as it stands in a file."""
    ordinary = {"trial": "job/a", "step": 2, "criterion": "efficiency", "label": "necessary", "annotator": "ann"}
    return json.dumps(ordinary | fields).encode()


def parsed(*lines: bytes) -> Labels:
    return parse_labels(lines, criteria())


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("redundant", "redundant"),
        ("  Redundant ", "redundant"),
        (-1, "redundant"),
        (-1.0, "redundant"),
        ("-1", "redundant"),
        (0, "avoidable"),
        ("0", "avoidable"),
        (1, "necessary"),
        ("+1", "necessary"),
        ("1", "necessary"),
    ],
    ids=repr,
)
def test_a_label_is_a_name_or_one_of_three_numbers(written: object, label: str) -> None:
    (one,) = parsed(line(label=written)).labels
    assert (one.label, one.place, one.annotator) == (label, ("job/a", 2), "ann")


def test_a_criterion_with_two_marks_has_no_middle() -> None:
    two = EFFICIENCY.model_copy(update={"labels": (EFFICIENCY.labels[0], EFFICIENCY.labels[2])})
    assert [label_of(said, two) for said in (1, 0, -1)] == ["necessary", None, "redundant"]


def test_a_label_that_is_called_by_a_number_is_that_label() -> None:
    numbered = EFFICIENCY.model_copy(
        update={"labels": tuple(Label(label=name, value=value, meaning="m") for name, value in (("0", 1), ("1", 0)))}
    )
    assert (label_of("0", numbered), label_of("1", numbered)) == ("0", "1")


def test_what_is_no_mark_is_a_label_of_its_own() -> None:
    for said in ("not visible", "Not  Visible", None):
        (one,) = parsed(line(criterion="reasoning_quality", label=said)).labels
        assert one.label == "not visible"


BAD: dict[str, bytes] = {
    "no JSON": b"{",
    "no UTF-8": line().replace(b"necessary", b"\xff"),
    "no object": b"[1]",
    "nested without end": b"[" * 5_000,
    "no step": line(step=None),
    "step 0": line(step=0),
    "a step that is a text": line(step="2"),
    "a step that is true": line(step=True),
    "half a step": line(step=1.5),
    "a step beyond all": line(step=2**40),
    "a label that is true": line(label=True),
    "a label that is a list": line(label=["necessary"]),
    "a label of another criterion": line(label="wrong"),
    "a number that is no mark": line(label=2),
    "NaN": line(label=float("nan")),
    "no label where each is a mark": line(label=None),
    "another criterion": line(criterion="beauty"),
    "a blank trial": line(trial=" "),
    "verdicts that are none": b'{"verdicts": [1]}',
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_line_that_cannot_be_used_is_named_and_the_others_are_read(bad: bytes) -> None:
    found = parsed(line(), bad, b"", line(step=3))
    assert [one.step for one in found.labels] == [2, 3]
    ((where, reason),) = [(one.where, one.reason) for one in found.bad]
    assert where == "line 2"
    assert reason
    assert len(reason) < 400


@given(st.lists(st.binary(max_size=60)))
def test_no_bytes_are_the_end_of_it(lines: list[bytes]) -> None:
    found = parsed(*lines)
    assert len(found.labels) + len(found.bad) <= len(lines)


def test_an_empty_file_says_nothing() -> None:
    assert parsed() == Labels(())
    assert parsed(b"", b"\n") == Labels(())


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert len(parsed(b"\xef\xbb\xbf" + line()).labels) == 1


def test_the_last_word_of_an_annotator_holds_and_the_others_are_counted() -> None:
    found = parsed(
        line(), line(label="redundant"), line(annotator="bob"), line(step=3), line(criterion="tool_choice", label=1)
    )
    assert found.repeated == 1
    assert [(one.annotator, one.step, one.label) for one in found.labels] == [
        ("ann", 2, "redundant"),
        ("bob", 2, "necessary"),
        ("ann", 3, "necessary"),
        ("ann", 2, "correct"),
    ]


def test_a_prediction_names_its_judge_and_prompt_where_it_can() -> None:
    nameless = {"trial": "job/a", "step": 1, "criterion": "efficiency", "label": 0}
    found = parsed(
        json.dumps(nameless).encode(), json.dumps(nameless | {"by": "m", "prompt_version": "efficiency@2"}).encode()
    )
    assert [(one.annotator, one.by, one.prompt_version) for one in found.labels] == [
        (NOT_NAMED, None, None),
        ("m", "m", "efficiency@2"),
    ]


def test_what_judge_prints_as_json_is_a_file_of_predictions() -> None:
    verdicts = [
        {"trial": "job/a", "step": step, "criterion": "efficiency", "label": "avoidable", "value": 0.5, "by": "m"}
        for step in (1, 2)
    ]
    found = parsed(json.dumps({"run": {"id": "x"}, "verdicts": verdicts}).encode())
    assert [one.step for one in found.labels] == [1, 2]
    assert not found.bad


def test_a_file_may_say_how_long_a_trial_is() -> None:
    assert parsed(line(steps=40)).lengths == {"job/a": 40}


def test_the_reference_is_what_most_annotators_say() -> None:
    said = {
        1: ["necessary"],
        2: ["necessary", "redundant", "redundant"],
        3: ["necessary", "redundant"],
        4: ["necessary", "avoidable", "redundant"],
    }
    found = parsed(
        *(
            line(step=step, label=label, annotator=str(who))
            for step, labels in said.items()
            for who, label in enumerate(labels)
        )
    )
    truth = reference(found.labels)
    assert truth.labels == {("job/a", 1): "necessary", ("job/a", 2): "redundant"}
    assert truth.ties == {("job/a", 3), ("job/a", 4)}
    assert truth.annotators == ("0", "1", "2")


def test_how_far_people_agree_is_told_for_each_two() -> None:
    found = parsed(
        *(line(step=step, label=label) for step, label in enumerate((1, 0, -1, 1), 1)),
        *(line(step=step, label=label, annotator="bob") for step, label in enumerate((1, 0, 1), 1)),
        line(step=9, annotator="eve"),
    )
    (two,) = between_people(found.labels)
    assert (two.annotators, two.steps, two.agreement) == (("ann", "bob"), 3, 2 / 3)
    assert two.kappa == pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3))


def test_there_is_one_decisive_step_in_a_trial() -> None:
    found = parsed(
        line(criterion=DECISIVE, label=DECISIVE, step=2),
        line(criterion=DECISIVE, label=-1, step=5),
        line(criterion=DECISIVE, label=DECISIVE, step=5, annotator="bob"),
        line(trial="job/b", criterion=DECISIVE, label=DECISIVE, step=1),
        line(trial="job/b", criterion=DECISIVE, label=DECISIVE, step=2, annotator="bob"),
        line(criterion=DECISIVE, label="necessary"),
    )
    assert decisive_steps(found.labels) == ({"job/a": 5}, 1)
    assert (found.repeated, len(found.bad)) == (1, 1)


def who_and_when_file(folder: Path, name: str, **fields: Any) -> None:
    ordinary = {"history": [{"content": "x"}] * 4, "mistake_step": "1", "mistake_agent": "A"}
    (folder / name).write_text(json.dumps(ordinary | fields))


def test_who_and_when_counts_from_0_and_is_counted_from_1(tmp_path: Path) -> None:
    folder = tmp_path / "Hand-Crafted"
    folder.mkdir()
    who_and_when_file(folder, "1.json")
    who_and_when_file(folder, "2.json", mistake_step=3)
    who_and_when_file(folder, "3.json", mistake_step="4")
    who_and_when_file(folder, "4.json", mistake_step="early")
    who_and_when_file(folder, "5.json", history=None)
    (folder / "6.json").write_text("{")
    found = who_and_when.load(tmp_path)
    assert [(one.trial, one.step) for one in found.labels] == [
        ("Hand-Crafted/1", 2),
        ("Hand-Crafted/2", 4),
        ("Hand-Crafted/5", 2),
    ]
    assert found.lengths == {"Hand-Crafted/1": 4, "Hand-Crafted/2": 4}
    assert [one.where for one in found.bad] == ["Hand-Crafted/3", "Hand-Crafted/4", "Hand-Crafted/6"]
    assert who_and_when.load(folder / "1.json").labels == found.labels[:1]


def test_agentrx_names_the_failure_that_is_the_root_cause(tmp_path: Path) -> None:
    truth = tmp_path / "ground_truth"
    truth.mkdir()
    failures = [{"failure_id": 1, "step_number": 3}, {"failure_id": 2, "step_number": 7}]
    runs: list[Any] = [
        {"trajectory_id": 2, "failures": failures, "root_cause": {"failure_id": "2"}},
        {"trajectory_id": 3, "failures": failures, "root_cause": {"failure_id": 9}},
        {"trajectory_id": 4, "failures": failures, "root_cause": {"failure_id": 1}},
        {"failures": failures},
        5,
    ]
    (truth / "tau_ground_truth.json").write_text(json.dumps(runs))
    (truth / "tau_retail.json").write_text(json.dumps(runs))
    (tmp_path / "tau").mkdir()
    lengths = [{"task_id": 2, "traj": [{}] * 9}, {"task_id": 4, "traj": [{}] * 2}]
    (tmp_path / "tau" / "tau_dataset_failed.json").write_text(json.dumps(lengths))
    found = agentrx.load(tmp_path)
    assert [(one.trial, one.step) for one in found.labels] == [("tau/2", 7)]
    assert found.lengths == {"tau/2": 9}
    assert [one.where for one in found.bad] == [
        "tau/3",
        "tau/4",
        "tau_ground_truth.json, run 4",
        "tau_ground_truth.json, run 5",
    ]


def test_the_published_files_are_read_whole(shared_data: Path) -> None:
    traces = who_and_when.load(shared_data / "labels" / "who_and_when")
    assert (len(traces.labels), len(traces.lengths), traces.bad) == (184, 184, ())
    runs = agentrx.load(shared_data / "labels" / "agentrx")
    assert (len(runs.labels), len(runs.lengths), runs.bad) == (44 + 29, 44 + 29, ())


def test_every_label_of_every_criterion_can_be_written_by_its_name() -> None:
    def read(criterion: Criterion, label: Label) -> str:
        return parsed(line(criterion=criterion.criterion, label=label.label)).labels[0].label

    for criterion in criteria().values():
        assert [read(criterion, label) for label in criterion.labels] == [label.label for label in criterion.labels]
