"""What judging takes: tokens per trajectory by window size, dollars, and how much of it a provider's cache can hold.

Input is counted on the prompts as they are sent (the schema of the answer included). Output cannot be counted without
a model: it is an estimate, from answers of the right form whose words are written below, one of each kind, in a mix of
labels that is an assumption and is printed. What a model thinks before it answers is not in it.

Beside it stands what the plain way would take: one call for each step and criterion, each with the rubric, and with the
whole trajectory up to that step, unclipped.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from adapter.prices import BUNDLED
from adapter.trial import Tokens, Trial
from benchmarks import data
from judges.criteria import applies, criteria
from judges.transcript.render import Rendered, Transcript, render
from judges.transcript.schema import answer_schema
from judges.transcript.windows import DEFAULT_WINDOW, windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.trial import Step
    from prompts import Criterion

SIZES = (1, 3, 5, 8, 10, 15, 20)
MOST, LEAST_RATIO = 25_000, 20
"""Tokens per trajectory at the median, and how many times less than the plain way."""
COUNTED_BY = "o200k_base"
"""OpenAI's encoding; its vocabulary comes with LiteLLM. Other makers' differ from it."""
PRICED = (("openai", "gpt-5-mini"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-flash"))
MIX = {"best": 0.75, "middle": 0.15, "worst": 0.10}
"""Shares of labels that are assumed for the output."""
_LONGEST = 4_000
"""Characters that are given to the tokenizer at a time: it takes very long on some long texts."""

_BEST = {
    "explanation": "The listing showed the names of two tests and nothing else, so reading the failing one was next.",
    "evidence": [],
    "better_action": None,
    "category": None,
}
_MIDDLE = {
    "explanation": "The three files were read one call at a time although their names were all known from the listing. "
    "One call could have shown all of them. Each of them was needed later.",
    "evidence": [{"step": 7, "quote": "src/parser.py  src/lexer.py  src/tokens.py"}],
    "better_action": None,
    "category": "needless exploration",
}
_WORST = {
    "explanation": "The command is the one that had just failed with the same arguments, and nothing was changed in "
    "between. The error named the missing header, which the agent did not look for. So it could only fail again.",
    "evidence": [
        {"step": 11, "quote": "fatal error: zlib.h: No such file or directory"},
        {"step": 12, "quote": "make -j4 && make install"},
    ],
    "better_action": {"tool": "bash", "arguments": "apt-get install -y zlib1g-dev && make -j4"},
    "category": "ignored error",
}
_ANSWERS = {"best": _BEST, "middle": _MIDDLE, "worst": _WORST}

type Count = Callable[[str], int]


def counter() -> Count:
    """Counts tokens, offline."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    # It names the folder of the vocabularies that come with LiteLLM; only then may tiktoken look for one.
    importlib.import_module("litellm.litellm_core_utils.default_encoding")
    import tiktoken

    encoding = tiktoken.get_encoding(COUNTED_BY)

    def count(text: str) -> int:
        pieces = [text[at : at + _LONGEST] for at in range(0, len(text), _LONGEST)]
        return sum(map(len, encoding.encode_ordinary_batch(pieces)))

    return count


class Taken(NamedTuple):
    """What judging one trajectory takes, in tokens.

    Attributes:
        calls: how many.
        sent: input, the form of the answer included.
        cacheable: of the input, what begins an earlier call's, too.
        written: of the rest, what is marked for later calls.
        verdicts: how many are asked for.
        answered: output, as estimated.
    """

    calls: int
    sent: int
    cacheable: int
    written: int
    verdicts: int
    answered: int


def verdict_tokens(count: Count) -> dict[str, int]:
    """Tokens of one verdict in JSON, by the kind of label."""
    frame = {"step": 12, "criterion": "tool_choice", "label": "acceptable", "confidence": 0.8}
    return {kind: count(json.dumps(frame | answer, separators=(",", ":")) + ",") for kind, answer in _ANSWERS.items()}


def asked_of(trial: Trial, numbers: Sequence[int], known: Mapping[str, Criterion]) -> list[tuple[int, str]]:
    """What is asked in one window."""
    steps = {step.number: step for step in trial.agent_steps}
    return [(n, name) for n in numbers for name, one in known.items() if applies(one, trial, steps[n])]


def prompts(trial: Trial, size: int, known: Mapping[str, Criterion]) -> Iterator[tuple[Rendered, int]]:
    """The prompts for one trajectory, each with how many verdicts it asks for."""
    transcript = Transcript.of(trial)
    for window in windows(trial, size):
        asked = asked_of(trial, window, known)
        yield render(transcript, window, asked, known), len(asked)


def taken(trial: Trial, size: int, known: Mapping[str, Criterion], count: Count, verdict: float) -> Taken:
    """What judging one trajectory in windows of a size takes."""
    schema = count(json.dumps(answer_schema(known)))
    seen: set[str] = set()
    calls = sent = cacheable = written = verdicts = 0
    sizes: dict[str, int] = {}
    for rendered, asked in prompts(trial, size, known):
        for text in (rendered.system, *(part.text for part in rendered.parts)):
            if text not in sizes:
                sizes[text] = count(text)
        system = schema + sizes[rendered.system]
        calls += 1
        verdicts += asked
        sent += system + sum(sizes[part.text] for part in rendered.parts)
        # The system prompt and the schema are the same for all trials: the first call of a run alone has them new.
        cacheable += system
        stable = list(itertools.takewhile(lambda part: part.is_stable, rendered.parts))
        prefixes = list(itertools.accumulate(part.text for part in stable))
        for part, whole in zip(stable, prefixes, strict=True):
            if whole in seen:
                cacheable += sizes[part.text]
            else:
                written += sizes[part.text]
        seen.update(prefixes)
    return Taken(calls, sent, cacheable, written, verdicts, round(verdicts * verdict))


def plain_way(trial: Trial, known: Mapping[str, Criterion], count: Count, verdict: float) -> Taken:
    """What one call for each step and criterion takes, with all of the history, unclipped."""
    texts = [json.dumps(_step(step), ensure_ascii=False) for step in trial.steps]
    upto = list(itertools.accumulate(map(count, texts)))
    rubrics = sum(count(one.rubric) for one in known.values())
    at = [number for number, step in enumerate(trial.steps) if step.is_agent]
    sent = sum(rubrics + len(known) * upto[number] for number in at)
    calls = len(at) * len(known)
    return Taken(calls, sent, 0, 0, calls, round(calls * verdict))


def _step(step: Step) -> dict[str, object]:
    names = ("number", "message", "reasoning", "observations")
    calls = [[call.name, call.arguments, call.output] for call in step.tool_calls]
    return {name: getattr(step, name) for name in names} | {"calls": calls}


def one_reading(trial: Trial, count: Count) -> int:
    """Tokens of a trajectory's text, read once and whole."""
    return sum(count(json.dumps(_step(step), ensure_ascii=False)) for step in trial.steps)


def usd(one: Taken, provider: str, model: str, *, cached: bool) -> float | None:
    """Dollars of some calls at list price, with what is cacheable read from the cache or with nothing of it."""
    price = BUNDLED.find(provider, model)
    read = one.cacheable if cached else 0
    # Writing has a price of its own at Anthropic alone.
    written = one.written if cached and provider == "anthropic" else 0
    tokens = Tokens(
        input=one.sent - read - written, cache_read=read, cache_write=written, output=one.answered, reasoning=0
    )
    return None if price is None else price.cost(tokens, at=datetime.now(UTC))


def _longest_verdict(every: Sequence[Taken]) -> int:
    """The most tokens a verdict may take on average so that the median stays below what is wanted."""
    size = 0
    while statistics.median(one.sent + one.verdicts * (size + 1) for one in every) <= MOST:
        size += 1
    return size


def _p90(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10)[-1] if len(values) > 1 else values[0]


def _dollars(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"${statistics.median(known):.4f}" if len(known) == len(values) else "unknown"


def main() -> None:
    """Prints what judging takes."""
    known = criteria()
    count = counter()
    trials = [trial for trial, _ in data.trials() if trial.agent_steps]
    sizes = verdict_tokens(count)
    verdict = sum(share * sizes[kind] for kind, share in MIX.items())
    print(f"\njudge tokens: {len(trials)} trajectories, {', '.join(known)}; tokens of {COUNTED_BY}")
    system = count(next(prompts(trials[0], 1, known))[0].system)
    schema = count(json.dumps(answer_schema(known)))
    print(f"  system prompt {system:,}, form of the answer {schema:,} tokens, in every call")
    mix = ", ".join(f"{share:.0%} {kind} at {sizes[kind]}" for kind, share in MIX.items())
    print(f"  output is an estimate: {verdict:.0f} tokens a verdict ({mix}); without thinking")
    read = [one_reading(trial, count) for trial in trials]
    steps = [len(trial.agent_steps) for trial in trials]
    print(
        f"  one reading of the text: median {statistics.median(read):,.0f}; agent steps: {statistics.median(steps):g}"
    )
    print("  window   calls    input   output   in all      p90   cacheable")
    by_size: dict[int, list[Taken]] = {}
    for size in sorted({*SIZES, DEFAULT_WINDOW}):
        every = by_size[size] = [taken(trial, size, known, count, verdict) for trial in trials]
        in_all = [one.sent + one.answered for one in every]
        share = sum(one.cacheable for one in every) / sum(one.sent for one in every)
        columns = [
            statistics.median(values)
            for values in ([one.calls for one in every], [one.sent for one in every], [one.answered for one in every])
        ]
        calls, sent, answered = columns
        print(
            f"  {size:>6}{'*' if size == DEFAULT_WINDOW else ' '} {calls:>6g} {sent:>8,.0f} {answered:>8,.0f} "
            f"{statistics.median(in_all):>8,.0f} {_p90(in_all):>8,.0f} {share:>10.1%}"
        )
    chosen = by_size[DEFAULT_WINDOW]
    plain = [plain_way(trial, known, count, verdict) for trial in trials]
    median = statistics.median(one.sent + one.answered for one in chosen)
    plain_median = statistics.median(one.sent + one.answered for one in plain)
    ratios = [(b.sent + b.answered) / (a.sent + a.answered) for a, b in zip(chosen, plain, strict=True)]
    print(f"  * the default: {median:,.0f} at the median; at most {MOST:,} are wanted")
    print(f"    that holds for verdicts of up to {_longest_verdict(chosen)} tokens on average")
    print(
        f"  one call per step and criterion, whole history: {plain_median:,.0f} at the median; "
        f"{plain_median / median:.1f} times the default's (at least {LEAST_RATIO} are wanted); "
        f"ratio by trajectory: median {statistics.median(ratios):.1f}"
    )
    print(
        "  dollars a trajectory, median: nothing cached / cacheable read from the cache / one call per step, criterion"
    )
    for provider, model in PRICED:
        columns = (
            [usd(one, provider, model, cached=False) for one in chosen],
            [usd(one, provider, model, cached=True) for one in chosen],
            [usd(one, provider, model, cached=False) for one in plain],
        )
        print(f"    {provider}/{model}: " + " / ".join(map(_dollars, columns)))


if __name__ == "__main__":
    main()
