"""`marketpulse` as tests run it: a command to its end, and its output."""

import io
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from streams.cli.main import main
from streams.dev.processes import COMMAND


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
