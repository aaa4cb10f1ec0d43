"""The ledger on every Redis and Valkey of this machine: the scripts' answers, a broken ledger, rights, cluster."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from marketpulse.errors import EXIT_OPERATOR, LedgerFull, OperatorNeeded, Unavailable
from streams.access.rights import redis_rules
from streams.batches import DecodedBatch, Delta, Position, SourceMark
from streams.errors import LedgerBroken, LedgerLost, PartitionUnknown
from streams.ledger.commit import Ledger
from streams.ledger.server import check_server, require_one_primary
from streams.ledger.types import Claim, CutStep, Lease
from streams.recovery.verify import users_agree
from tests.support.redis_servers import NAMES, RedisOf, one_node_cluster, program, url_of


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
    mark = SourceMark(end - 1, 1_000 + end, 77)
    return DecodedBatch(position, [], [], [], 0, b"i" * 24, 0, mark, 1_000, 1_000 + end)


def delta(n: int = 1) -> Delta:
    return Delta({"BR:600:negative/app": n}, {"BR:10": [b"12345678"]}, {"accepted": n})


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
    await ledger.merge_users(step, None)
    space = ledger.keys.namespace
    assert "OK" == await ledger.publish(lease, step, [["SET", f"{space}x", "1"]])
    assert [True, False] == [await ledger.store_allocation(7, [["SET", f"{space}a", "7"]]) for _ in range(2)]
    await ledger.redis.set(f"{space}staged", 2)
    number = await ledger.seize_lease("operator", 60_000)
    assert await ledger.swap(number, [f"{space}x"], [(f"{space}staged", f"{space}new")], [])
    assert [None, b"2", b"7"] == [await ledger.get(f"{space}{name}") for name in ("x", "new", "a")]


async def test_a_life_that_is_over_ends_a_key_within_the_step(ledger: Ledger) -> None:
    """Whatever is left of it, none or less: the step is published, and the ledger is whole."""
    lease = await leased(ledger)
    step = await ledger.cut(lease, force=True)
    assert isinstance(step, CutStep)
    keys = {left: f"{ledger.keys.namespace}x{left}" for left in (1_000, 0, -86_400)}
    writes = [write for left, key in keys.items() for write in (["SET", key, "1"], ["EXPIRE", key, left])]
    assert "OK" == await ledger.publish(lease, step, writes)
    assert [b"1", None, None] == [await ledger.get(key) for key in keys.values()]
    await ledger.require_whole()


# --- a script that fails half-way -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Half:
    """A writing script, a command without which it fails after its first write, and the call that runs it."""

    script: str
    command: str
    run: Callable[[Ledger], Awaitable[object]]


async def commit(ledger: Ledger) -> object:
    held = (await ledger.redis.hmget(ledger.keys.partition(0), "claim"))[0]
    return await ledger.commit(batch(Claim(0, int(held), "ledger-1", 0, SourceMark(), []), 0, 3), delta(3))


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
    one = Ledger(url_of(server.url, user, "pw"), ledger.keys.prefix, nonce=ledger.nonce)
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
        lambda: ledger.grow(4),
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


# --- what a server must be like -------------------------------------------------------------------------------------


async def test_the_ready_made_rights_are_enough(server: RedisOf, ledger: Ledger) -> None:
    """Every command is tried with the rules that `acls show redis` prints, and no key of the trial stays."""
    user, prefix = ledger.keys.prefix, ledger.keys.prefix
    rules = [rule for rule in redis_rules(prefix)["worker"] if not rule.startswith("%")]
    await ledger.redis.execute_command("ACL", "SETUSER", user, "on", ">pw", *rules)
    before = await everything(ledger)
    await check_server(url_of(server.url, user, "pw"), prefix)
    assert before == await everything(ledger)
    await ledger.redis.execute_command("ACL", "DELUSER", user)


async def test_missing_rights_are_named_before_the_first_claim(ledger: Ledger, limited: Ledger) -> None:
    """All at once, with the command that grants them; nothing is written."""
    await rights(ledger, "-rpush", "-script|load" if await knows_subcommands(ledger) else "-script", "-xadd")
    before = await everything(ledger)
    with pytest.raises(OperatorNeeded) as caught:
        await check_server(limited.url, limited.keys.prefix)
    said = str(caught.value)
    user = ledger.keys.prefix
    assert "not allow user" in said
    assert "rpush, script|load, xadd" in said
    assert f"ACL SETUSER {user} +rpush +script|load +xadd" in said
    assert "marketpulse acls show redis" in said
    assert before == await everything(ledger)


async def test_rights_to_other_keys_are_not_enough(ledger: Ledger, limited: Ledger) -> None:
    """A login that may run every command, but for the keys of another prefix."""
    await rights(ledger, "resetkeys", "~other:*")
    with pytest.raises(OperatorNeeded, match=rf"~{re.escape(ledger.keys.namespace)}\*"):
        await check_server(limited.url, limited.keys.prefix)


async def knows_subcommands(ledger: Ledger) -> bool:
    """Redis 7.0 and later may take away one subcommand of SCRIPT."""
    return int(str((await ledger.redis.info("server"))["redis_version"]).split(".")[0]) >= 7


async def test_a_server_that_is_away_is_waited_for() -> None:
    """Retriable: a worker that starts before its Redis waits for it."""
    with pytest.raises(Unavailable):
        await check_server("redis://127.0.0.1:1/0", "x")


@pytest.fixture(scope="module", params=NAMES)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisOf]:
    """A cluster of one node, which serves every slot."""
    executable = program(request.param)
    if executable is None:
        pytest.skip(f"no {request.param} on PATH beside the bundled Redis: install one to run these tests on it")
    with one_node_cluster(tmp_path_factory.mktemp("cluster"), executable) as one:
        yield one


async def test_a_cluster_is_refused_in_words(cluster: RedisOf, prefix: str) -> None:
    """By the check of a worker's start and of `ledger init`, and by every call that meets it later."""
    ledger = Ledger(cluster.url, prefix)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: check_server(cluster.url, prefix),
        lambda: require_one_primary(ledger),
        lambda: ledger.claim(0),
    ]
    for call in calls:
        with pytest.raises(OperatorNeeded, match=r"one primary.*Operator action") as caught:
            await call()
        assert (EXIT_OPERATOR, "Cluster" in str(caught.value)) == (caught.value.exit_code, True)
    assert {} == await everything(ledger)
    await ledger.close()


async def test_one_primary_is_what_it_must_be(ledger: Ledger) -> None:
    """No refusal where there is no cluster."""
    await require_one_primary(ledger)
    await check_server(ledger.url, ledger.keys.prefix)


# --- partitions that were added -------------------------------------------------------------------------------------


async def test_added_partitions_begin_at_zero_without_a_hole(ledger: Ledger) -> None:
    """One script adds all that are missing up to the number asked for; what is there stays, and a cut has every one."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 3), delta(3))
    with pytest.raises(PartitionUnknown, match="partition 4"):
        await ledger.claim(4)
    assert [True, False] == [await ledger.grow(5), await ledger.grow(3)]
    added = await ledger.claim(4)
    assert (0, SourceMark(), "ledger-1") == (added.next, added.mark, added.generation)
    assert ("OK", "") == await ledger.commit(batch(added, 0, 2), delta(2))
    step = await ledger.cut(await leased(ledger), force=False)
    assert isinstance(step, CutStep)
    assert [3, 5, 0, 0, 2] == [step.partitions[number].next for number in range(5)]
    assert [0, 5, 0, 0, 0] == [step.partitions[number].began for number in range(5)]


async def test_a_partition_below_the_ledgers_number_is_lost_not_added(ledger: Ledger) -> None:
    """Its entry was removed: no growth brings it back at 0, which would count it all again."""
    await ledger.redis.unlink(ledger.keys.partition(1))
    assert await ledger.grow(4)
    with pytest.raises(LedgerLost) as caught:
        await ledger.claim(1)
    assert not isinstance(caught.value, PartitionUnknown)
    with pytest.raises(LedgerLost):
        await ledger.positions([1])


async def test_a_ledger_of_before_its_growth_is_a_rewind(ledger: Ledger) -> None:
    """Redis was restored to when it knew fewer partitions: their offset is 0 again, and nothing is lost."""
    await ledger.grow(3)
    claim = await ledger.claim(2)
    await ledger.commit(batch(claim, 0, 3), delta(3))
    await ledger.redis.unlink(ledger.keys.partition(2))
    await ledger.redis.hset(ledger.keys.ledger, "partitions", 2)
    assert {0: 0, 2: 0} == await ledger.positions([0, 2])
    assert ("REWOUND", "0") == await ledger.commit(batch(claim, 3, 4), delta())


async def test_a_growth_needs_a_ledger(server: RedisOf, prefix: str) -> None:
    """Without one it is lost, and nothing is made."""
    none = Ledger(server.url, prefix)
    with pytest.raises(LedgerLost):
        await none.grow(3)
    assert {} == await everything(none)
    await none.close()


@pytest.mark.parametrize(
    ("refuse", "allow", "error"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), LedgerFull),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), Unavailable),
    ],
    ids=["memory", "replica"],
)
async def test_a_script_that_redis_refuses_for_now_may_be_tried_again(
    ledger: Ledger, refuse: tuple[str, ...], allow: tuple[str, ...], error: type[Exception]
) -> None:
    """Claim, commit and cut, however this Redis words it: nothing is written, and it is no defect of the ledger."""
    claim, lease = await ledger.claim(0), await leased(ledger)
    before = await everything(ledger)
    await ledger.redis.execute_command(*refuse)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: ledger.claim(1),
        lambda: ledger.commit(batch(claim, 0, 3), delta()),
        lambda: ledger.cut(lease, force=True),
    ]
    try:
        for attempt in attempts:
            with pytest.raises(error):
                await attempt()
    finally:
        await ledger.redis.execute_command(*allow)
    assert before == await everything(ledger)
    assert ("OK", "") == await ledger.commit(batch(claim, 0, 3), delta())


async def test_small_counts_of_users_agree_with_what_was_counted(ledger: Ledger) -> None:
    """Of 3,000 sets of 60 to 260 users none is called wrong; one without a tenth of its users is."""
    rng = random.Random(96)
    sizes = [rng.randint(60, 260) for _ in range(3_000)]
    async with ledger.redis.pipeline(transaction=False) as pipe:
        for number, size in enumerate(sizes):
            key = ledger.keys.users_of_hour("BR", number)
            pipe.pfadd(key, *(rng.randbytes(8) for _ in range(size)))
            pipe.pfcount(key)
        estimates = (await pipe.execute())[1::2]
    assert [] == [pair for pair in zip(sizes, estimates, strict=True) if not users_agree(*pair)]
    assert not users_agree(200, 180)
