"""Whether a figure stays flat over time: memory and descriptors of processes, looked at again and again."""

import contextlib
import time
from collections.abc import Iterable

import numpy as np

from tests.faults.crew import Worker


def growth(times: Iterable[float], values: Iterable[float]) -> float:
    """How much the least-squares line grows from the first time to the last; 0 with fewer than 5 values."""
    t, y = np.array(list(times), float), np.array(list(values), float)
    if len(t) < 5:
        return 0.0
    slope, _ = np.polyfit(t - t[0], y, 1)
    return float(slope * (t[-1] - t[0]))


class Trend:
    """Memory and descriptors of workers, per process; what a process needs to warm up is left out."""

    def __init__(self, warm_up_s: float = 15.0) -> None:
        self._warm_up_s = warm_up_s
        self._looked = 0.0
        self._born: dict[int, float] = {}
        self._seen: dict[int, list[tuple[float, int, int]]] = {}

    def look(self, workers: Iterable[Worker]) -> None:
        """Take a sample of every process that lives and is warm, once a second at most."""
        now = time.monotonic()
        if now - self._looked < 1.0:
            return
        self._looked = now
        for worker in workers:
            born = self._born.setdefault(worker.pid, now)
            if now - born < self._warm_up_s:
                continue
            with contextlib.suppress(OSError):
                self._seen.setdefault(worker.pid, []).append((now, worker.memory(), worker.descriptors()))

    def memory_growth(self) -> float:
        """Bytes by which the process that grew most has grown, by its line."""
        return max([growth([at for at, _, _ in one], [rss for _, rss, _ in one]) for one in self._seen.values()] or [0])

    def descriptor_growth(self) -> float:
        """The same for descriptors."""
        return max([growth([at for at, _, _ in one], [n for _, _, n in one]) for one in self._seen.values()] or [0])

    def most_memory(self) -> int:
        """Bytes of the largest process ever seen."""
        return max([rss for one in self._seen.values() for _, rss, _ in one] or [0])

    def longest_watched(self) -> float:
        """Seconds for which one process was watched, the longest of all."""
        return max([one[-1][0] - one[0][0] for one in self._seen.values()] or [0.0])
