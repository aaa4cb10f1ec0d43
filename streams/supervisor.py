"""Worker processes as children: started, watched, started again where a restart helps, stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from streams.embedded import die_with_parent
from streams.errors import EXIT_RESTART, OperatorNeeded

Report = Callable[[dict[str, object]], object]


class Supervisor:
    """Keeps `count` workers running; tell it to look with `watch`, about once a second."""

    def __init__(self, count: int, environment: Mapping[str, str], log_folder: Path, report: Report) -> None:
        self._environment = {**os.environ, **environment}
        self._folder = log_folder
        self._report = report
        self._count = count
        self._started = 0
        self.workers: list[subprocess.Popen[bytes]] = []
        self.restarts = 0

    def start(self) -> None:
        """Start all workers."""
        self.workers = [self._spawn() for _ in range(self._count)]

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._started += 1
        with (self._folder / f"worker-{self._started}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker"],
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent(),
            )
        self._report({"event": "worker_started", "pid": process.pid})
        return process

    def logs(self) -> list[Path]:
        """Log files of all workers so far, the newest last."""
        return sorted(self._folder.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)

    def watch(self) -> None:
        """Restart workers that were killed or asked for it (exit 75).

        Raises:
            OperatorNeeded: a worker ended with another code; the end of its log is in the message.
        """
        for at, worker in enumerate(self.workers):
            code = worker.poll()
            if code is None:
                continue
            self._report({"event": "worker_ended", "pid": worker.pid, "exit_code": code})
            if code not in (EXIT_RESTART, -signal.SIGKILL):
                log = self.logs()[-1]
                tail = log.read_text("utf-8", "replace")[-3_000:]
                raise OperatorNeeded(f"a worker ended with exit code {code}. The end of {log}:\n{tail}")
            self.restarts += 1
            self.workers[at] = self._spawn()

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
