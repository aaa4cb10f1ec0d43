"""The ledger's answers on a real Redis: what each refusal leaves untouched."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from marketpulse.contract.records import Excerpt
from marketpulse.errors import Unavailable
from streams.batches import DecodedBatch, Delta, Position, SourceMark
from streams.dev.embedded.servers import EmbeddedStack
from streams.errors import LedgerBroken, LedgerLost, LedgerNewer, LedgerReplaced
from streams.ledger.commit import Ledger
from streams.ledger.content import LedgerContent
from streams.ledger.types import Claim, CutStep, Lease


@pytest.fixture
async def ledger(stack: EmbeddedStack, prefix: str) -> AsyncIterator[Ledger]:
    one = Ledger(stack.endpoints.redis, prefix, max_open_cells=100)
    await one.init("ledger-1", {0: 0, 1: 5})
    yield one
    await one.close()


def batch(claim: Claim, start: int, end: int, ids: bytes = b"", forget: int = 0) -> DecodedBatch:
    position = Position(claim.partition, claim.number, claim.generation, start, end)
    mark = SourceMark(end - 1, 1_000 + end, 77, newest_ms=1_000 + end, rose_ms=1_000 + end, seen_ms=1_000 + end)
    return DecodedBatch(position, [], [], [], 0, ids, forget, mark, 1_000, 1_000 + end)


def delta(n: int = 1, minute: int = 600) -> Delta:
    counts = {f"BR:{minute}:negative/app": n}
    return Delta(counts, {f"BR:{minute // 60}": [b"12345678"]}, {"accepted": n})


async def everything(ledger: Ledger) -> dict[bytes, Any]:
    """All of the prefix's keys with their content."""
    found = {}
    async for key in ledger.redis.scan_iter(f"{ledger.keys.namespace}*"):
        found[key] = await ledger.redis.dump(key)
    return found


async def cut(ledger: Ledger, lease: Lease, force: bool = False) -> CutStep:
    step = await ledger.cut(lease, force)
    assert isinstance(step, CutStep)
    return step


async def test_a_commit_counts_once_and_moves_the_offset(ledger: Ledger) -> None:
    """OK, and the same commit again is ALREADY with nothing changed."""
    claim = await ledger.claim(1)
    assert ("OK", "") == await ledger.commit(batch(claim, 5, 8, b"c" * 24), delta(3))
    before = await everything(ledger)
    assert "ALREADY" == (await ledger.commit(batch(claim, 5, 8), delta(3)))[0]
    assert before == await everything(ledger)
    again = await ledger.claim(1)
    mark = SourceMark(7, 1_008, 77, 1_008, 1_008, 1_008)
    assert (8, mark, [b"c" * 24]) == (again.next, again.mark, again.id_chunks)


async def test_excerpts_of_steps_that_are_not_published_are_known(ledger: Ledger) -> None:
    """Of one that was cut and of the open one: an erasure must see them too."""
    claim, lease = await ledger.claim(0), await ledger.lease("w", 10_000)
    assert lease is not None
    for at, text in enumerate(["cut", "open"]):
        kept = {"BR": [Excerpt(at, text, "negative", "app", 5)]}
        await ledger.commit(batch(claim, at, at + 1), replace(delta(), excerpts=kept))
        if text == "cut":
            await cut(ledger, lease)
    assert ["cut", "open"] == [
        one.text for rows in await LedgerContent(ledger).unpublished_excerpts() for one in rows["BR"]
    ]


async def test_every_refusal_leaves_everything_untouched(ledger: Ledger) -> None:
    """FENCED by a later claim or another generation, REWOUND, AHEAD, FULL: no write before the last check."""
    old = await ledger.claim(0)
    new = await ledger.claim(0)
    await ledger.commit(batch(new, 0, 10), delta())
    full = Delta({f"BR:{minute}:e2": 1 for minute in range(200)}, {}, {})
    await ledger.commit(batch(new, 10, 12), full)
    before = await everything(ledger)
    answers = [
        await ledger.commit(batch(old, 12, 14), delta()),
        await ledger.commit(batch(replace(new, generation="other"), 12, 14), delta()),
        await ledger.commit(batch(new, 13, 14), delta()),
        await ledger.commit(batch(new, 11, 14), delta()),
        await ledger.commit(batch(new, 12, 14), delta()),
    ]
    assert ["FENCED", "FENCED", "REWOUND", "AHEAD", "FULL"] == [answer for answer, _ in answers]
    assert before == await everything(ledger)


async def test_a_batch_without_records_moves_the_offset_alone(ledger: Ledger) -> None:
    """Markers of transactions have offsets: no counts, no ids, and the last record stays the one to compare with."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 3, b"c" * 24), delta(3))
    before = await everything(ledger)
    known = (await ledger.claim(0)).mark
    claim = await ledger.claim(0)
    position = Position(0, claim.number, claim.generation, 3, 7)
    passing = DecodedBatch(position, [], [], [], 0, b"", 0, claim.mark, 0, 0)
    assert ("OK", "") == await ledger.commit(passing, Delta({}, {}, {}))
    after = await everything(ledger)
    offsets = {ledger.keys.partition(0).encode(), ledger.keys.positions.encode()}
    assert offsets == {key for key in after if after[key] != before.get(key)}
    again = await ledger.claim(0)
    assert (7, known) == (again.next, again.mark)


async def test_a_clock_ahead_of_redis_is_as_far_as_redis(ledger: Ledger) -> None:
    """A topic with times of producers: a record of next year moves no clock to next year."""
    claim = await ledger.claim(0)
    ahead = 10**14
    mark = SourceMark(0, ahead, 7, newest_ms=ahead, rose_ms=ahead, seen_ms=ahead)
    position = Position(0, claim.number, claim.generation, 0, 1)
    await ledger.commit(DecodedBatch(position, [], [], [], 0, b"", 0, mark, 0, 0), delta())
    seconds, _ = await ledger.redis.time()
    found = (await ledger.claim(0)).mark
    times = (found.newest_ms, found.rose_ms, found.seen_ms)
    assert all(abs((one or 0) - seconds * 1_000) < 60_000 for one in times)
    assert ahead == found.last_timestamp


async def test_what_is_read_to_the_end_was_read_when_kafka_was_asked(ledger: Ledger) -> None:
    """A partition with records left, or whose end is not known, was not; a repeated cut says the same again."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 3), delta(3))
    lease = await ledger.lease("me", 60_000)
    assert lease is not None
    step = await ledger.cut(lease, True, {0: 3, 1: 9})
    assert isinstance(step, CutStep)
    assert (lease.now_ms, 3) == (step.partitions[0].seen_ms, step.partitions[0].end)
    assert (None, 9) == (step.partitions[1].seen_ms, step.partitions[1].end)
    assert step == await ledger.cut(lease, True, {0: 50, 1: 5})
    await ledger.merge_users(step, None)
    assert "OK" == await ledger.publish(lease, step, [])
    again = await cut(ledger, lease, force=True)
    assert (lease.now_ms, None) == (again.partitions[0].seen_ms, again.partitions[0].end)


async def test_two_processes_of_one_name_and_number_are_two(ledger: Ledger) -> None:
    """Containers on the host's network are all `node:1`: the lease is one's alone, and so is a claim."""
    twin = Ledger(ledger.url, ledger.keys.prefix, max_open_cells=100)
    lease, claim = await ledger.lease("node:1", 60_000), await ledger.claim(0)
    assert lease is not None
    assert await twin.lease("node:1", 60_000) is None
    assert ["FENCED", "FENCED"] == [await twin.cut(lease, True), (await twin.commit(batch(claim, 0, 1), delta()))[0]]
    step = await cut(ledger, lease, force=True)
    assert "FENCED" == await twin.publish(lease, step, [])
    await twin.release_lease("node:1")
    assert await twin.lease("node:1", 60_000) is None
    await twin.close()


async def test_a_measured_bound_stops_commits(ledger: Ledger) -> None:
    """FULL at what the lease holder can publish in time, below the bound of the settings."""
    claim = await ledger.claim(0)
    await ledger.redis.hset(ledger.keys.ledger, "open_cells", 1)
    await ledger.commit(batch(claim, 0, 2), Delta({"BR:1:e2": 1, "BR:2:e2": 1}, {}, {}))
    assert ("FULL", "open step") == await ledger.commit(batch(claim, 2, 3), delta())


async def test_a_newer_format_is_refused_in_words(ledger: Ledger) -> None:
    """Claim and lease; nothing is changed."""
    await ledger.redis.hset(ledger.keys.ledger, "format", 3)
    before = await everything(ledger)
    for call in (ledger.claim(0), ledger.lease("me", 1_000)):
        with pytest.raises(LedgerNewer, match="has format 3, and this version knows 2 at most"):
            await call
    assert before == await everything(ledger)


async def test_claim_numbers_grow_even_when_redis_goes_back_in_time(ledger: Ledger) -> None:
    """The number is never below the clock: a restored Redis does not hand one out twice."""
    first = await ledger.claim(0)
    await ledger.redis.hset(ledger.keys.partition(0), "claim", 0)
    assert (await ledger.claim(0)).number >= first.number


async def test_lease_numbers_grow_even_when_redis_goes_back_in_time(ledger: Ledger) -> None:
    """A holder of the forgotten time stays fenced: nobody is given its number again."""
    first = await ledger.lease("a", 60_000)
    await ledger.redis.hset(ledger.keys.ledger, mapping={"lease_number": 0, "lease_until": 0})
    await asyncio.sleep(0.005)  # a restore takes longer than a millisecond of Redis's clock
    second = await ledger.lease("b", 60_000)
    assert first is not None
    assert second is not None
    assert second.number > first.number


async def test_positions_tell_where_each_partition_stands(ledger: Ledger) -> None:
    """`next` of every partition asked for; one whose entry is missing is a lost ledger, one that was added is at 0."""
    claim = await ledger.claim(1)
    await ledger.commit(batch(claim, 5, 8), delta())
    assert {1: 8, 0: 0, 7: 0} == await ledger.positions([1, 0, 7])
    await ledger.redis.unlink(ledger.keys.partition(0))
    with pytest.raises(LedgerLost):
        await ledger.positions([0])


async def test_forgotten_chunks_leave_the_store(ledger: Ledger) -> None:
    """The oldest chunks go, the new one is appended."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 1, b"a" * 24), delta())
    await ledger.commit(batch(claim, 1, 2, b"b" * 24), delta())
    await ledger.commit(batch(claim, 2, 3, b"c" * 24, forget=1), delta())
    assert [b"b" * 24, b"c" * 24] == (await ledger.claim(0)).id_chunks


async def test_a_missing_ledger_or_partition_is_lost_not_new(ledger: Ledger, stack: EmbeddedStack) -> None:
    """Nothing starts from zero by itself."""
    with pytest.raises(LedgerLost, match="knows 2 partitions"):
        await ledger.claim(7)
    other = Ledger(stack.endpoints.redis, f"{ledger.keys.prefix}none")
    with pytest.raises(LedgerLost, match="ledger init"):
        await other.claim(7)
    with pytest.raises(LedgerLost):
        await other.lease("me", 1_000)
    await other.close()
    assert await ledger.init("ledger-2", {0: 0}) is False
    assert "ledger-1" == (await ledger.claim(0)).generation


async def test_a_cut_step_comes_again_unchanged_until_it_is_published(ledger: Ledger) -> None:
    """A crash between cut and publish repeats the same step with the same data; later commits wait in the next."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 3), delta(3))
    lease = await ledger.lease("me", 60_000)
    assert lease is not None
    first = await cut(ledger, lease)
    await ledger.commit(batch(claim, 3, 4), delta(1))
    assert first == await cut(ledger, lease)
    assert ({"BR:600:negative/app": 3}, 3) == (first.counts, first.partitions[0].next)
    await ledger.merge_users(first, None)
    assert "OK" == await ledger.publish(lease, first, [["SET", f"{ledger.keys.namespace}x", "1"]])
    assert "ALREADY" == await ledger.publish(lease, first, [["SET", f"{ledger.keys.namespace}x", "2"]])
    assert b"1" == await ledger.get(f"{ledger.keys.namespace}x")
    second = await cut(ledger, lease)
    assert ({"BR:600:negative/app": 1}, first.number + 1) == (second.counts, second.number)


async def test_a_zombie_lease_holder_is_refused(ledger: Ledger) -> None:
    """Its cut and its publish are FENCED once another holds the lease."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 1), delta())
    zombie = await ledger.lease("zombie", 1)
    assert zombie is not None
    step = await cut(ledger, zombie)
    await ledger.redis.hset(ledger.keys.ledger, "lease_until", 0)
    heir = await ledger.lease("heir", 60_000)
    assert heir is not None
    assert await ledger.lease("zombie", 1) is None
    assert "FENCED" == await ledger.publish(zombie, step, [["SET", f"{ledger.keys.namespace}x", "1"]])
    assert "FENCED" == await ledger.cut(zombie, True)
    assert (await cut(ledger, heir)).counts == step.counts
    assert await ledger.get(f"{ledger.keys.namespace}x") is None


async def test_nothing_new_is_no_step_unless_forced(ledger: Ledger) -> None:
    """An idle stream publishes only when stream time is to move on."""
    lease = await ledger.lease("me", 60_000)
    assert lease is not None
    assert "NOTHING" == await ledger.cut(lease, False)
    assert {} == (await cut(ledger, lease, force=True)).counts


async def test_distinct_users_are_merged_once_however_often(ledger: Ledger) -> None:
    """Repeating the merge of a step changes no count."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 1), delta())
    lease = await ledger.lease("me", 60_000)
    assert lease is not None
    step = await cut(ledger, lease)
    await ledger.merge_users(step, None)
    await ledger.merge_users(step, None)
    keys = ledger.keys
    assert [1, 1, 0] == await ledger.count_users(
        [[keys.users_of_hour("BR", 10)], [keys.users_of_day("BR", 0)], [keys.users_of_hour("CN", 10)]]
    )


async def test_a_step_whose_users_redis_forgot_is_not_published(ledger: Ledger) -> None:
    """Redis was restored to a moment between the cut and the merge: the step is decided once more, then published."""
    claim = await ledger.claim(0)
    await ledger.commit(batch(claim, 0, 1), delta())
    lease = await ledger.lease("me", 60_000)
    assert lease is not None
    step = await cut(ledger, lease)
    assert "UNMERGED" == await ledger.publish(lease, step, [])
    await ledger.merge_users(step, None)
    assert "OK" == await ledger.publish(lease, step, [])


async def test_an_older_shift_does_not_replace_a_newer_allocation(ledger: Ledger) -> None:
    """One answer per sequence number, and never backwards."""
    write = [["SET", f"{ledger.keys.namespace}a", "7"]]
    assert [True, False, False] == [await ledger.store_allocation(seq, write) for seq in (7, 7, 6)]


async def test_an_unreachable_redis_is_retriable_and_a_broken_script_is_not() -> None:
    """The two are told apart: wait, or stop."""
    nowhere = Ledger("redis://127.0.0.1:1/0", "x")
    with pytest.raises(Unavailable):
        await nowhere.claim(0)
    await nowhere.close()
    assert (Unavailable.retriable, LedgerBroken.retriable) == (True, False)


async def test_another_generation_in_its_place_is_noticed_by_whoever_began_before(ledger: Ledger) -> None:
    """Claim and lease raise LedgerReplaced, also where another holds the lease; who comes new takes it as it is."""
    await ledger.lease("me", 60_000)
    await ledger.redis.hset(ledger.keys.ledger, "generation", "ledger-2")
    with pytest.raises(LedgerReplaced):
        await ledger.claim(0)
    with pytest.raises(LedgerReplaced):
        await ledger.lease("other", 60_000)
    new = Ledger(ledger.url, ledger.keys.prefix)
    assert "ledger-2" == (await new.claim(0)).generation
    await new.close()


async def test_an_emptied_redis_is_told_from_one_that_never_had_a_ledger(ledger: Ledger) -> None:
    """Whoever had seen the ledger says that it is gone."""
    await ledger.claim(0)
    await ledger.redis.unlink(ledger.keys.ledger, ledger.keys.partition(0))
    with pytest.raises(LedgerLost, match="Redis was emptied"):
        await ledger.lease("me", 1_000)
    with pytest.raises(LedgerLost, match="Redis was emptied"):
        await ledger.positions([0, 1])


async def test_a_swap_is_refused_if_somebody_was_quicker(ledger: Ledger) -> None:
    """Another lease, or a ledger where none was: nothing changes; else old keys go and staged ones are in place."""
    space = ledger.keys.namespace
    await ledger.redis.set(f"{space}old", 1)
    await ledger.redis.set(f"{space}staged", 2)
    number = await ledger.seize_lease("operator", 60_000)
    before = await everything(ledger)
    swap = [f"{space}old"], [(f"{space}staged", f"{space}new", None)], [["SET", f"{space}after", "3"]]
    assert [False, False] == [await ledger.swap(None, *swap), await ledger.swap(number - 1, *swap)]
    assert before == await everything(ledger)
    assert await ledger.swap(number, *swap)
    assert [None, b"2", b"3"] == [await ledger.get(f"{space}{name}") for name in ("old", "new", "after")]
