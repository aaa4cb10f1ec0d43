"""A worker for fault tests: production's, with a failpoint and a slow or failing stub that the environment asks for.

| variable | what |
|---|---|
| `FAULTS_FAILPOINT` | `place:n:deed`: at the n-th passage `kill`s or `stop`s itself; n = `*`: each sleeps `deed` s |
| `FAULTS_SECONDS_PER_TEXT` | the stub takes so long for each text |
| `FAULTS_POISON` | texts that hold this make the model answer with something that is no probability |
| `FAULTS_CLOCK_SKEW` | seconds by which this process's wall clock is wrong |
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence

from models.classifier import Predictions
from models.errors import BadOutput
from models.stub import StubClassifier
from streams.app import run_worker
from streams.settings import load_settings


class Failpoint:
    """Does its deed at one passage through one place, or sleeps at every one."""

    def __init__(self, place: str, passage: str, deed: str) -> None:
        self._place = place
        self._left = 0 if passage == "*" else int(passage)
        self._deed = deed

    async def __call__(self, name: str) -> None:
        if name != self._place:
            return
        if self._deed not in ("kill", "stop"):
            await asyncio.sleep(float(self._deed))
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL if self._deed == "kill" else signal.SIGSTOP)


class TroubledStub(StubClassifier):
    """The stub, slower and with texts on which it fails."""

    def __init__(self, seconds_per_text: float, poison: str) -> None:
        self._seconds_per_text = seconds_per_text
        self._poison = poison

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        """As the stub. Raises BadOutput for a batch with poison in it."""
        time.sleep(self._seconds_per_text * len(texts))
        if self._poison and any(self._poison in text for text in texts):
            raise BadOutput("the model answered with NaN")
        return super().classify(texts, languages)


def main() -> None:
    """Run one worker until a signal."""
    skew_s = float(os.environ.get("FAULTS_CLOCK_SKEW", "0"))
    true_time, true_time_ns = time.time, time.time_ns
    time.time = lambda: true_time() + skew_s
    time.time_ns = lambda: true_time_ns() + int(skew_s * 1e9)
    asked = os.environ.get("FAULTS_FAILPOINT", "nowhere:1:kill").split(":")
    slow = float(os.environ.get("FAULTS_SECONDS_PER_TEXT", "0"))
    run_worker(load_settings(), Failpoint(*asked), TroubledStub(slow, os.environ.get("FAULTS_POISON", "")))


if __name__ == "__main__":
    main()
