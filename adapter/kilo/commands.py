"""The shell commands that run Kilo in an environment, look at its models, and end what it left running."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from adapter.kilo.config import WORKDIR
from adapter.kilo.environment import DATA, MARK, STATE
from adapter.kilo.install import FOLDER

INSTRUCTION, EVENTS, ERRORS, PID = "kilo-instruction.txt", "kilo.jsonl", "kilo.stderr", "kilo.pid"
"""Files in the agent's log folder."""
_PATH = f'export PATH={FOLDER}/bin:"$PATH"'

_STOP = r"""
mark=@MARK@; file=@PID@; known=
is_ours() { { tr '\0' '\n' < "/proc/$1/environ"; } 2>/dev/null | grep -qxF "$mark"; }
marked() {
  for folder in /proc/[0-9]*; do
    if is_ours "${folder#/proc/}"; then echo "${folder#/proc/}"; fi
  done
}
below() { # What a process started, as long as its parents live.
  for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do echo "$child"; below "$child"; done
}
alive() { # An ended process whose parent has not asked for its end is a Z.
  for id in "$@"; do
    case $(sed 's/.*) \(.\).*/\1/' "/proc/$id/stat" 2>/dev/null) in ''|Z|X) ;; *) echo "$id" ;; esac
  done
}
first=$(cat "$file" 2>/dev/null)
if [ -n "$first" ] && is_ours "$first"; then known=$(below "$first"); fi
round=0
while [ "$round" -lt 25 ]; do
  known=$(alive $known $(marked) | sort -un)
  [ -n "$known" ] || break
  if [ "$round" -lt 5 ]; then kill -TERM $known 2>/dev/null; else kill -KILL $known 2>/dev/null; fi
  sleep 0.2
  round=$((round + 1))
done
rm -f "$file"
[ -z "$known" ] || { echo still running: $known >&2; exit 1; }
"""


def run_command(logs: PurePosixPath, arguments: Sequence[str]) -> str:
    """Runs Kilo on the uploaded instruction, in the folder that the command is started in.

    The instruction comes by standard input, so that its length and its quotes do not matter. The shell becomes Kilo, so
    that the process id that it notes is Kilo's.
    """
    words = shlex.join(arguments)
    inner = (
        f"echo $$ > {_quoted(logs / PID)}; "
        f'export PWD="$(pwd -P)"; export {WORKDIR}="$PWD"; '
        f'exec kilo run {words} --dir "$PWD" < {_quoted(logs / INSTRUCTION)} > {_quoted(logs / EVENTS)} '
        f"2> {_quoted(logs / ERRORS)}"
    )
    folders = " ".join(_quoted(logs / name) for name in (DATA, STATE))
    return f"{_PATH}; mkdir -p {folders} && sh -c {shlex.quote(inner)}"


def models_command(provider: str) -> str:
    """Lists the models of a provider that Kilo can use with the keys that are set."""
    return f"{_PATH}; XDG_DATA_HOME=$(mktemp -d) && export XDG_DATA_HOME && kilo models {shlex.quote(provider)}"


def stop_command(logs: PurePosixPath, mark: str) -> str:
    """Ends a run and every process that it started, also those that left its session: first asks, then forces."""
    found = _STOP.strip().replace("@MARK@", shlex.quote(f"{MARK}={mark}")).replace("@PID@", _quoted(logs / PID))
    return f"sh -c {shlex.quote(found)}"


def _quoted(path: PurePosixPath) -> str:
    return shlex.quote(str(path))
