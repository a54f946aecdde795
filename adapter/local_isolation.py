"""How far a trial's processes are kept from the machine they run on: by the paths they name, or by namespaces."""

from __future__ import annotations

import os
import pwd
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import override

from adapter.errors import BadInputError
from adapter.local_files import inside

PRIVATE = (
    *("/app", "/harbor", "/installed-agent", "/logs", "/root", "/runtime", "/solution", "/tests", "/workspace"),
    "/tmp",  # noqa: S108
)
"""The folders of a task that every trial has for itself; its working folder is one more."""

_START = (
    r"(?!(?<=<)/\w+>)"  # no closing tag
    r"""(?:(?<![\w./~*?\])}\\@%-])(?<![\w})]["'])"""  # neither in a path, nor after a variable or a quote that ends
    r"""|(?<=[^\w$][bfrBFR]["'])"""  # a literal of Python
    r"|(?<=\s-[A-Za-z])"  # an option that its value is written to, as in -I/app
    r"|(?<=file://))"
)
"""Where an absolute path starts: `cat /app/x` and `x="/app"`, but not `src/app`, `"$HOME"/app` or `http://host/app`."""

LAUNCH = 'cd -- "$1" || exit 126; exec /bin/bash -c "$2"'
"""How bash is asked to run a command in a folder."""


class Isolation(ABC):
    """One trial's view of paths, and how a command is started so that it has this view.

    Args:
        folder: the trial's own folder, which only we can enter.
        workdir: where commands start, as the task names it.
        shared: folders of this machine that the trial sees under their own names.
    """

    def __init__(self, folder: Path, workdir: PurePosixPath, shared: Sequence[Path]) -> None:
        self.root = folder / "root"
        self.shared = tuple(shared)
        self.private = tuple(dict.fromkeys([*map(PurePosixPath, PRIVATE), workdir]))
        self.root.mkdir(mode=0o755)
        for path in self.private:
            (self.root / path.relative_to("/")).mkdir(parents=True, exist_ok=True)
        (self.root / "tmp").chmod(0o1777)
        for name in ("agent", "verifier", "artifacts"):  # which Harbor mounts where it can, open to all users
            logs = self.root / "logs" / name
            logs.mkdir()
            logs.chmod(0o777)

    @abstractmethod
    async def start(self, environment: Mapping[str, str]) -> None:
        """Makes ready what commands need beside the folders.

        Args:
            environment: of the processes that this starts.

        Raises:
            BadInputError: this machine does not allow it; says what to do.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Undoes `start`; does nothing where that was not called."""

    @abstractmethod
    def host(self, path: PurePosixPath) -> Path:
        """Where an absolute path of the trial really is, links followed.

        Raises:
            BadInputError: it is no place of the trial's own.
        """

    @abstractmethod
    def arguments(self, command: str, cwd: PurePosixPath, user: str | int | None) -> list[str]:
        """The program and its arguments that run a command, as a user.

        Raises:
            BadInputError: commands cannot be run as that user.
        """

    @abstractmethod
    def variables(self, user: str | int | None) -> dict[str, str]:
        """The variables that say where the trial's own things are: PATH, HOME."""

    def inward(self, text: str) -> str:
        """A text on its way to the trial."""
        return text

    def outward(self, text: str) -> str:
        """A text on its way from the trial."""
        return text


class ByPaths(Isolation):
    """Paths of a task are rewritten to the trial's folder where they stand in commands, values and text files.

    Commands have all the rights of whoever runs Harbor, and the machine's other folders are theirs to see.
    """

    def __init__(self, folder: Path, workdir: PurePosixPath, shared: Sequence[Path]) -> None:
        super().__init__(folder, workdir, shared)
        # What lies in one of the private folders by name, and is meant as it stands: what was rewritten already,
        # what is shared, and the Python that runs us.
        kept = {str(self.root), sys.prefix, sys.base_prefix, *map(str, self.shared)}
        self._inward = re.compile(
            rf"{_START}(?:(?P<kept>{_one_of(kept)})|(?:{_one_of(map(str, self.private))}))(?![\w.-])"
        )
        self._outward = re.compile(rf"{re.escape(str(self.root))}(?:/|(?![\w.-]))")

    @override
    async def start(self, environment: Mapping[str, str]) -> None:
        """Needs nothing."""

    @override
    async def stop(self) -> None:
        """Has nothing to undo."""

    @override
    def host(self, path: PurePosixPath) -> Path:
        if path.is_relative_to(self.root):
            path = "/" / path.relative_to(self.root)
        real = inside(self.root, path, rooted_links=False)
        place = "/" / PurePosixPath(real.relative_to(self.root))
        if place != PurePosixPath("/") and not any(place.is_relative_to(own) for own in self.private):
            raise BadInputError(
                f"{path} is none of the trial's own folders, and commands would see this machine's.",
                f"Use a path below {', '.join(map(str, self.private))}, or isolation=namespaces.",
            )
        return real

    @override
    def arguments(self, command: str, cwd: PurePosixPath, user: str | int | None) -> list[str]:
        if not is_us(user):
            raise BadInputError(
                f"Commands cannot be run as the user {user}: with isolation=paths they run as who started Harbor.",
                "Take `user` out of the task, or use isolation=namespaces as root.",
            )
        return ["/bin/bash", "-c", LAUNCH, "bash", str(self.host(cwd)), self.inward(command)]

    @override
    def variables(self, user: str | int | None) -> dict[str, str]:
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.root / "root"), "TMPDIR": str(self.root / "tmp")}

    @override
    def inward(self, text: str) -> str:
        return self._inward.sub(lambda found: found[0] if found["kept"] else f"{self.root}{found[0]}", text)

    @override
    def outward(self, text: str) -> str:
        return self._outward.sub("/", text)


def _one_of(paths: Iterable[str]) -> str:
    """A pattern of any of these paths, the longest first."""
    return "|".join(map(re.escape, sorted(paths, key=len, reverse=True)))


def is_us(user: str | int | None) -> bool:
    """Whether a command for this user may run as we do. Harbor does its own work as root, wherever it runs."""
    own = os.geteuid()
    return user is None or str(user) in {"root", "0", str(own), pwd.getpwuid(own).pw_name}
