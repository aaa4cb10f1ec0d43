"""What processes log, whatever it quotes: no text of users, and nothing that acts on a terminal."""

import json
import subprocess
import sys

import pytest

from tests.support.sources import ROOT

MARKED = "call +49 171 2345678, max@example.com, 4111 1111 1111 1111 \x1b]52;c;x \x1b[2J \u202e"
SECRETS = ("2345678", "max@", "4111", "\x1b]", "\x1b[2J", "\u202e")
BEGIN = f"""
import logging, threading, sys
from streams.settings import load_settings
from streams.telemetry.logs import configure_logs, get_logger
MARKED = {MARKED!r}
def fails(): raise ValueError(MARKED)
"""
LINES = {
    "any field": "get_logger('x').error('process_ends', why=MARKED, code=1, by=[{'a': [MARKED]}], of={MARKED: 1})",
    "object": "get_logger('x').info('x', error=ValueError(MARKED), at=type('A', (), {'__repr__': lambda _: MARKED})())",
    "library": "logging.getLogger('uvicorn.error').error('%s', MARKED)",
    "library's arguments": "logging.getLogger('aiohttp.server').error('%d', MARKED)",
    "library's exception": "\ntry: fails()\nexcept ValueError: logging.getLogger('uvicorn.error').exception('x')",
    "exception": "\ntry: fails()\nexcept ValueError: get_logger('x').exception('unexpected')",
    "last line": "fails()",
    "thread": "thread = threading.Thread(target=fails); thread.start(); thread.join()",
    "task": "import asyncio\nasync def main(): asyncio.create_task(asyncio.to_thread(fails)); await asyncio.sleep(.1)\n"
    "asyncio.run(main())",
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_nothing_that_is_logged_names_a_user(line: str, form: str) -> None:
    """Of every way in which a process writes to standard error, its last line too."""
    source = f"{BEGIN}configure_logs(load_settings(log_format='{form}'))\n{line}"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT, check=False)
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr
    assert "[email]" in done.stderr or "%d" in line
    if form == "json":
        for written in done.stderr.splitlines():
            json.loads(written)


PROCESSES = {
    "worker": "streams.app.load_portfolio",
    "page": "streams.dashboard.serve.create_page",
    "intake": "streams.intake.serve.create_intake",
    "notify": "streams.notify.process.load_sinks",
    "doctor": "streams.recovery.doctor.examine",
}
"""Command -> something that it calls early."""


@pytest.mark.parametrize(("command", "called"), PROCESSES.items())
def test_the_last_line_of_every_process_names_no_user(command: str, called: str) -> None:
    """What nobody expected, quoting a record: Python's traceback would be the last that is written."""
    source = (
        f"{BEGIN}from unittest import mock\nfrom streams.cli.main import main\nsys.argv[1:] = [{command!r}]\n"
        f"with mock.patch({called!r}, side_effect=ValueError(MARKED)): main()"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT, check=False)
    assert 1 == done.returncode
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr
    assert "ValueError: call [phone], [email], [card]" in done.stderr
