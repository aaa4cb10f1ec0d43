"""The ledger on every Redis and Valkey of this machine: the scripts' answers, a broken ledger, rights, cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from streams.batches import DecodedBatch, Delta, Position
from streams.errors import LedgerBroken, OperatorNeeded
from streams.ledger.commit import Ledger
from streams.ledger.types import Claim, CutStep, Lease
from tests.support.redis_servers import NAMES, RedisOf, program


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisOf]:
    """A running server of each kind."""
    executable = program(request.param)
    if executable is None:
        pytest.skip(f"no {request.param} on PATH beside the bundled Redis: install one to run these tests on it")
    one = RedisOf(tmp_path_factory.mktemp(request.param), executable)
    one.start()
    yield one
    one.stop()


@pytest.fixture
async def ledger(server: RedisOf, prefix: str) -> AsyncIterator[Ledger]:
    """A ledger of two partitions."""
    one = Ledger(server.url, prefix)
    await one.init("ledger-1", {0: 0, 1: 5})
    yield one
    await one.close()


def batch(claim: Claim, start: int, end: int) -> DecodedBatch:
    position = Position(claim.partition, claim.number, claim.generation, start, end)
    return DecodedBatch(position, [], [], [], 0, b"i" * 24, 0, 1_000 + end, 77, 1_000)


def delta(n: int = 1) -> Delta:
    return Delta({"BR:600:negative/app": n}, {"BR:10": [b"12345678"]}, {"accepted": n}, 36_000_000)


async def everything(ledger: Ledger) -> dict[bytes, Any]:
    """All of the prefix's keys with their content."""
    return {key: await ledger.redis.dump(key) async for key in ledger.redis.scan_iter(f"{ledger.keys.namespace}*")}


async def leased(ledger: Ledger) -> Lease:
    lease = await ledger.lease("me", 60_000)
    assert lease is not None
    return lease


# --- the scripts --------------------------------------------------------------------------------------------------


async def test_every_script_does_its_work(ledger: Ledger) -> None:
    """Claim, commit, cut, publish, an allocation and a swap, each with the answer that other versions give."""
    claim = await ledger.claim(0)
    assert ("OK", "") == await ledger.commit(batch(claim, 0, 3), delta(3))
    assert "ALREADY" == (await ledger.commit(batch(claim, 0, 3), delta(3)))[0]
    lease = await leased(ledger)
    step = await ledger.cut(lease, force=False)
    assert isinstance(step, CutStep)
    assert ({"BR:600:negative/app": 3}, 3, 5) == (step.counts, step.partitions[0].next, step.partitions[1].next)
    await ledger.merge_users(step)
    space = ledger.keys.namespace
    assert "OK" == await ledger.publish(lease, step, [["SET", f"{space}x", "1"]])
    assert [True, False] == [await ledger.store_allocation(7, [["SET", f"{space}a", "7"]]) for _ in range(2)]
    await ledger.redis.set(f"{space}staged", 2)
    number = await ledger.seize_lease("operator", 60_000)
    assert await ledger.swap(number, [f"{space}x"], [(f"{space}staged", f"{space}new")], [])
    assert [None, b"2", b"7"] == [await ledger.get(f"{space}{name}") for name in ("x", "new", "a")]


# --- a script that fails half-way -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Half:
    """A writing script, a command without which it fails after its first write, and the call that runs it."""

    script: str
    command: str
    run: Callable[[Ledger], Awaitable[object]]


async def commit(ledger: Ledger) -> object:
    held = (await ledger.redis.hmget(ledger.keys.partition(0), "claim"))[0]
    return await ledger.commit(batch(Claim(0, int(held), "ledger-1", 0, None, None, []), 0, 3), delta(3))


async def cut(ledger: Ledger) -> object:
    return await ledger.cut(Lease(int(await ledger.redis.hget(ledger.keys.ledger, "lease_number")), 0), force=True)


async def publish(ledger: Ledger) -> object:
    lease = Lease(int(await ledger.redis.hget(ledger.keys.ledger, "lease_number")), 0)
    step = await ledger.cut(lease, force=True)
    assert isinstance(step, CutStep)
    key = f"{ledger.keys.namespace}list"
    return await ledger.publish(lease, step, [["SET", f"{ledger.keys.namespace}x", 1], ["RPUSH", key, 1]])


async def allocate(ledger: Ledger) -> object:
    key = f"{ledger.keys.namespace}list"
    return await ledger.store_allocation(3, [["SET", f"{ledger.keys.namespace}x", 1], ["RPUSH", key, 1]])


async def swap(ledger: Ledger) -> object:
    number = int(await ledger.redis.hget(ledger.keys.ledger, "lease_number"))
    return await ledger.swap(number, [], [], [["RPUSH", f"{ledger.keys.namespace}list", 1]])


HALVES = (
    Half("commit", "rpush", commit),
    Half("cut", "set", cut),
    Half("publish", "rpush", publish),
    Half("allocate", "rpush", allocate),
    Half("swap", "rpush", swap),
)


@pytest.fixture
async def limited(server: RedisOf, ledger: Ledger) -> AsyncIterator[Ledger]:
    """The same ledger with a login of its own, which may do everything until a test takes a right away."""
    user = ledger.keys.prefix
    await ledger.redis.execute_command("ACL", "SETUSER", user, "on", ">pw", "~*", "+@all")
    one = Ledger(server.url.replace("redis://", f"redis://{user}:pw@"), ledger.keys.prefix)
    yield one
    await one.close()
    await ledger.redis.execute_command("ACL", "DELUSER", user)


async def rights(ledger: Ledger, *changes: str) -> None:
    """Change what the limited login may do."""
    await ledger.redis.execute_command("ACL", "SETUSER", ledger.keys.prefix, *changes)


@pytest.mark.parametrize("half", HALVES, ids=lambda one: one.script)
async def test_a_script_that_failed_half_way_is_the_last_one(ledger: Ledger, limited: Ledger, half: Half) -> None:
    """Nothing writes any more, not even once the right that was missing is granted; every call says `rebuild`."""
    claim = await ledger.claim(0)
    lease = await leased(ledger)
    await rights(ledger, f"-{half.command}")
    with pytest.raises(LedgerBroken, match="ledger rebuild"):
        await half.run(limited)
    await rights(ledger, f"+{half.command}")
    before = await everything(ledger)
    later: list[Callable[[], Awaitable[object]]] = [
        lambda: ledger.commit(batch(claim, 0, 3), delta(3)),
        lambda: ledger.cut(lease, force=True),
        lambda: ledger.publish(lease, CutStep(1, 0, {}, {}, {}), []),
        lambda: ledger.store_allocation(9, []),
        lambda: ledger.claim(1),
        lambda: ledger.lease("me", 60_000),
    ]
    for call in later:
        with pytest.raises(LedgerBroken, match=rf"`{half.script}`.*Operator action.*ledger rebuild"):
            await call()
    assert before == await everything(ledger)
    assert half.script == await ledger.broken_by()


async def test_a_swap_repairs_a_broken_ledger(ledger: Ledger, limited: Ledger) -> None:
    """The staged ledger carries no mark: what `ledger rebuild` and `reset` put in place works at once."""
    await ledger.claim(0)
    await rights(ledger, "-rpush")
    with pytest.raises(LedgerBroken):
        await commit(limited)
    number = await ledger.seize_lease("operator", 60_000)
    staged = Ledger(ledger.url, f"{ledger.keys.prefix}~staged")
    await staged.init("ledger-2", {0: 0, 1: 5})
    names = [(getattr(staged.keys, name), getattr(ledger.keys, name)) for name in ("ledger",)]
    names += [(staged.keys.partition(at), ledger.keys.partition(at)) for at in range(2)]
    assert await ledger.swap(number, [ledger.keys.totals], names, [["SET", f"{ledger.keys.namespace}x", 1]])
    assert await ledger.broken_by() is None
    after = Ledger(ledger.url, ledger.keys.prefix)
    assert ("OK", "") == await after.commit(batch(await after.claim(0), 0, 3), delta(3))
    assert 3 == await after.total("accepted")
    for one in (staged, after):
        await one.close()


async def test_a_script_that_fails_before_its_first_write_breaks_nothing(ledger: Ledger, limited: Ledger) -> None:
    """Without the right to write at all: what is missing is granted, and the same commit counts once."""
    await ledger.claim(0)
    await rights(ledger, "-hset")
    with pytest.raises(OperatorNeeded, match=r"Nothing was written.*Operator action"):
        await commit(limited)
    await rights(ledger, "+hset")
    assert ("OK", "") == await commit(limited)
    assert (3, None) == (await ledger.total("accepted"), await ledger.broken_by())


async def test_two_calls_at_once_see_no_mark_of_each_other(ledger: Ledger) -> None:
    """Scripts are atomic: a mark that another script finds was left by one that failed."""
    claims = [await ledger.claim(number) for number in (0, 1)]
    begin = [0, 5]
    calls = [ledger.commit(batch(claim, at, at + 1), delta()) for claim, at in zip(claims, begin, strict=True)]
    assert [("OK", "")] * 2 == await asyncio.gather(*calls)
