"""Files that go into and out of a trial's folder: no link leads out of it, on the way in or on the way back."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from adapter.errors import BadInputError

LARGEST_TEXT = 16 * 1024 * 1024
"""Bytes. A larger file is copied as it is, without a look at the paths that it names."""
_MOST_LINKS = 40

type Edit = Callable[[str], str]
"""What is done to the text of a file on its way."""


def inside(root: Path, path: PurePosixPath, *, rooted_links: bool) -> Path:
    """Where an absolute path of the sandbox really is, with every link on the way followed inside of it.

    Args:
        root: the folder that stands for `/`, free of links itself.
        path: the path as the sandbox has it.
        rooted_links: whether an absolute link starts at `root`, as for those who live in it. Otherwise it is
            followed only where it names a place below `root` outright.

    Raises:
        BadInputError: it leads out of the sandbox, or its links lead in a circle.
    """
    current, links = root, 0
    ahead = deque(path.parts[1:])
    while ahead:
        part = ahead.popleft()
        if part == "..":
            if current == root:
                raise _escape(path)
            current = current.parent
            continue
        following = current / part
        if not following.is_symlink():
            current = following
            continue
        links += 1
        if links > _MOST_LINKS:
            raise BadInputError(f"The links of {path} lead in a circle.", "Use another path of the trial.")
        target = following.readlink()
        if target.is_absolute():
            if target.is_relative_to(root):
                target = target.relative_to(root)
            elif rooted_links:
                target = target.relative_to("/")
            else:
                raise _escape(path)
            current = root
        ahead.extendleft(reversed(target.parts))
    return current


def _escape(path: PurePosixPath) -> BadInputError:
    return BadInputError(f"{path} leads out of the trial's sandbox.", "Use a path such as /app/... or /logs/...")


def copy_file(source: Path, target: Path, edit: Edit | None) -> None:
    """Copies one file with its mode and times; what lies at the target is replaced, and not written through.

    Args:
        source: an ordinary file.
        target: where it goes; folders on the way are made.
        edit: applied to what is UTF-8 text; None copies every file as it is.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    edited = None if edit is None else _edited(source, edit)
    if edited is None:
        shutil.copyfile(source, target)
    else:
        target.write_bytes(edited)
    shutil.copystat(source, target)


def _edited(source: Path, edit: Edit) -> bytes | None:
    """The file's text after an edit; None where it is no text, or stays the same."""
    if source.stat().st_size > LARGEST_TEXT:
        return None
    data = source.read_bytes()
    if b"\0" in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    edited = edit(text)
    return None if edited == text else edited.encode()


def copy_in(
    source: Path,
    target: PurePosixPath,
    place: Callable[[PurePosixPath], Path],
    edit: Edit | None,
    *,
    leave_out: Collection[str] = (),
) -> None:
    """Copies a folder into the sandbox, over what is there; links stay links, pipes and the like are left out.

    Args:
        source: a folder of this machine.
        target: its place, as the sandbox has it.
        place: where a path of the sandbox really is; it raises for what lies outside.
        edit: as in `copy_file`; what a link says is edited, too.
        leave_out: names right in the folder that are not copied.
    """
    for folder, names, files in os.walk(source):
        here = Path(folder)
        if here == source:
            names[:] = [name for name in names if name not in leave_out]
            files = [name for name in files if name not in leave_out]
        there = place(target / here.relative_to(source))
        there.mkdir(parents=True, exist_ok=True)
        for name in (*names, *files):
            item, copy = here / name, there / name
            if item.is_symlink():
                if copy.is_symlink() or copy.is_file():
                    copy.unlink()
                says = str(item.readlink())
                copy.symlink_to(says if edit is None else edit(says))
            elif item.is_file():
                copy_file(item, copy, edit)


def copy_out(source: Path, target: Path, follow: Callable[[Path], Path], edit: Edit | None) -> list[str]:
    """Copies a folder out of the sandbox. The copy has no links: a link to a file of the sandbox becomes that file.

    Args:
        source: the folder, by its real path.
        target: where it goes; files there are replaced.
        follow: where a path below `source` ends after all links; it raises for what lies outside.
        edit: as in `copy_file`.

    Returns:
        What was left out, relative to the folder and with the reason: links to elsewhere and to folders, pipes,
        and files that could not be read.
    """
    left: list[str] = []
    target.mkdir(parents=True, exist_ok=True)
    for folder, names, files in os.walk(source):
        here = Path(folder)
        for name in (*names, *files):
            item = here / name
            relative = item.relative_to(source)
            if item.is_dir() and not item.is_symlink():
                (target / relative).mkdir(parents=True, exist_ok=True)
                continue
            try:
                real = follow(item)
                if real.is_file():
                    copy_file(real, target / relative, edit)
                else:
                    left.append(f"{relative}: neither a file nor a link to one")
            except BadInputError as refused:
                left.append(f"{relative}: {refused.what}")
            except OSError as failed:
                left.append(f"{relative}: {failed.strerror}")
    return left


def remove_tree(folder: Path) -> None:
    """Removes a trial's own folder. No link in it is followed.

    Raises:
        OSError: something in it cannot be removed, or a file system is mounted below it: that one is not ours.
    """
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    mounted = [Path(line.split()[4]) for line in mounts]
    if any(point.is_relative_to(folder) for point in mounted):
        raise OSError(f"A file system is mounted below {folder}; it was left as it is.")
    for place, names, _ in os.walk(folder):
        # Of a folder that may not be written, nothing could be removed.
        for name in names:
            inner = Path(place, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder)
