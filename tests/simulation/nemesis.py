"""The nemesis: which faults a seed brings, how often, and when they end."""

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.checks import Checks
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.kafka import Kafka
from tests.simulation.network import Network, Rates

KINDS = ("kill", "stop", "terminate", "redis down", "redis restored", "kafka down", "cut off", "rebalance")


@dataclass
class Plan:
    """One seed's faults; every seed has a few kinds of all, so that each is met with and without each other."""

    kinds: list[str]
    rates: Rates
    pause_s: float
    failpoint: float
    jump: float
    unacknowledged: float
    seconds: float

    @classmethod
    def of(cls, rng: random.Random, without: Collection[str] = ()) -> "Plan":
        """Draw a plan; `without` names kinds that are left out of it."""

        def maybe(most: float) -> float:
            return rng.uniform(0.0, most) if rng.random() < 0.4 else 0.0

        return cls(
            kinds=[kind for kind in KINDS if rng.random() < 0.35 and kind not in without],
            rates=Rates(*(maybe(most) for most in (0.05, 0.05, 0.08, 0.05, 0.05, 0.01, 0.01))),
            pause_s=rng.choice((0.5, 2.0, 4.0)),
            failpoint=maybe(0.15),
            jump=maybe(0.5),
            unacknowledged=maybe(0.3),
            seconds=rng.uniform(8.0, 24.0),
        )


class Fleet(Protocol):
    """The workers as the nemesis sees them."""

    def alive(self) -> list[Process]:
        """Processes that run or are stopped."""

    def kill(self, process: Process) -> None:
        """SIGKILL."""

    def terminate(self, process: Process) -> None:
        """SIGTERM."""

    def say(self, text: str) -> None:
        """A line of the trace."""


@dataclass
class Nemesis:
    """Brings faults until its time is over, then mends everything."""

    plan: Plan
    rng: random.Random
    loop: VirtualLoop
    network: Network
    kafka: Kafka
    checks: Checks
    fleet: Fleet
    over: bool = False
    injected: dict[str, int] = field(default_factory=dict)

    def fault(self, kind: str) -> None:
        """Count a fault and say it."""
        self.injected[kind] = self.injected.get(kind, 0) + 1
        self.fleet.say(f"fault: {kind}")

    def hit(self, process: Process, kind: str) -> None:
        """A fault that strikes one process right at a request or failpoint."""
        if self.over or process.dead or process.stopped:
            return
        self.fault(f"{kind} {process.name}")
        if kind == "kill":
            self.fleet.kill(process)
        else:
            process.stop()
            self.loop.later(self.rng.choice((0.5, 3.0, 8.0, 14.0)), self._resume, process)

    async def at(self, process: Process, name: str) -> None:
        """What happens at a failpoint."""
        if not self.over and self.rng.random() < self.plan.failpoint:
            self.hit(process, self.rng.choice(("kill", "stop")))
            await asyncio.sleep(0)  # frozen or dead: nothing after this line runs until it goes on

    async def run(self) -> None:
        """Until the time of faults is over."""
        self.network.rates = self.plan.rates
        self.kafka.jump, self.kafka.unacknowledged = self.plan.jump, self.plan.unacknowledged
        snapshots = [self.checks.remember()]
        while self.loop.time() < self.plan.seconds:
            await asyncio.sleep(self.rng.expovariate(1 / self.plan.pause_s))
            if self.rng.random() < 0.5:
                snapshots.append(self.checks.remember())
            if not self.plan.kinds:
                continue
            kind = self.rng.choice(self.plan.kinds)
            if kind == "redis restored":
                self.fault(kind)
                self.network.restart()
                del snapshots[1 + self.rng.randrange(max(0, len(snapshots) - 3), len(snapshots)) :]
                self.checks.restored(*snapshots[-1])
            else:
                self._bring(kind)
        self._mend()

    def _bring(self, kind: str) -> None:
        alive = self.fleet.alive()
        seconds = self.rng.choice((0.3, 2.0, 7.0))
        if kind in ("kill", "stop") and alive:
            self.hit(self.rng.choice(alive), kind)
        elif kind == "terminate" and alive:
            chosen = self.rng.choice(alive)
            self.fault(f"{kind} {chosen.name}")
            self.fleet.terminate(chosen)
        elif kind == "redis down":
            self.fault(kind)
            self.network.down = True
            self.network.restart()
            self.loop.later(seconds, self._redis_up)
        elif kind == "kafka down":
            self.fault(kind)
            self.kafka.down = True
            self.loop.later(seconds, self._kafka_up)
        elif kind == "cut off" and alive:
            chosen = self.rng.choice(alive)
            self.fault(f"{kind} {chosen.name}")
            self.network.cut_off.add(chosen.name)
            self.loop.later(seconds, self.network.cut_off.discard, chosen.name)
        elif kind == "rebalance":
            self.fault(kind)
            self.kafka.group.rebalance()

    def _resume(self, process: Process) -> None:
        if process.stopped and not process.dead:
            self.fleet.say(f"resumed {process.name}")
            process.resume()

    def _redis_up(self) -> None:
        self.network.down = False

    def _kafka_up(self) -> None:
        self.kafka.down = False

    def _mend(self) -> None:
        self.over = True
        self.network.rates = Rates()
        self.kafka.jump = self.kafka.unacknowledged = 0.0
        self._redis_up()
        self._kafka_up()
        self.network.cut_off.clear()
        for process in self.fleet.alive():
            self._resume(process)
