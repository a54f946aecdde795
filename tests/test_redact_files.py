"""A file that goes up whole goes up without its secrets, and is otherwise what it was."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.redact import redact, redact_json_bytes
from adapter.trial import Source, Status, Step, ToolCall, Trial, Variant

KEY = "sk-" + "ant-api03-" + "a1B2" * 10
OTHER = "sk-" + "ant-api03-" + "c3D4" * 10
MARK = "[REDACTED: Anthropic key]"


def cleaned(data: bytes) -> tuple[bytes, Counter[str]]:
    found: Counter[str] = Counter()
    return redact_json_bytes(data, found), found


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1.50, "b": [1e3, NaN], "a": 2}',
        b"",
        b"no JSON at all",
        b"\xff\xfe\x00broken",
        b'{"password": null, "token": "${TOKEN}", "cut',
        '{"a": "\\ud83d"}'.encode("utf-16"),
    ],
)
def test_a_file_without_secrets_is_the_same_bytes(data: bytes) -> None:
    after, found = cleaned(data)
    assert after is data
    assert not found


def test_a_file_with_one_stays_the_json_it_was() -> None:
    value = {"a": [KEY, 1.5, None, True, "é", "\ud83d"], KEY: {"x": KEY + "!"}, "n": float("inf"), "big": 10**40}
    after, found = cleaned(json.dumps(value, indent=2).encode())
    assert json.loads(after) == {
        "a": [MARK, 1.5, None, True, "é", "\ud83d"],
        MARK: {"x": MARK + "!"},
        "n": float("inf"),
        "big": 10**40,
    }
    assert found == {"Anthropic key": 3}
    assert b"\n  " in after


def test_keys_that_become_the_same_keep_both_values() -> None:
    after, _ = cleaned(json.dumps({KEY: 1, OTHER: 2, f"{MARK} (2)": 3}).encode())
    assert sorted(json.loads(after).values()) == [1, 2, 3]
    step = Step(1, 1, Source.AGENT, tool_calls=(ToolCall("sh", {KEY: "a", OTHER: "b"}),))
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.FAILED, (step,))
    assert redact(trial).steps[0].tool_calls[0].arguments == {MARK: "a", f"{MARK} (2)": "b"}


@pytest.mark.parametrize(
    ("data", "after"),
    [
        (f"log: {KEY}\n".encode(), f"log: {MARK}\n".encode()),
        (f'{{"a": "{KEY}", "cut'.encode(), f'{{"a": "{MARK}", "cut'.encode()),
        (f'{{"a": "\\u0073{KEY[1:]}", "cut'.encode(), f'{{"a": "{MARK}", "cut'.encode()),
        (b'{"a": "\\u0022' + KEY.encode() + b'", "cut', f'{{"a": "\\u0022{MARK}", "cut'.encode()),
        (b'{"a":1}\n{"a":"' + KEY.encode() + b'"}\n', f'{{"a":1}}\n{{"a":"{MARK}"}}\n'.encode()),
        (b"\xff " + KEY.encode(), f"\ufffd {MARK}".encode()),
        (b"[" * 100_000 + KEY.encode(), b"[" * 100_000 + MARK.encode()),
        (b"\xef\xbb\xbf" + json.dumps([KEY]).encode(), json.dumps([MARK]).encode()),
    ],
    ids=["log", "cut", "escaped", "escaped quote", "lines", "bytes", "deep", "mark"],
)
def test_what_is_no_json_is_redacted_as_text(data: bytes, after: bytes) -> None:
    assert cleaned(data) == (after, {"Anthropic key": 1})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_in_every_encoding_that_json_may_have(encoding: str) -> None:
    after, _ = cleaned(json.dumps({"a": KEY}).encode(encoding))
    assert json.loads(after) == {"a": MARK}


def test_json_that_nests_as_deep_as_it_is_parsed_is_clean_too() -> None:
    depth = 900
    after, _ = cleaned(b"[" * depth + json.dumps(KEY).encode() + b"]" * depth)
    assert KEY.encode() not in after
    assert MARK.encode() in after


TEXTS = st.sampled_from([KEY, OTHER, "DB_PASSWORD", "hunter2", "PASSWORD=hunter2", "é", "", "value", "name"])
VALUES = st.recursive(
    TEXTS | st.none() | st.floats(allow_nan=False) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


def shape(value: Any) -> Any:
    """How many of what stands where, without the texts."""
    if isinstance(value, dict):
        return ["dict", *(shape(item) for item in value.values())]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value) if isinstance(value, str) else value


@given(VALUES)
def test_structures_stay_and_a_second_time_changes_nothing(value: Any) -> None:
    once, _ = cleaned(json.dumps(value).encode())
    assert shape(json.loads(once)) == shape(value)
    assert KEY.encode() not in once
    again, found = cleaned(once)
    assert again == once
    assert not found
    step = Step(1, 1, Source.AGENT, tool_calls=(ToolCall("sh", {"arguments": value}),))
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.FAILED, (step,))
    clean = redact(trial)
    assert clean.steps[0].tool_calls[0].arguments == {"arguments": json.loads(once)}
    assert redact(clean) is clean
