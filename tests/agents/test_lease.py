"""A step that takes longer than its lease stays its holder's."""

import asyncio
import dataclasses
import time
from typing import Any

import pytest

from marketpulse.errors import Unavailable
from streams.errors import StepTooLong
from streams.ledger.commit import Ledger
from streams.pipeline.rollup.leader import Leader
from streams.pipeline.rollup.lease import while_held
from streams.settings import Settings
from tests.agents.test_relay import Stage
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.programs import Direct

SHORT = Settings(prefix="p", model="stub", lease_seconds=0.6, idle_step_seconds=0.01)


@pytest.mark.parametrize("workers", [2, 3])
async def test_workers_do_not_take_a_long_step_from_one_another(workers: int) -> None:
    """Steps of three leases: all are published by the first holder, none is cut and refused."""
    store: Any = FakeRedis(lambda: time.time_ns() // 1_000_000)
    cut: list[str] = []

    def leader(name: str) -> Leader:
        async def slow(point: str) -> None:
            if point == "cut":
                cut.append(name)
                await asyncio.sleep(3 * SHORT.lease_seconds)

        ledger = Ledger("redis://fake", "p", connect=Direct(store).connect)
        return Leader(dataclasses.replace(Stage().deps(), settings=SHORT, failpoint=slow, ledger=ledger), name)

    leaders = [leader(f"worker {number}") for number in range(workers)]
    ledger = Ledger("redis://fake", "p", connect=Direct(store).connect)
    await ledger.init("ledger", {0: 0})

    async def ticks(one: Leader) -> None:
        while len(cut) <= 4:
            await one.tick()
            await asyncio.sleep(SHORT.lease_seconds / 10)

    await asyncio.wait_for(asyncio.gather(*map(ticks, leaders)), 30)
    assert {"worker 0"} == set(cut)
    assert len(cut) == (await ledger.standing())[1]


async def test_a_step_whose_lease_is_lost_is_cancelled() -> None:
    """It does not go on beside another's, and its end is waited for."""
    ended = []

    async def step() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("step")
        return "published"

    async def lost() -> bool:
        return False

    assert await while_held(step(), lost, 0.03) is None
    assert ["step"] == ended


async def test_a_redis_that_is_away_is_the_steps_matter() -> None:
    """A renewal that fails is tried again."""
    asked = []

    async def away() -> bool:
        asked.append(1)
        raise Unavailable("Redis is away")

    async def step() -> str:
        while len(asked) < 3:  # noqa: ASYNC110 - the renewal counts, and tells nobody
            await asyncio.sleep(0.01)
        return "published"

    assert "published" == await while_held(step(), away, 0.03)


async def test_a_step_without_an_end_ends_the_process() -> None:
    """With the exit code that asks for a restart, and without the lease."""

    async def held() -> bool:
        return True

    with pytest.raises(StepTooLong) as raised:
        await while_held(asyncio.sleep(30), held, 0.03, limit_s=0.1)
    assert 75 == raised.value.exit_code


async def test_what_a_step_raises_comes_through() -> None:
    """At once, without a renewal."""

    async def step() -> None:
        raise Unavailable("Redis is away")

    async def unasked() -> bool:
        raise AssertionError

    with pytest.raises(Unavailable):
        await while_held(step(), unasked, 30)
