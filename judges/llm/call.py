"""What is asked of a judge model, what comes back, and why nothing may come back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.trial import Tokens

if TYPE_CHECKING:
    from datetime import datetime


FORM = 1
"""Raised when calls are sent in another way (`judges.llm.request`), so that no answer to the old one is taken."""


_PIECE = 2_000
"""Bytes that are hashed at a time. From 2,048 on, hashing lets other threads run, and waits for its turn afterwards:
milliseconds, where the work itself takes microseconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the user's message.

    Attributes:
        text: never empty.
        is_stable: whether the prompt up to the end of this part begins later prompts, too, byte for byte, so that a
            provider may be told to cache it.
    """

    text: str
    is_stable: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one model. Equal calls have equal answers as far as anything of ours decides it.

    Attributes:
        model: as LiteLLM spells it, with its provider: `anthropic/claude-sonnet-4-5`.
        system: instructions; nothing from a trajectory ever stands here.
        parts: the user's message, stable parts first.
        schema: JSON schema of the answer, as JSON.
        max_tokens: the longest answer that is taken, thinking included.
        sample: which of several samples of the same question this is, counted from 0.
        api_base: address of an OpenAI-compatible endpoint; None for the provider's own.
    """

    model: str
    system: str
    parts: tuple[Part, ...]
    schema: str
    max_tokens: int
    sample: int = 0
    api_base: str | None = None

    @property
    def text(self) -> str:
        """The whole user's message."""
        return "".join(part.text for part in self.parts)

    @property
    def key(self) -> str:
        """SHA-256, in hexadecimal digits, of all that determines the answer; no key of an API is among it."""
        fields = [self.model, self.api_base, self.system, self.text, self.schema, self.max_tokens, self.sample]
        data = json.dumps([FORM, *fields]).encode()
        digest = hashlib.sha256()
        for at in range(0, len(data), _PIECE):
            digest.update(data[at : at + _PIECE])
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered to a call.

    Attributes:
        key: the call's.
        text: the answer: JSON, if the model does as it is told.
        finish: why it ended, in OpenAI's words: `stop`, `length`, `content_filter`, ...
        tokens: as the provider counted them; fields it does not tell are None.
        usd: what the call cost when it was sent; None where that is not known.
        is_cached: whether it was read from the cache on disk, so that this run paid nothing for it.
        started_at: when it was sent, in UTC.
        seconds: how long the model took, of the try that succeeded.
    """

    key: str
    text: str
    finish: str
    tokens: Tokens
    usd: float | None
    is_cached: bool
    started_at: datetime
    seconds: float


class Why(StrEnum):
    """Why a call has no reply."""

    CONTEXT = "context too long"
    """the prompt does not fit into the model's context: a smaller window may"""
    FILTERED = "content filter"
    """the provider would not have it answered"""
    NO_MODEL = "no such model"
    """neither will any other call to this model be answered"""
    NO_ACCESS = "no access"
    """a key is missing, wrong, or without credit: neither will any other call to this model be answered"""
    REFUSED = "refused"
    """the provider says that the request is wrong"""
    UNAVAILABLE = "not available"
    """errors of the server or the network, or a rate limit, outlasted all tries"""
    HANGS = "no answer in time"
    CAPPED = "spend cap"
    """its worst case does not fit under the cap: the next run takes it up"""
    BATCH = "not answered in its batch"
    """the next batch takes it up"""
    NO_PRICE = "no price"
    """what it may cost is not known, and spending is capped"""


FATAL = (Why.NO_MODEL, Why.NO_ACCESS, Why.NO_PRICE)
"""No other call to the same model needs to be tried."""


class CallFailed(Exception):  # noqa: N818  (it names what happened)
    """A call without a reply.

    Args:
        why: what kind of failure it is.
        detail: one line in the provider's own words, without secrets.
    """

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(f"{why.value}: {detail}" if detail else why.value)
        self.why = why
        self.detail = detail
