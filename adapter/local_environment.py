"""A Harbor environment without Docker: a trial is a folder of its own and the processes that work in it.

For trusted tasks only: on a laptop, and in tests. `harbor run -e adapter.local_environment:LocalEnvironment`, and
`--ek isolation=namespaces` for a root folder of the trial's own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, override

from harbor.environments.base import BaseEnvironment, EnvironmentPath, ExecResult

from adapter.errors import BadInputError
from adapter.local_dockerfile import copies
from adapter.local_files import copy_file, copy_in, copy_out, remove_tree
from adapter.local_isolation import ByPaths, Isolation
from adapter.local_namespaces import ByNamespaces
from adapter.local_processes import Mark, end_processes, run

ISOLATIONS: dict[str, type[Isolation]] = {"paths": ByPaths, "namespaces": ByNamespaces}

_OF_TRIAL, _OF_COMMAND = "KILOBENCH_TRIAL", "KILOBENCH_COMMAND"
_BUILD_FILES = ("Dockerfile", ".dockerignore", "docker-compose.yaml", "docker-compose.yml")


@dataclass(frozen=True, slots=True)
class _Running:
    """One trial between start and stop."""

    folder: Path
    mark: Mark
    isolation: Isolation


class LocalEnvironment(BaseEnvironment):
    """Runs a task's commands as processes of this machine.

    A task's Dockerfile is not built: what it copies from beside it lies where it says (without any COPY, all of it in
    the task's working folder), and the programs are this machine's. Limits of CPU, memory and network are not kept; a
    task that asks for no network is refused.

    Args:
        *args: what Harbor gives every environment.
        isolation: "paths" or "namespaces".
        folder: where the folders of trials are made; None is the system's temporary folder.
        shared: folders of this machine that the trial sees under their own names, as a list or between commas:
            where tools are installed. Read-only with namespaces; with paths, names below them are not rewritten.
        **kwargs: what Harbor gives every environment.

    Raises:
        BadInputError: an option cannot be used.
    """

    def __init__(
        self,
        *args: Any,
        isolation: str = "paths",
        folder: str | None = None,
        shared: str | Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if isolation not in ISOLATIONS:
            raise BadInputError(f"There is no isolation={isolation}.", f"Choose one of {', '.join(ISOLATIONS)}.")
        names = shared.split(",") if isinstance(shared, str) else shared
        self._isolation = ISOLATIONS[isolation]
        self._folder = folder
        self._shared = [_shared(name.strip()) for name in names if name.strip()]
        self._running: _Running | None = None
        super().__init__(*args, **kwargs)

    @staticmethod
    @override
    def type() -> str:
        return "local"

    @override
    def _validate_definition(self) -> None:
        """Accepts every task: nothing is built."""

    @property
    def workdir(self) -> PurePosixPath:
        """Where commands start when they do not say."""
        return PurePosixPath("/", self.task_env_config.workdir or "app")

    @property
    def root(self) -> Path:
        """The folder that stands for `/`.

        Raises:
            RuntimeError: the environment is not running.
        """
        return self._now.isolation.root

    @property
    def _now(self) -> _Running:
        if self._running is None:
            raise RuntimeError("The local environment is not running: start() comes first.")
        return self._running

    # ---- from start to stop

    @override
    async def start(self, force_build: bool) -> None:
        """Makes the trial's folder and puts the task's files there.

        Raises:
            BadInputError: this machine lacks what the isolation needs.
        """
        if not sys.platform.startswith("linux"):
            raise BadInputError("The local environment finds processes by /proc.", "Use Linux, or -e docker.")
        folder = await asyncio.to_thread(_new_folder, self._folder)
        mark = Mark(_OF_TRIAL, uuid.uuid4().hex)
        try:
            isolation = self._isolation(folder, self.workdir, self._shared)
            self._running = _Running(folder, mark, isolation)
            await isolation.start({**_plain(), mark.name: mark.value})
            if self._enable_environment_dir_upload:
                await asyncio.to_thread(self._add_files, isolation)
        except BaseException:
            if self._running is None:
                shutil.rmtree(folder)
            await self.stop(delete=True)
            raise

    def _add_files(self, isolation: Isolation) -> None:
        """Puts the files beside a Dockerfile where it copies them; without any COPY, into the working folder."""
        beside = self.environment_dir
        dockerfile = beside / "Dockerfile"
        copied = copies(dockerfile.read_text(errors="replace")) if dockerfile.is_file() else []
        if not copied and beside.is_dir():
            copy_in(beside, self.workdir, isolation.host, isolation.inward, leave_out=_BUILD_FILES)
        for one in copied:
            for source in (found for pattern in one.sources for found in _beside(beside, pattern)):
                if source.is_dir():
                    copy_in(source, one.target, isolation.host, isolation.inward, leave_out=_BUILD_FILES)
                    continue
                target = one.target / source.name if one.is_folder else one.target
                copy_file(source, isolation.host(target), isolation.inward)

    @override
    async def stop(self, delete: bool) -> None:
        """Ends every process of the trial, then removes its folder."""
        running, self._running = self._running, None
        if running is None:
            return
        await running.isolation.stop()
        await asyncio.to_thread(end_processes, running.mark)
        if not delete:
            self.logger.info("The trial's folder was kept: %s", running.folder)
            return
        try:
            await asyncio.to_thread(remove_tree, running.folder)
        except OSError as failed:
            self.logger.warning("The trial's folder could not be removed: %s", failed)

    # ---- commands

    @override
    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult:
        """Runs a command in bash. What it leaves in its background lives until the trial stops.

        Args:
            command: for bash.
            cwd: where it starts; relative to the working folder.
            env: variables beside PATH, HOME, LANG, TERM and those that Harbor has for every command. Nothing else
                of this machine's environment is handed on.
            timeout_sec: None, and 0, set no limit.
            user: None, root and the own name all mean whoever runs Harbor.

        Raises:
            RuntimeError: it took too long, and all of its processes were ended; or the environment is not running.
            BadInputError: `cwd` is not the trial's, or commands cannot be run as this user.
        """
        isolation, mark = self._now.isolation, self._now.mark
        user = self._resolve_user(user)
        given = {name: isolation.inward(value) for name, value in (self._merge_env(env) or {}).items()}
        try:
            finished = await run(
                isolation.arguments(command, self.workdir / (cwd or ""), user),
                environment={**_plain(), **isolation.variables(user), **given, mark.name: mark.value},
                folder=isolation.root,
                mark=Mark(_OF_COMMAND, uuid.uuid4().hex),
                timeout_s=timeout_sec or None,
            )
        except TimeoutError:
            # As the environments with Docker say it: a TimeoutError would look like one of Harbor's own limits.
            raise RuntimeError(f"Command timed out after {timeout_sec} seconds") from None
        stdout, stderr = isolation.outward(finished.stdout), isolation.outward(finished.stderr)
        if (callback := self._output_callback()) is not None:
            if stdout:
                await callback(stdout, "stdout")
            if stderr:
                await callback(stderr, "stderr")
        return ExecResult(stdout=stdout, stderr=stderr, return_code=finished.return_code)

    # ---- files

    def _host(self, path: EnvironmentPath) -> Path:
        return self._now.isolation.host(self.workdir / path)

    @override
    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        """Copies a file to the trial.

        Raises:
            BadInputError: the target is no place of the trial's own.
        """
        await asyncio.to_thread(copy_file, Path(source_path), self._host(target_path), self._now.isolation.inward)

    @override
    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        """Copies a folder's content to the trial.

        Raises:
            BadInputError: the target is no place of the trial's own.
        """
        isolation = self._now.isolation
        target = self.workdir / target_dir
        await asyncio.to_thread(copy_in, Path(source_dir), target, isolation.host, isolation.inward)

    @override
    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        """Copies a file from the trial.

        Raises:
            BadInputError: it is no place of the trial's own.
            FileNotFoundError: there is no such file.
        """
        await asyncio.to_thread(copy_file, self._host(source_path), Path(target_path), self._now.isolation.outward)

    @override
    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        """Copies a folder's content from the trial, without links: what they lead to in the trial is copied.

        Raises:
            BadInputError: it is no place of the trial's own.
            NotADirectoryError: there is no such folder.
        """
        isolation = self._now.isolation
        source = self._host(source_dir)
        if not source.is_dir():
            raise NotADirectoryError(f"{source_dir} is no folder of the trial.")

        def follow(item: Path) -> Path:
            return isolation.host("/" / PurePosixPath(item.relative_to(isolation.root)))

        left = await asyncio.to_thread(copy_out, source, Path(target_dir), follow, isolation.outward)
        if left:
            self.logger.warning("Not downloaded from %s: %s", source_dir, "; ".join(left))

    # ---- what deletes: by a command, whose paths are looked at first

    @override
    async def reset_dirs(
        self,
        *,
        remove_dirs: Sequence[EnvironmentPath],
        create_dirs: Sequence[EnvironmentPath],
        chmod_dirs: Sequence[EnvironmentPath] | None = None,
    ) -> ExecResult:
        """Removes folders of the trial and makes new ones.

        Raises:
            BadInputError: one of them is no place of the trial's own.
        """
        self._only_ours(*remove_dirs, *create_dirs, *(chmod_dirs or ()))
        return await super().reset_dirs(remove_dirs=remove_dirs, create_dirs=create_dirs, chmod_dirs=chmod_dirs)

    @override
    async def ensure_dirs(self, dirs: Sequence[EnvironmentPath], *, chmod: bool = True) -> ExecResult | None:
        """Makes folders of the trial where they are missing.

        Raises:
            BadInputError: one of them is no place of the trial's own.
        """
        self._only_ours(*dirs)
        return await super().ensure_dirs(dirs, chmod=chmod)

    @override
    async def empty_dirs(self, dirs: Sequence[EnvironmentPath], *, chmod: bool = True) -> ExecResult | None:
        """Empties folders of the trial.

        Raises:
            BadInputError: one of them is no place of the trial's own.
        """
        self._only_ours(*dirs)
        return await super().empty_dirs(dirs, chmod=chmod)

    def _only_ours(self, *paths: EnvironmentPath) -> None:
        for path in paths:
            if self._host(path) == self.root:
                raise BadInputError(f"{path} is all of the trial.", "Name one of its folders.")


def _shared(name: str) -> Path:
    path = Path(name)
    if not path.is_absolute() or path == Path("/") or not path.is_dir():
        raise BadInputError(f"shared={name} is no folder of this machine.", "Give absolute paths of folders, not /.")
    return path


def _beside(folder: Path, pattern: str) -> list[Path]:
    """What a source of COPY means: what lies in the Dockerfile's own folder, and no link out of it."""
    name = pattern.strip("/")
    found = [folder] if name in ("", ".") else sorted(folder.glob(name))
    whole = folder.resolve()
    return [path for path in found if path.resolve().is_relative_to(whole)]


def _new_folder(parent: str | None) -> Path:
    if parent is not None:
        Path(parent).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="kilobench-trial-", dir=parent)).resolve()


def _plain() -> dict[str, str]:
    """What processes get of this machine's environment, beside where things are."""
    return {"LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}
