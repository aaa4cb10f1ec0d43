"""The direction of imports, and that importing does nothing."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import PACKAGES, ROOT, imports, modules

ALLOWED = {
    "faust": {"streams/app.py", "streams/worker/channels.py", "streams/worker/pump.py"},
    "aiokafka": {
        "streams/pipeline/ingest/source.py",
        "streams/kafka/admin.py",
        "streams/kafka/errors.py",
        "streams/access/kafka_acls.py",
        "streams/kafka/publish.py",
        "marketpulse/client/producer.py",
        "streams/kafka/outbound.py",
        "streams/kafka/dead_letters.py",
        "streams/kafka/compacted.py",
        "streams/notify/feed.py",
        "streams/pipeline/rollup/rewind.py",
        "streams/kafka/log_reader.py",
    },
    "redis": {
        "streams/ledger/commit.py",
        "marketpulse/client/tables.py",
        "marketpulse/client/reader.py",
        "streams/ledger/connection.py",
    },
}
PURE = {
    "streams/pipeline/count/aggregate.py",
    "streams/pipeline/reallocate/answer.py",
    "streams/batches.py",
    "streams/pipeline/detect/conditions.py",
    "marketpulse/contract/records.py",
    "streams/pipeline/rollup/correction.py",
    "marketpulse/contract/markets.py",
    "marketpulse/contract/decode.py",
    "streams/pipeline/ingest/dedupe.py",
    "streams/pipeline/detect/drift.py",
    "marketpulse/contract/durations.py",
    "streams/errors.py",
    "streams/pipeline/detect/evidence.py",
    "marketpulse/contract/workers.py",
    "marketpulse/contract/totals.py",
    "streams/ledger/types.py",
    "marketpulse/contract/metrics.py",
    "streams/pipeline/rollup/metrics.py",
    "streams/pipeline/operators/mutes.py",
    "streams/notify/board.py",
    "streams/notify/errors.py",
    "streams/notify/limit.py",
    "streams/notify/messages.py",
    "streams/notify/signature.py",
    "streams/privacy/numbers.py",
    "streams/pipeline/operators/profiles.py",
    "streams/telemetry/progress.py",
    "streams/recovery/chain.py",
    "streams/recovery/fold.py",
    "streams/backtest/side_by_side.py",
    "streams/privacy/redaction.py",
    "streams/pipeline/rollup/step.py",
    "streams/contract/rules.py",
    "streams/pipeline/classify/scored_batches.py",
    "streams/pipeline/detect/shift.py",
    "streams/dev/feeds/phrases.py",
    "streams/pipeline/rollup/step_record.py",
    "streams/pipeline/rollup/stream_time.py",
    "streams/pipeline/detect/surge.py",
    "marketpulse/contract/topics.py",
    "streams/privacy/user_hashes.py",
    "streams/pipeline/detect/watch.py",
    "streams/pipeline/count/windows.py",
    "marketpulse/contract/words.py",
}
IMPURE = {
    "time", "random", "os", "logging", "structlog", "asyncio", "socket", "pathlib", "subprocess", "threading",
    "secrets", "tempfile", "shutil", "io",
}  # fmt: skip
LEAVES = ("models", "strategy")
WRITING = {
    "streams/ledger/commit.py",
    "marketpulse/client/tables.py",
    "streams/ledger/connection.py",
    "streams/pipeline/rollup/step_writes.py",
    "streams/pipeline/rollup/leader.py",
    "streams/worker/deps.py",
    "streams/app.py",
}  # the page only reads


def project_imports(source: str) -> set[str]:
    """Files of the project, as `package/module.py`, that a source imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {f"{name.replace('.', '/')}.py" for name in found if name.partition(".")[0] in PACKAGES}
    return {name for name in files if (ROOT / name).exists()}


def forbidden(name: str, source: str) -> set[str]:
    """What the file `name` imports and may not."""
    found = imports(source)
    wrong = found & {"."}
    package = name.partition("/")[0]
    if package in LEAVES:
        wrong |= found & ({*PACKAGES, *ALLOWED} - {package})
    wrong |= {library for library, files in ALLOWED.items() if library in found and name not in files}
    if name in PURE:
        wrong |= found & (IMPURE | {"models"})
        wrong |= {other for other in project_imports(source) if other.startswith("streams/") and other not in PURE}
    if name.startswith("streams/dashboard/") and not name.endswith("/history.py"):
        wrong |= project_imports(source) & WRITING
    return wrong


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path: Path) -> None:
    """Each package and each given library is imported only where the architecture allows it."""
    assert set() == forbidden(str(path.relative_to(ROOT)), path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("models/clean.py", "import strategy.costs", {"strategy"}),
        ("strategy/costs.py", "from streams.errors import BadInput", {"streams"}),
        ("strategy/costs.py", "def f():\n    import redis.asyncio", {"redis"}),
        ("streams/pipeline/rollup/step.py", "import time", {"time"}),
        (
            "streams/pipeline/rollup/metrics.py",
            "from streams.ledger.commit import Ledger",
            {"streams/ledger/commit.py"},
        ),
        ("streams/cli/main.py", "from aiokafka import AIOKafkaConsumer", {"aiokafka"}),
        ("streams/cli/main.py", "from .app import create_app", {"."}),
        ("streams/dashboard/feed.py", "from streams.ledger.commit import Ledger", {"streams/ledger/commit.py"}),
    ],
)
def test_the_rules_find_what_breaks_them(name: str, source: str, wrong: set[str]) -> None:
    """A planted import against the rules is found."""
    assert wrong == forbidden(name, source)


@functools.cache
def heavy(name: str) -> bool:
    """Whether a file, or one of the project's that it imports, needs the training packages."""
    source = (ROOT / name).read_text("utf-8")
    training = {"torch", "transformers", "onnx", "sklearn", "optimum"}
    return bool(imports(source) & training) or any(heavy(other) for other in project_imports(source) - {name})


BARE = """
import asyncio, importlib, logging, os, socket, sys, threading, zoneinfo
root, *names = sys.argv[1:]
sys.path.insert(0, root)
folders = tuple(os.path.join(root, package) + os.sep for package in {packages!r})

def ours() -> bool:
    "Whether a project file, not one of its libraries, is what asks (through os and the standard library at most)."
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(("<frozen", os.path.dirname(os.__file__) + os.sep)):
        if "site-packages" in frame.f_code.co_filename:
            return False
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(folders)

def guarded(kind, method, what):
    original = getattr(kind, method)
    def refuse(*given, **named):
        assert not ours(), what + " at import"
        return original(*given, **named)
    setattr(kind, method, refuse)

guarded(type(os.environ), "__getitem__", "environment read")
guarded(type(os.environ), "__iter__", "environment read")
guarded(socket.socket, "__init__", "socket")
guarded(threading.Thread, "start", "thread")
guarded(logging.Logger, "addHandler", "log handler")
guarded(asyncio, "new_event_loop", "event loop")
for name in names:
    importlib.import_module(name)
"""


def import_bare(root: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    """Import modules in a process of their own that refuses side effects."""
    command = [sys.executable, "-c", BARE.format(packages=PACKAGES), str(root), *names]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")


def test_importing_every_module_does_nothing() -> None:
    """No thread, socket, event loop, log handler or environment read by the project's own files at import."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in modules()
        if not heavy(str(path.relative_to(ROOT))) and path.name != "__init__.py"
    ]
    done = import_bare(ROOT, names)
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import os\nHOME = os.getenv('HOME')", "environment read"),
        ("import os\nALL = dict(os.environ)", "environment read"),
        ("import socket\nsocket.socket()", "socket"),
        ("import threading\nthreading.Timer(1, print).start()", "thread"),
        ("import logging\nlogging.basicConfig()", "log handler"),
    ],
)
def test_a_side_effect_at_import_is_found(tmp_path: Path, source: str, what: str) -> None:
    """A planted module that does something at import fails the check."""
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "eager.py").write_text(source, "utf-8")
    done = import_bare(tmp_path, ["streams.eager"])
    assert 1 == done.returncode
    assert f"AssertionError: {what} at import" in done.stderr
