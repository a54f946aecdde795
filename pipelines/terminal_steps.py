"""What a person sees of `kilobench cost --by step`: a table per trial, and what stands out in it, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console

from adapter.trial import Timing
from pipelines.cost.attribution import Attribution
from pipelines.cost_results import CostedStep, TrialWithSteps
from pipelines.costed import Costed, trial_with_steps
from pipelines.terminal import line
from pipelines.terminal_spent import ROUNDING, SHARES, shares_in, shares_of, signed, title_of
from pipelines.terminal_table import Column, cut, show_table
from views import format as fmt

_LONGEST_REASON = 300
_LONGEST_FOLDER = 8
_OF_FILES = ("read", "edit", "write")
_STEP_COLUMNS = (
    *map(Column, ("step", "call")),
    Column("did", least=16, is_cut=True),
    *map(Column, ("cost", "own", "carried")),
    *(Column(name, spare=1) for name in SHARES),
    Column("tokens", spare=3),
    Column("time", spare=2),
)


def show_steps(costed: Costed, console: Console) -> tuple[str, ...]:
    """The trial's steps, what is no step's, the sums, and what stands out.

    Returns:
        the columns for which there was no room.
    """
    one = trial_with_steps(costed)
    rows = [_step_row(step) for step in one.steps]
    if not rows:
        console.print(line("", f"{title_of(one)}; there is no step"))
        return ()
    left_out = show_table(console, title_of(one), _STEP_COLUMNS, [*rows, *_closing_rows(one)])
    for sentence in _sentences(one, costed.spent):
        console.print(line("", sentence))
    return left_out


def _step_row(step: CostedStep) -> list[str]:
    carried = fmt.money(step.carried_usd)
    if step.carried_usd is None and step.carried_at_least_usd:
        carried = f"≥ {fmt.money(step.carried_at_least_usd)}"
    return [
        str(step.step),
        fmt.count(step.call),
        f"{'✗ ' if step.is_wasted else ''}{_short(step.did) if step.did else '(says)'}",
        fmt.cost(step.cost_usd, step.provenance),
        fmt.money(step.own_usd),
        carried,
        *shares_of(shares_in(step.breakdown)),
        fmt.tokens(step.tokens.in_all),
        f"{'~' if step.timing is Timing.GAP else ''}{fmt.seconds(step.latency_s)}",
    ]


def _short(did: str) -> str:
    """What a step did, of a long path only its end: that is what tells files apart."""
    verb, _, about = did.partition(" ")
    folder, slash, file = about.rpartition("/")
    return f"{verb} …/{file}" if slash and verb in _OF_FILES and len(folder) > _LONGEST_FOLDER else did


def _closing_rows(one: TrialWithSteps) -> list[list[str]]:
    """What is no step's, and the sums: own and carried with these two rows are the steps' cost."""
    if one.is_regrade:
        return []
    of_steps = _sum(step.cost_usd for step in one.steps if step.call is not None)
    own = _sum(step.own_usd for step in one.steps)
    carried = _sum(step.carried_usd for step in one.steps)
    rows = [
        _closing("prompt", own=fmt.money(one.prompt_usd)),
        _closing("unexplained", own=signed(one.unexplained_usd)),
        _closing("all steps", fmt.money(of_steps), fmt.money(own), fmt.money(carried)),
        _closing("unattributed", signed(one.residual_usd)),
    ]
    rows.append(_closing("total", fmt.cost(one.cost_usd, one.provenance)))
    rows[-1][6:10] = shares_of(one.shares)
    rows[-1][10:] = [fmt.tokens(one.tokens.in_all), fmt.seconds(one.agent_s)]
    return rows


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum; None where one of them is not known, or there is none."""
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None


def _closing(name: str, cost: str = "", own: str = "", carried: str = "") -> list[str]:
    return ["", "", name, cost, own, carried, *[""] * 6]


def _sentences(one: TrialWithSteps, spent: Attribution) -> Iterator[str]:
    """The step that cost most by the end, what is unattributed and why, what was made anew, what was wasted."""
    dearest = max(one.steps, key=_by_the_end, default=None)
    if dearest is not None and (dearest.carried_at_least_usd or 0.0) > ROUNDING:
        yield _dearest(dearest, _words(spent, dearest.step))
    rest = 0.0 if one.unattributed is None else one.unattributed.cost_usd
    if one.unattributed is not None and abs(rest) > ROUNDING:
        reasons = " ".join(cut(reason.text, _LONGEST_REASON) for reason in one.unattributed.reasons)
        than = "more" if rest > 0 else "less"
        why = reasons or "The data do not show why."
        yield f"The run's own total is {fmt.money(abs(rest))} {than} than its steps. {why}"
    if one.is_apportioned:
        yield "What the calls cost is not known one by one: each has a share of a total."
    if one.llm_calls_explained < (one.llm_calls or 0) and one.shares is not None:
        yield f"The total's shares are over {one.llm_calls_explained} of {one.llm_calls} calls: those that have any."
    for anew in one.compactions:
        cost = "a cost that is not known" if anew.usd is None else f"a cost of {fmt.money(anew.usd)}"
        yield (
            f"Before step {anew.step} the context was made anew: {fmt.tokens(anew.tokens_before)} tokens became "
            f"{fmt.tokens(anew.tokens_after)}, at {cost}."
        )
    wasted = [str(step.step) for step in one.steps if step.is_wasted]
    if wasted:
        steps = f"step {wasted[0]}" if len(wasted) == 1 else f"steps {', '.join(wasted)}"
        yield f"✗ Wasted, by the rules: {cut(steps, 80)}; {fmt.money(one.wasted_usd)} by the end."


def _dearest(step: CostedStep, words: str) -> str:
    what = "" if step.did is None else f" ({cut(step.did, 60)})"
    at_least = "" if step.carried_usd is not None else "at least "
    return (
        f"Step {step.step}{what} cost most by the end: {fmt.money(step.own_usd)} at once; {words} cost {at_least}"
        f"{fmt.money(step.carried_at_least_usd)} more in the calls after it."
    )


def _words(spent: Attribution, number: int) -> str:
    """A step's output and what came back to it, with the tokens of both where it alone stands between two calls."""
    plain = "its output and what came back"
    step = next(one for one in spent.steps if one.step == number)
    call = next((one for one in spent.calls if one.call == step.call and one.steps == (number,)), None)
    if call is None or call.subagent or call.tokens is None or call.tokens.output is None:
        return plain
    after = next((one for one in spent.calls if one.call > call.call and one.segment == call.segment), None)
    if after is None or after.subagent or after.compaction is not None or after.new_tokens is None:
        return plain
    back = fmt.tokens(after.new_tokens)
    return f"its output of {fmt.tokens(call.tokens.output)} tokens and the {back} that came back"


def _by_the_end(step: CostedStep) -> float:
    return (step.own_usd or 0.0) + (step.carried_at_least_usd or 0.0)
