"""Trials of every shape the record allows, for hypothesis."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from adapter.trial import (
    Finding,
    Provenance,
    RunTotal,
    Service,
    Severity,
    Source,
    SourceFile,
    Span,
    Status,
    Step,
    Timing,
    Tokens,
    ToolCall,
    Trial,
    TrialException,
    Variant,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
counts = st.none() | st.integers(0, 2**31 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
dollars = st.none() | st.floats(0, 1e6)
moments = st.none() | st.integers(0, 4 * 10**15).map(lambda one: EPOCH + timedelta(microseconds=one))
spans = st.builds(Span, moments, moments)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
calls = st.builds(
    ToolCall,
    name=texts,
    arguments=st.dictionaries(texts, values, max_size=3) | texts,
    output=st.none() | texts,
    id=st.none() | names,
    seconds=st.none() | st.floats(0, 1e6),
    started_at=moments,
)
tokens = st.builds(Tokens, counts, counts, counts, counts, counts, counts)
services = st.builds(Service, st.none() | names, st.none() | names, st.none() | names)
totals = st.builds(RunTotal, names, dollars, st.sampled_from(list(Provenance)), st.none() | tokens)


@st.composite
def steps(draw: st.DrawFn, number: int) -> Step:
    """One step; it may stand under any step before it."""
    is_below = number > 1 and draw(st.booleans())
    return Step(
        number=number,
        step_id=draw(st.integers(0, 10_000)),
        source=draw(st.sampled_from(list(Source))),
        message=draw(texts),
        reasoning=draw(st.none() | texts),
        tool_calls=tuple(draw(st.lists(calls, max_size=3))),
        observations=tuple(draw(st.lists(texts, max_size=2))),
        call=draw(st.none() | st.integers(1, 50)),
        tokens=draw(st.none() | tokens),
        recorded_cost_usd=draw(dollars),
        cost_provenance=draw(st.sampled_from(list(Provenance))),
        raw=draw(st.dictionaries(names, st.integers(-(2**53), 2**53) | floats, max_size=3)),
        model=draw(st.none() | names),
        service=draw(st.none() | services),
        model_seconds=draw(st.none() | st.floats(0, 1e6)),
        timestamp=draw(moments),
        time=draw(spans),
        timing=draw(st.sampled_from(list(Timing))),
        is_copied=draw(st.booleans()),
        segment=draw(st.just("") | names),
        subagent=draw(names) if is_below else "",
        parent=draw(st.none() | st.integers(1, number - 1)) if is_below else None,
        parent_call=draw(st.none() | st.integers(0, 3)) if is_below else None,
    )


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """One trial, with ids of its own."""
    number = draw(st.integers(0, 5))
    return Trial(
        job_id=str(uuid.uuid4()),
        trial_id=str(uuid.uuid4()),
        job=draw(names),
        trial=draw(names),
        task=draw(names),
        dataset=draw(names),
        variant=draw(
            st.builds(
                Variant,
                names,
                st.none() | names,
                st.none() | names,
                st.none() | names,
                st.none() | names,
                st.none() | names,
            )
        ),
        status=draw(st.sampled_from(list(Status))),
        steps=tuple(draw(steps(place)) for place in range(1, number + 1)),
        dataset_version=draw(st.none() | names),
        task_checksum=draw(st.none() | names),
        reward=draw(st.none() | floats),
        rewards=draw(st.dictionaries(names, floats, max_size=2)),
        exception=draw(st.none() | st.builds(TrialException, names, texts, st.none() | names)),
        verifier_output=draw(st.none() | texts),
        time=draw(spans),
        agent_time=draw(spans),
        agent_seconds=draw(st.none() | st.floats(0, 1e6)),
        is_whole=draw(st.booleans()),
        recorded_cost_usd=draw(dollars),
        recorded_cost_provenance=draw(st.sampled_from(list(Provenance))),
        recorded_tokens=draw(st.none() | tokens),
        totals=tuple(draw(st.lists(totals, max_size=3))),
        category=draw(st.none() | names),
        atif_version=draw(st.none() | names),
        source_trial_id=draw(st.none() | names),
        origins=draw(st.dictionaries(names, names, max_size=2)),
        files=tuple(draw(st.lists(st.builds(SourceFile, names, st.integers(0, 10**9), names), max_size=2))),
        findings=tuple(
            draw(
                st.lists(
                    st.builds(Finding, names, st.sampled_from(list(Severity)), texts, st.none() | st.integers(1, 50)),
                    max_size=3,
                )
            )
        ),
    )
