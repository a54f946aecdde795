"""Looks at what lies in /app in the end. Nothing of the agent's is run, and no checksum is taken from /app/drop."""

import hashlib
import stat
import sys
from pathlib import Path

RELEASE, DAMAGED, DROP = Path("/app/release"), Path("/app/damaged.txt"), Path("/app/drop")
RELEASED = {
    "check.sh": (0o755, "a1d90ce72aa0a150704c5d8bf6e171e5a76e8ce58da4098a1b0ea4ec5b82b10a"),
    "install.sh": (0o755, "40b36427c06f38a98a64d928f6dc950d27bca3ebdc8d997593d21a6a7f3a9822"),
    "notes for operators.txt": (0o644, "918d838d5212a356b1eca31e9259140abe7536cc1db8e290ce338cf4b88be919"),
    "rates.csv": (0o644, "5a9ea851523b97ab4de0c4e4441e13006e8ece3aa2e1f4e209bfe623ff422218"),
}
NOT_RELEASED = b"licence.txt\nold-rates.csv\nsettings.ini\n"
DROP_SHA256 = "54e833b9c3078529fd17a3741352fc70a4deee2b836fa0a217ed570310c83d4c"


def digest(path: Path) -> str | None:
    """The checksum of a plain file; None for anything else, a link among it."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(path.lstat().st_mode) else None


def of_folder(folder: Path) -> str:
    """A checksum of the names and contents of all that lies in a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        whole.update(path.name.encode() + b"\0" + bytes.fromhex(digest(path) or ""))
    return whole.hexdigest()


def faults() -> list[str]:
    found = []
    names = sorted(path.name for path in RELEASE.iterdir()) if RELEASE.is_dir() else None
    if names != sorted(RELEASED):
        found.append(f"/app/release holds {names}")
    for name, (mode, checksum) in RELEASED.items():
        path = RELEASE / name
        if names is None or name not in names:
            continue
        if digest(path) != checksum:
            found.append(f"{name} is not what was delivered")
        elif stat.S_IMODE(path.lstat().st_mode) != mode:
            found.append(f"{name} has the mode {stat.S_IMODE(path.lstat().st_mode):o}")
    if not DAMAGED.is_file() or DAMAGED.read_bytes() != NOT_RELEASED:
        found.append("/app/damaged.txt does not hold the names of the damaged files")
    if not DROP.is_dir() or of_folder(DROP) != DROP_SHA256:
        found.append("/app/drop is not as it was")
    return found


if __name__ == "__main__":
    wrong = faults()
    for one in wrong:
        print("FAIL:", one)
    sys.exit(bool(wrong))
