"""A Harbor environment with no container: every trial is a directory and its processes.

Select it with `harbor run -e local_environment:LocalEnvironment` and this folder on `PYTHONPATH`.

A task speaks of `/app`, `/tests`, `/solution` and `/logs`. Here these are folders below one temporary
directory per trial: the absolute paths are rewritten in commands and in uploaded text files on the way in,
and the temporary directory is taken out of every output on the way back, so that what an agent and a verifier
see reads as it would in a container.

This is no sandbox. Commands run with the rights of whoever started Harbor: use it for tasks and agents that
you trust, such as those of this folder.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import override

from harbor.environments.base import BaseEnvironment, ExecResult

_ROOTED = re.compile(r"(?<![\w./-])/(?:app|tests|solution|logs)(?![\w.-])")
"""A path in one of the task's folders, at the point where it starts: `/app/x` and `"/app"`, not `src/app`."""


class LocalEnvironment(BaseEnvironment):
    """Runs a task's commands as local processes below a temporary directory."""

    _root: Path | None = None

    @staticmethod
    @override
    def type() -> str:
        return "local"

    @override
    def _validate_definition(self) -> None:
        """Accepts every task: its Dockerfile is not read, `environment/app` stands for what it copies."""

    @property
    def root(self) -> Path:
        """The directory that stands for `/` in this trial.

        Raises:
            RuntimeError: the environment was not started, or has been stopped.
        """
        if self._root is None:
            raise RuntimeError("The local environment is not running: start() comes first.")
        return self._root

    @property
    def workdir(self) -> str:
        """Where commands start when they do not say, as the task's `[environment] workdir` has it."""
        return self.task_env_config.workdir or "/app"

    @override
    async def start(self, force_build: bool) -> None:
        self._root = _temporary_directory()
        for folder in ("logs/agent", "logs/verifier", "logs/artifacts", "tests", "solution", "home"):
            (self.root / folder).mkdir(parents=True)
        workdir = self._host(self.workdir)
        workdir.mkdir(parents=True)
        files = self.environment_dir / "app"
        if files.is_dir():
            shutil.copytree(files, workdir, dirs_exist_ok=True)

    @override
    async def stop(self, delete: bool) -> None:
        root, self._root = self._root, None
        if root is not None and delete:
            shutil.rmtree(root)

    @override
    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        target = self._host(target_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source_path, target)
        _edit_text(target, self._rooted)

    @override
    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        target = self._host(target_dir)
        shutil.copytree(source_dir, target, dirs_exist_ok=True)
        for file in target.rglob("*"):
            _edit_text(file, self._rooted)

    @override
    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        target = Path(target_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self._host(source_path), target)
        _edit_text(target, self._unrooted)

    @override
    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        source = self._host(source_dir)
        for file in source.rglob("*"):
            if file.is_file():
                relative = file.relative_to(source)
                await self.download_file(f"{source_dir}/{relative}", Path(target_dir) / relative)

    @override
    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult:
        """Runs a command in bash; on a time-out or when cancelled, its whole process group is killed."""
        process = await asyncio.create_subprocess_exec(
            "/bin/bash",
            "-c",
            self._rooted(command),
            cwd=self._host(cwd or self.workdir),
            env=self._environment(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(), timeout=timeout_sec)
        except (TimeoutError, asyncio.CancelledError):
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        return ExecResult(
            stdout=self._unrooted(stdout.decode(errors="replace")),
            stderr=self._unrooted(stderr.decode(errors="replace")),
            return_code=process.returncode or 0,
        )

    def _environment(self, env: dict[str, str] | None) -> dict[str, str]:
        """The variables of a command: the task's own and a few of ours, none of the caller's (keys!)."""
        python = str(Path(sys.base_prefix) / "bin")
        ours = {"PATH": f"{python}:{os.defpath}:/usr/local/bin", "LANG": "C.UTF-8"}
        ours["HOME"] = str(self.root / "home")
        given = {name: self._rooted(value) for name, value in (self._merge_env(env) or {}).items()}
        return ours | given

    def _host(self, path: str) -> Path:
        """Where a path of the task really is.

        Raises:
            ValueError: it would lie outside the trial's directory.
        """
        inside = PurePosixPath(self.workdir) / path
        host = Path(os.path.normpath(self.root / inside.relative_to("/")))
        if not host.is_relative_to(self.root):
            raise ValueError(f"{path} is outside the environment; use a path below {self.workdir}.")
        return host

    def _rooted(self, text: str) -> str:
        return _ROOTED.sub(lambda match: f"{self.root}{match[0]}", text)

    def _unrooted(self, text: str) -> str:
        return text.replace(str(self.root), "")


def _temporary_directory() -> Path:
    """A new directory, by the path that its own processes see."""
    return Path(tempfile.mkdtemp(prefix="local-env-")).resolve()


def _edit_text(path: Path, change: Callable[[str], str]) -> None:
    """Applies a change to a text file; a folder and a file that is not UTF-8 stay as they are."""
    if path.is_dir():
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    path.write_text(change(text), encoding="utf-8")
