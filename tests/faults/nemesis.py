"""Seeded schedules of faults: who is killed, stopped or ended when, and when it comes back."""

import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.dev.embedded.servers import Server
from tests.faults.crew import Worker
from tests.faults.job import Job
from tests.faults.servers import revive


@dataclass(frozen=True, order=True)
class Deed:
    """At `at` s something is done to a target, and undone `lasts` s later; `pick` in [0, 1) chooses among workers."""

    at: float
    verb: str  # kill, stop (SIGSTOP), end (SIGTERM)
    target: str  # worker, broker, redis
    lasts: float = 0.0
    pick: float = 0.0

    def __str__(self) -> str:
        back = f", back {self.lasts:.1f} s later" if self.lasts else ""
        return f"{self.at:6.1f} s  {self.verb} {self.target}{back}"


@dataclass(frozen=True)
class Kind:
    """A kind of deed that a schedule draws from: how long it lasts, and how much of the time it may be."""

    verb: str
    target: str
    lasts: tuple[float, float] = (0.0, 0.0)


KILL_WORKER = Kind("kill", "worker")
END_WORKER = Kind("end", "worker")
STOP_WORKER = Kind("stop", "worker", (3.0, 14.0))
KILL_BROKER = Kind("kill", "broker", (1.0, 6.0))
STOP_BROKER = Kind("stop", "broker", (1.0, 6.0))
KILL_REDIS = Kind("kill", "redis", (0.5, 5.0))
STOP_REDIS = Kind("stop", "redis", (0.5, 5.0))


def schedule(seed: int, seconds: float, kinds: Sequence[Kind], gap: tuple[float, float] = (1.5, 4.0)) -> list[Deed]:
    """Deeds of one seed over `seconds`; the next begins `gap` s after the one before began.

    A deed may last into the next. A server has one trouble at a time.
    """
    rng = random.Random(seed)
    deeds: list[Deed] = []
    busy = {"broker": 0.0, "redis": 0.0}
    at = rng.uniform(*gap)
    while at < seconds:
        kind = rng.choice(kinds)
        lasts, pick = round(rng.uniform(*kind.lasts), 1), round(rng.random(), 3)
        if busy.get(kind.target, 0.0) <= at:
            deeds.append(Deed(round(at, 1), kind.verb, kind.target, lasts, pick))
            if kind.target in busy:
                busy[kind.target] = at + lasts + 1.0
        at += rng.uniform(*gap)
    return deeds


class Nemesis:
    """Plays a schedule on a job; every fault is over when `play` returns."""

    def __init__(self, deeds: Sequence[Deed]) -> None:
        self.deeds = sorted(deeds)
        sys.stdout.write("\n".join(["", "schedule:", *map(str, self.deeds), ""]))  # shown with -s and on failure

    def play(self, job: Job, meanwhile: Callable[[], object] | None = None) -> None:
        """Do and undo everything in time, watching the workers; `meanwhile` is called again and again."""
        began = time.monotonic()
        undo: list[tuple[float, Callable[[], object]]] = []
        todo: list[tuple[float, Deed]] = [(deed.at, deed) for deed in self.deeds]
        while todo or undo:
            now = time.monotonic() - began
            job.crew.watch()
            (meanwhile or _nothing)()
            for due in [one for one in undo if one[0] <= now]:
                undo.remove(due)
                due[1]()
            if todo and todo[0][0] <= now:
                deed = todo.pop(0)[1]
                undo.append((now + deed.lasts, self._do(deed, job)))
            time.sleep(0.05)

    def _do(self, deed: Deed, job: Job) -> Callable[[], object]:
        if deed.target == "worker":
            return self._do_to_worker(deed, job)
        server = {"broker": job.stack.kafka, "redis": job.stack.redis}[deed.target]
        return self._do_to_server(deed, server)

    def _do_to_worker(self, deed: Deed, job: Job) -> Callable[[], object]:
        if not job.crew.workers:
            return _nothing
        worker = job.crew.workers[int(deed.pick * len(job.crew.workers))]
        if deed.verb == "kill":
            worker.send(signal.SIGKILL)
            return _nothing
        if deed.verb == "stop":
            worker.send(signal.SIGSTOP)
            return lambda: worker.send(signal.SIGCONT)
        assert deed.verb == "end"
        return lambda: _replaced(worker, job)

    def _do_to_server(self, deed: Deed, server: Server) -> Callable[[], Any]:
        if deed.verb == "kill":
            server.kill()
        else:
            server.send(signal.SIGSTOP)
        return lambda: revive(server)


def _replaced(worker: Worker, job: Job) -> None:
    """SIGTERM, exit code 0, and another one in its place. A worker that is stopped goes on first.

    One that was started a moment ago, and is still loading Python's modules, just ends.
    """
    worker.send(signal.SIGCONT)
    if worker in job.crew.workers and worker.alive():
        code = job.crew.retire(worker)
        assert code == 0 or (code == -signal.SIGTERM and not worker.said('"worker_started"')), code
        job.crew.start()


def _nothing() -> None:
    """There is nothing to undo."""
