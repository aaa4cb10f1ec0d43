"""What each kind of process loads: nothing that it does not use, so that it starts soon and stays small."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

MOST_KB = 75_000
TRAINING = {"scipy", "sklearn", "torch", "transformers", "onnx"}
MODEL = {"numpy", "onnxruntime", "tokenizers", "models.classifier", "models.cache"}
SERVERS = {"redis", "aiokafka", "faust", "aiohttp", "uvicorn", "starlette", "opentelemetry"}
REPORT = """
import atexit, pathlib, sys

@atexit.register
def report():
    status = pathlib.Path("/proc/self/status")
    resident = status.read_text().partition("VmRSS:")[2].split()[0] if status.exists() else "0"
    sys.stderr.write("\\n" + " ".join([resident, *sys.modules]))

"""
HELP = "import sys\nsys.argv = ['marketpulse', '--help']\nfrom streams.cli.main import main\nmain()"
SHOW = HELP.replace("'--help'", "'config', 'show'")
COSTS = HELP.replace("'--help'", "'markets', 'costs'")
INTAKE, NOTIFIER = "import streams.intake.serve", "import streams.notify.process"
READER = "from marketpulse import AsyncReader, Reader"
PRODUCER = "from marketpulse import AsyncProducer, Producer"
WORKER, PAGE = "import streams.app", "import streams.dashboard.serve"


@functools.cache
def ended(program: str) -> tuple[int, frozenset[str]]:
    """Resident kB (0 = not known) and loaded modules of a process of its own, as it ends."""
    command = [sys.executable, "-c", REPORT + program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    resident, *names = done.stderr.splitlines()[-1].split()
    return int(resident), frozenset(names)


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        pytest.param(HELP, TRAINING | MODEL | SERVERS | {"asyncio", "pydantic", "streams.settings"}, id="help"),
        pytest.param(SHOW, TRAINING | MODEL | SERVERS, id="config show"),
        pytest.param(COSTS, TRAINING | MODEL | SERVERS, id="markets costs"),
        pytest.param(
            INTAKE, TRAINING | MODEL | {"models", "redis", "faust", "streams.pipeline.rollup.step"}, id="intake"
        ),
        pytest.param(
            NOTIFIER, TRAINING | MODEL | {"models", "redis", "faust", "streams.pipeline.rollup.step"}, id="notifier"
        ),
        pytest.param(READER, TRAINING | MODEL | SERVERS | {"models", "streams"}, id="reader"),
        pytest.param(PRODUCER, TRAINING | MODEL | {"models", "streams", "redis"}, id="producer"),
        pytest.param(WORKER, TRAINING | {"streams.cli.main", "starlette"}, id="worker"),
        pytest.param(PAGE, TRAINING | {"onnxruntime", "tokenizers", "faust"}, id="page"),
    ],
)
def test_a_process_loads_no_more_than_it_uses(program: str, unwanted: set[str]) -> None:
    """Neither SciPy where nothing is trained nor a client of a server that is not spoken to."""
    assert set() == ended(program)[1] & unwanted


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("program", [INTAKE, NOTIFIER], ids=["intake", "notifier"])
def test_processes_without_a_model_are_small(program: str) -> None:
    """Intake and notifier have at most 75 MB of memory once everything is imported."""
    assert 0 < ended(program)[0] <= MOST_KB
