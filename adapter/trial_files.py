"""The files of one trial: read as they are asked for, none of them twice, and watched for secrets."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.files import inside, is_there, parse_json, read_bytes, scan
from adapter.loose import EMPTY, Json, mapping
from adapter.redact import may_hold_secrets, redact_json_bytes
from adapter.remote import RemotePath
from adapter.trial import Finding, JsonValue, Severity, SourceFile


class TrialFiles:
    """Reads below one folder, and never over a symbolic link.

    Attributes:
        folder: the trial's folder (or the folder of a bare trajectory).
        findings: what was wrong with the files.
        may_hold_secrets: whether a text that was read is worth a closer look.
        trajectories: the trajectory files that were read.
        secrets: how many secrets stand in these files, by kind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.whole() if isinstance(folder, RemotePath) else folder
        self.findings: list[Finding] = []
        self.may_hold_secrets = False
        self.trajectories: list[SourceFile] = []
        self.secrets: Counter[str] = Counter()

    def trajectory(self, path: Path) -> JsonValue:
        """The JSON value in a trajectory's file, or what stands in it before it ends in the middle.

        Raises:
            UnreadableError: it cannot be read; the message says why.
        """
        data = read_bytes(path, self.folder)
        value, is_suspect = self._parsed(path, data, partial=True)
        clean = redact_json_bytes(data, self.secrets) if is_suspect else data
        self.trajectories.append(SourceFile(self._place(path), len(clean), hashlib.sha256(clean).hexdigest()[:16]))
        return value

    def json(self, path: Path) -> JsonValue:
        """The JSON value in a file.

        Raises:
            UnreadableError: it cannot be read; the message says why.
        """
        return self._parsed(path, read_bytes(path, self.folder))[0]

    def _place(self, path: Path) -> str:
        """Where a file is below the folder, as text also where its name is none."""
        return "/".join(path.parts[len(self.folder.parts) :]).encode("utf-8", "replace").decode()

    def _parsed(self, path: Path, data: bytes, *, partial: bool = False) -> tuple[JsonValue, bool]:
        """What a file says, and whether it is worth a closer look."""
        place = self._place(path)
        before = len(self.findings)
        value = parse_json(data, path.name, self.findings, partial=partial)
        # What had to be repaired cannot be searched as it was.
        is_suspect = len(self.findings) > before or may_hold_secrets(data)
        is_suspect = is_suspect or may_hold_secrets(place.encode("utf-8", "replace"))
        self.may_hold_secrets = self.may_hold_secrets or is_suspect
        return value, is_suspect

    def object(self, path: Path) -> Json:
        """A JSON object from a file; an empty one, with a finding, where it cannot be read."""
        try:
            return mapping(self.json(path))
        except UnreadableError as error:
            self.findings.append(Finding("file_unreadable", Severity.WARNING, f"{error}."))
            return EMPTY

    def text(self, path: Path) -> str:
        """The text in a small file.

        Raises:
            UnreadableError: it cannot be read; the message says why.
        """
        return read_bytes(path, self.folder).decode("utf-8", "replace")

    def tail(self, path: Path, size: int) -> bytes:
        """The last bytes of a file, which may be a log of any length. What is kept of them is watched by the caller.

        Raises:
            UnreadableError: it cannot be read; the message says why.
        """
        return read_bytes(path, self.folder, limit=sys.maxsize, tail=size)

    def has(self, *parts: str) -> bool:
        """Whether there is something at this place below the folder."""
        names = self._names
        if names is not None and (parts[0] not in names or len(parts) == 1):
            return parts[0] in names
        return is_there(self.folder.joinpath(*parts))

    @cached_property
    def _names(self) -> frozenset[str] | None:
        """What is in the folder: one look for many questions. None where it cannot be listed: reading says why."""
        try:
            with scan(self.folder) as entries:
                return frozenset(entry.name for entry in entries)
        except OSError:
            return None

    def referred(self, by: Path, reference: str) -> Path | None:
        """The file that a reference in another file means; None where there is none that may be read.

        References are relative to the file that holds them. Where a file was given a longer name
        (`x.trajectory.json`), so were the files that it refers to (`x.trajectory.cont-1.json`).
        """
        names = [reference]
        prefix, found, _ = by.name.rpartition("trajectory.json")
        if found and prefix:
            names.append(f"{prefix}{reference}")
        for name in names:
            path = inside(by.parent, name, self.folder)
            if path is not None and is_there(path):
                return path
        return None
