"""A feed, a sink and a clock that are turned by hand."""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence

from marketpulse.contract.canary import ReceiptRecord
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.wire import encode
from streams.notify.courier import Acknowledge, Clock, Courier, Stopped
from streams.notify.feed import Arrivals, Arrived
from streams.notify.messages import Message, grouped
from streams.notify.sinks_file import SinkSpec
from streams.telemetry.progress import Progress


class HandClock(Clock):
    """A pause takes no time and moves the clock; when `end_ms` is reached the process stops."""

    def __init__(self, end_ms: int = 10_000_000) -> None:
        self.at_ms = 1_000_000
        self.end_ms = end_ms
        self.pauses: list[float] = []
        super().__init__(lambda: self.at_ms, asyncio.Event())

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at_ms += math.ceil(seconds * 1_000)
        if self.at_ms >= self.end_ms:
            raise Stopped


class LogFeed:
    """A topic's log in memory, read by one group; `commits` are what it was told."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.commits: list[int] = []
        self._at = 0
        self._begins = True

    def put(self, *alerts: AlertRecord) -> None:
        self.log += map(encode, alerts)

    def restarted(self) -> "LogFeed":
        """What the next process reads."""
        other = LogFeed()
        other.log, other.commits = self.log, self.commits
        return other

    async def poll(self, seconds: float) -> Arrivals:
        begins, self._begins = self._begins, False
        if begins:
            self._first, self._restore_to = not self.commits, self.commits[-1] if self.commits else len(self.log)
        found = [
            Arrived(at, 1, self.log[at], None if at >= self._restore_to else not self._first)
            for at in range(self._at, len(self.log))
        ]
        self._at = len(self.log)
        return Arrivals(tuple(found), begins, True, 0)

    async def commit(self, offset: int) -> None:
        self.commits.append(offset)

    async def close(self) -> None:
        """Nothing is open."""


class ScriptedSink:
    """Takes messages; each entry of `script` is the error that one try ends with, None = taken."""

    def __init__(self, *script: Exception | None, resend_s: float | None = None) -> None:
        self.resend_s = resend_s
        self.script = list(script)
        self.taken: list[Message] = []
        self.tries = 0

    def divided(self, alerts: Sequence[AlertRecord]) -> list[Message]:
        return grouped(alerts)

    def shown(self, message: Message, now_ms: int) -> str:
        return ""

    async def send(self, message: Message, now_ms: int) -> None:
        self.tries += 1
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        self.taken.append(message)

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one.id, one.state) for message in self.taken for one in message.alerts]


async def nowhere(receipt: ReceiptRecord) -> None:
    """Nobody asks for receipts."""


def courier(
    feed: LogFeed,
    sink: ScriptedSink,
    clock: HandClock,
    mutes: Iterable[MuteRecord] = (),
    acknowledge: Acknowledge = nowhere,
    fresh: Callable[[int], bool] = lambda _: True,
    **keys: object,
) -> Courier:
    spec = SinkSpec(name="desk", kind="webhook", url="https://hooks.example.com/token", **keys)  # type: ignore[arg-type]
    return Courier(spec, sink, feed, lambda _: mutes, clock, Progress(), acknowledge, fresh)
