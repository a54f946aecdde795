"""What judging would take is told before anything is sent; what is not known is not 0."""

from __future__ import annotations

import pytest
from judging import MODEL, UNPRICED

from adapter.prices import BUNDLED
from judges.estimate import PER_VERDICT, Estimate, Estimator
from judges.llm.call import Call, Part


def estimated(model: str, *, cached: int = 0, sent: int = 1) -> Estimate:
    estimator = Estimator(BUNDLED)
    for number in range(cached + sent):
        call = Call(model, "system", (Part(f"text {number}"),), "{}", 1_000)
        estimator.add(call, 3, is_cached=number < cached)
    (one,) = estimator.estimates()
    return one


def test_expected_dollars_are_those_of_the_tokens_at_the_models_price() -> None:
    one = estimated(MODEL, sent=2)
    assert (one.calls, one.output_tokens) == (2, 2 * 3 * PER_VERDICT)
    # gpt-4.1-mini: $0.40 and $1.60 for a million tokens.
    assert one.usd == pytest.approx(one.input_tokens * 0.4e-6 + one.output_tokens * 1.6e-6)
    assert one.most_usd is not None
    assert one.most_usd > 2 * 1_000 * 1.6e-6


def test_what_the_cache_answers_takes_nothing() -> None:
    one = estimated(MODEL, cached=3, sent=0)
    assert (one.calls, one.cached, one.input_tokens, one.usd, one.most_usd) == (0, 3, 0, 0, 0)


@pytest.mark.parametrize("model", [UNPRICED, "nobodys-model-of-all"])
def test_without_a_price_dollars_are_not_known(model: str) -> None:
    one = estimated(model)
    assert one.input_tokens > 0
    assert (one.usd, one.most_usd) == (None, None)


def test_a_model_on_the_users_own_machine_costs_nothing() -> None:
    one = estimated("ollama/llama3")
    assert (one.usd, one.most_usd) == (0, 0)
