"""Worker processes of a fault test, each with its own trouble; watched as a supervisor would."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.dev.embedded.child import die_with_parent
from streams.errors import EXIT_RESTART

ROOT = Path(__file__).parents[2]
MAIN = Path(__file__).parent / "worker_main.py"


@dataclass
class Worker:
    """One worker process and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    environment: Mapping[str, str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def send(self, number: signal.Signals) -> None:
        if self.alive():
            self.process.send_signal(number)

    def said(self, text: str) -> int:
        """How often its log holds a text."""
        return self.log.read_text("utf-8", "replace").count(text)


class Crew:
    """Starts workers, starts those again that ended with 75 or by SIGKILL, and remembers how every one ended."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.workers: list[Worker] = []
        self.ended: list[tuple[int, int]] = []  # pid, exit code
        self.restarts = 0
        self._started = 0

    def start(self, count: int = 1, **trouble: str) -> list[Worker]:
        """More workers; `failpoint="scored:3:kill"` and the like make the first life of each one hard."""
        added = [
            self._spawn({f"FAULTS_{name.upper()}": value for name, value in trouble.items()}) for _ in range(count)
        ]
        self.workers += added
        return added

    def _spawn(self, trouble: Mapping[str, str]) -> Worker:
        self._started += 1
        log = self._folder / f"worker-{self._started}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, str(MAIN)],
                env={**self._environment, **trouble},
                cwd=ROOT,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent(),
            )
        return Worker(process, log, trouble)

    def watch(self) -> None:
        """Start again what a supervisor would; what ended otherwise leaves the crew, see `ended`."""
        for at, worker in reversed(list(enumerate(self.workers))):
            code = worker.process.poll()
            if code is None:
                continue
            self.ended.append((worker.pid, code))
            if code in (EXIT_RESTART, -signal.SIGKILL):
                self.restarts += 1
                self.workers[at] = self._spawn(_lasting(worker.environment))
            else:
                del self.workers[at]

    def codes(self) -> list[int]:
        """Exit codes of all that ended so far."""
        return [code for _, code in self.ended]

    def ends(self, worker: Worker, seconds: float) -> int:
        """Exit code of a worker that ends by itself in time."""
        try:
            code = worker.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker {worker.pid} does not end\n{self.last_words()}") from None
        self.ended.append((worker.pid, code))
        self.workers.remove(worker)
        return code

    def retire(self, worker: Worker, seconds: float = 25.0) -> int:
        """SIGTERM, then its exit code."""
        worker.send(signal.SIGTERM)
        return self.ends(worker, seconds)

    def logs(self) -> list[Path]:
        """Logs of all lives."""
        return sorted(self._folder.glob("worker-*.log"))

    def said(self, text: str) -> int:
        """How often a text stands in all logs together."""
        return sum(log.read_text("utf-8", "replace").count(text) for log in self.logs())

    def last_words(self) -> str:
        """The end of every log, for a failure's message."""
        return "\n".join(f"--- {log.name}\n{log.read_text('utf-8', 'replace')[-1_500:]}" for log in self.logs()[-4:])

    def stop(self) -> None:
        """End all: SIGCONT, SIGTERM, and SIGKILL for those that stay."""
        for worker in self.workers:
            worker.send(signal.SIGCONT)
            worker.send(signal.SIGTERM)
        deadline = time.monotonic() + 8
        for worker in self.workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self.workers = []


def _lasting(trouble: Mapping[str, str]) -> dict[str, str]:
    """What a worker's next life keeps: all but a deed that was done once."""
    return {name: value for name, value in trouble.items() if name != "FAULTS_FAILPOINT" or ":*:" in value}
