"""`kill -9` at any moment: the next run asks for what is missing, and nothing is paid for twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from builder import JobBuilder, agent_step, user_step
from judging import MODEL, good
from scripted_judge import Answer, Asked, ScriptedJudge

TRIALS, WINDOWS, TOGETHER, KILLS = 13, 10, 2, 20

WARM = """
import os, sys
import asyncio, litellm, openai
from adapter.opik_connection import connect
from adapter.embedded_opik import EmbeddedOpik
from openai.resources.chat import completions
from judges.llm import gateway
from pipelines import cli, judging, terminal_judge

from judges.llm.known import model_of
from judges.llm.request import first_form

model_of("openai/gpt-4.1-mini"), first_form("openai/gpt-4.1-mini")
answered = litellm.acompletion(
    "openai/gpt-4.1-mini", [{"role": "user", "content": "x"}], mock_response="x", api_key="x", temperature=0.0,
    response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
)
asyncio.run(answered)  # What is loaded at first use.
print("warm", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        out, *arguments = line.split()
        streams = os.open(os.devnull, os.O_RDWR), os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream, target in ((0, 0), (1, 1), (2, 0)):
            os.dup2(streams[target], stream)
        sys.argv = ["kilobench", *arguments]
        cli.main()
        os._exit(9)  # It ends by itself.
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
"""A process that has loaded everything, and forks one that runs kilobench for each line: where to, and arguments."""


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_sends_each_call_once_save_those_on_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server kills the run, when it has been asked so many times: nothing waits for a while."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobodys-4711")
    job = JobBuilder(tmp_path)
    for number in range(TRIALS):
        job.trial(f"a__{number}", steps=[user_step(), *(agent_step(f"Step {one}.") for one in range(WINDOWS))])
    chance = random.Random(7)
    sent: Counter[str] = Counter()
    lock = threading.Lock()
    child = left = 0

    def answer(asked: Asked) -> Answer:
        nonlocal left
        with lock:
            sent[asked.text] += 1
            left -= 1
            if left == 0:
                os.kill(child, signal.SIGKILL)
        return good(asked)

    out = tmp_path / "out.json"
    warm = subprocess.Popen(
        [sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert warm.stdin is not None
    assert warm.stdout is not None
    assert warm.stdout.readline() == "warm\n"
    total, killed, code = TRIALS * WINDOWS, 0, -signal.SIGKILL
    with ScriptedJudge(answer) as judge:
        arguments = ["judge", str(job.path), "--judge-model", MODEL, "--judge-api-base", judge.url, "--window", "1"]
        line = " ".join([str(out), *arguments, "--concurrency", str(TOGETHER), "--json"])
        while code == -signal.SIGKILL:
            with lock:
                # Twenty times so many, and those on their way, are fewer than all; killed often enough, it may end.
                left = chance.randint(2, 4) if killed < KILLS else -1
                warm.stdin.write(f"{line}\n")
                child = int(warm.stdout.readline())
            code = int(warm.stdout.readline())
            killed += code == -signal.SIGKILL
        warm.communicate()
    assert (code, killed) == (0, KILLS)
    result = json.loads(out.read_text())
    assert (result["failed"], result["not_judged"]) == ([], [])
    assert len(sent) == total, "each call was sent"
    again = sum(sent.values()) - total
    assert 0 < again <= KILLS * TOGETHER, "twice only what was on its way at a kill"
    assert result["run"]["calls"] + result["run"]["cached_calls"] == total
    assert result["run"]["cached_calls"] > 0
