"""What must hold after every script, and at the end: counts equal the recount, offsets and steps only grow."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import msgspec
import numpy as np

from streams.contract.journal import StepRecord
from streams.ledger.keys import Keys
from streams.pipeline.count.cells import CellLayout
from tests.simulation.clock_oracle import ClockOracle
from tests.simulation.kafka import Kafka
from tests.simulation.network import Store
from tests.simulation.oracle import DEAD_LETTERS, DUPLICATES, HOUR_MS, Counts, Recount, counted, users

Promise = tuple[str, bytes, bytes]  # topic, key, value of a record that a step or an answer put in the outbox


class Checks:
    """Looks at the store after every script; `fail` is called with the first thing that is wrong."""

    def __init__(
        self, store: Store, kafka: Kafka, keys: Keys, layout: CellLayout, idle_ms: int, fail: Callable[[str], None]
    ) -> None:
        self._store = store
        self._kafka = kafka
        self._keys = keys
        self._layout = layout
        self._fail = fail
        self._partitions = range(kafka.partitions)
        self._next = [0] * kafka.partitions
        self._published = 0
        self._recount = Recount(kafka.log)
        self._newest: dict[str, int] = {}  # number of the newest claim of a partition, of the newest lease
        self._given: dict[tuple[str, int], str] = {}  # number -> the lease holder it was given to; "" for claims
        self.clocks = ClockOracle(kafka.log, idle_ms, fail)
        self.promises: list[Promise] = []
        self.withdrawn: set[Promise] = set()

    # --- after every script -------------------------------------------------------------------------------------

    def ran(self, name: str, keys: Sequence[str], args: Sequence[Any], answer: list[Any]) -> None:
        """A script ran to its end."""
        if answer[0] != b"OK":
            return
        if name in ("claim", "lease"):
            lease = name == "lease"
            self._numbers_grow(keys[-1], int(answer[2 if lease else 1]), f"{args[0]} {args[2]}" if lease else "")
            return
        if name in ("commit", "cut", "publish"):
            key = keys[1] if name == "commit" else keys[0]
            if int(args[1]) != self._newest[key]:
                self._fail(f"{name} under number {args[1]}, the newest is {self._newest[key]}")
        self._offsets_grow()
        if name == "publish":
            self._steps_grow(int(args[2]))
            promised = _promised(msgpack.unpackb(args[3], raw=True)[b"writes"], self._keys.outbox)
            self.promises += promised
            for topic, _, value in promised:
                if _is_journal(topic):
                    self.clocks.published(msgspec.json.decode(value, type=StepRecord))
        if name == "allocate":
            self.promises += _promised(msgpack.unpackb(args[1], raw=True), self._keys.outbox)
        if name != "cut":
            self.balance()

    def remember(self) -> tuple[Any, int]:
        """A snapshot of Redis, and how much was promised by then."""
        return self._store.snapshot(), len(self.promises)

    def restored(self, snapshot: Any, promised: int) -> None:
        """Redis goes back: offsets, steps and promises with it."""
        self._store.restore(snapshot)
        self.withdrawn |= set(self.promises[promised:])
        del self.promises[promised:]
        self._next = [self.stored_next(number) for number in self._partitions]
        self._published = int(self._store.request("hget", self._keys.ledger, "published"))
        self._recount = Recount(self._kafka.log)
        self.clocks.forget()
        for key in self._newest:
            field = "lease_number" if key == self._keys.ledger else "claim"
            self._newest[key] = int(self._store.request("hget", key, field) or 0)

    def stored_next(self, partition: int) -> int:
        """The ledger's offset of a partition."""
        return int(self._store.request("hget", self._keys.partition(partition), "next") or 0)

    def _offsets_grow(self) -> None:
        for number in self._partitions:
            now = self.stored_next(number)
            if not self._next[number] <= now <= self._kafka.ends[number]:
                self._fail(f"partition {number} went from {self._next[number]} to {now} of {self._kafka.ends[number]}")
            self._next[number] = now

    def _numbers_grow(self, key: str, number: int, holder: str) -> None:
        """A claim's number is new, a lease's means one holder: even when Redis has forgotten some."""
        known = self._given.get((key, number))
        if known is not None and (not holder or known != holder):
            self._fail(f"number {number} of {key} was handed out twice: {known} {holder}")
        self._given[key, number] = holder
        self._newest[key] = number

    def _steps_grow(self, step: int) -> None:
        if step != self._published + 1:
            self._fail(f"step {step} was published after step {self._published}")
        self._published = step

    def balance(self) -> None:
        """Published and open counts together are the recount of everything below the stored offsets."""
        for number in self._partitions:
            self._recount.advance(number, self._next[number])
        expected = Counter(self._recount.total)
        expected.pop(("*", 0, DUPLICATES), None)
        expected.pop(("*", 0, DEAD_LETTERS), None)
        self._same("counts", expected, self._held())

    def _held(self) -> Counts:
        """Counts of the published buckets and of the steps that are cut or open; dead letters are in the totals."""
        found = self._buckets()
        published, opened = self._store.request("hmget", self._keys.ledger, "published", "open")
        for step in range(int(published) + 1, int(opened) + 1):
            for field, value in self._store.request("hgetall", self._keys.step_counts(step)).items():
                market, minute, cell = field.decode().split(":", 2)
                if market != "*":
                    found[market, int(minute) // 60, cell] += int(value)
        return found

    def _buckets(self) -> Counts:
        found: Counts = Counter()
        for field in self._store.request("hgetall", self._keys.state):
            market = field.decode().partition(":")[2]
            if not market:
                continue
            for hour, content in self._store.request("hgetall", self._keys.hours(market)).items():
                cells = np.frombuffer(content, np.int64)
                for at in np.nonzero(cells)[0].tolist():
                    found[market, int(hour), self._layout.names[at]] += int(cells[at])
        return found

    def _same(self, what: str, expected: Any, actual: Any) -> None:
        if expected == actual:
            return
        for key in sorted(expected.keys() | actual.keys(), key=str):
            if expected.get(key, 0) != actual.get(key, 0):
                self._fail(f"{what} {key}: expected {expected.get(key, 0)}, found {actual.get(key, 0)}")
                return

    # --- at the end ---------------------------------------------------------------------------------------------

    def unfinished(self) -> str:
        """What is not counted, published or relayed yet; empty = all is done."""
        for number in self._partitions:
            if (at := self.stored_next(number)) < self._kafka.ends[number]:
                return f"partition {number} stands at {at} of {self._kafka.ends[number]}"
        published, opened = map(int, self._store.request("hmget", self._keys.ledger, "published", "open"))
        if opened != published + 1 or self._store.request("hlen", self._keys.step_counts(opened)):
            return f"step {published + 1} is not published"
        if self._store.request("xrange", self._keys.outbox, "-", "+", 1):
            return "the outbox is not relayed"
        return ""

    def final(self) -> None:
        """Everything once more, from the begin, with totals, users, journal and what was relayed."""
        self._recount = Recount(self._kafka.log)
        self.balance()
        recount = self._recount.total
        totals = {k.decode(): int(v) for k, v in self._store.request("hgetall", self._keys.totals).items()}
        dead = sum(count for name, count in totals.items() if name.startswith("dead_letter:"))
        accepted = sum(count for (_, _, cell), count in recount.items() if "/" in cell and not cell.startswith("e/"))
        self._same(
            "totals",
            {"accepted": accepted, "dead": recount["*", 0, DEAD_LETTERS], "duplicates": recount["*", 0, DUPLICATES]},
            {"accepted": totals.get("accepted", 0), "dead": dead, "duplicates": totals.get("duplicates", 0)},
        )
        for at, expected in sorted(users(self._kafka.log).items()):
            found = self._store.request("pfcount", self._keys.users_of_hour(*at))
            if abs(found - expected) > self._store.users_within:
                self._fail(f"users {at}: expected {expected}, found {found}")
        self._journal()
        self._relayed()
        self._sent()

    def _sent(self) -> None:
        """What the model said of every accepted event, and every broken record, is on its topic."""
        topics, feedback = self._kafka.topics, f"{self._keys.prefix}.feedback"
        classified = {json.loads(value)["id"] for _, value in topics.get(f"{feedback}.classified", ())}
        dead = {value for _, value in topics.get(f"{feedback}.dead-letter", ())}
        for partition, records in enumerate(self._kafka.log):
            seen: set[str] = set()
            for record in records:
                cells = {cell for _, _, cell in counted(record, seen)}
                if DEAD_LETTERS in cells and record.value not in dead:
                    self._fail(f"dead letter {record.partition}-{record.offset} is missing")
                if "confidence" in cells and f"{feedback}-{partition}-{record.offset}" not in classified:
                    self._fail(f"classified {record.partition}-{record.offset} is missing")

    def _journal(self) -> None:
        """The journal alone gives the counts, and its steps follow each other."""
        steps = [msgspec.json.decode(value, type=StepRecord) for topic, _, value in self.promises if _is_journal(topic)]
        if [one.step for one in steps] != list(range(1, self._published + 1)):
            self._fail(f"journal: steps {[one.step for one in steps]} of {self._published}")
        found: Counts = Counter()
        for step in steps:
            for market, minutes in step.deltas.items():
                for minute, cells in minutes.items():
                    for cell, value in cells.items():
                        if market == "*":
                            found["*", 0, DEAD_LETTERS] += value
                        else:
                            found[market, int(minute) * 60_000 // HOUR_MS, cell] += value
        expected = Counter(self._recount.total)
        expected.pop(("*", 0, DUPLICATES), None)
        self._same("journal", expected, found)

    def _relayed(self) -> None:
        """Every promised record stands on its topic, first occurrences in the order promised, and nothing else.

        One that was promised before in a time that Redis forgot, in the same words, may have been relayed then already.
        """
        promised = dict.fromkeys(self.promises)
        topics = sorted({topic for topic, _, _ in promised} | {one for one in self._kafka.topics if ".market." in one})
        for topic in topics:
            first = dict.fromkeys((topic, key, value) for key, value in self._kafka.topics.get(topic, ()))
            strangers = [one for one in first if one not in promised and one not in self.withdrawn]
            if strangers:
                self._fail(f"{topic}: relayed what was never published: {strangers[0]}")
            due = [one for one in promised if one[0] == topic]
            missing = [one for one in due if one not in first]
            if missing:
                self._fail(f"{topic}: not relayed: {missing[0]}")
            new = promised.keys() - self.withdrawn
            if [one for one in first if one in new] != [one for one in due if one in new]:
                self._fail(f"{topic}: not relayed in order")


def _promised(writes: list[list[bytes]], outbox: str) -> list[Promise]:
    wanted = [b"XADD", outbox.encode(), b"*", b"topic"]
    return [(write[4].decode(), write[6], write[8]) for write in writes if write[:4] == wanted]


def _is_journal(topic: str) -> bool:
    return topic.endswith(".market.steps")
