"""Random programs of ledger calls for the contract suite: the same calls on two stores, side by side."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack
from redis.exceptions import ResponseError

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import DAY_MS, HOUR_MS
from marketpulse.errors import MarketpulseError
from streams.batches import DecodedBatch, Delta, OutboxEntry, Position, SourceMark
from streams.ledger.commit import Ledger
from streams.ledger.types import Claim, CutStep, Lease
from tests.simulation.network import Connection, Rates, Run, Store

PREFIX = "contract"
MOST_CELLS = 5


class Direct:
    """A network without any delay or fault."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rng = random.Random(0)
        self.rates = Rates()

    def connect(self, url: str) -> Connection:
        """What `Ledger(connect=...)` is given."""
        return Connection(self)  # type: ignore[arg-type]

    def run_script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> list[Any]:
        """Run a script at once."""
        return self.store.script(name, keys, args)

    async def call(self, what: str, run: Run) -> Any:
        """Answer at once."""
        return run()


@dataclass
class Side:
    """One store, its ledger and what that handed out so far."""

    store: Any
    ledger: Ledger
    claims: list[Claim] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    steps: list[CutStep] = field(default_factory=list)
    entries: list[OutboxEntry] = field(default_factory=list)
    snapshot: Any = None

    @classmethod
    def of(cls, store: Any) -> "Side":
        """A ledger straight on a store."""
        return cls(store, Ledger("redis://contract", PREFIX, MOST_CELLS, Direct(store).connect, "nonce"))

    async def do(self, call: str, seed: int) -> Any:
        """One call with arguments drawn from a seed; its answer without what two stores cannot share."""
        try:
            return await getattr(self, f"_{call}")(random.Random(seed))
        except (MarketpulseError, ResponseError) as error:
            return type(error).__name__

    async def _init(self, rng: random.Random) -> Any:
        return await self.ledger.init(f"ledger-{rng.randrange(2)}", {0: 0, 1: 5})

    async def _claim(self, rng: random.Random) -> Any:
        claim = await self.ledger.claim(rng.choice((0, 0, 0, 1, 1, 2, 3)))
        self.claims.append(claim)
        return claim

    async def _grow(self, rng: random.Random) -> Any:
        return await self.ledger.grow(rng.choice((2, 3, 4)))

    async def _commit(self, rng: random.Random) -> Any:
        if not self.claims:
            return None
        claim = self.claims[-1] if rng.random() < 0.8 else rng.choice(self.claims)
        stored = (await self.ledger.positions([claim.partition]))[claim.partition]
        start = stored + rng.choice((0, 0, 0, 0, 0, -1, 1))
        generation = claim.generation if rng.random() < 0.95 else "other"
        position = Position(claim.partition, claim.number, generation, start, start + rng.choice((1, 1, 2, 5)))
        chunk = rng.randbytes(24) if rng.random() < 0.7 else b""
        mark = _mark(rng, start)
        batch = DecodedBatch(position, [], [], [], 0, chunk, rng.choice((0, 0, 1, 2)), mark, 0, 0)
        return await self.ledger.commit(batch, _delta(rng))

    async def _lease(self, rng: random.Random) -> Any:
        lease = await self.ledger.lease(rng.choice(("a", "b")), rng.choice((1_000, 60_000)))
        if lease is not None:
            self.leases.append(lease)
        return lease

    async def _release_lease(self, rng: random.Random) -> Any:
        return await self.ledger.release_lease(rng.choice(("a", "b")))

    async def _cut(self, rng: random.Random) -> Any:
        if not self.leases:
            return None
        ends = {0: rng.randrange(40)} if rng.random() < 0.5 else {}
        step = await self.ledger.cut(self._lease_of(rng), rng.random() < 0.3, ends)
        if isinstance(step, str):
            return step
        self.steps.append(step)
        return replace(step, users=dict.fromkeys(sorted(step.users), b""))

    async def _merge_users(self, rng: random.Random) -> Any:
        if self.steps:
            await self.ledger.merge_users(self.steps[-1], rng.choice((None, 10 * HOUR_MS, 100 * DAY_MS)))

    async def _publish(self, rng: random.Random) -> Any:
        if not self.steps:
            return None
        step = self.steps[-1]
        if rng.random() < 0.1:
            step = replace(step, number=step.number + rng.choice((-1, 1)))
        elif rng.random() < 0.8:
            await self._merge_users(rng)
        return await self.ledger.publish(self._lease_of(rng), step, _writes(self.ledger, rng))

    async def _read_outbox(self, rng: random.Random) -> Any:
        self.entries = await self.ledger.read_outbox(rng.choice((1, 3, 500)))
        return [(one.topic, one.key, one.value) for one in self.entries]

    async def _trim_outbox(self, rng: random.Random) -> Any:
        if self.entries:
            await self.ledger.trim_outbox(self.entries)

    async def _count(self, rng: random.Random) -> Any:
        await self.ledger.count(rng.choice(("rewinds", "fenced_commits")))

    async def _count_users(self, rng: random.Random) -> Any:
        keys = self.ledger.keys
        return await self.ledger.count_users(
            [[keys.users_of_hour("BR", 10)], [keys.users_of_day("DE", 0), keys.users_of_day("BR", 0)]]
        )

    async def _load_state(self, rng: random.Random) -> Any:
        return await self.ledger.load_state()

    async def _load_buckets(self, rng: random.Random) -> Any:
        return await self.ledger.load_buckets(["BR", "DE"])

    async def _workers(self, rng: random.Random) -> Any:
        await self.ledger.heartbeat(rng.choice("abc"), b"%d" % rng.randrange(9))
        if rng.random() < 0.3:
            await self.ledger.forget_workers(["a", "d"])
        return await self.ledger.workers()

    async def _store_allocation(self, rng: random.Random) -> Any:
        return await self.ledger.store_allocation(rng.randrange(20), _writes(self.ledger, rng))

    async def _swap(self, rng: random.Random) -> Any:
        standing = await self.ledger.standing()
        number = None if standing is None else standing[0] + rng.choice((0, 0, 1))
        staged = f"{PREFIX}~staged:text"
        self.store.request("set", staged, rng.randbytes(3))
        published = 0 if standing is None else standing[1]
        commands: list[list[Any]] = [["HSET", f"{PREFIX}:hash", "a", rng.randrange(9)]]
        if standing is not None:  # as a staged ledger would: no step is open any more
            commands.append(["HSET", self.ledger.keys.ledger, "open", published + 1])
        renames = [(rng.choice((staged, staged, f"{staged}:gone")), f"{PREFIX}:text", 0)]
        return await self.ledger.swap(number, [f"{PREFIX}:list"], renames, commands), standing

    async def _get(self, rng: random.Random) -> Any:
        return await self.ledger.get(f"{PREFIX}:{rng.choice(('text', 'missing', 'hash'))}")

    async def _newest(self, rng: random.Random) -> Any:
        return await self.ledger.newest(f"{PREFIX}:{rng.choice(('list', 'list', 'missing', 'hash'))}")

    async def _check_redis(self, rng: random.Random) -> Any:
        return await self.ledger.check_redis()

    async def _remember(self, rng: random.Random) -> Any:
        self.snapshot = self.store.snapshot()

    async def _restore(self, rng: random.Random) -> Any:
        if self.snapshot is not None:
            self.store.restore(self.snapshot)

    def _lease_of(self, rng: random.Random) -> Lease:
        return self.leases[-1] if rng.random() < 0.9 else rng.choice(self.leases)

    def content(self) -> dict[bytes, Any]:
        """Everything in the store; what scripts packed is unpacked, since its order may differ."""
        found = self.store.content()
        for key, value in found.items():
            if key.endswith(b":cut"):
                found[key] = step = msgpack.unpackb(value)
                step["totals"] = dict(zip(step["totals"][::2], step["totals"][1::2], strict=True))
            elif key.endswith(b":excerpts"):
                found[key] = {market: msgpack.unpackb(rows, raw=True) for market, rows in value.items()}
        return found


CALLS = {name[1:]: weight for name, weight in {
    "_init": 2, "_claim": 8, "_grow": 2, "_commit": 40, "_lease": 12, "_release_lease": 2, "_cut": 12,
    "_merge_users": 5, "_publish": 12, "_read_outbox": 5, "_trim_outbox": 3, "_count": 1, "_count_users": 2,
    "_load_state": 1, "_load_buckets": 1, "_workers": 2, "_store_allocation": 3, "_get": 2, "_newest": 2,
    "_check_redis": 1, "_remember": 1, "_swap": 2, "_restore": 1,
}.items()}  # fmt: skip


def program(rng: random.Random, length: int) -> list[tuple[str, int]]:
    """Calls by name, each with the seed of its arguments; a ledger is made first."""
    names = rng.choices(list(CALLS), list(CALLS.values()), k=length)
    return [("init", 1), *((name, rng.randrange(10**9)) for name in names)]


def _mark(rng: random.Random, offset: int) -> SourceMark:
    """What a batch knows of its records; times of before every clock, so that two stores agree on them."""
    if rng.random() < 0.3:
        return SourceMark()
    newest, rose, seen = (rng.randrange(10**12) for _ in range(3))
    return SourceMark(offset, rng.randrange(10**12), 7, newest, rose, seen, rng.randbytes(16))


def _delta(rng: random.Random) -> Delta:
    markets = rng.sample(("BR", "DE"), rng.randrange(3))
    users = {f"{market}:{rng.choice((10, 11))}": [b"%08d" % rng.randrange(6) for _ in range(3)] for market in markets}
    excerpts = {
        market: [Excerpt(_order(rng), f"text {rng.randrange(9)}", "negative", "app", 5) for _ in range(2)]
        for market in markets
    }
    counts = {f"{market}:{600 + rng.randrange(20)}:e/app": rng.randrange(10**9) for market in markets}
    return Delta(counts, users, {"accepted": rng.randrange(5)}, excerpts)


def _order(rng: random.Random) -> int:
    """Of an excerpt: an older one, or one of four users or of nobody in particular."""
    return rng.choice((rng.randrange(2**33), 2**51 + rng.randrange(2**27) * 2**24 + rng.randrange(5)))


def _writes(ledger: Ledger, rng: random.Random) -> list[Any]:
    keys = ledger.keys
    some: list[list[Any]] = [
        ["SET", f"{PREFIX}:text", rng.randbytes(3)],
        ["HSET", f"{PREFIX}:hash", "a", rng.randrange(9), "b", rng.random() * 1e-5],
        ["HSET", keys.state, "market:BR", rng.randbytes(4)],
        ["HSET", keys.minutes("BR"), rng.randrange(5), b"\x00" * 8],
        ["HSET", keys.hours("DE"), rng.randrange(5), b"\x01" * 8],
        ["HDEL", keys.minutes("BR"), rng.randrange(5), rng.randrange(5)],
        ["SADD", f"{PREFIX}:set", "BR", rng.choice(("DE", "FR"))],
        ledger.outbox_write("topic", "key", rng.randbytes(5)),
        ["XADD", f"{PREFIX}:changes", "MAXLEN", "~", 10_000, "*", "step", rng.randrange(99)],
        ["RPUSH", f"{PREFIX}:list", rng.randbytes(2)],
        ["LTRIM", f"{PREFIX}:list", -3, -1],
        ["HINCRBY", keys.totals, "dead_letter:bad_profile", rng.randrange(3)],
    ]
    chosen = rng.sample(some, rng.randrange(len(some) + 1))
    if rng.random() < 0.03:
        broken: list[list[Any]] = [["HSET", f"{PREFIX}:list", "a", 1], ["SADD", keys.ledger, "x"]]
        chosen.insert(rng.randrange(len(chosen) + 1), rng.choice(broken))
    return chosen
