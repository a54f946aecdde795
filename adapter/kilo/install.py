"""The shell commands that put a version of Kilo's command line into an environment, and what they say.

The version is installed by npm as usual. Where that does not work (its postinstall fails when one of the packages with
the binary is not published, and it needs the `node` of the environment) the package with the binary is unpacked, which
needs no node when it runs.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from adapter.errors import BadInputError

DEFAULT_VERSION = "7.7.9"
OLDEST = (7, 7)
"""The first version that ends by itself when a call fails, and says so."""
FOLDER = "/installed-agent/kilo"
_PACKAGE = "@kilocode/cli"
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.-]{1,60})?")
_TAG = re.compile(r"[A-Za-z][0-9A-Za-z.-]{0,60}")
_REPORT = re.compile(r"^kilobench: (version|by|missing|unreachable|broken)=(.*)$", re.MULTILINE)

_SCRIPT = r"""
set -u
wanted=@WANTED@; package=@PACKAGE@; folder=@FOLDER@
say() { printf 'kilobench: %s=%s\n' "$1" "$2"; }
finish() { say by "$2"; say version "$1"; exit 0; }
runs() { [ -x "$1" ] && KILO_DISABLE_AUTOUPDATE=1 "$1" --version 2>/dev/null | tail -n 1; }
take() { # A link of our own is all that the run needs to find it.
  mkdir -p "$folder/bin" && rm -f "$folder/bin/kilo" && ln -s "$1" "$folder/bin/kilo"
}
there=$(PATH="$folder/bin:$PATH" command -v kilo || true)
if [ -n "$there" ] && [ "$(runs "$there")" = "$wanted" ]; then
  real=$(readlink -f "$there")
  [ "$there" = "$folder/bin/kilo" ] || take "$real"
  finish "$wanted" present
fi
command -v npm >/dev/null 2>&1 || { say broken 'there is no npm, and it could not be installed'; exit 1; }
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error
export npm_config_fetch_retries=1 npm_config_fetch_retry_mintimeout=2000 npm_config_fetch_timeout=60000
published() { npm view "$1" version 2>/dev/null | tail -n 1 | sed "s/.*'\(.*\)'.*/\1/"; }
version=$(published "$package@$wanted")
[ -n "$version$(published "$package")" ] || { say unreachable 1; exit 1; }
name=${version:-$wanted}
musl=; baseline=
if [ -f /etc/alpine-release ] || ldd --version 2>&1 | grep -qi musl; then musl=-musl; fi
case $(uname -m) in
  x86_64|amd64) cpu=x64; grep -qw avx2 /proc/cpuinfo 2>/dev/null || baseline=-baseline ;;
  aarch64|arm64) cpu=arm64 ;;
  *) say broken "Kilo is not made for this machine ($(uname -m))"; exit 1 ;;
esac
log=$(mktemp)
if [ -n "$version" ] && npm install --global --prefix "$folder" "$package@$version" >"$log" 2>&1; then
  found=$(runs "$folder/bin/kilo")
  [ "$found" = "$version" ] && finish "$found" npm
  echo "npm installed $package $version, which says of itself that it is: $found" >>"$log"
fi
tail -n 20 "$log"
tried=
for kind in "$cpu$baseline$musl" "$cpu-baseline$musl"; do
  case " $tried " in *" $kind "*) continue ;; esac
  tried="$tried $kind"
  [ -n "$(published "$package-linux-$kind@$name")" ] || continue
  rm -rf "$folder" && mkdir -p "$folder/package"
  archive=$(cd "$folder" && npm pack "$package-linux-$kind@$name" 2>>"$log" | tail -n 1)
  tar -xzf "$folder/$archive" -C "$folder/package" --strip-components=1 2>>"$log" || continue
  rm -f "$folder/$archive"
  chmod -R a+rX "$folder" && chmod a+x "$folder/package/bin/kilo" && take "$folder/package/bin/kilo"
  found=$(runs "$folder/bin/kilo")
  [ "$found" = "$name" ] && finish "$found" "linux-$kind"
done
tail -n 20 "$log"
if [ -z "$version" ]; then say missing "$(npm view "$package" dist-tags 2>/dev/null | tr -d '\n{}' | tr -s ' ')"
else say broken "npm failed, and none of the packages with its binary for this machine ($tried ) is there and works"; fi
exit 1
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """What was installed: the version as the program itself says it, and by what way (`npm`, `present`, ...)."""

    version: str
    by: str


def checked_version(wanted: str, *, allow_old: bool) -> str:
    """A version or a tag of npm's (`latest`, `rc`), as it is asked for.

    Raises:
        BadInputError: it is neither, or a version that is too old.
    """
    bare = wanted.strip().removeprefix("v") if re.match(r"\s*v\d", wanted) else wanted.strip()
    if not _VERSION.fullmatch(bare) and not _TAG.fullmatch(bare):
        what = f"{wanted[:80]!r} is no version of Kilo."
        raise BadInputError(what, f"Give a whole one such as {DEFAULT_VERSION}, or a tag of npm's: latest, rc.")
    if not allow_old:
        refuse_old(bare)
    return bare


def refuse_old(version: str) -> None:
    """Nothing, for a version that is new enough, and for a tag.

    Raises:
        BadInputError: it is older than 7.7.
    """
    found = re.match(r"(\d+)\.(\d+)\.", version)
    if found is not None and (int(found[1]), int(found[2])) < OLDEST:
        what = (
            f"Kilo {version} is older than 7.7: where a call of the model fails it hangs or ends as if all were well, "
            "and it counts reasoning tokens twice."
        )
        raise BadInputError(what, "Take a newer one (--ak version=...), or take it as it is: --ak allow_old=true")


def install_script(version: str) -> str:
    """The commands, for a shell with root's rights; what they print is read by `read_report`."""
    words = {"@WANTED@": version, "@PACKAGE@": _PACKAGE, "@FOLDER@": FOLDER}
    script = _SCRIPT.strip()
    for word, value in words.items():
        script = script.replace(word, shlex.quote(value))
    return script


def read_report(version: str, output: str) -> Installed:
    """What the commands printed.

    Args:
        version: that was asked for.
        output: of the commands, whose end is shown where the reason is not known.

    Raises:
        BadInputError: nothing was installed; it says why.
    """
    said = {key: value.strip() for key, value in _REPORT.findall(output)}
    if said.get("version"):
        return Installed(said["version"], said.get("by", "unknown"))
    if "missing" in said:
        tags = said["missing"] or "unknown"
        what = f"There is no version {version} of {_PACKAGE} for this machine."
        raise BadInputError(what, f"Give one that npm has with --ak version=...; its tags are: {tags}")
    if "unreachable" in said:
        what = f"Kilo {version} could not be installed: the npm registry cannot be reached from the environment."
        raise BadInputError(what, "Allow it to, or take an image in which that version of kilo is installed.")
    reason = said.get("broken") or "the commands ended early"
    last = "\n".join(_REPORT.sub("", output).strip().splitlines()[-6:])
    raise BadInputError(f"Kilo {version} could not be installed: {reason}.", last or "Take another version.")
