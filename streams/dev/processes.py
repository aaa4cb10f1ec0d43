"""`marketpulse` commands as child processes, which end with this process or with a block."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from streams.dev.embedded.child import die_with_parent

COMMAND = (sys.executable, "-m", "streams.cli")


def start_marketpulse(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[str]:
    """Start a command and leave it running, `environment` beside this process's own."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        text=True,
        preexec_fn=die_with_parent(),
    )


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that gets SIGTERM at the end of the block, and has ended after it."""
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@dataclass
class Served:
    """A process that serves, and where."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def served(
    *arguments: str, environment: Mapping[str, str] | None = None, stderr: int | None = None
) -> Iterator[Served]:
    """Run a command that tells its URL in the first line that it prints, a JSON object."""
    with ending(start_marketpulse(*arguments, environment=environment, stderr=stderr)) as process:
        assert process.stdout is not None
        yield Served(process, json.loads(process.stdout.readline())["url"])
