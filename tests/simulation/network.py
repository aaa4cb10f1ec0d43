"""Between workers and Redis: requests and replies take time, are lost, come late; partitions; restarts of Redis."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from types import TracebackType
from typing import Any, Protocol

from redis.exceptions import ConnectionError as Refused
from redis.exceptions import TimeoutError as TimedOut

from tests.simulation.clock import PROCESS, Process, VirtualLoop
from tests.simulation.fake_scripts import SCRIPTS

SOCKET_TIMEOUT_S = 10.0
LATEST_GHOST_S = 20.0
Run = Callable[[], Any]


class Store(Protocol):
    """Redis, fake or real: both answer alike, but for users, who are counted within so many."""

    users_within: int

    def request(self, method: str, *args: Any) -> Any:
        """One command by its name in redis-py."""

    def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> list[Any]:
        """Run one of the ledger's scripts."""

    def snapshot(self) -> Any:
        """A copy of everything."""

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""

    def close(self) -> None:
        """Close what is open."""


@dataclass
class Rates:
    """Chance of each fault per request; `after_kill` and `after_stop` hit the caller once its request ran."""

    refused: float = 0.0
    lost_request: float = 0.0
    lost_reply: float = 0.0
    ghost: float = 0.0
    slow: float = 0.0
    kill: float = 0.0
    stop: float = 0.0


@dataclass
class Network:
    """One Redis behind an unreliable network."""

    loop: VirtualLoop
    store: Store
    rng: random.Random
    fault: Callable[[str], None]
    hit: Callable[[Process, str], None]
    ran: Callable[[str, Sequence[str], Sequence[Any], list[Any]], None]
    rates: Rates = field(default_factory=Rates)
    down: bool = False
    cut_off: set[str] = field(default_factory=set)
    restarts: int = 0

    def connect(self, url: str) -> "Connection":
        """What `Ledger(connect=...)` is given."""
        return Connection(self)

    def restart(self) -> None:
        """Redis comes up anew: what was on its way to it is gone."""
        self.restarts += 1

    def run_script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> list[Any]:
        """Run a script at once and let the checks look at what it did."""
        answer = self.store.script(name, keys, args)
        self.ran(name, keys, args, answer)
        return answer

    async def call(self, what: str, run: Run) -> Any:
        """Send one request; its answer, or redis-py's error."""
        reply: asyncio.Future[Any] = self.loop.create_future()
        process, rng, rates = PROCESS.get(), self.rng, self.rates
        there, back = self._latency(), self._latency()
        unreachable = self.down or (process is not None and process.name in self.cut_off)
        chance = rng.random()
        if unreachable or chance < rates.refused:
            self._refuse(reply, there)
        elif (chance := chance - rates.refused) < rates.lost_request:
            self.fault(f"lost request {what}")
            self._time_out(reply, there)
        elif (chance := chance - rates.lost_request) < rates.lost_reply:
            self.fault(f"lost reply {what}")
            self.loop.later(there, self._execute, run, None, self.restarts, 0.0)
            self._time_out(reply, there + back)
        elif (chance := chance - rates.lost_reply) < rates.ghost:
            self.fault(f"ghost of {what}")
            self.loop.later(rng.uniform(0.0, LATEST_GHOST_S), self._execute, run, None, self.restarts, 0.0)
            self._time_out(reply, there)
        else:
            self.loop.later(there, self._execute, run, reply, self.restarts, back)
            if process is not None and (chance := chance - rates.ghost) < rates.kill + rates.stop:
                kind = "kill" if chance < rates.kill else "stop"
                self.loop.later(there + rng.choice((-0.5, 0.5)) * min(there, back), self.hit, process, kind)
        return await reply

    def _latency(self) -> float:
        if self.rates.slow and self.rng.random() < self.rates.slow:
            self.fault("slow")
            return self.rng.uniform(0.1, 4.0)
        return self.rng.uniform(0.0002, 0.02)

    def _time_out(self, reply: "asyncio.Future[Any]", reset_after_s: float) -> None:
        if self.rng.random() < 0.5:
            self._refuse(reply, reset_after_s)
        else:
            self.loop.later(SOCKET_TIMEOUT_S, settle, reply, TimedOut("Timeout reading from socket"))

    def _refuse(self, reply: "asyncio.Future[Any]", after_s: float) -> None:
        self.loop.later(after_s, settle, reply, Refused("Connection closed by server."))

    def _execute(self, run: Run, reply: "asyncio.Future[Any] | None", restarts: int, back_s: float) -> None:
        if self.down or restarts != self.restarts:
            if reply is not None:
                self._refuse(reply, back_s)
            return
        try:
            answer = run()
        except Exception as error:
            answer = error
        if reply is not None:
            self.loop.later(back_s, settle, reply, answer)


def settle(reply: "asyncio.Future[Any]", answer: Any) -> None:
    """Answer with a value or an error, unless nobody waits any more."""
    if reply.done():
        return
    if isinstance(answer, Exception):
        reply.set_exception(answer)
    else:
        reply.set_result(answer)


_NAMES = {(files("streams.ledger") / "lua" / f"{name}.lua").read_text("utf-8"): name for name in SCRIPTS}


class Connection:
    """The methods of redis-py's asyncio client that the ledger uses."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def register_script(self, text: str) -> Callable[..., Any]:
        """A script that is called as redis-py's are; known by its text."""
        name, network = _NAMES[text], self._network

        async def script(keys: list[str], args: list[Any]) -> Any:
            return await network.call(name, lambda: network.run_script(name, keys, args))

        return script

    def pipeline(self, transaction: bool) -> "Pipeline":
        """Collects commands and sends them at once."""
        return Pipeline(self._network, transaction)

    async def xrange(self, key: str, count: int) -> Any:
        return await self._request("xrange", key, "-", "+", count)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        async def command(*args: Any) -> Any:
            return await self._request(method, *args)

        return command

    async def _request(self, method: str, *args: Any) -> Any:
        return await self._network.call(method, lambda: self._network.store.request(method, *args))

    async def aclose(self) -> None:
        """Nothing is open."""


class Pipeline:
    """Commands that travel together; without a transaction a broken connection may cut them anywhere."""

    def __init__(self, network: Network, transaction: bool) -> None:
        self._network = network
        self._transaction = transaction
        self._commands: list[tuple[str, tuple[Any, ...]]] = []

    async def __aenter__(self) -> "Pipeline":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __getattr__(self, method: str) -> Callable[..., None]:
        return lambda *args: self._commands.append((method, args))

    async def execute(self) -> list[Any]:
        """Send; all answers."""
        answer: list[Any] = await self._network.call("pipeline", self._run)
        return answer

    def _run(self) -> list[Any]:
        network, commands = self._network, self._commands
        cut = not self._transaction and network.rng.random() < network.rates.lost_reply
        answers = [
            network.store.request(method, *args)
            for method, args in (commands[: network.rng.randrange(len(commands) + 1)] if cut else commands)
        ]
        if cut:
            network.fault("cut pipeline")
            raise Refused("Connection closed by server.")
        return answers
