"""What stands under a ledger's prefix, as plain entries: read, written under another prefix, removed."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from marketpulse.client.redis_server import translated_errors
from marketpulse.contract.metrics import WINDOWS
from marketpulse.contract.records import Excerpt
from streams.ledger.commit import Ledger
from streams.ledger.keys import Keys
from streams.ledger.types import Command, CutStep, Entry, Kind, excerpts_of

SLICE = 500
SCRATCH_S = 86_400  # what a replay, rebuild or reset left behind that was killed goes by itself
SCRATCH_USERS_S = 60 * 3_600  # distinct users there: a replay counts with them, and must not outlast them
_READ = {"string": "GET", "hash": "HGETALL", "set": "SMEMBERS", "list": "LRANGE"}
_WRITE = {"string": "SET", "hash": "HSET", "set": "SADD", "list": "RPUSH"}

_KEYS = Keys("")
Name = tuple[str, Kind]


def common_names() -> list[Name]:
    """Keys that a ledger has once, without those of the commit path: offsets, ids, totals, open steps, outbox."""
    return _named(
        {
            "string": [
                _KEYS.allocation, _KEYS.portfolio, _KEYS.mutes, _KEYS.model, _KEYS.shift_seq, _KEYS.allocation_seq,
            ],
            "hash": [
                _KEYS.state, _KEYS.alerts, _KEYS.step,
                *(_KEYS.table(metric, window) for metric in "urst" for window in WINDOWS),
            ],
            "set": [_KEYS.markets],
            "list": [_KEYS.answers],
        }
    )  # fmt: skip


def market_names(market: str) -> list[Name]:
    """Keys that every market has, without its distinct users."""
    strings = [_KEYS.metrics(market), _KEYS.topics(market), _KEYS.excerpts(market)]
    return _named({"string": strings, "hash": [_KEYS.minutes(market), _KEYS.hours(market)]})


def _named(keys: Mapping[Kind, Iterable[str]]) -> list[Name]:
    return [(key.removeprefix(_KEYS.namespace), kind) for kind, some in keys.items() for key in some]


class LedgerContent:
    """The content under one prefix. Every method raises Unavailable."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._redis = ledger.redis
        self.namespace = ledger.keys.namespace

    async def read(self, names: Iterable[Name]) -> list[Entry]:
        """Those of the keys that are there, all of one moment."""
        names = list(names)
        with translated_errors(self._ledger.url):
            async with self._redis.pipeline(transaction=True) as pipe:
                for name, kind in names:
                    pipe.execute_command(_READ[kind], self.namespace + name, *((0, -1) if kind == "list" else ()))
                found = await pipe.execute()
        entries = []
        for (name, kind), value in zip(names, found, strict=True):
            rows = [value] if kind == "string" else list(value)
            if kind == "hash":
                rows = [part for pair in value.items() for part in pair]
            if value:
                entries.append(Entry(name, kind, rows))
        return entries

    async def unpublished_excerpts(self) -> list[dict[str, list[Excerpt]]]:
        """Market -> excerpts of the step that is cut and not published, where there is one, and of the open one."""
        keys = self._ledger.keys
        with translated_errors(self._ledger.url):
            published = int(await self._redis.hget(keys.ledger, "published") or 0)
            async with self._redis.pipeline(transaction=True) as pipe:
                for step in (published + 1, published + 2):
                    pipe.hgetall(keys.step_excerpts(step))
                return [excerpts_of(fields) for fields in await pipe.execute() if fields]

    async def longest_life_s(self, names: Iterable[str]) -> int | None:
        """Seconds until the last of these keys is gone by itself, 0 if they are; None = never."""
        with translated_errors(self._ledger.url):
            async with self._redis.pipeline(transaction=True) as pipe:
                for name in names:
                    pipe.ttl(self.namespace + name)
                lives = [int(seconds) for seconds in await pipe.execute()]
        return None if -1 in lives else max([0, *lives])

    async def scan(self, pattern: str = "*") -> AsyncIterator[list[str]]:
        """Names of keys, in slices; what comes or goes meanwhile may be in it or not."""
        cursor = 0
        while True:
            with translated_errors(self._ledger.url):
                cursor, keys = await self._redis.scan(cursor, match=self.namespace + pattern, count=SLICE)
            if keys:
                yield [key.decode()[len(self.namespace) :] for key in keys]
            if not cursor:
                return

    async def write(self, commands: Iterable[Command]) -> None:
        """Execute commands, in slices of which each is done whole or not at all."""
        commands = iter(commands)
        while chosen := list(islice(commands, SLICE)):
            with translated_errors(self._ledger.url):
                async with self._redis.pipeline(transaction=True) as pipe:
                    for command in chosen:
                        pipe.execute_command(*command)
                    await pipe.execute()

    def writes_of(self, entries: Iterable[Entry]) -> Iterator[Command]:
        """The commands that put entries under this prefix, without an expiry."""
        for entry in entries:
            for at in range(0, len(entry.rows), 1_000):
                yield [_WRITE[entry.kind], self.namespace + entry.name, *entry.rows[at : at + 1_000]]

    async def stage(self, commands: Iterable[Command], life_s: int = SCRATCH_S) -> None:
        """Execute writes of single keys; each key goes by itself after `life_s`, should nobody put it in place.

        SLICE is even: a write and its expiry are done both or neither.
        """
        await self.write(part for command in commands for part in (command, ["EXPIRE", command[1], life_s]))

    async def remove(self) -> None:
        """Remove everything under the prefix."""
        async for names in self.scan():
            await self.write([["UNLINK", *(self.namespace + name for name in names)]])

    async def stage_users(self, step: CutStep) -> None:
        """Put a step's HyperLogLogs where `Ledger.merge_users` looks for them."""
        keys = self._ledger.keys
        await self.write(
            ["SET", keys.step_users(step.number, bucket), blob, "EX", SCRATCH_S] for bucket, blob in step.users.items()
        )

    async def drop_users(self, step: CutStep) -> None:
        """Remove what `stage_users` put there."""
        keys: Sequence[str] = [self._ledger.keys.step_users(step.number, bucket) for bucket in step.users]
        if keys:
            await self.write([["UNLINK", *keys]])
