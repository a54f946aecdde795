"""A trial in namespaces of its own: it sees a root folder of its own, and this machine's system folders read-only."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import override

from adapter.errors import BadInputError
from adapter.local_files import inside
from adapter.local_isolation import LAUNCH, Isolation, is_us

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt")
"""Folders of this machine that every trial sees and none can write to."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READY = "ready"
_PATIENCE_S = 30.0

_BUILD = r"""
set -eu
root=$1; shift
for folder in "$@"; do
  if [ -L "$folder" ]; then ln -sfn "$(readlink "$folder")" "$root$folder"; continue; fi
  [ -d "$folder" ] || continue
  mkdir -p "$root$folder"
  mount --rbind "$folder" "$root$folder"
done
names=$(readlink -f /etc/resolv.conf || :)  # often a link to what a service of the machine writes
case $names in
  /etc/* | '') ;;
  *) mkdir -p "$root${names%/*}"; : > "$root$names"; mount --bind "$names" "$root$names" ;;
esac
# Each mount by itself, what lies below a folder too; and a mount of others keeps the options it came with.
mapfile -t mounts < /proc/self/mountinfo
for line in "${mounts[@]}"; do
  read -r _ _ _ _ point options _ <<< "$line"
  point=$(printf '%b' "$point")
  case $point in "$root"/*) mount -o "remount,bind,ro${options#r[wo]}" "$point" ;; esac
done
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/proc" "$root/var/tmp" "$root/run"
chmod 1777 "$root/dev/shm" "$root/var/tmp"
for device in null zero full random urandom tty; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -sfn /proc/self/fd "$root/dev/fd"
for stream in 0:stdin 1:stdout 2:stderr; do ln -sfn "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"; done
if mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts" 2> /dev/null; then
  ln -sfn pts/ptmx "$root/dev/ptmx"
fi
# Where a container hides parts of /proc, a new one is not to be had.
mount -t proc proc "$root/proc" 2> /dev/null || mount --rbind /proc "$root/proc"
# The first process of the namespaces: they end with it, and it ends when nobody holds its input open any more.
exec chroot "$root" /bin/bash -c 'echo ready; while read -r _; do :; done'
"""


class ByNamespaces(Isolation):
    """A mount and a process namespace, entered by each command and ended with the trial.

    The network and the users are this machine's. One who is root in there is kept from writing to system folders
    by mistake, not by malice.
    """

    _holder: asyncio.subprocess.Process | None = None
    _as_user = False

    def __init__(self, folder: Path, workdir: PurePosixPath, shared: Sequence[Path]) -> None:
        self._shown = tuple(dict.fromkeys([*SYSTEM, *map(str, shared)]))
        for seen in self._shown:
            if workdir.is_relative_to(seen):
                raise BadInputError(
                    f"The task works in {workdir}, and {seen} is this machine's and cannot be written to.",
                    "Give the task another [environment] workdir, or use isolation=paths.",
                )
            if folder.is_relative_to(seen):
                raise BadInputError(
                    f"The trial's folder {folder} lies in {seen}, which the trial is to see.",
                    "Choose another place with --ek folder=...",
                )
        super().__init__(folder, workdir, shared)

    @override
    async def start(self, environment: Mapping[str, str]) -> None:
        # Root needs no namespace of users; where it may not do without (in a container), it may have one.
        said = ""
        for as_user in (False, True) if os.geteuid() == 0 else (True,):
            said = await self._try(environment, as_user=as_user)
            if not said:
                return
        raise BadInputError(
            f"Namespaces cannot be had here: {said}",
            "Run Harbor as root, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on"
            " Ubuntu kernel.apparmor_restrict_unprivileged_userns=0), or use isolation=paths.",
        )

    async def _try(self, environment: Mapping[str, str], *, as_user: bool) -> str:
        """Builds the trial's root and its namespaces; what went wrong, or nothing."""
        holder = await asyncio.create_subprocess_exec(
            *(_tool("unshare"), "--mount", "--pid", "--fork", "--kill-child"),
            *(("--user", "--map-root-user") if as_user else ()),
            *("/bin/bash", "-c", _BUILD, "bash", str(self.root), *self._shown),
            env={**environment, "PATH": _PATH},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._holder, self._as_user = holder, as_user
        assert holder.stdout is not None  # noqa: S101
        assert holder.stderr is not None  # noqa: S101
        try:
            line = await asyncio.wait_for(holder.stdout.readline(), _PATIENCE_S)
        except TimeoutError:
            line = b""
        if line.decode().strip() == _READY:
            return ""
        await self.stop()
        return (await holder.stderr.read()).decode(errors="replace").strip() or "unshare gave up and said nothing."

    @override
    async def stop(self) -> None:
        holder, self._holder = self._holder, None
        if holder is None:
            return
        if holder.returncode is None:
            holder.kill()
        await holder.wait()

    @override
    def host(self, path: PurePosixPath) -> Path:
        real = inside(self.root, path, rooted_links=True)
        place = "/" / PurePosixPath(real.relative_to(self.root))
        for seen in (*self._shown, "/dev", "/proc"):
            if place.is_relative_to(seen):
                raise BadInputError(
                    f"{path} lies in {seen}, which is this machine's: the trial sees it and has no part in it.",
                    "Use a path such as /app/..., /logs/... or /tmp/...",
                )
        return real

    @override
    def arguments(self, command: str, cwd: PurePosixPath, user: str | int | None) -> list[str]:
        if self._holder is None or self._holder.returncode is not None:
            raise BadInputError("The trial's namespaces have ended.", "Start the trial again.")
        inside(self.root, cwd, rooted_links=True)
        spaces = f"/proc/{self._holder.pid}/ns"
        entered = [f"--mount={spaces}/mnt", f"--pid={spaces}/pid_for_children"]
        if self._as_user:
            entered += [f"--user={spaces}/user", "--preserve-credentials"]
        return [
            *(_tool("nsenter"), *entered, _tool("chroot"), str(self.root)),
            *self._become(user),
            *("/bin/bash", "-c", LAUNCH, "bash", str(cwd), command),
        ]

    def _become(self, user: str | int | None) -> list[str]:
        """What stands before a command that another user runs."""
        account = self._account(user)
        if account is None:
            return []
        home = self.root / "home" / account.pw_name
        home.mkdir(parents=True, exist_ok=True)
        os.chown(home, account.pw_uid, account.pw_gid)
        return [_tool("setpriv"), f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]

    def _account(self, user: str | int | None) -> pwd.struct_passwd | None:
        if is_us(user):
            return None
        if os.geteuid() == 0 and not self._as_user:
            name = str(user)
            try:
                return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
            except KeyError:
                pass
        raise BadInputError(
            f"Commands cannot be run as the user {user}.",
            "Take `user` out of the task; or run Harbor as root, on a machine that has this user.",
        )

    @override
    def variables(self, user: str | int | None) -> dict[str, str]:
        account = self._account(user)
        # Programs of this machine that are installed in a place of their own, where the trial sees that.
        own = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith(self._own_prefixes)]
        path = ":".join(dict.fromkeys([*own, *_PATH.split(":")]))
        return {"PATH": path, "HOME": "/root" if account is None else f"/home/{account.pw_name}"}

    @property
    def _own_prefixes(self) -> tuple[str, ...]:
        return tuple(f"{folder}/" for folder in self._shown)


def _tool(name: str) -> str:
    """Where a program of the system is.

    Raises:
        BadInputError: it is not installed.
    """
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise BadInputError(
            f"isolation=namespaces needs the program {name}, which is not installed.",
            "Install util-linux and coreutils, or use isolation=paths.",
        )
    return found
