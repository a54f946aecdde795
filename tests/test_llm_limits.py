"""How fast a model is asked gives way to the provider, and comes back."""

from __future__ import annotations

import asyncio

import pytest

from judges.llm.limits import Bucket, Pace


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def pace(time: Time, most: int = 8, rpm: float | None = None, tpm: float | None = None) -> Pace:
    return Pace(most, Bucket(rpm, rpm), Bucket(tpm, tpm), clock=time.clock, sleep=time.sleep)


def test_no_more_calls_are_let_in_than_there_is_room_for() -> None:
    async def work() -> int:
        one, most = pace(Time(), 3), 0
        inside = 0

        async def call() -> None:
            nonlocal inside, most
            await one.enter(1)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            one.leave()

        await asyncio.gather(*(call() for _ in range(20)))
        return most

    assert asyncio.run(work()) == 3


def test_a_refusal_halves_the_calls_at_a_time_once_for_all_that_were_on_their_way() -> None:
    async def work() -> None:
        time = Time()
        one = pace(time)
        let_in = [await one.enter(1) for _ in range(8)]
        time.now = 1.0
        one.limited(let_in[0], None)
        one.limited(let_in[1], None)
        assert one.limit == 4
        for _ in range(8):
            one.leave()
        time.now = 2.0
        one.limited(await one.enter(1), None)
        assert one.limit == 2

    asyncio.run(work())


def test_successes_bring_the_limit_back_and_never_above_what_was_asked_for() -> None:
    async def work() -> list[int]:
        one = pace(Time())
        one.limited(await one.enter(1), None)
        one.leave()
        found = [one.limit]
        for _ in range(60):
            one.succeeded()
            found.append(one.limit)
        return found

    limits = asyncio.run(work())
    assert (limits[0], limits[-1]) == (4, 8)
    assert limits == sorted(limits)
    assert limits[5] == 5, "one more for each round of successes"


def test_it_never_falls_below_one() -> None:
    async def work() -> int:
        time = Time()
        one = pace(time, 2)
        for at in range(10):
            time.now = float(at)
            let_in = await one.enter(1)
            one.leave()
            time.now += 0.5
            one.limited(let_in, None)
        return one.limit

    assert asyncio.run(work()) == 1


def test_what_a_provider_asks_for_holds_for_every_call_to_it() -> None:
    async def work() -> list[float]:
        time = Time()
        one = pace(time)
        let_in = await one.enter(1)
        one.limited(let_in, 30.0)
        one.leave()
        return [await one.enter(1) for _ in range(2)]

    assert asyncio.run(work()) == [30.0, 30.0]


def test_calls_a_minute_are_spread_after_a_burst() -> None:
    async def work() -> list[float]:
        one = pace(Time(), 100, rpm=60)
        times = []
        for _ in range(30):
            times.append(await one.enter(1))
            one.leave()
        return times

    times = asyncio.run(work())
    assert times[9] == 0, "ten seconds' worth may go at once"
    assert times[-1] == pytest.approx(20.0)


def test_tokens_a_minute_count_too() -> None:
    async def work() -> float:
        one = pace(Time(), 100, tpm=6_000)
        for _ in range(4):
            last = await one.enter(1_000)
            one.leave()
        return last

    assert asyncio.run(work()) == pytest.approx(30.0)


def test_a_rate_that_was_too_much_is_learnt_and_grows_back_slowly() -> None:
    async def work() -> tuple[float | None, float | None, float | None]:
        time = Time()
        one = pace(time, 1_000)
        for _ in range(100):
            let_in = await one.enter(10)
            one.leave()
            time.now += 0.1
        before = one.requests.per_minute
        one.limited(let_in, None)
        learnt = one.requests.per_minute
        for _ in range(5):
            time.now += 61.0
            one.succeeded()
        return before, learnt, one.requests.per_minute

    before, learnt, later = asyncio.run(work())
    assert before is None
    # 100 calls in ten seconds are 600 a minute, of which four fifths are tried next.
    assert learnt == pytest.approx(480, rel=0.02)
    assert later is not None
    assert later == pytest.approx(learnt * 1.1**5, rel=0.02)


def test_a_learnt_rate_never_passes_the_one_that_was_asked_for() -> None:
    bucket = Bucket(100.0, 100.0)
    bucket.limit(50.0)
    for _ in range(100):
        bucket.grow(1.0)
    assert bucket.per_minute == 100.0


@pytest.mark.parametrize("is_its_turn", [False, True], ids=["before-its-turn", "at-its-turn"])
def test_a_call_that_is_called_off_leaves_its_place_to_others(is_its_turn: bool) -> None:
    async def work() -> None:
        one = pace(Time(), 1)
        await one.enter(1)
        waiting = asyncio.create_task(one.enter(1))
        behind = asyncio.create_task(one.enter(1))
        await asyncio.sleep(0)
        if is_its_turn:
            one.leave()
            waiting.cancel()
        else:
            waiting.cancel()
            one.leave()
        assert await asyncio.wait_for(behind, 1) == 0.0, "it is let in at once"
        assert waiting.cancelled()

    asyncio.run(work())
