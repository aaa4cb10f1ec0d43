"""`marketpulse` as tests run it: a command and what it said, or a process that goes on beside the test."""

import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest import mock

from streams.cli.main import main
from streams.dev.embedded.servers import die_with_parent

COMMAND = (sys.executable, "-m", "streams.cli")


def marketpulse(
    *arguments: str, environment: Mapping[str, str] | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, `environment` beside its own, `given` as its standard input.

    As a process of its own would, without the second that starting one takes: from the main thread, where no loop runs.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    streams = {"argv": ["marketpulse", *arguments], "stdin": io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8")}
    with (
        mock.patch.dict(os.environ, environment or {}),
        mock.patch.multiple(sys, stdout=out, stderr=err, **streams),
    ):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except Exception:  # what an interpreter does
            traceback.print_exc()
            code = 1
    said = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, *said)


def marketpulse_process(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    timeout: float = 60,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as a process, `environment` beside this one's own, `given` as its standard input."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=os.environ | (environment or {}),
        input=given,
        timeout=timeout,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def start_marketpulse(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[str]:
    """Start a command and leave it running; what it prints can be read from its `stdout`."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=os.environ | (environment or {}),
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
        process.communicate(timeout=40)


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
