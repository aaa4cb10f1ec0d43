"""Worker processes as children: started, watched, started again where a restart helps, stopped."""

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from marketpulse.errors import OperatorNeeded
from streams.dev.embedded.child import private_folder
from streams.dev.processes import start_marketpulse
from streams.errors import EXIT_RESTART

Report = Callable[[dict[str, object]], object]
SHORT_LIFE_S = 10.0
LONGEST_PAUSE_S = 30.0


class Supervisor:
    """Keeps `count` workers running; tell it to look with `watch`, about once a second.

    A worker that ended soon after its start is started again after a pause, which doubles each time up to 30 s.
    """

    def __init__(self, count: int, environment: Mapping[str, str], log_folder: Path, report: Report) -> None:
        self._environment = environment
        self._folder = log_folder
        self._report = report
        self._count = count
        self._started = 0
        self.workers: list[subprocess.Popen[str]] = []
        self.restarts = 0
        self._born: dict[int, float] = {}  # process id -> when
        self._pauses: dict[int, float] = {}  # slot -> the last pause
        self._due: dict[int, float] = {}  # slot -> when it is started again

    def start(self) -> None:
        """Start all workers."""
        self.workers = [self._spawn() for _ in range(self._count)]

    def _spawn(self) -> subprocess.Popen[str]:
        private_folder(self._folder)
        self._started += 1
        with (self._folder / f"worker-{self._started}.log").open("ab") as log:
            process = start_marketpulse("worker", environment=self._environment, stdout=log, stderr=log)
        self._born[process.pid] = time.monotonic()
        self._report({"event": "worker_started", "pid": process.pid})
        return process

    def logs(self) -> list[Path]:
        """Log files of all workers so far, the newest last."""
        return sorted(self._folder.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)

    def watch(self) -> None:
        """Restart workers that were stopped, killed by a signal or asked for it (exit 75).

        Raises:
            OperatorNeeded: a worker ended with another code; the end of its log is in the message.
        """
        now = time.monotonic()
        for slot, worker in enumerate(self.workers):
            code = worker.poll()
            if code is None:
                continue
            if slot not in self._due:
                self._ended(slot, worker, code, now)
            if now >= self._due[slot]:
                del self._due[slot]
                self.restarts += 1
                self.workers[slot] = self._spawn()

    def _ended(self, slot: int, worker: subprocess.Popen[str], code: int, now: float) -> None:
        self._report({"event": "worker_ended", "pid": worker.pid, "exit_code": code})
        if code not in (0, EXIT_RESTART) and code > 0:
            log = self.logs()[-1]
            tail = log.read_text("utf-8", "replace")[-3_000:]
            raise OperatorNeeded(f"a worker ended with exit code {code}. The end of {log}:\n{tail}")
        short = now - self._born.pop(worker.pid) < SHORT_LIFE_S
        pause = min(max(1.0, 2 * self._pauses.get(slot, 0.0)), LONGEST_PAUSE_S) if short else 0.0
        self._pauses[slot] = pause
        self._due[slot] = now + pause

    def stop(self, timeout_s: float = 20.0) -> None:
        """SIGTERM to all, SIGKILL to those that do not end."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        deadline = time.monotonic() + timeout_s
        for worker in self.workers:
            try:
                worker.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
