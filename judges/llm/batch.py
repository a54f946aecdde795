"""The providers' batch endpoints, through LiteLLM: many calls in one file, answered within a day at half the price."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from adapter.errors import BadInputError
from adapter.trial import Service
from judges.llm.call import Call, CallFailed, Reply, Why
from judges.llm.errors import is_connect_error, lacks_key, one_line
from judges.llm.request import Form, arguments
from judges.llm.response import answer, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adapter.trial import Object
    from judges.llm.spend import Terms

PROVIDERS = ("openai", "azure")
"""Those to whom LiteLLM uploads the file itself, and whose batches it lists, so that one is found again whose
confirmation was lost. Its other providers need a bucket of the user's (Vertex AI, Bedrock), list none (Mistral), cannot
be given one (Anthropic), or take a form of their own (xAI)."""
BATCH = Service(tier="batch")
MOST_CALLS = 50_000
"""In one batch: OpenAI's limit, and below Azure's."""
MOST_BYTES = 90_000_000
"""In one file: below OpenAI's and Azure's limit of 200 MB, and what is held in memory at a time."""
_URL = "/v1/chat/completions"
_MARK = "kilobench"
_SECONDS = 600.0
_PAGE = 100
_OVER = ("completed", "failed", "expired", "cancelled")
_UNCERTAIN = (408, 409)
"""Statuses of refusals after which it may have been done all the same."""


@dataclass(frozen=True, slots=True)
class Batched:
    """What came of batches.

    Attributes:
        replies: the answers, by the call's key; they were paid for.
        failed: calls that are not asked otherwise, and why.
    """

    replies: Mapping[str, Reply]
    failed: Mapping[str, CallFailed]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is.

    Attributes:
        status: in the provider's word.
        done: calls that are answered, or failed.
        total: calls in it.
        files: ids of the files with answers and errors.
        reason: why it failed, in the provider's words; None where it did not.
        created_at: when it was taken, in UTC.
        seconds: how long it took; so far, while it runs.
    """

    status: str
    done: int
    total: int
    files: tuple[str, ...]
    reason: str | None
    created_at: datetime
    seconds: float

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _OVER


class BatchError(Exception):
    """A provider's batch endpoint did not do as it was asked.

    Args:
        reason: in the provider's words, without secrets.
        is_certain: whether it certainly did nothing.
    """

    def __init__(self, reason: str, *, is_certain: bool) -> None:
        super().__init__(reason)
        self.is_certain = is_certain


def check_model(model: str) -> None:
    """Raises `BadInputError` where a model's provider takes no batches from here."""
    import litellm

    try:
        provider = litellm.get_llm_provider(model)[1]
    except Exception as error:
        raise BadInputError(f"{model}: no provider is known by that name.", "Write it as LiteLLM does.") from error
    if provider not in PROVIDERS:
        raise BadInputError(
            f"{model}: --batch goes to {' and '.join(PROVIDERS)}, and not to {provider}.",
            "Leave --batch away, or name another model (docs/judging.md tells why).",
        )


def line_of(call: Call, form: Form) -> bytes:
    """A call as a line of a batch's file: its body is what LiteLLM would send for it."""
    import litellm
    from litellm.utils import get_optional_params

    model, provider, *_ = litellm.get_llm_provider(call.model)
    given = arguments(call, form, marked=False)
    messages = given["messages"]
    ours = ("model", "messages", "api_base", "_skip_mcp_handler")
    options = {name: value for name, value in given.items() if name not in ours}
    found = cast("Object", get_optional_params(model=model, custom_llm_provider=provider, **cast("Any", options)))
    plain = {name: value for name, value in found.items() if name not in {"extra_body", "stream"}}
    body = {"model": model, "messages": messages, **plain}
    return json.dumps({"custom_id": call.key, "method": "POST", "url": _URL, "body": body}).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model's batches go.

    Attributes:
        model: as LiteLLM spells it.
        api_base: its address; None for the provider's own.
    """

    model: str
    api_base: str | None

    def upload(self, lines: bytes) -> str:
        """Uploads a file of calls; that alone costs nothing, and starts nothing.

        Returns:
            its id.
        """
        import litellm

        # LiteLLM takes a name and a file; the name is all that tells what it is.
        file = ("kilobench.jsonl", io.BytesIO(lines))
        return str(self._asked(litellm.create_file, file=file, purpose="batch").id)

    def create(self, file: str, mark: str) -> str:
        """Has the calls of a file answered.

        Args:
            file: its id.
            mark: goes with the batch, so that `find` finds it.

        Returns:
            the batch's id.

        Raises:
            BatchError: it was not taken, or no confirmation came.
        """
        import litellm

        wanted = {"completion_window": "24h", "endpoint": _URL, "input_file_id": file, "metadata": {_MARK: mark}}
        return str(self._asked(litellm.create_batch, max_retries=0, **wanted).id)

    def find(self, mark: str) -> str | None:
        """The id of the batch with this mark; None where the provider has none."""
        import litellm

        after = None
        while True:
            page = self._asked(litellm.list_batches, limit=_PAGE, after=after)
            listed = cast("list[Any]", page["data"] if isinstance(page, dict) else page.data)
            for one in listed:
                if (one.metadata or {}).get(_MARK) == mark:
                    return str(one.id)
            if len(listed) < _PAGE:
                return None
            after = listed[-1].id

    def look(self, batch: str) -> Progress:
        """How far a batch is."""
        import litellm

        found = self._asked(litellm.retrieve_batch, batch_id=batch)
        counts = found.request_counts
        listed = cast("list[Any]", getattr(found.errors, "data", None) or [])
        said = "; ".join(str(one.message) for one in listed[:3])
        ended = found.completed_at or found.failed_at or found.expired_at or found.cancelled_at
        created_at = datetime.fromtimestamp(found.created_at, UTC)
        return Progress(
            status=str(found.status),
            done=0 if counts is None else counts.completed + counts.failed,
            total=0 if counts is None else counts.total,
            files=tuple(file for file in (found.output_file_id, found.error_file_id) if file),
            reason=one_line(said) if said else None,
            created_at=created_at,
            seconds=(ended or datetime.now(UTC).timestamp()) - found.created_at,
        )

    def lines(self, file: str) -> Iterator[str]:
        """The lines of a file with answers or errors."""
        import litellm

        # What else ends a line in Unicode may stand within a JSON string.
        yield from self._asked(litellm.file_content, file_id=file).text.split("\n")

    def _asked(self, ask: Callable[..., Any], **given: object) -> Any:
        import litellm

        provider = litellm.get_llm_provider(self.model)[1]
        where = {} if self.api_base is None else {"api_base": self.api_base}
        try:
            return ask(custom_llm_provider=provider, timeout=_SECONDS, **where, **given)
        # LiteLLM lets through what the provider's own client raises, which is of many kinds.
        except Exception as error:
            status = getattr(error, "status_code", None)
            said = str(getattr(error, "message", None) or error)
            refused = isinstance(status, int) and 400 <= status < 500 and status not in _UNCERTAIN
            certain = refused or lacks_key(said) or is_connect_error(error)
            raise BatchError(one_line(said), is_certain=certain) from error


def outcome(line: str, form: Form, terms: Terms, progress: Progress) -> tuple[str, Reply | CallFailed | None] | None:
    """What a line of a batch's files says of one call.

    Args:
        line: JSON.
        form: how the answer was held to its form.
        terms: what the model charges for a batch.
        progress: of the batch.

    Returns:
        the call's key, and its reply, or why it has none; None instead of these where the provider refused the call
        itself, which another may take: a shorter one, or one in another form. None for what is no such line.
    """
    import litellm

    try:
        told = cast("dict[str, Any]", json.loads(line))
        key, response = str(told["custom_id"]), cast("dict[str, Any]", told.get("response") or {})
        status, body = response.get("status_code"), response.get("body")
        if status == 200 and isinstance(body, dict):
            made = litellm.ModelResponse(**cast("dict[str, Any]", body))
            tokens, said_usd = usage(made)
            text, finish = answer(made, form)
            return key, Reply(
                key=key,
                text=text,
                finish=finish,
                tokens=tokens,
                usd=terms.cost(tokens) if said_usd is None else said_usd,
                is_cached=False,
                started_at=progress.created_at,
                seconds=progress.seconds,
            )
        error = told.get("error") or (body.get("error") if isinstance(body, dict) else None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if status in {400, 413, 422}:
        return key, None
    said = str(error.get("message") or error.get("code") or "") if isinstance(error, dict) else f"status {status}"
    return key, CallFailed(Why.BATCH, one_line(said))
