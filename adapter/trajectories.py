"""Where a trial's trajectories are, and which part of the run each of them is.

A run may go on in continuation files, hand work to sub-agents (in the same file or in their own), and, in a
multi-step trial, begin anew for every step.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapter.atif import TrajectoryFile, is_trajectory, read_trajectory
from adapter.atif_steps import CallDraft, StepDraft
from adapter.errors import UnreadableError
from adapter.files import is_there, scan, walk
from adapter.layout import children, folder_name
from adapter.loose import EMPTY, Json, text
from adapter.trial import Finding, Severity
from adapter.trial_files import TrialFiles

_NAME = "trajectory.json"
_PART = re.compile(r"trajectory\..+\.json")
"""What agents call the files of a trajectory's parts."""
_MOST_PARTS = 1_000
"""How many files and embedded trajectories of one trial are read."""
_DEEPEST = 20
"""How deep sub-agents may start sub-agents."""
_LONGEST_NAME = 100


@dataclass(slots=True)
class Run:
    """One agent's part of a trial: its trajectory, with all that it goes on in, and the sub-agents that it started.

    Attributes:
        files: the trajectory and its continuations, in order.
        subagent: the sub-agent's name, unique in the trial; empty for the agent itself.
        starter: the step that started the sub-agent, and the tool call of it; None when not known.
        subagents: what it started.
        is_whole: whether all that its files refer to was read.
        has_totals: whether its last file was read to the end: its totals are those of the whole run.
    """

    files: list[TrajectoryFile]
    subagent: str = ""
    starter: tuple[StepDraft, CallDraft | None] | None = None
    subagents: list[Run] = field(default_factory=list["Run"])
    is_whole: bool = True
    has_totals: bool = True

    @property
    def steps(self) -> list[StepDraft]:
        """Its steps in order, without its sub-agents'."""
        return [step for file in self.files for step in file.steps]

    @property
    def all_whole(self) -> bool:
        """Whether it and all that it started were read."""
        return self.is_whole and all(one.all_whole for one in self.subagents)

    def walk(self) -> Iterator[Run]:
        """This run and all below it."""
        yield self
        for one in self.subagents:
            yield from one.walk()


@dataclass(frozen=True, slots=True)
class Found:
    """The trajectories of a trial.

    Attributes:
        runs: the agent's runs, each with the name of the multi-step trial's step that it belongs to.
        is_whole: whether the whole trial stands in them.
        has_totals: whether each of the agent's runs is there, with its totals.
    """

    runs: list[tuple[str, Run]]
    is_whole: bool
    has_totals: bool

    def walk(self) -> Iterator[Run]:
        """All runs, the sub-agents' among them."""
        for _, run in self.runs:
            yield from run.walk()


def find_trajectories(files: TrialFiles, steps: Sequence[str]) -> Found:
    """All trajectories of a trial.

    Args:
        files: the trial's files; is told of what cannot be read.
        steps: the names of a multi-step trial's steps, in the order in which they were done.
    """
    reader = _Reader(files)
    runs: list[tuple[str, Run]] = []
    is_whole = True
    places, is_listed = _places(files, steps)
    for segment, path in places:
        try:
            runs.append((segment, reader.run(path)))
        except UnreadableError as error:
            files.findings.append(_not_read(str(error)))
            is_whole = False
    there = {segment for segment, _ in places}
    missing = [name for name in steps if name not in there]
    if missing and any(segment for segment, _ in runs):
        message = f"No trajectory of {', '.join(missing)}: what was done there is not known."
        files.findings.append(Finding("step_without_trajectory", Severity.WARNING, message))
        is_whole = False
    if files.has("user-agent", _NAME):
        message = "A simulated user has a trajectory of its own: its steps and its cost are not the agent's."
        files.findings.append(Finding("user_agent", Severity.INFO, message))
    _name_strays(files, [path for _, path in places], reader)
    has_all = is_whole and is_listed
    return Found(
        runs,
        is_whole=has_all and all(run.all_whole for _, run in runs),
        has_totals=has_all and all(run.has_totals for _, run in runs),
    )


def _name_strays(files: TrialFiles, roots: Sequence[Path], reader: _Reader) -> None:
    """Names trajectories that stand beside those that were read, and that none of these refers to."""
    for folder in dict.fromkeys(path.parent for path in roots if path.parent.name == "agent"):
        try:
            with scan(folder) as entries:
                names = sorted(one.name for one in entries if _PART.fullmatch(one.name))
        except OSError:
            continue  # what cannot be looked into was named when it was read
        beside = [folder / name for name in names if not reader.has_read(folder / name)]
        if beside:
            message = f"{len(beside)} trajectories that nothing refers to are not read ({beside[0].name:.100})."
            files.findings.append(Finding("trajectories_left_out", Severity.WARNING, message))


def bare_trajectory(files: TrialFiles, path: Path) -> Found:
    """A trajectory that stands in no trial.

    Raises:
        UnreadableError: it cannot be read, or is no trajectory.
    """
    run = _Reader(files).run(path)
    return Found([("", run)], run.all_whole, run.has_totals)


def _not_read(reason: str) -> Finding:
    return Finding("trajectory_unreadable", Severity.ERROR, f"{reason}: its steps are not known.")


def _places(files: TrialFiles, order: Sequence[str]) -> tuple[list[tuple[str, Path]], bool]:
    """The files where the agent's runs begin, each with its multi-step step, and whether all could be looked for."""
    steps: dict[str, Path] = {}
    is_listed = True
    try:
        if files.has("steps"):
            steps = {folder_name(child): child for child in children(files.folder / "steps")}
    except NotADirectoryError:
        pass  # a file of that name is no part of the layout
    except OSError as error:
        files.findings.append(_not_read(f"steps: {error.strerror}"))
        is_listed = False
    names = [name for name in dict.fromkeys(order) if name in steps] + [name for name in steps if name not in order]
    folders = [("", files.folder), *((name, steps[name]) for name in names)]
    places: list[tuple[str, Path]] = []
    for segment, folder in folders:
        agents = [folder / "agent" / name for name in (_NAME, "bridge-trajectory.json")]
        there = [path for path in agents if is_there(path)]
        if there:
            places.append((segment, there[0]))
            if len(there) > 1:
                message = "The bridge to the agent wrote a trajectory of its own: the agent's is the one that is read."
                files.findings.append(Finding("bridge_trajectory", Severity.INFO, message))
        elif elsewhere := _in_artifacts(folder, files.findings):
            where = folder_name(elsewhere[0].parent)
            message = f"The trajectory stands under artifacts ({where:.100}), not under agent."
            files.findings.append(Finding("trajectory_in_artifacts", Severity.INFO, message))
            if len(elsewhere) > 1:
                message = f"{len(elsewhere) - 1} other trajectories under artifacts are not read: one counts."
                files.findings.append(Finding("trajectories_left_out", Severity.WARNING, message))
            places.append((segment, elsewhere[0]))
    return places, is_listed


def _in_artifacts(folder: Path, findings: list[Finding]) -> list[Path]:
    """The trajectories among the artifacts, the least deep first; no link is followed."""
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            findings.append(_not_read(f"artifacts: {error.strerror}"))

    for parent, folders, names in walk(folder / "artifacts", unreadable):
        folders.sort()
        if _NAME in names:
            found.append(parent / _NAME)
    return sorted(found, key=lambda path: (len(path.parts), path))


class _Reader:
    """Follows references from file to file; each file is read once."""

    def __init__(self, files: TrialFiles) -> None:
        self._files = files
        self._seen: set[Path] = set()
        self._started: set[Path] = set()
        self._names: Counter[str] = Counter()
        self._parts = 0

    def run(self, path: Path) -> Run:
        """The run that begins in a file.

        Raises:
            UnreadableError: the file cannot be read, or is no trajectory.
        """
        self._seen.add(path)
        return self._run(self._file(path), path, depth=0)

    def has_read(self, path: Path) -> bool:
        """Whether a file was read, or tried."""
        return path in self._seen

    def _file(self, path: Path) -> TrajectoryFile:
        before = len(self._files.findings)
        value = self._files.trajectory(path)
        if not isinstance(value, dict):
            raise UnreadableError(f"{path.name} holds no JSON object")
        if not is_trajectory(value):
            raise UnreadableError(f"{path.name} is no ATIF trajectory: it holds no steps")
        is_cut = any(finding.code == "file_truncated" for finding in self._files.findings[before:])
        return read_trajectory(value, path.name, is_cut=is_cut)

    def _run(self, first: TrajectoryFile, path: Path, depth: int) -> Run:
        run = Run([first])
        paths = [path]
        while (reference := run.files[-1].continued) is not None:
            found = self._next(paths[-1], reference)
            if isinstance(found, str):
                message = f"The run goes on in {reference:.100}, which {found}: what was done there is not known."
                self._files.findings.append(Finding("continuation_missing", Severity.WARNING, message))
                run.is_whole = run.has_totals = False
                break
            paths.append(found[0])
            run.files.append(found[1])
        run.is_whole = run.is_whole and all(file.is_whole for file in run.files)
        run.has_totals = run.has_totals and not run.files[-1].is_cut
        for file, at in zip(run.files, paths, strict=True):
            self._start_all(run, file, at, depth)
        return run

    def _next(self, by: Path, reference: str) -> tuple[Path, TrajectoryFile] | str:
        """The file that a reference means, or in plain words why there is none."""
        path = self._files.referred(by, reference)
        if path is None:
            return "is not there"
        if path in self._seen:
            return "was read before"
        if self._parts >= _MOST_PARTS:
            return f"is left out: of one trial {_MOST_PARTS:,} parts are read"
        self._parts += 1
        self._seen.add(path)
        try:
            return path, self._file(path)
        except UnreadableError as error:
            return f"cannot be read ({error})"

    def _start_all(self, run: Run, file: TrajectoryFile, path: Path, depth: int) -> None:
        """Adds the sub-agents that a file refers to, and those that it holds and does not refer to."""
        embedded = _Embedded(file.embedded)
        for step in file.steps:
            if step.is_copied:
                continue
            for call in (*step.tool_calls, None):
                for reference in (step if call is None else call).started:
                    self._start(run, file, path, reference, embedded, (step, call), depth)
        for value in embedded.left():
            self._add_embedded(run, value, file.name, path, EMPTY, None, depth)

    def _start(
        self,
        run: Run,
        file: TrajectoryFile,
        path: Path,
        reference: Json,
        embedded: _Embedded,
        starter: tuple[StepDraft, CallDraft | None],
        depth: int,
    ) -> None:
        value = embedded.take(reference)
        if value is not None:
            self._add_embedded(run, value, file.name, path, reference, starter, depth)
            return
        place = text(reference.get("trajectory_path"))
        referred = None if place is None else self._files.referred(path, place)
        if embedded.was_taken(reference) or referred in self._started:
            return  # named once more: by another step, or by a step that repeats the first
        if referred is not None:
            self._started.add(referred)
        found = "names no file" if place is None else self._next(path, place)
        if isinstance(found, str):
            what = place or text(reference.get("trajectory_id")) or text(reference.get("session_id")) or "nameless"
            where = f"started in step {starter[0].step_id} of {file.name}"
            message = f"The trajectory of a sub-agent ({what:.100}, {where}) {found}: what it did is not known."
            self._files.findings.append(Finding("subagent_missing", Severity.WARNING, message))
            run.is_whole = False
            return
        at, other = found
        self._add(run, other, at, reference, starter, depth)

    def _add_embedded(
        self,
        run: Run,
        value: Json,
        name: str,
        path: Path,
        reference: Json,
        starter: tuple[StepDraft, CallDraft | None] | None,
        depth: int,
    ) -> None:
        self._parts += 1
        reason = f"of one trial {_MOST_PARTS:,} parts are read"
        if self._parts <= _MOST_PARTS:
            try:
                file = read_trajectory(value, name, is_part=True)
            except UnreadableError as error:
                reason = str(error)
            else:
                self._add(run, file, path, reference, starter, depth)
                return
        message = f"A sub-agent's trajectory in {name} is left out ({reason}): what it did is not known."
        self._files.findings.append(Finding("subagent_missing", Severity.WARNING, message))
        run.is_whole = False

    def _add(
        self,
        run: Run,
        file: TrajectoryFile,
        path: Path,
        reference: Json,
        starter: tuple[StepDraft, CallDraft | None] | None,
        depth: int,
    ) -> None:
        if depth >= _DEEPEST:
            message = f"Sub-agents below {_DEEPEST} others are not read."
            self._files.findings.append(Finding("subagent_missing", Severity.WARNING, message))
            run.is_whole = False
            return
        below = self._run(file, path, depth + 1)
        names = (*file.ids, text(reference.get("session_id")), file.agent)
        below.subagent = self._name(next((name for name in names if name), "sub-agent"))
        below.starter = starter
        run.subagents.append(below)

    def _name(self, wanted: str) -> str:
        """A name that no other sub-agent of the trial has."""
        wanted = wanted[:_LONGEST_NAME]
        name = wanted
        while name in self._names:
            self._names[wanted] += 1
            name = f"{wanted}#{self._names[wanted]}"
        self._names[name] += 1
        return name


class _Embedded:
    """The trajectories that one file holds of sub-agents, each given out once."""

    def __init__(self, values: Sequence[Json]) -> None:
        self._left = dict(enumerate(values))
        self._by_id: dict[str, list[int]] = {}
        self._by_session: dict[str, list[int]] = {}
        for place, value in self._left.items():
            for key, places in (("trajectory_id", self._by_id), ("session_id", self._by_session)):
                if (found := text(value.get(key))) is not None:
                    places.setdefault(found, []).append(place)

    def _places(self, reference: Json) -> list[int]:
        """Which a reference means: by its trajectory's id, or by a session's id that only one has."""
        wanted = text(reference.get("trajectory_id"))
        if wanted is not None:
            return self._by_id.get(wanted, [])[:1]
        if text(reference.get("trajectory_path")) is not None:
            return []
        found = self._by_session.get(text(reference.get("session_id")) or "", [])
        return found if len(found) == 1 else []

    def take(self, reference: Json) -> Json | None:
        """The trajectory that a reference means; None where there is none, or it was given out."""
        places = self._places(reference)
        return self._left.pop(places[0], None) if places else None

    def was_taken(self, reference: Json) -> bool:
        """Whether the trajectory that a reference means was given out."""
        places = self._places(reference)
        return bool(places) and places[0] not in self._left

    def left(self) -> Sequence[Json]:
        """Those that nothing has referred to."""
        return list(self._left.values())
