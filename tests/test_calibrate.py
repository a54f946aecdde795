"""`kilobench calibrate`: judges compared with people, from files and from Opik, and what is kept of it."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from builder import JobBuilder, agent_step, user_step
from calibrating import lines, written
from conftest import REPOSITORY
from judging import MODEL, OTHER, bad, instead
from opik.rest_api.types import FeedbackScoreBatchItem, FeedbackScorePublic
from scripted_judge import ScriptedJudge
from sklearn import metrics as sk

from adapter.embedded_opik import EmbeddedOpik
from adapter.errors import BadInputError
from adapter.home import home
from adapter.opik_connection import Connection
from adapter.opik_stored import of_people, scores_of
from judges.calibration.kept import Calibration, keep, kept
from judges.calibration.labels import StepLabel
from judges.criteria import criteria
from pipelines.calibrate_stored import judge_of, label_of_person

EXAMPLES = REPOSITORY / "examples" / "calibration"
JUDGE = {"by": "m", "prompt_version": "efficiency@2"}
EXPERIMENT = "set/toy@1.0/openai/gpt-5-mini/job"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Labels of one annotator on three trials."""
    said = [*lines("job/a", "nnr"), *lines("job/b", "nna"), *lines("job/c", "rnn")]
    return written(tmp_path / "people.jsonl", [one | {"annotator": "ann"} for one in said])


def predictions(folder: Path, *said: Any, **fields: Any) -> Path:
    return written(folder / "predictions.jsonl", [one | fields for one in said])


def test_recorded_predictions_are_scored_without_a_model(people: Path, tmp_path: Path, kilobench: Any) -> None:
    made = predictions(tmp_path, *lines("job/a", "nnr"), *lines("job/b", "nrn"), *lines("job/c", "n.n"), **JUDGE)
    result = kilobench("calibrate", people, "--predictions", made, "--json")
    assert result.code == 0
    (one,) = result.json["judges"]
    assert (one["criterion"], one["by"], one["prompt_version"], one["bad"]) == (
        "efficiency",
        "m",
        "efficiency@2",
        "redundant",
    )
    assert (one["labelled"], one["compared"], one["missing"], one["trials"]) == (9, 8, 1, 3)
    right, said = ["n", "n", "r", "n", "n", "a", "r", "n"], ["n", "n", "r", "n", "r", "n", "n", "n"]
    assert one["agreement"]["value"] == sk.accuracy_score(right, said)
    assert one["kappa"]["value"] == pytest.approx(float(sk.cohen_kappa_score(right, said)))
    assert one["confusion"]["counts"] == sk.confusion_matrix(right, said, labels=["n", "a", "r"]).tolist()
    first = one["first_errors"]["overall"]
    assert (first["exact"]["value"], first["exact"]["n"], first["false_alarms"]["value"]) == (1, 1, 1)
    assert one["first_errors"]["not_known"] == 1, "in c a step between was not judged, and none was found"


def test_the_calibration_is_kept_and_stands_beside_the_judge(people: Path, tmp_path: Path, kilobench: Any) -> None:
    made = predictions(tmp_path, *lines("job/a", "nnr"), *lines("job/b", "nrn"), **JUDGE)
    (one,) = kilobench("calibrate", people, "--predictions", made, "--json").json["judges"]
    found = kept().find("m", "efficiency@2")
    assert found is not None
    assert (found.steps, found.trials, found.labels) == (6, 2, "people.jsonl")
    assert found.agreement == pytest.approx(4 / 6)
    assert one["calibration"] == found.summary == f"calibrated: κ {found.kappa:.2f}, 6 steps"
    assert kept().find("m", "efficiency@1") is None


def test_another_calibration_of_a_judge_replaces_the_first_and_no_other(
    people: Path, tmp_path: Path, kilobench: Any
) -> None:
    kilobench("calibrate", people, "--predictions", predictions(tmp_path, *lines("job/a", "nnr"), **JUDGE))
    kilobench("calibrate", people, "--predictions", predictions(tmp_path, *lines("job/a", "nn"), **JUDGE | {"by": "o"}))
    kilobench("calibrate", people, "--predictions", predictions(tmp_path, *lines("job/a", "n"), **JUDGE))
    assert {one.model: one.steps for one in kept().by_judge.values()} == {"m": 1, "o": 2}


def test_a_judge_that_the_predictions_do_not_name_is_named(people: Path, tmp_path: Path, kilobench: Any) -> None:
    made = predictions(tmp_path, *lines("job/a", "nnr"))

    def kept_why(*more: str) -> tuple[str | None, str | None]:
        (one,) = kilobench("calibrate", people, "--predictions", made, "--json", *more).json["judges"]
        return one["calibration"], one["not_kept"]

    assert kept_why() == (None, "the predictions do not name their judge: give --keep-as MODEL")
    assert kept_why("--keep-as", "m") == (
        None,
        "the predictions do not say their prompt's version: give --prompt-version",
    )
    assert kept().by_judge == {}
    assert kept_why("--keep-as", "m", "--prompt-version", "2", "--no-keep") == (None, "--no-keep was given")
    assert kept().by_judge == {}
    assert kept_why("--keep-as", "m", "--prompt-version", "tool_choice@2")[1] is not None
    for version in ("2", "efficiency@3"):
        assert kept_why("--keep-as", "m", "--prompt-version", version)[0] is not None
    assert set(kept().by_judge) == {("m", "efficiency@2"), ("m", "efficiency@3")}


def test_only_one_judge_at_a_time_is_given_a_name(people: Path, tmp_path: Path, kilobench: Any) -> None:
    made = predictions(tmp_path, *lines("job/a", "nnr", by="x"), *lines("job/a", "nnn", by="y"))
    result = kilobench("calibrate", people, "--predictions", made, "--keep-as", "m")
    assert result.code == 2
    assert "x, y" in result.err
    two = kilobench("calibrate", people, "--predictions", made, "--json").json["judges"]
    assert [(one["by"], one["agreement"]["value"]) for one in two] == [("x", 1), ("y", pytest.approx(2 / 3))]


def test_a_rule_is_a_judge_too(people: Path, tmp_path: Path, kilobench: Any) -> None:
    made = predictions(tmp_path, *lines("job/a", ".rr"), by="rule:repeated_call")
    (one,) = kilobench("calibrate", people, "--predictions", made, "--json").json["judges"]
    assert (one["precision"]["value"], one["compared"], one["missing"]) == (0.5, 2, 7)
    assert set(kept().by_judge) == {("rule:repeated_call", "efficiency")}


def test_a_broken_file_of_calibrations_is_named(people: Path, tmp_path: Path, kilobench: Any) -> None:
    home().mkdir(parents=True, exist_ok=True)
    broken = home() / "calibrations.json"
    made = predictions(tmp_path, *lines("job/a", "nnr"), **JUDGE)
    for content in ("{", "[]", '{"calibrations": [{"model": 1}]}'):
        broken.write_text(content)
        result = kilobench("calibrate", people, "--predictions", made)
        assert (result.code, broken.read_text()) == (2, content)
        assert "calibrations.json" in result.err


def test_lines_that_cannot_be_used_are_named_and_the_rest_is_compared(
    people: Path, tmp_path: Path, kilobench: Any
) -> None:
    made = written(tmp_path / "p.jsonl", [*lines("job/a", "nnr", **JUDGE), "{", '{"trial": "\x1b[31mjob/a"}'])
    result = kilobench("calibrate", people, "--predictions", made, "--json")
    assert result.code == 3
    assert [(one["source"], one["where"]) for one in result.json["bad_lines"]] == [
        ("p.jsonl", "line 4"),
        ("p.jsonl", "line 5"),
    ]
    assert result.json["judges"][0]["compared"] == 3
    shown = kilobench("calibrate", people, "--predictions", made)
    assert "p.jsonl, line 4" in shown.out
    assert "\x1b" not in shown.out


def test_annotators_are_compared_with_each_other_and_ties_are_counted(tmp_path: Path, kilobench: Any) -> None:
    said = [*lines("job/a", "nnr", annotator="ann"), *lines("job/a", "nar", annotator="bob")]
    labels = written(tmp_path / "people.jsonl", said)
    result = kilobench("calibrate", labels, "--predictions", predictions(tmp_path, *lines("job/a", "nnr"))).out
    assert re.search(r"ann and bob +3 +66\.7 %", result)
    assert "1 on which people are split" in result
    assert "compared: 2 of 2 labelled steps" in result


NOTHING: dict[str, tuple[list[Any], list[Any], str]] = {
    "an empty file of labels": ([], lines("job/a", "n"), "There is no label that can be used"),
    "an empty file of predictions": (lines("job/a", "n"), [], "There is no prediction that can be used"),
    "other trials": (lines("job/a", "n"), lines("a", "n"), "'job/a', a prediction by efficiency on step 1 of 'a'"),
    "other steps": (lines("job/a", "n"), lines("job/a", ".n"), "No labelled step has a prediction"),
    "nothing but bad lines": (["{"], lines("job/a", "n"), "line 1: Invalid JSON"),
}


@pytest.mark.parametrize(("labels", "said", "message"), NOTHING.values(), ids=NOTHING.keys())
def test_where_nothing_can_be_compared_it_says_why(
    labels: list[Any], said: list[Any], message: str, tmp_path: Path, kilobench: Any
) -> None:
    first, second = written(tmp_path / "l.jsonl", labels), written(tmp_path / "p.jsonl", said)
    result = kilobench("calibrate", first, "--predictions", second)
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert kept().by_judge == {}


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing": ((), "Whose labels are meant"),
    "no predictions": (("{people}",), "nothing to compare the labels with"),
    "no such file": (("none.jsonl", "--predictions", "{people}"), "there is no such file"),
    "a folder": (("{folder}", "--predictions", "{people}"), "is a directory, not a file"),
    "no such criterion": (("{people}", "--predictions", "{people}", "--criterion", "beauty"), "no criterion 'beauty'"),
    "no folder of criteria": (("{people}", "--predictions", "{people}", "--criteria", "none"), "it is no folder"),
    "no place for a picture": (
        ("{people}", "--predictions", "{people}", "--picture", "{folder}/no/p.svg"),
        "--picture",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_was_asked_for_wrongly_is_told(
    arguments: tuple[str, ...], message: str, people: Path, tmp_path: Path, kilobench: Any
) -> None:
    result = kilobench("calibrate", *(one.format(people=people, folder=tmp_path) for one in arguments))
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert kept().by_judge == {}


def test_criteria_of_ones_own_have_labels_of_their_own(tmp_path: Path, kilobench: Any) -> None:
    own = tmp_path / "criteria"
    own.mkdir()
    (own / "safety.md").write_text(
        "---\nname: Safety\nversion: 1\ncriterion: safety\nquestion: Safe?\ninputs: [step]\n"
        "labels:\n- {label: safe, value: 1, meaning: It is.}\n- {label: unsafe, value: 0, meaning: It is not.}\n"
        "changelog:\n- {version: 1, change: First.}\n---\nJudge it.\n"
    )
    said = [
        {"trial": "t", "step": step, "criterion": "safety", "label": label} for step, label in enumerate((1, -1), 1)
    ]
    both = written(tmp_path / "p.jsonl", said)
    result = kilobench("calibrate", both, "--predictions", both, "--criteria", own, "--json")
    assert result.json["judges"][0]["confusion"]["labels"] == ["safe", "unsafe"]
    assert kilobench("calibrate", both, "--predictions", both).code == 2


def test_one_criterion_alone_may_be_looked_at(people: Path, tmp_path: Path, kilobench: Any) -> None:
    more = [{"trial": "job/a", "step": 1, "criterion": "tool_choice", "label": "wrong"}]
    labels = written(tmp_path / "more.jsonl", [*lines("job/a", "n"), *more])
    result = kilobench("calibrate", labels, "--predictions", labels, "--criterion", "tool_choice", "--json")
    assert [one["criterion"] for one in result.json["judges"]] == ["tool_choice"]


def test_the_confusion_matrix_is_drawn(people: Path, tmp_path: Path, kilobench: Any) -> None:
    made = predictions(tmp_path, *lines("job/a", "nnr"), *lines("job/b", "nrn"), by="<script>x</script>")
    picture = tmp_path / "confusion.svg"
    assert kilobench("calibrate", people, "--predictions", made, "--picture", picture).code == 0
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert "<script" not in drawn
    assert [drawn.count(f">{label}</text>") for label in ("necessary", "avoidable", "redundant")] == [2, 2, 2]
    assert re.findall(r">(\d+)</text>", drawn) == ["3", "0", "1", "1", "0", "0", "0", "0", "1"]


def test_a_decisive_step_is_compared_with_the_first_that_a_judge_calls_bad(tmp_path: Path, kilobench: Any) -> None:
    folder = tmp_path / "Hand-Crafted"
    folder.mkdir()
    for number, step in enumerate(("2", "0", "5")):
        trace = {"history": [{}] * 8, "mistake_step": step}
        (folder / f"{number}.json").write_text(json.dumps(trace))
    made = predictions(
        tmp_path, *lines("Hand-Crafted/0", "nnrr"), *lines("Hand-Crafted/1", "nnr"), *lines("Hand-Crafted/2", "nnn")
    )
    result = kilobench("calibrate", tmp_path, "--format", "who-and-when", "--predictions", made, "--json")
    assert result.json["judges"] == []
    (one,) = result.json["decisive"]
    found = one["first_errors"]["overall"]
    assert (one["criterion"], one["labelled"], found["found_none"]) == ("efficiency", 3, 1)
    assert found["exact"]["value"] == found["within"]["1"]["value"] == pytest.approx(1 / 3)
    assert found["within"]["2"]["value"] == pytest.approx(2 / 3)
    assert [band["found"]["exact"]["n"] for band in one["first_errors"]["by_length"]] == [0, 3, 0, 0, 0]


def test_published_labels_are_a_reference_as_they_are(shared_data: Path, tmp_path: Path, kilobench: Any) -> None:
    for form, folder, count in (("who-and-when", "who_and_when", 184), ("agentrx", "agentrx", 73)):
        name = "Hand-Crafted/9" if form == "who-and-when" else "tau/2"
        made = written(
            tmp_path / "p.jsonl",
            [{"trial": name, "step": 25, "criterion": "decisive", "label": "decisive", "annotator": "x"}],
        )
        labels = shared_data / "labels" / folder
        (one,) = kilobench("calibrate", labels, "--format", form, "--predictions", made, "--json").json["decisive"]
        assert (one["labelled"], one["by"]) == (count, "x")
        assert one["first_errors"]["not_known"] == count - 1


def test_the_example_in_the_documentation_is_what_the_command_prints(
    kilobench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    page = (REPOSITORY / "docs" / "calibration.md").read_text()
    example = re.search(r"```text\n\$ kilobench (calibrate .*)\n((?:.|\n)*?)```", page)
    assert example is not None
    printed = kilobench(*example[1].split()).out
    assert [one.rstrip() for one in printed.splitlines()] == example[2].splitlines()


def test_those_who_calibrate_at_the_same_time_each_keep_theirs() -> None:
    def one(number: int) -> None:
        keep([calibration(f"m{number}")])

    with ThreadPoolExecutor(8) as several:
        list(several.map(one, range(40)))
    assert len(kept().by_judge) == 40
    assert sorted(path.name for path in home().iterdir() if path.suffix != ".lock") == ["calibrations.json"]


def calibration(model: str, **fields: Any) -> Calibration:
    ordinary = {"kappa": 0.624, "low": 0.511, "high": 0.709, "agreement": 0.8, "steps": 340, "trials": 20}
    named = {"model": model, "prompt_version": "efficiency@2", "labels": "l.jsonl", "made_at": "2026-01-01T00:00:00Z"}
    return Calibration.model_validate(ordinary | named | fields)


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({}, "calibrated: κ 0.62 (0.51 to 0.71), 340 steps"),
        ({"low": None, "high": None}, "calibrated: κ 0.62, 340 steps"),
        ({"kappa": None}, "calibrated on 340 steps: κ not defined"),
    ],
    ids=["whole", "no interval", "no kappa"],
)
def test_a_calibration_is_told_in_one_phrase(fields: dict[str, Any], summary: str) -> None:
    assert calibration("m", **fields).summary == summary


def test_where_the_calibration_cannot_be_kept_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KILOBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(BadInputError, match="cannot be written"):
        keep([calibration("m")])


def test_each_persons_own_score_is_read_where_several_gave_one() -> None:
    given = FeedbackScorePublic.model_validate(
        {
            "name": "efficiency",
            "value": 0.5,
            "source": "ui",
            "value_by_author": {
                "ann": {"value": 1, "category_name": "necessary", "source": "ui"},
                "bob": {"value": 0, "category_name": "redundant", "source": "ui"},
                "program": {"value": 0, "category_name": "redundant", "source": "sdk"},
            },
        }
    )
    found = [label_of_person("job/a", 2, one, criteria()) for one in of_people("row", [given])]
    assert [(one.annotator, one.label) for one in found if isinstance(one, StepLabel)] == [
        ("ann", "necessary"),
        ("bob", "redundant"),
    ]
    assert [one.author for one in scores_of("row", given)] == ["program"]


REASONS: dict[str, tuple[str | None, tuple[str, str | None] | None]] = {
    "a model": ("why\n[by openai/m, prompt efficiency@2; not calibrated]", ("openai/m", "efficiency@2")),
    "with its category": (
        "why\n[repeated action; by m, prompt a@1; calibrated: κ 0.62 (0.51 to 0.71), 340 steps]",
        ("m", "a@1"),
    ),
    "a rule": ("why\n[repeated action; by rule:identical]", ("rule:identical", None)),
    "a panel": ("why\n[by a + b (union), prompt a@1]", ("a + b (union)", "a@1")),
    "somebody else": ("I like it", None),
    "nothing": (None, None),
    "words that look like it, above": ("[by m, prompt a@1]\n[by n, prompt a@2]", ("n", "a@2")),
}


@pytest.mark.parametrize(("reason", "judge"), REASONS.values(), ids=REASONS.keys())
def test_who_gave_a_score_is_told_by_its_last_line(reason: str | None, judge: tuple[str, str | None] | None) -> None:
    assert judge_of(reason) == judge


@pytest.fixture
def stored(tmp_path: Path, server: EmbeddedOpik, kilobench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of two trials, judged by two models: the second calls each third step redundant."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobodys-4711")
    job = JobBuilder(tmp_path)
    reads = [agent_step("I look.", ("Read", {"file_path": f"{name}.py"}, "x = 1")) for name in "abc"]
    for name in ("a__1", "a__2"):
        job.trial(name, steps=[user_step(), *reads])
    assert kilobench("upload", job.path, "--project", "p", "--opik", server.url).code == 0
    third = instead({(3, "efficiency"): bad(3, "efficiency", "redundant", "I look.")})
    for model, answer in ((MODEL, third), (OTHER, instead({}))):
        with ScriptedJudge(answer) as judge:
            where = ("--judge-api-base", judge.url, "--opik", server.url)
            done = kilobench("judge", "--experiment", EXPERIMENT, "--judge-model", model, *where, "--json")
            assert done.code == 0, done.err


def test_predictions_are_what_each_judge_said_of_an_experiment(
    stored: None, server: EmbeddedOpik, tmp_path: Path, kilobench: Any
) -> None:
    said = [*lines("job/a__1", ".nrn"), *lines("job/a__2", ".nnn"), *lines("job/a__2", "n"), *lines("job/z", "n")]
    labels = written(tmp_path / "people.jsonl", said)
    result = kilobench("calibrate", labels, "--experiment", EXPERIMENT, "--opik", server.url, "--json")
    assert result.code == 0, result.err
    by = {one["by"]: one for one in result.json["judges"]}
    assert set(by) == {MODEL, OTHER}
    assert {name: one["agreement"]["value"] for name, one in by.items()} == {
        MODEL: pytest.approx(5 / 6),
        OTHER: pytest.approx(5 / 6),
    }
    assert (by[MODEL]["recall"]["value"], by[OTHER]["recall"]["value"]) == (1, 0)
    assert result.json["unknown_steps"] == 2, "one is the user's step, one is of a trial that is not there"
    assert set(kept().by_judge) == {(MODEL, "efficiency@2"), (OTHER, "efficiency@2")}


def score(connection: Connection, trial: str, step: int, name: str, value: float, category: str | None) -> None:
    """A person scores a step in Opik's pages."""
    (trace,) = [one for one in connection.client.search_traces(project_name="p") if one.name == trial]
    spans = connection.client.search_spans(project_name="p", trace_id=trace.id)
    (span,) = [one for one in spans if one.name == f"step {step}"]
    connection.client.rest_client.spans.score_batch_of_spans(
        scores=[
            FeedbackScoreBatchItem(
                id=str(span.id), project_name="p", name=name, value=value, category_name=category, source="ui"
            )
        ]
    )


def test_labels_may_be_those_that_people_left_in_opik(
    stored: None, server: EmbeddedOpik, connection: Connection, kilobench: Any
) -> None:
    nothing = kilobench("calibrate", "--experiment", EXPERIMENT, "--opik", server.url)
    assert nothing.code == 2
    assert "People have left no label" in nothing.err
    score(connection, "job/a__1", 2, "efficiency", 1, "necessary")
    score(connection, "job/a__1", 3, "efficiency", 0, None)
    score(connection, "job/a__2", 3, "efficiency", 0.7, None)
    score(connection, "job/a__2", 4, "beauty", 0.7, None)
    result = kilobench("calibrate", "--experiment", EXPERIMENT, "--opik", server.url, "--json")
    assert result.code == 3
    assert [one["reason"] for one in result.json["bad_lines"]] == ["0.7 is no label of efficiency"]
    by = {one["by"]: (one["compared"], one["agreement"]["value"]) for one in result.json["judges"]}
    assert by == {MODEL: (2, 1), OTHER: (2, 0.5)}, "what a person wrote over a score, the kept run still has"
    assert result.json["labels"]["source"] == "opik"


def test_the_calibration_is_shown_beside_the_scores_of_the_next_run(
    stored: None, server: EmbeddedOpik, tmp_path: Path, kilobench: Any
) -> None:
    labels = written(tmp_path / "people.jsonl", lines("job/a__1", ".nrn"))
    kilobench("calibrate", labels, "--experiment", EXPERIMENT, "--opik", server.url)
    with ScriptedJudge(instead({})) as judge:
        where = ("--judge-api-base", judge.url, "--opik", server.url, "--json")
        run = kilobench("judge", "--experiment", EXPERIMENT, "--judge-model", MODEL, *where).json["run"]
    assert run["calibration"][MODEL]["efficiency"] == "calibrated: κ 1.00, 3 steps"
    assert run["calibration"][MODEL]["tool_choice"] == "not calibrated"
