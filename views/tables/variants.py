"""How a variant did, in one row: what it costs, and how it works.

A quantity of its attempts stands in seven columns: its mean under its own name, `NAME_sd`, `_q25`, `_median` and `_q75`
over the attempts for which it is known, `_n` of them, and `_missing` others.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandera.pandas as pa

from adapter.actions import Verb
from views.tables import columns as c


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that every attempt has; `unit` is None for a count."""

    unit: str | None
    meaning: str


SPENT = {
    "cost": Measure(c.USD, "what it cost"),
    "tokens": Measure(c.TOKENS, "everything sent and received"),
    "seconds": Measure(c.SECONDS, "the agent's wall time"),
}
"""What an attempt takes; of these there are also totals, and what a success takes."""

COUNTED = {
    "input": Measure(c.TOKENS, "uncached input"),
    "cache_read": Measure(c.TOKENS, "input read from a cache"),
    "cache_write": Measure(c.TOKENS, "input written to a cache"),
    "output": Measure(c.TOKENS, "output, reasoning among it"),
    "wasted": Measure(c.USD, "own and carried cost of the steps that are wasted"),
}
"""What else is counted of an attempt in the table of trials."""


def named(quantity: str, what: str = "") -> str:
    """The column of a quantity of `SPENT` or `COUNTED`: `cost_per_attempt_usd`, `tokens_per_attempt`, `cost_usd`."""
    unit = "usd" if (SPENT | COUNTED)[quantity].unit == c.USD else ""
    return "_".join(part for part in (quantity, what, unit) if part)


BEHAVIOUR = {
    "steps": Measure(None, "steps in which the agent acted"),
    "calls": Measure(None, "LLM calls"),
    "tool_calls": Measure(None, "tool calls"),
    **{
        f"share_{verb.value}": Measure(c.SHARE, f"tool calls whose verb is {verb.value}, of all; missing without any")
        for verb in Verb
    },
    "reads_before_write": Measure(None, "tool calls that only look, before the first that writes; missing without it"),
    "most_edits": Measure(None, "edits and writes of the file that has most of them, those that failed left out"),
    "files_rewritten": Measure(None, "files that were edited or written more than once"),
    "test_runs": Measure(None, "tool calls that run tests"),
    "commands_failed": Measure(
        None, "shell commands that failed; missing where there are commands and the outcome of none is known"
    ),
    "commands_failed_share": Measure(
        c.SHARE, "the same, of the commands whose outcome is known; missing where that is less than half of them"
    ),
    "repeats": Measure(None, "tool calls identical to an earlier one, with nothing changed since"),
    "longest_loop": Measure(
        None,
        "tool calls in the longest stretch in which one to three calls are made again and again, identically, at least "
        "twice; 0 without one",
    ),
    "context_growth": Measure(
        c.TOKENS, "by how much a prompt is longer than the one before it in the same context, mean over its calls"
    ),
    "compactions": Measure(None, "calls whose context was made anew"),
    "output_per_call": Measure(c.TOKENS, "output, mean over its calls"),
    "tool_time_share": Measure(
        c.SHARE, "time in tools, of that in tools and model; over the steps for which both are known"
    ),
    "timed_out": Measure(None, "1 where the agent ran out of time, else 0"),
    "broke_off": Measure(None, "1 where the agent ended with an error before its time, else 0"),
}
"""The behavioural fingerprint of an attempt."""


def _measure(one: Measure) -> pa.Column:
    bound = c.share(one.meaning) if one.unit == c.SHARE else c.amount(one.meaning, one.unit)
    # A context may shrink without having been made anew.
    return c.signed(one.meaning, one.unit) if one is BEHAVIOUR["context_growth"] else bound


def _spread(name: str, one: Measure) -> dict[str, pa.Column]:
    return {
        name: c.signed(f"mean over attempts: {one.meaning}", one.unit),
        f"{name}_sd": c.amount("its standard deviation (n - 1); missing for a single attempt", one.unit),
        f"{name}_q25": c.signed("its first quartile", one.unit),
        f"{name}_median": c.signed("its median", one.unit),
        f"{name}_q75": c.signed("its third quartile", one.unit),
        f"{name}_n": c.count("attempts for which it is known", required=True),
        f"{name}_missing": c.count("attempts for which it is not", required=True),
    }


def _spent(quantity: str, one: Measure) -> dict[str, pa.Column]:
    return {
        named(quantity): c.amount(f"sum over the attempts for which it is known: {one.meaning}", one.unit),
        **_spread(named(quantity, "per_attempt"), one),
        f"{quantity}_tasks": c.count("tasks for one of whose attempts it is known", required=True),
        named(quantity, "of_task_set"): c.amount(
            f"sum over the tasks of the mean of an attempt at it: one attempt at each; a lower bound where "
            f"`{quantity}_tasks` are fewer than `tasks`, and so is the number per point",
            one.unit,
        ),
        named(quantity, "to_complete"): c.amount(
            "the sum over the passes: what a success takes, failures included; infinite without a pass", one.unit
        ),
        f"{quantity}_to_complete_at_least": c.flag(
            "whether that is a lower bound, because an attempt's is not known", required=True
        ),
        named(quantity, "per_point"): c.amount(
            "that of the task set over the pass rate in percentage points; infinite without a pass", one.unit
        ),
        f"{quantity}_efficiency": c.amount(
            "the baseline's per point over this one's: 2 is twice as much for the same; over the tasks that both "
            "tried and whose mean is known for both; missing without a baseline, or without such tasks",
            None,
        ),
    }


FINGERPRINTS = c.schema(
    {
        "trial": c.text("job/trial", required=True),
        **{name: _measure(one) for name, one in BEHAVIOUR.items()},
    },
    key=("trial",),
    meaning="One row per attempt: how the agent worked. Trials that are no attempt, and regrades, have none.",
)

VARIANTS = c.schema(
    {
        "dataset": c.text("dataset, with its version where several were run", required=True),
        "variant": c.text("agent@version/provider/model[+effort][#digest]", required=True),
        "agent": c.text("agent name", required=True),
        "agent_version": c.text("agent version"),
        "model": c.text("model, without provider"),
        "provider": c.text("provider of the model"),
        "effort": c.text("reasoning effort"),
        "digest": c.text("hash of the other agent settings; missing when all are at their defaults"),
        "baseline": c.text("the variant that it is compared with; missing when none"),
        "tasks": c.count("tasks with an attempt", required=True),
        "attempts": c.count("trials that count", required=True),
        "passes": c.count("attempts that passed", required=True),
        "excluded": c.count("trials that are no attempt of the agent and are left out everywhere", required=True),
        "pass_rate": c.share("passes over attempts; missing without any"),
        **{name: column for one in SPENT for name, column in _spent(one, SPENT[one]).items()},
        **{
            name: column for one in COUNTED for name, column in _spread(named(one, "per_attempt"), COUNTED[one]).items()
        },
        **{name: column for one in BEHAVIOUR for name, column in _spread(one, BEHAVIOUR[one]).items()},
    },
    key=("dataset", "variant"),
    meaning="One row per dataset and variant.",
)
