"""Documents read as a reader does: an empty folder, a terminal, a worker and the variables that `up` prints."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import ending, start_marketpulse
from tests.support.processes import marketpulse
from tests.support.terminal import Terminal


def reader_environment() -> dict[str, str]:
    """A reader's, without settings of Marketpulse; `marketpulse` and `python` are those that run this test."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MARKETPULSE_")}
    return own | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@contextmanager
def reading(stack: EmbeddedStack, prefix: str, folder: Path, **variables: str) -> Iterator[Terminal]:
    """A terminal in an empty folder, beside one worker with a ledger of its own, with the variables of `up`."""
    given = reader_environment() | {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka,
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": prefix,
    }
    (empty := folder / "reader").mkdir()
    assert 0 == marketpulse("ledger", "init", "--yes", environment=given).returncode
    worker = start_marketpulse(
        "worker", environment=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=empty
    )
    with ending(worker), Terminal(given | variables, empty) as opened:
        yield opened
