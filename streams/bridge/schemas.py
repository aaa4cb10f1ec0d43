"""Values in Schema Registry's framing as JSON: schemas that are kept, and the process that reads by them."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from marketpulse.contract.decode import Rejected
from marketpulse.contract.feedback import DeadLetterCode
from marketpulse.errors import Unavailable
from streams.errors import BadInput

if TYPE_CHECKING:
    from streams.bridge.registry import Registry, Schema

FRAMED = b"\0"
HEAD_BYTES = 5
"""The first one and four of the schema's id."""
MAX_SCHEMAS = 100
"""Schemas that are kept, those used last."""
REFUSED_S = 60.0
"""How long it is not asked again for what a registry does not know."""
SOON_S = 0.05
"""How long the loop itself waits for a value, in seconds."""
MEMORY_BYTES = 268_435_456
"""What the process that reads values may have."""
TOO_LARGE: DeadLetterCode = "too_large"
_OF_THE_VALUE = {signal.SIGXCPU, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
"""How a process ends of what it reads; by any other signal somebody ended it."""
_GIVEN = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
_LIBRARIES = ("fastavro", "google.protobuf", "aiohttp", "tenacity")
_PROCESS = Path(__file__).with_name("schema_process.py")


def require_libraries() -> None:
    """Raises BadInput: what reads schemas is not installed."""
    for library in _LIBRARIES:
        try:
            found = find_spec(library)
        except ModuleNotFoundError:  # of a package inside of another
            found = None
        if found is None:
            raise BadInput(
                f"--schema-registry needs {library}, which is not installed. Operator action: install the extra "
                "`schemas` (pip install 'marketpulse[schemas]')."
            )


class Schemas:
    """Reads values of JSON Schema, Avro and Protobuf by the schemas of a registry."""

    def __init__(self, registry: "Registry", clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._kept: dict[int, tuple[Schema | Rejected, float]] = {}
        self._process = _Process()

    async def json_of(self, value: bytes) -> bytes:
        """The JSON of a framed value.

        Raises:
            Rejected: it is none, its schema is not known, or it is not of its schema.
            Unavailable: the registry does not answer, or somebody ended the process that reads values.
            OperatorNeeded: the registry refuses this client, or is none.
        """
        if len(value) < HEAD_BYTES:
            raise Rejected("not_json", "the value begins with byte 0, but has no id of a schema behind it")
        schema_id = int.from_bytes(value[1:HEAD_BYTES], "big")
        schema = await self._schema(schema_id)
        if isinstance(schema, Rejected):
            raise Rejected(schema.code, str(schema))
        content = value[HEAD_BYTES:]
        return content if schema.kind == "JSON" else await self._process.json_of(schema_id, schema, content)

    async def close(self) -> None:
        """Close the connections, end the process."""
        self._process.close()
        await self._registry.close()

    async def _schema(self, schema_id: int) -> "Schema | Rejected":
        kept = self._kept.pop(schema_id, None)
        if kept is None or (isinstance(kept[0], Rejected) and self._clock() >= kept[1] + REFUSED_S):
            try:
                kept = (await self._registry.schema(schema_id), self._clock())
            except Rejected as why:
                kept = (why, self._clock())
        self._kept[schema_id] = kept
        if len(self._kept) > MAX_SCHEMAS:
            del self._kept[next(iter(self._kept))]
        return kept[0]


class _Process:
    """The process that reads values: it begins when there is one, and again where a value ended it."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None
        self._given: set[int] = set()
        self._lock = asyncio.Lock()

    async def json_of(self, schema_id: int, schema: "Schema", value: bytes) -> bytes:
        """Raises Rejected, Unavailable."""
        async with self._lock:
            if len(self._given) >= MAX_SCHEMAS:  # its memory is bounded: it forgets them with itself
                self.close()
            alone = self._running is None
            code, content = await self._asked(schema_id, schema, value)
            if code == TOO_LARGE and not alone:  # those before may have left it too little memory
                self.close()
                code, content = await self._asked(schema_id, schema, value)
            if code == TOO_LARGE:
                self.close()
        if code is not None:
            raise Rejected(code, content)
        return bytes(content)

    async def _asked(self, schema_id: int, schema: "Schema", value: bytes) -> tuple[DeadLetterCode | None, Any]:
        """None and the JSON, or a code and a reason. Raises Unavailable."""
        running = self._running or self._begin()
        question = msgspec.msgpack.encode((schema_id, None if schema_id in self._given else schema, value))
        self._given.add(schema_id)
        try:
            answer = await self._answer(running, question)
        except BaseException:  # nobody waits for this answer: it must not become the next value's
            self.close()
            raise
        if answer is not None:
            return answer[0], answer[1]
        ended = running.wait()
        self.close()
        if -ended in _OF_THE_VALUE:
            return TOO_LARGE, "reading the value takes too much time, memory or depth"
        raise Unavailable(
            f"The process that reads values by schemas ended with {ended}. Operator action: none at first; see whether "
            "the machine has memory left."
        )

    async def _answer(self, running: subprocess.Popen[bytes], question: bytes) -> Any:
        """Code and content; None where the process ended. One that takes long is waited for in a thread."""
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            running.stdin.write(len(question).to_bytes(4, "big") + question)
            running.stdin.flush()
        except BrokenPipeError:
            return None
        soon, _, _ = select.select([running.stdout], [], [], SOON_S)
        return _read(running.stdout) if soon else await asyncio.to_thread(_read, running.stdout)

    def _begin(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _GIVEN if name in os.environ}  # no secrets
        command = [sys.executable, "-P", str(_PROCESS), str(MEMORY_BYTES)]
        self._running = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return self._running

    def close(self) -> None:
        """End it."""
        running, self._running = self._running, None
        self._given.clear()
        if running is not None:
            running.kill()
            with contextlib.suppress(BrokenPipeError):  # of a question that it did not take
                running.communicate()


def _read(content: IO[bytes]) -> Any:
    size = int.from_bytes(content.read(4), "big")
    answer = content.read(size)
    return msgspec.msgpack.decode(answer) if size and len(answer) == size else None
