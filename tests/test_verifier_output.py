"""What the verifier printed is part of the record: its end, without secrets, and back from Opik as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, codes, read_one, trajectory, user_step
from test_redact import SECRETS

from adapter.verifier_output import LONGEST

SECRET = SECRETS["Anthropic key"]


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        (None, None),
        ("", None),
        (" \n", None),
        ("FAILED test_a.py::test_b\n", "FAILED test_a.py::test_b\n"),
        ("installing\n" * 9_000 + "1 failed\n", "installing\n" * ((LONGEST - 9) // 11) + "1 failed\n"),
        ("x" * 90_000, "x" * LONGEST),
    ],
)
def test_the_end_of_it_is_kept_from_the_beginning_of_a_line_on(
    tmp_path: Path, printed: str | None, kept: str | None
) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(printed=printed))
    assert trial.verifier_output == kept


@pytest.mark.parametrize("after", [0, 15_000, LONGEST - 60])
def test_a_secret_in_it_is_replaced_wherever_the_rest_is_cut(tmp_path: Path, after: int) -> None:
    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial(printed=f"{'y' * 9_000} KEY={SECRET} {'z' * after}"))
    assert trial.verifier_output is not None
    assert SECRET[:12] not in trial.verifier_output
    assert SECRET[-12:] not in trial.verifier_output
    assert "redacted" in codes(trial)


def test_each_step_of_a_multi_step_trial_has_a_verifier_of_its_own(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial(steps=[], step_results=[{"step_name": "one"}, {"step_name": "two"}])
    for name in ("one", "two"):
        (folder / "steps" / name / "agent").mkdir(parents=True)
        (folder / "steps" / name / "verifier").mkdir()
        run = trajectory([user_step(), agent_step("Done.")])
        job._write(f"{folder.name}/steps/{name}/agent/trajectory.json", run)
        (folder / "steps" / name / "verifier" / "test-stdout.txt").write_text(f"{name} failed\n")
    assert read_one(job, folder).verifier_output == "== one ==\none failed\n\n== two ==\ntwo failed\n"


def test_what_cannot_be_read_is_a_finding_and_not_known(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    folder = job.trial()
    (folder / "verifier").mkdir()
    (folder / "verifier" / "test-stdout.txt").symlink_to("/etc/hostname")
    trial = read_one(job, folder)
    assert trial.verifier_output is None
    assert "file_unreadable" in codes(trial)
