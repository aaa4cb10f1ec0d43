"""Watches, while faults go on, what must hold at every moment: safety."""

import threading
import time
from typing import Any

import redis

from tests.faults.shown import connect


class Guard:
    """Reads the ledger about four times a second from a thread; what went wrong stands in `violations`.

    Offsets and the published step never go back (unless Redis was set back: `forgive`), and no partition stands still
    for longer than `stall` says while the log goes on.
    """

    def __init__(self, url: str, prefix: str, partitions: int) -> None:
        self._client = connect(url)
        self._prefix = prefix
        self._numbers = range(partitions)
        self._offsets: dict[int, int] = {}
        self._moved: dict[int, float] = {}
        self._step = 0
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.violations: list[str] = []
        self.stalls: dict[int, float] = {}
        self.looks = 0
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()

    def forgive(self) -> None:
        """Redis is down and was set back on purpose: what it says next is the new truth."""
        with self._lock:
            self._offsets, self._step = {}, 0

    def forget_stalls(self) -> None:
        """Measure stand-stills from now on."""
        with self._lock:
            self.stalls, self._moved = {}, dict.fromkeys(self._numbers, time.monotonic())

    def _run(self) -> None:
        while not self._ending.wait(0.25):
            try:
                with self._lock:
                    self._look()
            except (redis.RedisError, OSError):
                continue  # Redis is away: nothing to see

    def _look(self) -> None:
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hget(f"{self._prefix}:ledger", "published")
            for number in self._numbers:
                pipe.hget(f"{self._prefix}:partition:{number}", "next")
            published, *offsets = pipe.execute()
        self.looks += 1
        if int(published or 0) < self._step:
            self.violations.append(f"the published step went back from {self._step} to {published}")
        self._step = int(published or 0)
        now = time.monotonic()
        for number, value in zip(self._numbers, offsets, strict=True):
            at, before = int(value or 0), self._offsets.get(number, 0)
            if at < before:
                self.violations.append(f"partition {number} went back from {before} to {at}")
            if at != before:
                stall = now - self._moved.get(number, now)
                self.stalls[number] = max(self.stalls.get(number, 0.0), stall)
                self._moved[number] = now
            self._offsets[number] = at

    @property
    def longest_stall(self) -> float:
        """Seconds for which a partition stood still, the longest of all."""
        return max(self.stalls.values(), default=0.0)

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
        self._thread.join(10)
        self._client.close()

    def holds(self) -> Any:
        """Raises AssertionError with the first violation."""
        assert not self.violations, self.violations[0]
