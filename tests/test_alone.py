"""Two uploads of one job at once on one machine: one after the other, and the second finds everything in place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from builder import JobBuilder
from stored import dump

from adapter.embedded_opik import EmbeddedOpik

RUN = "import sys; from pipelines.cli import main; sys.argv[0] = 'kilobench'; main()"


def test_two_processes_that_upload_one_job_store_it_once(tmp_path: Path, server: EmbeddedOpik) -> None:
    job = JobBuilder(tmp_path / "jobs")
    for number in range(30):
        job.trial(f"t{number}__1")
    command = [sys.executable, "-c", RUN, "run", str(tmp_path / "jobs"), "--opik", server.url, "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    written = sorted((json.loads(out)["written"] for out, _ in said), key=lambda one: one["traces"])
    assert set(written[0].values()) == {0}
    assert (written[1]["traces"], written[1]["spans"]) == (30, 60)
    held = dump(tmp_path / "opik.db")
    assert all(len(rows) == 1 for of_kind in held.values() for rows in of_kind.values())
