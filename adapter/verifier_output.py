"""What a trial's verifier printed: why a run failed mostly stands there, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adapter.errors import UnreadableError
from adapter.redact import may_hold_secrets, redact_text
from adapter.trial import Finding, Severity
from adapter.trial_files import TrialFiles

LONGEST = 20_000
"""Characters that are kept, of the end: what failed is told last, after what was installed for it."""
_NAME = "test-stdout.txt"
_TAIL = 2**18
"""Bytes that are looked through for secrets, so that none is kept whose beginning was cut off."""


def read_verifier_output(files: TrialFiles, segments: Sequence[str]) -> str | None:
    """The end of what the verifier printed, without secrets; None where it left nothing.

    Args:
        files: the trial's.
        segments: the names of the multi-step trial's steps, each of which has a verifier's folder of its own.
    """
    found: list[str] = []
    for segment in ("", *filter(None, segments)):
        place = ("steps", segment, "verifier", _NAME) if segment else ("verifier", _NAME)
        said = _read(files, place) if files.has(*place) else ""
        if said.strip():
            found.append(f"== {segment} ==\n{said}" if segment else said)
    return _end("\n".join(found), LONGEST) if found else None


def _read(files: TrialFiles, place: tuple[str, ...]) -> str:
    try:
        data = files.tail(files.folder.joinpath(*place), _TAIL)
    except UnreadableError as error:
        files.findings.append(Finding("file_unreadable", Severity.WARNING, f"{error}."))
        return ""
    said = data.decode("utf-8", "replace")
    if not may_hold_secrets(data):
        return said
    counts: Counter[str] = Counter()
    said = redact_text(said, counts)
    if counts:
        what = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        message = f"Secrets were replaced in the verifier's output: {what}."
        files.findings.append(Finding("redacted", Severity.WARNING, message))
    return said


def _end(text: str, most: int) -> str:
    """The last lines of a text; of a line that is longer than all that is kept, its end."""
    if len(text) <= most:
        return text
    end = text[-most:]
    line = end.find("\n") + 1
    return end[line:] if 0 < line < most else end
