"""The trajectory files of a trial as they go up beside its trace: whole, and without secrets.

So nothing is lost to how the record looks in Opik, or to what was too long for a span.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.files import inside, is_there, read_bytes, walk
from adapter.opik_attachments import Attachment
from adapter.redact import redact_json_bytes, redact_text
from adapter.trial import SourceFile


def trajectory_attachment(folder: Path, file: SourceFile) -> Attachment:
    """One of the files a trial was read from.

    Args:
        folder: the trial's folder.
        file: which of them.

    Raises:
        UnreadableError: it is not there any more, or cannot be read; the message says why.
    """
    path = inside(folder, file.path)
    if path is None or not is_there(path):
        path = _of_redacted_name(folder, file.path)
    if path is None:
        raise UnreadableError(f"{file.path} cannot be read again")
    return Attachment(attachment_name(file), redact_json_bytes(read_bytes(path, folder), Counter()))


def _of_redacted_name(folder: Path, name: str) -> Path | None:
    """The file whose name is this one once its secrets are replaced."""
    for parent, _, names in walk(folder):
        for path in (parent / one for one in names):
            if redact_text(path.relative_to(folder).as_posix(), Counter()) == name:
                return path
    return None


def attachment_name(file: SourceFile) -> str:
    """Its name at the trace, where all of a trial's files stand side by side; no two paths have the same."""
    flat = file.path.replace("/", "__")
    if "__" not in file.path:
        return flat
    return f"{hashlib.sha256(file.path.encode()).hexdigest()[:8]}__{flat}"
