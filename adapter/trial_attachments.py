"""The trajectory files of a trial as they go up beside its trace: whole, and without secrets.

So nothing is lost to how the record looks in Opik, or to what was too long for a span.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from adapter.errors import UnreadableError
from adapter.files import inside, read_bytes
from adapter.opik_attachments import Attachment
from adapter.redact import redact_json_bytes
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
    if path is None:
        raise UnreadableError(f"{file.path} cannot be read again")
    return Attachment(attachment_name(file), redact_json_bytes(read_bytes(path, folder), Counter()))


def attachment_name(file: SourceFile) -> str:
    """Its name at the trace, where all of a trial's files stand side by side."""
    return file.path.replace("/", "__")
