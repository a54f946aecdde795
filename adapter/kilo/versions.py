"""Kilo's versions: which are run, and the script that installs one. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

DEFAULT_VERSION = "7.7.9"
OLDEST = (7, 7)
"""Before it, `kilo run` hangs after some errors and ends others with exit code 0."""

PREFIX = "$HOME/.kilo-cli"
"""Where it is installed, for the agent's user alone: in words of the shell."""
ON_PATH = f'export PATH="{PREFIX}/bin:$PATH"'

_NUMBER = re.compile(r"(\d+)\.(\d+)")
_SPEC = re.compile(r"[\w.+-]+")

# The wrapper's package brings the binary as an optional dependency, which some releases lack: then the binary's own
# package is taken, the plain build first, the one for older processors after it.
_INSTALL = f"""\
set -eu
prefix="{PREFIX}"; spec=@SPEC@
mkdir -p "$prefix"
exact=$(npm view "@kilocode/cli@$spec" version 2>/dev/null | tail -n 1 | tr -d "'" | sed 's/.* //' || true)
version=${{exact:-$spec}}
works() {{ "$prefix/bin/kilo" --version >/dev/null 2>&1; }}
if ! {{ npm install --global --prefix "$prefix" --no-fund --no-audit "@kilocode/cli@$version" && works; }}; then
  case $(uname -m) in aarch64|arm64) arch=arm64;; *) arch=x64;; esac
  libc=; if [ -f /etc/alpine-release ] || ldd --version 2>&1 | grep -qi musl; then libc=-musl; fi
  for build in "" -baseline; do
    package="@kilocode/cli-linux-$arch$build$libc"
    npm install --global --prefix "$prefix" --force --no-fund --no-audit "$package@$version" || continue
    mkdir -p "$prefix/bin"
    ln -sf "$prefix/lib/node_modules/$package/bin/kilo" "$prefix/bin/kilo"
    works && break
  done
fi
works
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a version is not run."""

    reason: str


def install_script(spec: str) -> str:
    """The script that installs a version or what a dist-tag (`latest`, `rc`) stands for; it needs npm.

    Raises:
        ValueError: it is no version's name.
    """
    if not _SPEC.fullmatch(spec):
        raise ValueError(f"{spec!r} names no version of Kilo Code: give one such as 7.7.9, or latest, or rc")
    return _INSTALL.replace("@SPEC@", shlex.quote(spec))


def version_in(stdout: str) -> str | None:
    """What `kilo --version` printed: its last line that holds a number; old versions print errors before it."""
    lines = [line.strip() for line in stdout.splitlines() if _NUMBER.match(line.strip())]
    return lines[-1] if lines else None


def refused(version: str, *, allow_old: bool) -> Refused | None:
    """Why this version is not run; None for one that is, and for a dist-tag, of which nothing is known yet."""
    number = _NUMBER.match(version)
    if number is None or allow_old or (int(number[1]), int(number[2])) >= OLDEST:
        return None
    oldest = ".".join(map(str, OLDEST))
    return Refused(
        f"Kilo Code {version} is older than {oldest}: it hangs after some errors of the model's API and "
        "charges thinking twice. Name a newer version, or pass --ak allow_old=true."
    )
