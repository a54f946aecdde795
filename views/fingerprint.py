"""How the agent worked in each attempt, counted from the tables alone (`views.tables.FINGERPRINTS`).

Everything is done on whole columns: the time is linear in the rows, but for sorting what is not in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adapter.actions import Verb
from adapter.trial import Status
from views.metrics import attempts_of
from views.tables import FINGERPRINTS, Parts
from views.tables.parts import Part

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]

_LONGEST_CYCLE = 3
"""How many calls may be in what a loop repeats."""


def fingerprints(trials: pd.DataFrame, steps: pd.DataFrame, calls: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    """The fingerprint of every attempt, in the order of the trials.

    Trials that are no attempt of the agent, and regrades, have none. What cannot be counted is missing: all of it where
    a trial has no trajectory, and what is counted in a table that has no row of a trial which should be in it.

    Args:
        trials: rows of `views.tables.TRIALS`; with the others in any order.
        steps: rows of `STEPS`.
        calls: rows of `CALLS`.
        actions: rows of `ACTIONS`.

    Returns:
        a table that keeps `views.tables.FINGERPRINTS`.
    """
    attempts = attempts_of(trials)
    names = pd.Index(attempts["trial"])
    status = attempts["status"]
    found: dict[str, Floats] = {
        "steps": _floats(attempts["agent_steps"]),
        "calls": _floats(attempts["llm_calls"]),
        "tool_calls": _floats(attempts["tool_calls"]),
        **_of_actions(_Rows.of(actions, names, ["step", "action"]), _floats(attempts["tool_calls"])),
        **_of_calls(_Rows.of(calls, names, ["call"]), _floats(attempts["llm_calls"])),
        "tool_time_share": _tool_time_share(_Rows.of(steps, names, [])),
        "timed_out": _floats(status == Status.TIMED_OUT.value),
        "broke_off": _floats(status == Status.AGENT_ERROR.value),
    }
    columns = {name: _column(found[name]) for name in FINGERPRINTS.columns if name != "trial"}
    return FINGERPRINTS.validate(pd.DataFrame({"trial": attempts["trial"].reset_index(drop=True), **columns}))


def fingerprints_of(trials: pd.DataFrame, parts: Parts) -> pd.DataFrame:
    """The same from tables in parts, of which one is held at a time. The order is that of the parts.

    Args:
        trials: rows of `views.tables.TRIALS`, in any order.
        parts: of the tables `steps`, `calls` and `actions`.
    """
    names, left = trials["trial"], pd.Series(data=True, index=trials.index)
    found: list[pd.DataFrame] = []
    empty: Part = {}
    for part in parts:
        here = left & names.isin(pd.concat([table["trial"] for table in part.values()]))
        found.append(fingerprints(trials[here], part["steps"], part["calls"], part["actions"]))
        left &= ~here
        empty = {name: table.iloc[:0] for name, table in part.items()}
    # Trials of which nothing stands in any table.
    found.append(fingerprints(trials[left], empty["steps"], empty["calls"], empty["actions"]))
    return pd.concat(found, ignore_index=True)


def _column(values: Floats) -> pd.Series:
    """Numbers as a column in which NaN is missing."""
    return pd.Series(pd.arrays.FloatingArray(np.nan_to_num(values), np.isnan(values)))


def _floats(column: pd.Series) -> Floats:
    return column.to_numpy(float, na_value=np.nan)


def _bools(column: pd.Series) -> Bools:
    """True where it is known to be so."""
    return column.to_numpy(bool, na_value=False)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table that belong to attempts, those of one attempt together and in order.

    Attributes:
        table: without an index of its own.
        place: of each row, the place of its attempt among the attempts.
        attempts: how many there are.
    """

    table: pd.DataFrame
    place: Ints
    attempts: int

    @staticmethod
    def of(table: pd.DataFrame, names: pd.Index, order: list[str]) -> _Rows:
        """The rows of these attempts, in the order of these columns within each."""
        codes, trials = pd.factorize(table["trial"])
        # A look-up per trial and not per row. The last place stands for no attempt, and takes rows without a trial.
        place = np.append(names.get_indexer(pd.Index(trials)), -1)[codes]
        keys = [table[name].to_numpy(np.int64) for name in reversed(order)]
        rows = np.arange(len(place)) if _in_order([*keys, place]) else np.lexsort([*keys, place])
        rows = rows[place[rows] >= 0]
        if len(rows) < len(table) or not _in_order([rows]):
            table, place = table.take(rows), place[rows]
        return _Rows(table, place, len(names))

    def count(self, which: Bools) -> Floats:
        """How many rows of each attempt are so."""
        return np.bincount(self.place[which], minlength=self.attempts).astype(float)

    def total(self, values: Floats) -> Floats:
        """The sum over the rows of each attempt; rows where it is NaN are left out."""
        known = ~np.isnan(values)
        return np.bincount(self.place[known], values[known], minlength=self.attempts)

    def mean(self, values: Floats) -> Floats:
        """The mean over the rows of each attempt whose value is not NaN; NaN where there is none."""
        return _share(self.total(values), self.count(~np.isnan(values)))

    def highest(self, place: Ints, values: Ints) -> Floats:
        """The largest value of each attempt; 0 where it has none."""
        found = np.zeros(self.attempts)
        np.maximum.at(found, place, values)
        return found

    def known(self, expected: Floats) -> Bools:
        """For which attempts the rows are there, where so many are expected (NaN: not known)."""
        return (np.bincount(self.place, minlength=self.attempts) > 0) | (expected == 0)


def _in_order(keys: list[Ints]) -> bool:
    """Whether rows are in ascending order of these keys, of which the last is the first to go by."""
    later = np.zeros(max(len(keys[0]) - 1, 0), dtype=bool)
    equal = ~later
    for key in reversed(keys):
        step = np.diff(key)
        if bool(np.any(equal & (step < 0))):
            return False
        equal &= step == 0
    return True


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _where(known: Bools, values: Floats) -> Floats:
    return np.where(known, values, np.nan)


def _of_actions(rows: _Rows, expected: Floats) -> dict[str, Floats]:
    table = rows.table
    reads, writes, failed = (_bools(table[name]) for name in ("reads", "writes", "failed"))
    verbs = _verbs(table["verb"])
    all_of = np.bincount(rows.place * len(Verb) + verbs, minlength=rows.attempts * len(Verb))
    of_verb = all_of.reshape(rows.attempts, len(Verb)).astype(float)
    is_command = verbs == list(Verb).index(Verb.SH)
    outcomes = rows.count(is_command & table["failed"].notna().to_numpy())
    failures = rows.count(is_command & failed)
    most, rewritten = _edits(rows, writes & ~failed)
    known = rows.known(expected)
    counts = {
        "most_edits": most,
        "files_rewritten": rewritten,
        "test_runs": rows.count(_bools(table["is_test"])),
        "commands_failed": _where((outcomes > 0) | (rows.count(is_command) == 0), failures),
        "repeats": rows.count(_bools(table["is_repeat"])),
        "longest_loop": _longest_loop(rows),
    }
    return {
        **{f"share_{verb.value}": _share(of_verb[:, at], of_verb.sum(axis=1)) for at, verb in enumerate(Verb)},
        "reads_before_write": _reads_before_write(rows, reads, writes),
        # Some harnesses write a status only where a command failed: of these alone, all would have failed.
        "commands_failed_share": _where(2 * outcomes >= rows.count(is_command), _share(failures, outcomes)),
        **{name: _where(known, values) for name, values in counts.items()},
    }


def _verbs(column: pd.Series) -> Ints:
    """Each verb as its place among the verbs."""
    codes, names = pd.factorize(column)
    places = {verb.value: place for place, verb in enumerate(Verb)}
    return np.array([places[str(name)] for name in names], dtype=np.int64)[codes] if len(codes) else codes


def _reads_before_write(rows: _Rows, reads: Bools, writes: Bools) -> Floats:
    """How many calls of an attempt look at files before the first that writes one; NaN where none does."""
    before = np.concatenate([[0], np.cumsum(reads)])
    written, first_write = np.unique(rows.place[writes], return_index=True)
    begun, first = np.unique(rows.place, return_index=True)
    found = np.full(rows.attempts, np.nan)
    begin = first[np.searchsorted(begun, written)]
    found[written] = before[np.flatnonzero(writes)[first_write]] - before[begin]
    return found


def _edits(rows: _Rows, writes: Bools) -> tuple[Floats, Floats]:
    """How often the file is written that is written most often, and how many are written more than once."""
    codes, files = pd.factorize(rows.table["file"])
    among = writes & (codes >= 0)
    pairs, times = np.unique(rows.place[among] * max(len(files), 1) + codes[among], return_counts=True)
    place = pairs // max(len(files), 1)
    return rows.highest(place, times), np.bincount(place[times > 1], minlength=rows.attempts).astype(float)


def _longest_loop(rows: _Rows) -> Floats:
    """How many calls are in the longest loop of an attempt; 0 without one.

    A loop of p calls (one to three) is a stretch in which each call is identical to the one p calls before it, and in
    which the p calls come at least twice. Its length counts all calls in it, the first p and a last, broken round
    among them.
    """
    keys, place = pd.factorize(rows.table["key"])[0], rows.place
    longest = np.zeros(rows.attempts)
    at = np.arange(len(keys))
    for cycle in range(1, _LONGEST_CYCLE + 1):
        again = np.zeros(len(keys), dtype=bool)
        again[cycle:] = (keys[cycle:] == keys[:-cycle]) & (place[cycle:] == place[:-cycle])
        # How many calls in a row, up to each, are a repetition: the distance to the last that is none.
        run = at - np.maximum.accumulate(np.where(again, -1, at))
        is_loop = run >= cycle
        longest = np.maximum(longest, rows.highest(place[is_loop], run[is_loop] + cycle))
    return longest


def _of_calls(rows: _Rows, expected: Floats) -> dict[str, Floats]:
    is_compaction = _bools(rows.table["is_compaction"])
    told = rows.count(rows.table["is_compaction"].notna().to_numpy()) > 0
    return {
        "context_growth": rows.mean(_growth(rows, is_compaction)),
        "compactions": _where(told | (expected == 0), rows.count(is_compaction)),
        "output_per_call": rows.mean(_floats(rows.table["output"])),
    }


def _growth(rows: _Rows, is_compaction: Bools) -> Floats:
    """By how many tokens each prompt is longer than the one before it in the same context.

    A context is what one agent or sub-agent is told in one segment. NaN for the first of each, after a compaction, and
    where one of the two is not known.
    """
    table = rows.table
    found = np.full(len(table), np.nan)
    agents, segments = (pd.factorize(table[name])[0] for name in ("subagent", "segment"))
    context = (rows.place * (segments.max(initial=0) + 1) + segments) * (agents.max(initial=0) + 1) + agents
    # Calls of several contexts may take turns; within each they keep their order.
    order = np.arange(len(context)) if _in_order([context]) else np.argsort(context, kind="stable")
    prompts, contexts = _floats(table["prompt"])[order], context[order]
    growth = np.where(contexts[1:] == contexts[:-1], np.diff(prompts), np.nan)
    found[order[1:]] = growth
    found[is_compaction] = np.nan
    return found


def _tool_time_share(rows: _Rows) -> Floats:
    model, tools = _floats(rows.table["model_seconds"]), _floats(rows.table["tool_seconds"])
    both = model + tools
    return _share(rows.total(np.where(np.isnan(both), np.nan, tools)), rows.total(both))
