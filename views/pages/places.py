"""Where each page is, below the report's folder: names that people can read, and that no hostile name can leave."""

from __future__ import annotations

from urllib.parse import quote

from views import format as fmt

INDEX = "index.html"
TRIALS = "trials.html"


def comparison_place(name: str) -> str:
    """The page of a comparison."""
    return f"comparisons/{fmt.file_name(name)}.html"


def task_place(dataset: str, task: str) -> str:
    """The page of a task of a dataset."""
    return f"tasks/{_of_two(dataset, task)}.html"


def trial_place(trial: str) -> str:
    """The page of a trial, from its `job/trial`."""
    job, _, name = trial.partition("/")
    return f"trials/{_of_two(job, name)}.html"


def link(place: str, depth: int, anchor: str = "") -> str:
    """The address of a page on another.

    Args:
        place: where the page is.
        depth: how many folders the page with the link is below the report's.
        anchor: a part of the page.
    """
    return "../" * depth + quote(place) + (f"#{anchor}" if anchor else "")


def _of_two(first: str, second: str) -> str:
    return f"{fmt.slug(second)}-{fmt.short_hash(first, second)}"
