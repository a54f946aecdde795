"""The gateway to judge models, with the real LiteLLM over HTTP: what is tried again, kept, shared, and given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from judging import MODEL, OTHER, UNPRICED
from scripted_judge import Answer, Asked, ScriptedJudge

from adapter.errors import BadInputError
from adapter.prices import BUNDLED
from judges.llm.cache import Cache
from judges.llm.call import Call, CallFailed, Part, Reply, Why
from judges.llm.gateway import Gateway, Limits
from judges.llm.request import Form, arguments, first_form, takes_marks

SCHEMA = '{"type": "object", "properties": {}, "required": [], "additionalProperties": false}'
OK = Answer('{"verdicts": []}')


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobodys-4711")


class Waits:
    """Instead of waiting, notes for how long; time passes by as much."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def clock(self) -> float:
        return self.now


def call(judge: ScriptedJudge, text: str = "text", model: str = MODEL, **fields: Any) -> Call:
    return Call(model, "system", (Part(text),), SCHEMA, 500, api_base=judge.url, **fields)


def with_gateway[T](
    work: Callable[[Gateway], Awaitable[T]],
    *,
    cache: Cache | None = None,
    waits: Waits | None = None,
    cap: float | None = 5.0,
    limits: Limits | None = None,
) -> T:
    async def run() -> T:
        waits_ = waits or Waits()
        async with Gateway(
            book=BUNDLED,
            max_spend_usd=cap,
            cache=cache,
            limits=limits,
            sleep=waits_.sleep,
            clock=waits_.clock,
            chance=lambda: 0.5,
        ) as gateway:
            return await work(gateway)

    return asyncio.run(run())


def in_turn(*answers: Answer) -> Callable[[Asked], Answer]:
    """These answers, one after the other, the last again and again."""
    return lambda asked: answers[min(asked.number, len(answers)) - 1]


def ask(judge: ScriptedJudge, **settings: Any) -> Reply:
    return with_gateway(lambda gateway: gateway.ask(call(judge)), **settings)


TRANSIENT = {
    "rate limit": Answer("slow down", status=429),
    "overloaded": Answer("overloaded", status=503),
    "broken": Answer("internal error", status=500),
    "bad gateway": Answer("bad gateway", status=502),
}


@pytest.mark.parametrize("name", TRANSIENT, ids=lambda name: name.replace(" ", "-"))
def test_what_may_pass_is_tried_again(name: str) -> None:
    with ScriptedJudge(in_turn(TRANSIENT[name], TRANSIENT[name], OK)) as judge:
        waits = Waits()
        reply = ask(judge, waits=waits)
    assert reply.text == OK.text
    assert len(judge.asked) == 3
    # Twice as long each time; chance takes away up to half.
    assert waits.seconds == [pytest.approx(0.75), pytest.approx(1.5)]


@pytest.mark.parametrize("name", TRANSIENT, ids=lambda name: name.replace(" ", "-"))
def test_what_does_not_pass_ends_after_some_tries(name: str) -> None:
    with ScriptedJudge(in_turn(TRANSIENT[name])) as judge, pytest.raises(CallFailed) as failed:
        ask(judge, limits=Limits(tries=4))
    assert failed.value.why is Why.UNAVAILABLE
    assert len(judge.asked) == 4


AFTER = {
    "seconds": {"Retry-After": "7"},
    "milliseconds": {"retry-after-ms": "7000"},
    "a date": {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)},
    "the past": {"Retry-After": "-5"},
    "nonsense": {"Retry-After": "soon"},
}
ASKED_FOR = {"seconds": 7.0, "milliseconds": 7.0, "a date": 600.0, "the past": 0.0, "nonsense": None}


@pytest.mark.parametrize("name", AFTER, ids=lambda name: name.replace(" ", "-"))
def test_a_provider_is_left_alone_for_as_long_as_it_asks(name: str) -> None:
    with ScriptedJudge(in_turn(Answer("slow", status=429, headers=AFTER[name]), OK)) as judge:
        waits = Waits()
        ask(judge, waits=waits)
    wanted = ASKED_FOR[name]
    # Half a second more by chance, so that not all that wait come at the same moment; ten minutes are believed at most.
    assert sum(waits.seconds) == pytest.approx(0.75 if wanted is None else wanted + 0.5, abs=0.1)


def test_nothing_is_charged_for_what_was_refused() -> None:
    with ScriptedJudge(in_turn(Answer("slow", status=429), Answer("no", status=500), OK)) as judge:

        async def work(gateway: Gateway) -> tuple[float, float]:
            reply = await gateway.ask(call(judge))
            assert reply.usd is not None
            return gateway.ledger.spent_usd - reply.usd, gateway.held_usd

        assert with_gateway(work) == (0, 0)


def test_a_call_without_an_answer_stays_reserved_and_leaves_less_for_the_next() -> None:
    never = threading.Event()
    with ScriptedJudge(lambda _: Answer(until=never)) as judge:

        async def work(gateway: Gateway) -> tuple[float | None, float]:
            with pytest.raises(CallFailed, match="no answer in time"):
                await gateway.ask(call(judge))
            return gateway.spent_usd, gateway.held_usd

        spent, held = with_gateway(work, limits=Limits(timeout=0.2))
        never.set()
        assert spent == 0
        assert len(judge.asked) == 2, "each try may be billed: there are two"
        with pytest.raises(CallFailed, match="spend cap"):
            with_gateway(lambda gateway: gateway.ask(call(judge)), cap=held / 2 - 1e-6)


def test_a_key_that_is_wrong_is_found_out_once() -> None:
    with ScriptedJudge(in_turn(Answer("Incorrect API key", status=401))) as judge:

        async def work(gateway: Gateway) -> list[Why]:
            found = []
            for number in range(5):
                with pytest.raises(CallFailed) as failed:
                    await gateway.ask(call(judge, str(number)))
                found.append(failed.value.why)
            return found

        assert with_gateway(work) == [Why.NO_ACCESS] * 5
    assert len(judge.asked) == 1


@pytest.mark.parametrize("model", [MODEL, "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"])
def test_without_a_key_nothing_is_tried_twice(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    waits = Waits()
    one = Call(model, "system", (Part("text"),), SCHEMA, 500)
    with pytest.raises(CallFailed) as failed:
        with_gateway(lambda gateway: gateway.ask(one), waits=waits)
    assert (failed.value.why, waits.seconds) == (Why.NO_ACCESS, [])


def test_one_model_that_is_not_there_stops_no_other() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer("The model does not exist", status=404) if f"openai/{asked.model}" == OTHER else OK

    with ScriptedJudge(answer) as judge:

        async def work(gateway: Gateway) -> str:
            with pytest.raises(CallFailed, match="no such model"):
                await gateway.ask(call(judge, model=OTHER))
            return (await gateway.ask(call(judge))).text

        assert with_gateway(work) == OK.text


def test_a_name_that_no_provider_has_is_no_such_model() -> None:
    with ScriptedJudge(in_turn(OK)) as judge, pytest.raises(CallFailed) as failed:
        with_gateway(lambda gateway: gateway.ask(call(judge, model="nobodys-model-of-all")))
    assert failed.value.why is Why.NO_MODEL


def test_a_server_that_is_not_there_is_not_available() -> None:
    with ScriptedJudge(in_turn(OK)) as judge:
        gone = call(judge)

    async def work(gateway: Gateway) -> float:
        with pytest.raises(CallFailed, match="not available"):
            await gateway.ask(gone)
        return gateway.held_usd

    assert with_gateway(work, limits=Limits(tries=2)) == 0, "what was never sent is not billed"


def test_equal_calls_at_the_same_time_are_sent_once() -> None:
    with ScriptedJudge(in_turn(OK)) as judge:

        async def work(gateway: Gateway) -> list[Reply]:
            return await asyncio.gather(*(gateway.ask(call(judge)) for _ in range(5)))

        replies = with_gateway(work)
    assert len(judge.asked) == 1
    assert [reply.is_cached for reply in replies] == [False, True, True, True, True]


def test_no_more_calls_are_on_their_way_than_were_asked_for() -> None:
    inside, most = [0], [0]
    lock = threading.Lock()

    def answer(_: Asked) -> Answer:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        threading.Event().wait(0.01)
        with lock:
            inside[0] -= 1
        return OK

    with ScriptedJudge(answer) as judge:

        async def work(gateway: Gateway) -> None:
            await asyncio.gather(*(gateway.ask(call(judge, str(number))) for number in range(20)))

        with_gateway(work, limits=Limits(concurrency=3))
    assert most[0] == 3


def test_an_answer_is_kept_and_read_back_as_it_was(tmp_path: Path) -> None:
    answer = Answer('{"verdicts": ["é"]}', prompt_tokens=70, completion_tokens=9, cached_tokens=50)
    with ScriptedJudge(in_turn(answer)) as judge:
        with Cache.open(tmp_path / "cache.db") as cache:
            first = ask(judge, cache=cache)
        with Cache.open(tmp_path / "cache.db") as cache:
            second = ask(judge, cache=cache)
    assert len(judge.asked) == 1
    assert (first.is_cached, second.is_cached) == (False, True)
    assert (second.text, second.finish, second.tokens, second.usd) == (
        first.text,
        first.finish,
        first.tokens,
        first.usd,
    )
    assert (first.tokens.input, first.tokens.cache_read, first.tokens.output) == (20, 50, 9)


DIFFERENT: dict[str, Callable[[Call], Call]] = {
    "model": lambda one: _with(one, model=OTHER),
    "system": lambda one: _with(one, system="another"),
    "text": lambda one: _with(one, parts=(Part("another"),)),
    "schema": lambda one: _with(one, schema="{}"),
    "longest answer": lambda one: _with(one, max_tokens=501),
    "sample": lambda one: _with(one, sample=1),
    "address": lambda one: _with(one, api_base=None),
}


def _with(one: Call, **fields: Any) -> Call:
    names = ("model", "system", "parts", "schema", "max_tokens", "sample", "api_base")
    return Call(**({name: getattr(one, name) for name in names} | fields))


@pytest.mark.parametrize("what", DIFFERENT, ids=lambda name: name.replace(" ", "-"))
def test_whatever_decides_the_answer_is_part_of_its_key(what: str) -> None:
    with ScriptedJudge(in_turn(OK)) as judge:
        one = call(judge)
    assert DIFFERENT[what](one).key != one.key
    split = _with(one, parts=(Part("te", is_stable=True), Part("xt")))
    assert split.key == one.key, "where a text is cut into parts decides nothing"


def test_what_is_forgotten_is_asked_again(tmp_path: Path) -> None:
    with ScriptedJudge(in_turn(OK)) as judge, Cache.open(tmp_path / "cache.db") as cache:

        async def work(gateway: Gateway) -> None:
            reply = await gateway.ask(call(judge))
            gateway.forget([reply.key])
            await gateway.ask(call(judge))

        with_gateway(work, cache=cache)
    assert len(judge.asked) == 2


def test_only_its_owner_can_read_the_cache(tmp_path: Path) -> None:
    with ScriptedJudge(in_turn(OK)) as judge, Cache.open(tmp_path / "cache.db") as cache:
        ask(judge, cache=cache)
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("content", [b"no database at all, but longer than a header" * 50, b"SQLite format 3\0broken"])
def test_a_cache_that_is_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"cache\.db: the judges' answers cannot be kept there"), Cache.open(path):
        pass


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="cannot be kept there"), Cache.open(tmp_path / "file" / "cache.db"):
        pass


def test_what_a_provider_says_that_a_call_cost_is_what_it_cost() -> None:
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.0123},
    }
    with ScriptedJudge(in_turn(Answer(body=body))) as judge:
        assert ask(judge).usd == pytest.approx(0.0123)


def test_a_cost_that_is_not_known_is_none_and_counts_in_full_under_the_cap() -> None:
    with ScriptedJudge(in_turn(Answer("{}", usage=False))) as judge:

        async def work(gateway: Gateway) -> tuple[Reply, float | None, float]:
            return await gateway.ask(call(judge)), gateway.spent_usd, gateway.held_usd

        reply, spent, held = with_gateway(work)
    assert (reply.usd, reply.tokens.input, spent) == (None, None, None)
    assert held > 0


FORMS = {
    "a schema": ({}, ["response_format"]),
    "a tool": ({"response_format"}, ["tools"]),
    "neither": ({"response_format", "tools"}, []),
}


@pytest.mark.parametrize("name", FORMS, ids=lambda name: name.replace(" ", "-"))
def test_a_server_that_does_not_take_a_form_is_asked_in_a_weaker_one(name: str) -> None:
    refused, used = FORMS[name]

    def answer(asked: Asked) -> Answer:
        wrong = sorted(refused & asked.body.keys())
        return Answer(f"unsupported parameter: {wrong[0]}", status=400) if wrong else OK

    with ScriptedJudge(answer) as judge:

        async def work(gateway: Gateway) -> list[str]:
            return [(await gateway.ask(call(judge, str(number)))).text for number in range(2)]

        assert with_gateway(work) == [OK.text] * 2
    last = judge.asked[-1].body
    assert [name for name in ("response_format", "tools") if name in last] == used
    assert len(judge.asked) == len(refused) + 2, "what was found out holds for the calls after it"


def test_every_model_is_asked_at_temperature_0_that_takes_it() -> None:
    with ScriptedJudge(in_turn(OK)) as judge:

        async def work(gateway: Gateway) -> None:
            await gateway.ask(call(judge))
            await gateway.ask(call(judge, model="openai/gpt-5-mini"))

        with_gateway(work)
    assert [asked.body.get("temperature") for asked in judge.asked] == [0.0, None]
    assert [asked.body.get("max_tokens") or asked.body.get("max_completion_tokens") for asked in judge.asked] == [
        500,
        500,
    ]


KNOWN = [
    ("openai/gpt-4.1-mini", Form.SCHEMA, False),
    ("anthropic/claude-sonnet-4-5", Form.SCHEMA, True),
    ("gemini/gemini-2.5-pro", Form.SCHEMA, False),
    ("openrouter/anthropic/claude-sonnet-4.5", Form.SCHEMA, True),
    (UNPRICED, Form.SCHEMA, False),
    ("no-provider-at-all", Form.SCHEMA, False),
]


@pytest.mark.parametrize(("model", "form", "marked"), KNOWN, ids=lambda value: str(value).replace("/", "-"))
def test_what_a_model_is_known_to_take(model: str, form: Form, marked: bool) -> None:
    assert (first_form(model), takes_marks(model)) == (form, marked)


def test_the_stable_part_of_a_prompt_is_marked_for_a_cache_where_marks_are_taken() -> None:
    parts = (Part("task", is_stable=True), Part("one", is_stable=True), Part("two", is_stable=True), Part("window"))
    one = Call("anthropic/claude-sonnet-4-5", "system", parts, SCHEMA, 500)
    system, user = arguments(one, Form.SCHEMA, marked=True)["messages"]  # type: ignore[misc]
    assert [block.get("cache_control") is not None for block in system["content"]] == [True]
    assert [(block["text"], "cache_control" in block) for block in user["content"]] == [
        ("task", True),
        ("one", False),
        ("two", True),
        ("window", False),
    ]
    plain = arguments(one, Form.SCHEMA, marked=False)["messages"]
    assert plain == [{"role": "system", "content": "system"}, {"role": "user", "content": "taskonetwowindow"}]


def test_what_claude_is_sent_is_marked_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM hands the marks on to Anthropic's own API."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "nobodys")
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "{}"}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 40,
        },
    }
    with ScriptedJudge(in_turn(Answer(body=body))) as judge:
        parts = (Part("task", is_stable=True), Part("window"))
        base = judge.url.removesuffix("/v1")
        one = Call("anthropic/claude-sonnet-4-5", "system", parts, SCHEMA, 500, api_base=base)
        reply = with_gateway(lambda gateway: gateway.ask(one))
    sent = judge.asked[0].body
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert [("cache_control" in block) for block in sent["messages"][0]["content"]] == [True, False]
    assert (reply.tokens.input, reply.tokens.cache_read, reply.tokens.cache_write) == (10, 100, 40)
    # Claude Sonnet 4.5, in dollars for a million tokens: 3 fresh, 0.30 read, 3.75 written, 15 out.
    assert reply.usd == pytest.approx((10 * 3 + 100 * 0.3 + 40 * 3.75 + 5 * 15) / 1e6)
