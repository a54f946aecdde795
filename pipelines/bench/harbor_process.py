"""Harbor as a process of its own: `opik harbor`, against the configured Opik or the embedded store, or plain."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from adapter.opik_connection import connect
from pipelines.bench.matrix import PLUGIN

_PROGRAM = ("opik", "harbor")
PLAIN = ("harbor",)
"""Harbor without Opik."""
DEFAULT_PROJECT = "kilobench"


def runs_trials(arguments: Sequence[str]) -> bool:
    """Whether a command of Harbor's runs trials: none but these needs an Opik."""
    does = list(arguments[:1]) == ["run"] or list(arguments[:2]) in (["job", "start"], ["job", "resume"])
    return does and "--help" not in _own(arguments)


def with_plugin(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command that runs trials, with our plugin on; once, also where they name it already."""
    own = _own(arguments)
    named = [value for option, value in itertools.pairwise(own) if option == "--plugin"]
    named += [one.removeprefix("--plugin=") for one in own if one.startswith("--plugin=")]
    more = [] if PLUGIN in named else ["--plugin", PLUGIN]
    return [*own, *more, *arguments[len(own) :]]


def _own(arguments: Sequence[str]) -> list[str]:
    """What stands before a `--`: the rest is somebody else's."""
    return list(itertools.takewhile(lambda one: one != "--", arguments))


def shown(arguments: Sequence[str], program: Sequence[str] = _PROGRAM) -> str:
    """The command as people type it."""
    return shlex.join([*program, *arguments])


def project_of_jobs(project: str | None) -> str:
    """The project that jobs are traced in: the one that was asked for, the configured one, else kilobench's."""
    return project or os.environ.get("OPIK_PROJECT_NAME") or DEFAULT_PROJECT


@contextmanager
def harbors_environment(opik: str | None, project: str | None) -> Generator[dict[str, str]]:
    """The environment for `opik harbor`: with the address of an Opik that answers while the block runs.

    Args:
        opik: `embedded`, the address of an Opik, or None for the configured one, else the embedded store.
        project: the project of the live traces; None for the configured one, else kilobench's.

    Raises:
        BadInputError: the address is none, or the configured Opik refuses the workspace or key.
        IncompleteError: nothing answers there.
    """
    named = project_of_jobs(project)
    with connect(opik, named) as connection:
        config = connection.client.config
        found = os.environ | {
            "OPIK_URL_OVERRIDE": config.url_override,
            "OPIK_WORKSPACE": config.workspace,
            "OPIK_PROJECT_NAME": named,
        }
        found.setdefault("OPIK_SENTRY_ENABLE", "false")
        found.setdefault("OPIK_ANALYTICS_ENABLE", "false")
        yield found


def run_harbor(
    arguments: Sequence[str],
    environment: dict[str, str],
    *,
    output: TextIO | None = None,
    errors: TextIO | None = None,
    program: Sequence[str] = _PROGRAM,
) -> int:
    """Runs Harbor to its end, on this terminal; its exit code.

    Args:
        arguments: its own.
        environment: for it.
        output: where what it prints goes; None for our own standard output.
        errors: where what it prints of errors goes; None for our own standard error.
        program: `opik harbor`, or `PLAIN`.

    Raises:
        KeyboardInterrupt: Ctrl-C, once it has ended its trials.
    """
    command = [str(Path(sys.executable).with_name(program[0])), *program[1:], *arguments]
    with subprocess.Popen(command, env=environment, stdout=output, stderr=errors) as process:  # noqa: S603  (no shell reads it)
        try:
            return process.wait()
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                # A terminal has told it, too; a second time would cut its trials off.
                process.send_signal(signal.SIGINT)
            process.wait()
            raise
