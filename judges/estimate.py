"""What judging would take, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.trial import Tokens
from judges.llm.spend import Terms

if TYPE_CHECKING:
    from adapter.prices import PriceBook
    from adapter.trial import Service
    from judges.llm.call import Call

PER_VERDICT = 70
"""Tokens of a verdict in JSON that are expected: written examples of a best, middle and worst label have 56, 95 and
135, and three of four steps are taken to be good (`python -m benchmarks judge-tokens`; docs/judging.md). What a model
thinks before it answers comes on top, and is not known beforehand."""


@dataclass(slots=True)
class Estimate:
    """What one model would be asked.

    Attributes:
        model: its name.
        calls: that would be sent.
        cached: that the cache would answer.
        input_tokens: of the calls that would be sent, as LiteLLM counts them for this model.
        output_tokens: expected, without thinking.
        usd: expected, with nothing of a prompt found in the provider's cache; None where the model has no price.
        most_usd: what they could cost at most; None likewise.
    """

    model: str
    calls: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    most_usd: float | None = 0.0


class Estimator:
    """Adds up what calls would take.

    Args:
        book: where prices are looked up.
        service: how the calls would be served; None for the ordinary way.
    """

    def __init__(self, book: PriceBook, service: Service | None = None) -> None:
        self._book = book
        self._service = service
        self._by_model: dict[str, Estimate] = {}
        self._terms: dict[str, Terms] = {}

    def add(self, call: Call, verdicts: int, *, is_cached: bool) -> None:
        """Counts a call.

        Args:
            call: the call.
            verdicts: how many it asks for.
            is_cached: whether its answer is kept already.
        """
        from litellm import token_counter

        one = self._by_model.setdefault(call.model, Estimate(call.model))
        if is_cached:
            one.cached += 1
            return
        sent, answered = token_counter(model=call.model, text=call.system + call.text), PER_VERDICT * verdicts
        one.calls += 1
        one.input_tokens += sent
        one.output_tokens += answered
        terms = self._terms_of(call.model)
        expected = Tokens(input=sent, cache_read=0, cache_write=0, output=answered, reasoning=0)
        one.usd = _added(one.usd, terms.cost(expected))
        one.most_usd = _added(one.most_usd, terms.most(call))

    def estimates(self) -> list[Estimate]:
        """By model, in the order they came."""
        return list(self._by_model.values())

    def _terms_of(self, model: str) -> Terms:
        if model not in self._terms:
            try:
                self._terms[model] = Terms.of(model, self._book, self._service)
            except Exception:  # noqa: BLE001  (LiteLLM raises several; a name it cannot place has no price)
                self._terms[model] = Terms(None)
        return self._terms[model]


def _added(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
