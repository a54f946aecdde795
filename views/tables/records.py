"""What was done, row by row: trials, their steps, LLM calls and tool calls."""

from __future__ import annotations

from adapter.actions import Verb
from views.tables import columns as c

CRITERIA = ("tool_choice", "reasoning_quality", "efficiency")
"""The criteria a step is judged by: a column each of the steps table, a `flagged_` column of the trials."""

_COUNTS = {
    "input": c.tokens("input at the full price: neither read from a cache nor written to one"),
    "cache_read": c.tokens("input read from a cache"),
    "cache_write": c.tokens("input written to a cache"),
    "output": c.tokens("output, reasoning among it"),
    "reasoning": c.tokens("reasoning"),
}

_RESENT, _NEW = "of the cost: input that the call before already held", "of the cost: input that is new"

PARTS = {
    "resent_usd": c.amount(f"{_RESENT}, at the full price", c.USD),
    "resent_cached_usd": c.amount(f"{_RESENT}, read from a cache", c.USD),
    "resent_written_usd": c.amount(f"{_RESENT}, written to a cache", c.USD),
    "new_usd": c.amount(f"{_NEW}, at the full price", c.USD),
    "new_cached_usd": c.amount(f"{_NEW}, read from a cache", c.USD),
    "new_written_usd": c.amount(f"{_NEW}, written to a cache", c.USD),
    "reasoning_usd": c.amount("of the cost: reasoning; missing where none is recorded", c.USD),
    "tool_calls_usd": c.amount("of the cost: the names and arguments of tool calls", c.USD),
    "message_usd": c.amount("of the cost: what was said", c.USD),
    "unexplained_usd": c.signed("the cost less what prices explain of it; may be negative", c.USD),
}
"""What a cost was spent on (`pipelines.cost.attribution.Parts`). Together they are the cost; missing where the tokens
or their price are not known."""

TRIALS = c.schema(
    {
        "trial": c.text("job/trial", required=True),
        "job": c.text("job folder's name", required=True),
        "job_id": c.text("the job's UUID", required=True),
        "trial_id": c.text("the trial's UUID", required=True),
        "task": c.text("task name", required=True),
        "task_checksum": c.text("hash of the task's content"),
        "category": c.text("what kind of task it is"),
        "dataset": c.text("dataset the task comes from", required=True),
        "dataset_version": c.text("its version"),
        "variant": c.text("agent@version/provider/model[+effort][#digest]", required=True),
        "agent": c.text("agent name", required=True),
        "agent_version": c.text("agent version"),
        "model": c.text("model, without provider"),
        "provider": c.text("provider of the model"),
        "effort": c.text("reasoning effort"),
        "digest": c.text("hash of the other agent settings; missing when all are at their defaults"),
        "status": c.text("how the trial ended (adapter.trial.Status)", required=True),
        "passed": c.flag("whether it succeeded; missing when it is no attempt of the agent, or a regrade"),
        "reward": c.signed("the deciding reward", None),
        "regrade_of": c.text("the attempt (job/trial) that this trial only graded again; missing for an attempt"),
        "graded_by": c.text("the regrade (job/trial) whose status, reward and passed these are; missing for its own"),
        "exception": c.text("type of the recorded exception"),
        "atif_version": c.text("schema version of its trajectory; missing where there is none"),
        "steps": c.count("ATIF steps"),
        "agent_steps": c.count("steps in which the agent acted"),
        "llm_calls": c.count("LLM calls"),
        "tool_calls": c.count("tool calls"),
        **_COUNTS,
        "cost_usd": c.amount("what it cost", c.USD),
        "cost_provenance": c.text("where the cost comes from (adapter.trial.Provenance)", required=True),
        "recorded_usd": c.amount("the run's own total as recorded, also where that is not believed", c.USD),
        "residual_usd": c.signed("the run's own total less the sum of its steps", c.USD),
        "prompt_usd": c.amount(
            "of the steps' cost: instructions, the task and contexts that were made anew, over all calls", c.USD
        ),
        "unexplained_usd": c.signed("of the steps' cost: recorded costs less what prices explain", c.USD),
        "wasted_usd": c.amount("own and carried cost of the steps that are wasted; missing if not judged", c.USD),
        "seconds": c.amount("agent's wall time", c.SECONDS),
        "started_at": c.time("start of the trial"),
        **{
            f"flagged_{criterion}": c.share(
                f"agent steps with a verdict below 1 for {criterion}, of all agent steps; missing if not judged"
            )
            for criterion in CRITERIA
        },
        **{
            f"judge_{criterion}": c.text(
                f"model and prompt that judged by {criterion}; missing where rules alone did, and if not judged"
            )
            for criterion in CRITERIA
        },
        "findings": c.count("number of findings about the data", required=True),
    },
    key=("trial",),
    meaning="One row per trial that was read. A regrade is no attempt of its own: its grade stands in the attempt's "
    "row.",
)

STEPS = c.schema(
    {
        "trial": c.text("job/trial", required=True),
        "step": c.count("number of the step within the trial, from 1", required=True, least=1),
        "source": c.text("agent, user or system", required=True),
        "call": c.count("the LLM call of the trial that produced it, from 1"),
        "model": c.text("model that the trajectory names for it"),
        "tools": c.text("names of the tools called, in order, joined by a blank"),
        "timestamp": c.time("the step's time stamp"),
        **_COUNTS,
        "cost_usd": c.amount("what it cost; its share, where its call produced several steps", c.USD),
        "cost_provenance": c.text("where the cost comes from; missing for steps no LLM call produced"),
        "price": c.text("which price, of which table in which version; missing for a recorded or unknown cost"),
        **PARTS,
        "own_usd": c.amount("its output, and the first time that its observations were sent as new input", c.USD),
        "carried_usd": c.amount("what its output and observations cost in every call after that", c.USD),
        "seconds": c.amount("how long it took", c.SECONDS),
        "timing": c.text("where `seconds` comes from (adapter.trial.Timing)"),
        "model_seconds": c.amount("of `seconds`, the model's; missing where the data do not tell", c.SECONDS),
        "tool_seconds": c.amount("of `seconds`, the tools'; missing where the data do not tell", c.SECONDS),
        **{
            criterion: c.text(f"label of the step's verdict for {criterion}; missing where none")
            for criterion in CRITERIA
        },
        "is_wasted": c.flag("whether the judges labelled it redundant or wrong; missing when it was not judged"),
    },
    key=("trial", "step"),
    meaning="One row per ATIF step. The tokens are those of its LLM call, and stand on the first step of that call.",
)

CALLS = c.schema(
    {
        "trial": c.text("job/trial", required=True),
        "call": c.count("number of the LLM call within the trial, from 1", required=True, least=1),
        "step": c.count("the first step that it produced", required=True, least=1),
        "steps": c.count("how many steps it produced", required=True, least=1),
        "subagent": c.text("whose call it was; empty for the agent itself", required=True),
        "segment": c.text("in which step of a multi-step trial; empty in an ordinary one", required=True),
        "model": c.text("model that the trajectory names for it"),
        **_COUNTS,
        "prompt": c.tokens("all that was sent: input, cache_read and cache_write"),
        "resent_tokens": c.tokens("of the prompt, what the call before already held"),
        "new_tokens": c.tokens("of the prompt, the rest"),
        "cost_usd": c.amount("what it cost", c.USD),
        "cost_provenance": c.text("where the cost comes from (adapter.trial.Provenance)", required=True),
        "price": c.text("which price, of which table in which version; missing for a recorded or unknown cost"),
        "recorded_usd": c.amount("what the trajectory says that it cost, also where that is not believed", c.USD),
        **PARTS,
        "is_compaction": c.flag("whether its context was made anew before it; missing where prompts are not known"),
        "compaction_usd": c.amount("what making it anew cost; missing where it was not", c.USD),
        "started_at": c.time("when it began"),
        "seconds": c.amount("how long it took", c.SECONDS),
    },
    key=("trial", "call"),
    meaning="One row per LLM call.",
)

ACTIONS = c.schema(
    {
        "trial": c.text("job/trial", required=True),
        "step": c.count("number of its step within the trial", required=True, least=1),
        "action": c.count("number of the tool call within the step, from 1", required=True, least=1),
        "call": c.count("the LLM call that made it"),
        "tool": c.text("name of the tool, in the harness's own spelling", required=True),
        "verb": c.text(
            f"what it does: {', '.join(Verb)} (adapter.actions.Verb)",
            required=True,
            among=[verb.value for verb in Verb],
        ),
        "target": c.text("what it is about: a command, else a path, a pattern, a query or a URL; its beginning"),
        "reads": c.flag("whether it looks at files and surely changes none", required=True),
        "writes": c.flag("whether it writes, moves or removes a file, as far as its arguments tell", required=True),
        "file": c.text("the file that it edits or writes, as it is named, in the shortest form"),
        "is_test": c.flag("whether it runs tests", required=True),
        "failed": c.flag("whether it failed; missing where its harness does not say so"),
        "key": c.text("hash of tool and arguments: identical calls have the same", required=True),
        "is_repeat": c.flag("whether an identical call was made before, and nothing was changed since", required=True),
    },
    key=("trial", "step", "action"),
    meaning="One row per tool call of the agent and its sub-agents, in the order in which they were made.",
)
