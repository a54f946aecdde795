"""Files of a job are read safely: ordinary files only, none over a limit, and no symbolic link is followed."""

from __future__ import annotations

import json
import math
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter import files
from adapter.errors import UnreadableError
from adapter.files import MAX_BYTES, MAX_DEPTH, MAX_DIGITS, inside, is_there, parse_json, read_bytes, read_json
from adapter.trial import Finding


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket must be short
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def make_link(path: Path) -> None:
    target = path.with_name("target.json")
    target.write_text("{}")
    path.symlink_to(target.name)


NOT_FILES: list[tuple[Callable[[Path], object], str]] = [
    (make_pipe, "trajectory.json is a named pipe, not a file"),
    (make_socket, "trajectory.json is a socket, not a file"),
    (Path.mkdir, "trajectory.json is a directory, not a file"),
    (make_link, "trajectory.json is a symbolic link, and symbolic links are not followed"),
    (lambda path: path.symlink_to("/dev/zero"), "trajectory.json is a symbolic link"),
    (lambda path: path.symlink_to(path.name), "trajectory.json is a symbolic link"),
    (Path.is_file, "trajectory.json: No such file or directory"),
]


@pytest.mark.parametrize(("make", "reason"), NOT_FILES)
def test_what_is_no_ordinary_file_is_never_opened(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    path = tmp_path / "trajectory.json"
    make(path)
    with pytest.raises(UnreadableError, match=reason):
        read_json(path)


def test_a_device_is_never_opened() -> None:
    with pytest.raises(UnreadableError, match="null is a device, not a file"):
        read_bytes(Path("/dev/null"))


def test_a_file_that_is_swapped_for_a_pipe_while_it_is_opened_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real_stat = tmp_path / "trajectory.json", os.stat
    path.write_text("{}")

    def swap(name: Any, **options: Any) -> os.stat_result:
        status = real_stat(name, **options)
        if name == path.name:
            path.unlink()
            os.mkfifo(path)
        return status

    monkeypatch.setattr(files.os, "stat", swap)
    read: list[str] = []

    def attempt() -> None:
        with pytest.raises(UnreadableError) as caught:
            read_bytes(path)
        read.append(str(caught.value))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert read == ["trajectory.json is a named pipe, not a file"]


def test_a_link_on_the_way_is_followed_above_the_folder_that_was_asked_for_and_not_below(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "job" / "agent").mkdir(parents=True)
    (tmp_path / "elsewhere" / "job" / "agent" / "a.json").write_text("[1]")
    (tmp_path / "jobs").symlink_to(tmp_path / "elsewhere")
    job = tmp_path / "jobs" / "job"
    assert read_json(job / "agent" / "a.json", within=job) == [1]
    (job / "linked").symlink_to(job / "agent")
    reason = "a.json lies behind linked, a symbolic link, and symbolic links are not followed"
    with pytest.raises(UnreadableError, match=reason):
        read_json(job / "linked" / "a.json", within=job)
    (tmp_path / "to-job").symlink_to(job)
    assert read_json(tmp_path / "to-job" / "agent" / "a.json", within=tmp_path / "to-job") == [1]


@pytest.mark.parametrize("path", ["../a.json", "agent/../../a.json", "", "../job-2/a.json"])
def test_nothing_outside_of_the_folder_is_read(tmp_path: Path, path: str) -> None:
    job = tmp_path / "job"
    (job / "agent").mkdir(parents=True)
    (tmp_path / "job-2").mkdir()
    for folder in (tmp_path, tmp_path / "job-2"):
        (folder / "a.json").write_text("1")
    with pytest.raises(UnreadableError, match="lies outside of job"):
        read_json(job / path, within=job)


def test_the_end_of_a_file_is_read_whatever_its_size_and_a_limit_holds_for_the_whole_of_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789")
    assert [read_bytes(path, tail=size) for size in (0, 3, 10, 99)] == [b"", b"789", b"0123456789", b"0123456789"]
    assert read_bytes(path, limit=10) == b"0123456789"
    with pytest.raises(UnreadableError, match="has 10 bytes; at most 9 are read"):
        read_bytes(path, limit=9, tail=3)


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "a.json").write_text("1")
    (tmp_path / "agent" / "b.json").symlink_to("a.json")
    before = sum(1 for _ in Path("/dev/fd").iterdir())
    for name in ("a.json", "b.json", "c.json"):
        for within in (None, tmp_path):
            try:
                read_bytes(tmp_path / "agent" / name, within=within)
            except UnreadableError:
                continue
    assert sum(1 for _ in Path("/dev/fd").iterdir()) == before


def test_a_name_that_is_no_text_is_shown_as_text(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_bytes(tmp_path / "bad\udcff.json")
    assert str(caught.value).encode() == b"bad?.json: No such file or directory"


REFERENCES = {
    "trajectory.cont-1.json": "agent/trajectory.cont-1.json",
    "./sub/one.json": "agent/sub/one.json",
    "sub/../one.json": "agent/one.json",
    "../verifier/x.json": None,
    "/etc/passwd": None,
    "//etc/passwd": None,
    "": None,
    ".": None,
    "sub/..": None,
    "..": None,
    "a\x00b.json": None,
    "\ud800.json": None,
    "x" * 256: None,
    "é" * 128: None,
    "x" * 255: "agent/" + "x" * 255,
    "d/" * 1_000 + "x": "agent/" + "d/" * 1_000 + "x",
    "d/" * 10_000 + "x": None,
    "link.json": None,
    "links/one.json": None,
    "dangling.json": None,
}


@pytest.mark.parametrize(("reference", "expected"), REFERENCES.items(), ids=range(len(REFERENCES)))
def test_a_reference_leads_nowhere_else(tmp_path: Path, reference: str, expected: str | None) -> None:
    agent = tmp_path / "agent"
    (agent / "sub").mkdir(parents=True)
    (agent / "sub" / "one.json").write_text("1")
    (agent / "link.json").symlink_to("sub/one.json")
    (agent / "links").symlink_to("sub")
    (agent / "dangling.json").symlink_to("nothing")
    assert inside(agent, reference) == (None if expected is None else tmp_path / expected)


def test_a_reference_may_lead_up_to_the_folder_that_it_must_stay_in(tmp_path: Path) -> None:
    agent = tmp_path / "trial" / "agent"
    agent.mkdir(parents=True)
    assert (
        inside(agent, "../artifacts/x.json", within=tmp_path / "trial") == tmp_path / "trial" / "artifacts" / "x.json"
    )
    assert inside(agent, "../../other/x.json", within=tmp_path / "trial") is None


@settings(derandomize=True, deadline=None, max_examples=100)
@given(reference=st.text() | st.text(alphabet="./a\x00~\\"))
def test_whatever_a_reference_says_it_stays_inside(reference: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = inside(folder, reference)
    if path is not None:
        assert path.resolve().is_relative_to(folder.resolve())
        assert path != folder
        assert is_there(path) in (True, False)


VALUES: list[tuple[bytes, Any]] = [
    (b'{"a": 1}', {"a": 1}),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b"[1e999, -Infinity]", [math.inf, -math.inf]),
    (b'"\\ud83d\\ude00"', "😀"),
    (b'"\\\\ud800"', "\\ud800"),
    (b"9" * MAX_DIGITS, int("9" * MAX_DIGITS)),
    (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
    (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, json.loads('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH)),
]


@pytest.mark.parametrize(("data", "value"), VALUES, ids=range(len(VALUES)))
def test_json_as_it_comes_is_read(data: bytes, value: Any) -> None:
    findings: list[Finding] = []
    assert parse_json(data, "x.json", findings) == value
    assert findings == []


def test_nan_is_a_float() -> None:
    value = parse_json(b"[NaN]", "x.json")
    assert isinstance(value, list)
    assert isinstance(value[0], float)
    assert math.isnan(value[0])


REPAIRED: list[tuple[bytes, Any]] = [
    (b'"a\\ud800b"', "a?b"),
    (b'"a\\uDC00b"', "a?b"),
    (b'"\\ud83d\\ud83d\\ude00"', "?😀"),
    (b'"\\ud800\\u0041"', "?A"),
    (b'"\\\\\\ud800"', "\\?"),
    (b'{"\\ud800": 1}', {"?": 1}),
    (b'"\xed\xa0\x80"', "???"),
    (b'"caf\xe9"', "caf?"),
    ('["é😀", "'.encode() + b'\xff"]', ["é😀", "?"]),
]


@pytest.mark.parametrize(("data", "value"), REPAIRED, ids=range(len(REPAIRED)))
def test_what_is_no_text_does_not_hide_the_rest_and_is_named(data: bytes, value: Any) -> None:
    findings: list[Finding] = []
    assert parse_json(data, "x.json", findings) == value
    assert [finding.code for finding in findings] == ["text_repaired"]
    assert findings[0].message.startswith("x.json holds bytes or escapes that are no text")


REFUSED: list[tuple[bytes, str]] = [
    (b"", "x.json is empty"),
    (b" \n", "x.json is empty"),
    (b"\xef\xbb\xbf", "x.json is empty"),
    ('{"a": 1}'.encode("utf-16"), "x.json is UTF-16 or no text at all; only UTF-8 is read"),
    ('{"a": 1}'.encode("utf-16-le"), "x.json is UTF-16-LE or no text at all"),
    ('{"a": 1}'.encode("utf-32"), "x.json is UTF-32 or no text at all"),
    (b'{"a": [1, 2', "x.json is no JSON: EOF while parsing a list at line 1 column 11"),
    (b'{"a": 1} {}', "x.json is no JSON: trailing characters at line 1 column 10"),
    (b'{"a": "\x00"}', "x.json is no JSON: control character"),
    (b'{"a": \xff}', "x.json is no JSON: expected value"),
    (b"9" * (MAX_DIGITS + 1), "x.json holds an integer that is too long: at most 4,300 digits are read"),
    (
        b'["\\ud800", ' + b"9" * (MAX_DIGITS + 1) + b"]",
        "x.json holds an integer that is too long: at most 4,300 digits",
    ),
    (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "x.json is nested too deeply: at most 200 levels are read"),
    (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "x.json is nested too deeply: at most 200 levels"),
    (b"[" * 1_000_000, "x.json is nested too deeply: at most 200 levels are read"),
    (b'["\\ud800", ' + b"[" * 1_000_000, "x.json is nested too deeply: at most 200 levels are read"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_json_is_one_reason(data: bytes, reason: str) -> None:
    findings: list[Finding] = []
    with pytest.raises(UnreadableError) as caught:
        parse_json(data, "x.json", findings)
    assert str(caught.value).startswith(reason)
    assert findings == []


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    data=st.binary()
    | st.text(alphabet='[]{}",:0\\u1dea').map(str.encode)
    | st.text().map(lambda text: json.dumps(text).encode())
)
def test_whatever_the_bytes_are_they_are_a_value_or_one_reason(data: bytes) -> None:
    try:
        value = parse_json(data, "x.json")
    except UnreadableError as error:
        assert str(error).startswith("x.json ")  # noqa: PT017  (either outcome is right; neither may be a traceback)
    else:
        json.dumps(value, ensure_ascii=False).encode()


def test_a_file_of_a_gigabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    with path.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(UnreadableError, match=f"has 1,000,000,000 bytes; at most {MAX_BYTES:,} are read"):
        read_bytes(path)


def count_values(value: Any) -> dict[str, int]:
    """Containers of each kind, and commas as they stand between the members of a container."""
    counts = {"[": 0, "{": 0, ",": 0}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | dict):
            counts["[" if isinstance(one, list) else "{"] += 1
            counts[","] += max(len(one) - 1, 0)
            waiting += one if isinstance(one, list) else one.values()
    return counts


TRICKY = st.text(alphabet='",[{\\a') | st.integers()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    value=st.recursive(TRICKY, lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='",[{\\a'), inner)),
    chunk=st.integers(1, 20),
)
def test_values_are_counted_outside_of_strings_only(value: Any, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_CHUNK", chunk)
        counts = files._counts_outside_strings(json.dumps(value).encode())
    assert {chr(mark): count for mark, count in counts.items()} == count_values(value)
