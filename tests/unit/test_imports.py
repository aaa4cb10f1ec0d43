"""The direction of imports, and that importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAUST = {"streams/app.py", "streams/channels.py"}
KAFKA = {"streams/source.py", "streams/topics.py", "streams/publish.py", "streams/outbound.py"}
REDIS = {"streams/ledger.py", "streams/tables.py", "streams/redis_connection.py"}
PURE = {
    f"streams/{name}.py"
    for name in (
        "contracts", "country_codes", "decode", "dedupe", "batches", "aggregate", "windows", "metrics", "detectors",
        "rollup", "stream_time", "ledger_types", "errors", "simulated_texts",
    )
}  # fmt: skip
IMPURE_MODULES = {"time", "random", "os", "logging", "structlog", "asyncio", "socket", "pathlib", "subprocess"}


def modules() -> list[Path]:
    return sorted(path for package in ("streams", "models", "strategy") for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Top-level packages and full names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path: Path) -> None:
    """Each package and each given library is imported only where the architecture allows it."""
    name, found = str(path.relative_to(ROOT)), imports(path)
    package = name.partition("/")[0]
    if package in ("models", "strategy"):
        other = {"models": "strategy", "strategy": "models"}[package]
        assert found & {other, "streams", "faust", "aiokafka", "redis"} == set()
    for library, allowed in (("faust", FAUST), ("aiokafka", KAFKA)):
        assert library not in found or name in allowed
    if name not in REDIS:
        assert "redis" not in found or name == "streams/reader.py"
    if name in PURE:
        assert found & (IMPURE_MODULES | {"faust", "aiokafka", "redis"}) == set()


def test_importing_every_module_does_nothing() -> None:
    """No thread, socket, log handler or environment read at import, in a bare process."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in modules()
        if not imports(path) & {"torch", "transformers", "onnx", "sklearn"} and path.name != "__init__.py"
    ]
    script = f"""
import sys, threading, logging, socket, os
sys.path.insert(0, {str(ROOT)!r})
import faust, aiokafka, scipy, rich  # what these do at import is theirs
handlers, threads = list(logging.getLogger().handlers), threading.active_count()
def refused(*a, **k): raise AssertionError("a socket at import")
socket.socket.connect = refused
import importlib
for name in {names!r}:
    importlib.import_module(name)
assert threading.active_count() == threads, "a thread at import"
assert logging.getLogger().handlers == handlers, "a log handler at import"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
