"""The file that says which kind of work each task is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import BadInputError
from adapter.trial import Status, Trial, Variant
from pipelines.categories import Categories, load_categories

FILE = """
"org/fix-git" = "bugfix"
fix-git = "not this one"
"fix-*" = "repair"
"*-review" = "review"
"other/*" = "docs"
"fix-c*" = "never reached"
"bracket[1]" = "one by its name"
"""
CASES = {
    "org/fix-git": "bugfix",  # as Harbor names it, before its name without the owner
    "someone/fix-git": "not this one",  # the name alone, before every pattern
    "org/fix-css": "repair",  # the first pattern that matches, also without the owner
    "code-review": "review",
    "other/x": "docs",
    "bracket[1]": "one by its name",  # a name goes before what it would be as a pattern
    "org/else": None,
    "FIX-GIT": None,  # names are what they are
}


def trial(task: str, category: str | None = None) -> Trial:
    return Trial("j", "t", "job", "trial", task, "set", Variant("toy"), Status.PASSED, category=category)


@pytest.mark.parametrize("task", CASES)
def test_a_name_goes_before_patterns_and_these_in_their_order(tmp_path: Path, task: str) -> None:
    path = tmp_path / "categories.toml"
    path.write_text(FILE)
    assert load_categories(path).of(trial(task)) == CASES[task]


def test_json_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "categories.JSON"
    path.write_text(json.dumps({"a": " lint ", "*": "other"}), "utf-8-sig")
    categories = load_categories(path)
    assert [categories.of(trial(task)) for task in ("org/a", "b")] == ["lint", "other"]


def test_without_a_file_the_tasks_own_metadata_count_and_with_one_they_do_not(tmp_path: Path) -> None:
    own = trial("a", "software-engineering")
    assert load_categories(None).of(own) == "software-engineering"
    assert load_categories(None).of(trial("a")) is None
    (tmp_path / "empty.toml").write_text("")
    assert load_categories(tmp_path / "empty.toml").of(own) is None


WRONG = {
    "a.yaml": ("a: b", "not seen from its name", "Name it .toml or .json"),
    "no-suffix": ("{}", "not seen from its name", "Name it .toml or .json"),
    "list.json": ('["a"]', "no mapping", "one entry per task"),
    "null.json": ("null", "no mapping", "one entry per task"),
    "broken.json": ('{"a": ', "cannot be read", "one entry per task"),
    "broken.toml": ("a = ", "cannot be read", "one entry per task"),
    "deep.json": ("[" * 100_000, "nested too deeply", "one entry per task"),
    "number.json": ('{"a": "x", "b": 1}', "'b' is no text", "one entry per task"),
    "table.toml": ('a.b = "bugfix"', "'a' is no text", "needs the quotes"),
    "list-of.toml": ('a = ["x"]', "'a' is no text", "one entry per task"),
    "empty.json": ('{"a": " "}', "'a' is empty", "Name one"),
    "half.json": ('{"a": "\\ud800x"}', "half a character", "the whole character"),
    "twice.json": ('{"a": "x", "a": "y"}', "'a' stands there twice", "one entry per task"),
    "twice.toml": ('a = "x"\na = "y"', "cannot be read", "one entry per task"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    text, what, hint = WRONG[name]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInputError) as error:
        load_categories(path)
    assert str(path) in error.value.what
    assert what in error.value.what
    assert hint in error.value.hint


def test_a_file_that_is_not_there_or_no_text_is_bad_input_too(tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.toml", binary, tmp_path / "folder.toml"):
        with pytest.raises(BadInputError, match="cannot be read"):
            load_categories(path)
        (tmp_path / "folder.toml").mkdir(exist_ok=True)


@given(st.dictionaries(st.text(max_size=8), st.just("x")), st.text(max_size=8))
def test_any_pattern_matches_or_does_not(patterns: dict[str, str], task: str) -> None:
    assert Categories(patterns).of(trial(task)) in ("x", None)
