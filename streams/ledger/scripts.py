"""The ledger's Lua scripts on one Redis: how they are run, and what their refusals mean."""

import secrets
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import msgpack
import redis.asyncio

from marketpulse.client.redis_server import connect_async, refused_before_writing, translated_errors
from streams.errors import LedgerLost, LedgerReplaced
from streams.ledger import refusals
from streams.ledger.keys import Keys

_SCRIPTS = ("init", "claim", "commit", "lease", "cut", "publish", "allocate", "swap", "migrate", "grow")
FORMAT = 2
"""Of what is kept in Redis: raised with every change that an older version would misread. `lua/migrate.lua`."""


def packed(content: object) -> bytes:
    """MessagePack as Redis's Lua reads it: it knows strings, but not the newer binary type."""
    packed: bytes = msgpack.packb(content, use_bin_type=False)
    return packed


class LedgerScripts:
    """One Redis, and the scripts that run in it whole or not at all. Raises Unavailable, LedgerLost, LedgerBroken."""

    def __init__(
        self,
        url: str,
        prefix: str,
        max_open_cells: int = 500_000,
        connect: Callable[[str], Any] = connect_async,
        nonce: str | None = None,
    ) -> None:
        """`nonce` tells this process from every other, whatever they are called; drawn at random where none is."""
        self.keys = Keys(prefix)
        self.nonce = nonce or secrets.token_hex(8)
        self.url = url
        self._max_open_cells = max_open_cells
        self._generation: str | None = None
        self.redis = connect(url)
        folder = files("streams.ledger") / "lua"
        self._scripts = {
            name: self.redis.register_script((folder / f"{name}.lua").read_text("utf-8")) for name in _SCRIPTS
        }

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    async def _run(
        self, script: str, keys: Sequence[str], args: Sequence[str | int | bytes], partition: int = -1
    ) -> list[Any]:
        with translated_errors(self.url):
            try:
                answer: list[Any] = await self._scripts[script](keys=list(keys), args=list(args))
            except redis.asyncio.ResponseError as error:
                if refused_before_writing(error):
                    raise
                half = await self.broken_by()
                if half is None and isinstance(error, redis.exceptions.NoPermissionError):
                    raise
                raise refusals.failed(self.keys, script, error, half) from error
        if answer[0] == b"BROKEN":
            raise refusals.broken(self.keys, answer[1].decode())
        if answer[0] == b"LOST":
            known = int(answer[1] or 0) if len(answer) > 1 else 0
            raise refusals.unknown(self.keys, partition, known) if 0 < known <= partition else self._lost()
        if answer[0] == b"NEWER":
            raise refusals.newer(self.keys, int(answer[1]), FORMAT)
        if answer[0] == b"OLDER":
            await self._run("migrate", [self.keys.ledger], [self.keys.namespace])
            return await self._run(script, keys, args, partition)
        return answer

    async def broken_by(self) -> str | None:
        """Name of the script that failed half-way and left the ledger broken; None where it is whole."""
        with translated_errors(self.url):
            found = await self.redis.hget(self.keys.ledger, "writing")
        return found.decode() if found else None

    async def require_whole(self) -> None:
        """Raises LedgerBroken where a script failed half-way."""
        if (half := await self.broken_by()) is not None:
            raise refusals.broken(self.keys, half)

    def _lost(self) -> LedgerLost:
        return refusals.lost(self.keys, seen=self._generation is not None)

    def _same_generation(self, generation: bytes) -> None:
        """Raises LedgerReplaced where it is another ledger than the one this object saw first."""
        found = generation.decode()
        if self._generation not in (None, found):
            raise LedgerReplaced(
                f"another ledger stands under prefix {self.keys.prefix!r}: it was rebuilt or reset. The process starts "
                "again with it."
            )
        self._generation = found
