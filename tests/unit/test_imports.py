"""The direction of imports by folder, and that importing does nothing."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import PACKAGES, ROOT, imports, modules

LEVELS = (
    ("marketpulse/errors.py",),
    ("marketpulse/contract",),
    ("marketpulse/files.py",),
    (
        "marketpulse/client",
        "models",
        "strategy",
        "streams/errors.py",
        "streams/clock.py",
        "streams/environment.py",
        "streams/tokens.py",
    ),
    ("marketpulse", "streams/contract"),
    ("streams/privacy", "streams/judgement", "streams/batches.py"),
    ("streams/kafka", "streams/ledger"),
    ("streams/setting_checks.py",),
    ("streams/access", "streams/settings.py"),
    ("streams/telemetry",),
    ("streams/sources",),
    ("streams/pipeline", "streams/serving"),
    ("streams/pipeline/operators",),
    ("streams/pipeline/ingest",),
    ("streams/pipeline/classify",),
    ("streams/pipeline/count",),
    ("streams/pipeline/detect",),
    ("streams/pipeline/rollup",),
    ("streams/pipeline/reallocate",),
    ("streams/agents.py",),
    ("streams/worker", "streams/intake", "streams/bridge", "streams/dashboard", "streams/notify", "streams/recovery"),
    ("streams/backtest", "streams/app.py"),
    ("streams/dev",),
    ("streams/cli",),
    ("docs/generate",),
)
"""Rooms, lowest first: a file imports only from lower lines; rooms on one line never import each other."""
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
ALLOWED = {
    "faust": {"streams/app.py", "streams/worker"},
    "aiokafka": {
        "marketpulse/client",
        "streams/kafka",
        "streams/access",
        "streams/pipeline/ingest",
        "streams/pipeline/rollup/rewind.py",
        "streams/notify/feed.py",
        "streams/bridge",
        "streams/recovery/canary.py",
    },
    "redis": {"marketpulse/client", "streams/ledger"},
}
"""Where each given library may be imported: rooms, or single files."""
ONLY = {
    "marketpulse/contract": {"msgspec"},
    "marketpulse/client": {"msgspec", "redis", "aiokafka"},
}
"""Libraries that a room may import at all, beside Python's own."""
PURE = {
    "marketpulse/contract",
    "marketpulse/files.py",
    "streams/contract",
    "streams/privacy",
    "streams/judgement",
    "streams/errors.py",
    "streams/batches.py",
    "streams/bridge/envelopes.py",
    "streams/ledger/types.py",
    "streams/telemetry/progress.py",
    "streams/pipeline/detect",
    "streams/pipeline/operators/labels.py",
    "streams/pipeline/operators/mutes.py",
    "streams/pipeline/operators/changes.py",
    "streams/pipeline/operators/profiles.py",
    "streams/pipeline/operators/published.py",
    *(f"streams/pipeline/ingest/{name}.py" for name in ("dedupe",)),
    *(f"streams/pipeline/classify/{name}.py" for name in ("scored_batches", "scores")),
    *(f"streams/pipeline/count/{name}.py" for name in ("aggregate", "cells", "windows")),
    *(
        f"streams/pipeline/rollup/{name}.py"
        for name in (
            "step",
            "state",
            "stream_time",
            "metrics",
            "users",
            "coverage",
            "correction",
            "deltas",
            "judged",
            "shifts",
            "step_record",
        )
    ),
    "streams/pipeline/reallocate/answer.py",
    *(f"streams/recovery/{name}.py" for name in ("chain", "fold")),
    "streams/backtest/side_by_side.py",
    *(f"streams/notify/{name}.py" for name in ("board", "limit", "messages", "signature", "errors")),
    "streams/dev/feeds/phrases.py",
}
"""Rooms and files without I/O, clock, randomness and logging."""
IMPURE = {
    "time", "random", "os", "logging", "structlog", "asyncio", "socket", "pathlib", "subprocess", "threading",
    "secrets", "tempfile", "shutil", "io",
}  # fmt: skip
WRITING = {
    "streams/ledger",
    "marketpulse/client/tables.py",
    "streams/pipeline/rollup/step_writes.py",
    "streams/pipeline/rollup/leader.py",
}
"""What the page must not import: it only reads."""
MOST_KNOWN = 8
KNOWN: dict[str, set[str]] = {
    "streams/dashboard/history.py": {
        "streams/ledger/keys.py",
    },
    "streams/pipeline/classify/scorer.py": {
        "streams/worker/deps.py",
    },
    "streams/pipeline/count/committer.py": {
        "streams/worker/deps.py",
    },
    "streams/pipeline/reallocate/reallocator.py": {
        "streams/worker/deps.py",
    },
    "streams/pipeline/rollup/leader.py": {
        "streams/worker/deps.py",
    },
    "streams/recovery/first_start.py": {
        "streams/dev/embedded/servers.py",
    },
    "streams/telemetry/worker.py": {
        "streams/pipeline/rollup/step.py",
    },
}
"""What breaks a direction until a signature is cut or a class carved. It may only become less."""


def room_of(name: str) -> str | None:
    """The room of a file, the innermost; None where it has none."""
    parts = name.split("/")
    rooms = ("/".join(parts[:size]) for size in range(len(parts), 0, -1))
    return next((room for room in rooms if room in LEVEL), None)


def within(name: str, places: set[str]) -> bool:
    """Whether a file is one of `places` or lies in one of them."""
    parts = name.split("/")
    return any("/".join(parts[:size]) in places for size in range(1, len(parts) + 1))


def project_imports(source: str) -> set[str]:
    """Files of the project, as `package/module.py`, that a source imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {f"{name.replace('.', '/')}.py" for name in found if name.partition(".")[0] in {*PACKAGES, "docs"}}
    return {name for name in files if (ROOT / name).exists()}


def forbidden(name: str, source: str) -> set[str]:
    """What the file `name` imports and may not."""
    found, others = imports(source), project_imports(source)
    wrong = found & {"."}
    room = room_of(name)
    if room is not None:
        rooms = {other: room_of(other) for other in others}
        wrong |= {
            other for other, its in rooms.items() if its is not None and its != room and LEVEL[its] >= LEVEL[room]
        }
        if room in ONLY:
            wrong |= found - sys.stdlib_module_names - set(PACKAGES) - ONLY[room] - {"."}
    wrong |= {library for library, places in ALLOWED.items() if library in found and not within(name, places)}
    if within(name, PURE):
        wrong |= found & (IMPURE | {"models"})
        wrong |= {other for other in others if other.startswith("streams/") and not within(other, PURE)}
    if room == "streams/dashboard":
        wrong |= {other for other in others if within(other, WRITING)}
    return wrong


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path: Path) -> None:
    """Each file imports from lower lines only, and each given library only where the architecture allows it."""
    name = str(path.relative_to(ROOT))
    assert KNOWN.get(name, set()) == forbidden(name, path.read_text("utf-8"))


def test_every_folder_has_its_line() -> None:
    """No file is outside of the rooms, but the roots of packages."""
    outside = {str(path.relative_to(ROOT)) for path in modules() if room_of(str(path.relative_to(ROOT))) is None}
    assert {"streams/__init__.py"} == outside


def test_known_exceptions_become_fewer() -> None:
    """What breaks a direction today is listed, each file that does is there, and the list may only become shorter."""
    assert sum(map(len, KNOWN.values())) <= MOST_KNOWN
    assert set() == {name for name in KNOWN if not (ROOT / name).exists()}


def test_folders_stay_small() -> None:
    """At most 14 files at the root of streams/, 20 in a folder, 36 in models/."""
    counts: dict[str, int] = {}
    for path in modules():
        folder = str(path.parent.relative_to(ROOT))
        counts[folder] = counts.get(folder, 0) + 1
    assert {} == {
        folder: count for folder, count in counts.items() if count > {"streams": 14, "models": 36}.get(folder, 20)
    }


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("models/clean.py", "import strategy.costs", {"strategy/costs.py"}),
        ("strategy/costs.py", "from streams.errors import BadInput", {"streams/errors.py"}),
        ("strategy/costs.py", "from marketpulse.contract.records import AlertRecord", set()),
        ("strategy/costs.py", "def f():\n    import redis.asyncio", {"redis"}),
        ("marketpulse/contract/topics.py", "import numpy as np", {"numpy"}),
        ("marketpulse/contract/topics.py", "import time", {"time"}),
        ("marketpulse/contract/topics.py", "from streams.errors import BadInput", {"streams/errors.py"}),
        ("marketpulse/client/reader.py", "from strategy.portfolio import Plan", {"strategy/portfolio.py"}),
        ("streams/kafka/pem.py", "from streams.ledger import keys", {"streams/ledger/keys.py"}),
        ("streams/ledger/keys.py", "from streams.kafka.pem import read", {"streams/kafka/pem.py"}),
        ("streams/pipeline/rollup/step.py", "import time", {"time"}),
        ("streams/pipeline/count/windows.py", "import streams.agents", {"streams/agents.py"}),
        (
            "streams/pipeline/count/windows.py",
            "from streams.pipeline.detect import surge",
            {"streams/pipeline/detect/surge.py"},
        ),
        (
            "streams/pipeline/rollup/metrics.py",
            "from streams.ledger.commit import Ledger",
            {"streams/ledger/commit.py"},
        ),
        ("streams/pipeline/rollup/checkpoint.py", "import faust", {"faust"}),
        ("streams/notify/limit.py", "from streams.intake.gate import Gate", {"streams/intake/gate.py"}),
        ("streams/recovery/chain.py", "from streams.cli.main import app", {"streams/cli/main.py"}),
        ("streams/cli/main.py", "from aiokafka import AIOKafkaConsumer", {"aiokafka"}),
        ("streams/cli/main.py", "from docs.generate import pages", {"docs/generate/pages.py"}),
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
