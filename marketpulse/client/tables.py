"""What readers find in Redis: key names of the public tables, and the tables' reading side."""

import asyncio
from collections.abc import Iterator
from typing import Any

from marketpulse.client.redis_server import translated_errors
from marketpulse.contract.keys import TableKeys
from marketpulse.contract.metrics import WINDOWS


class TableIsReadOnly(TypeError):
    """Tables are written by the ledger's atomic commit only."""


class RedisTable:
    """Reading side in the manner of `faust.Table`: `u["BR"].now()`, `u["BR"].window("1h")`, `u.items()`."""

    def __init__(self, client: Any, keys: TableKeys, metric: str, url: str = "") -> None:
        self._client = client
        self._keys = keys
        self._metric = metric
        self._url = url

    def __getitem__(self, market: str) -> "TableValue":
        return TableValue(self, market)

    def __setitem__(self, market: str, value: object) -> None:
        raise TableIsReadOnly(f"table {self._metric} is written by the worker's atomic commit; services only read it")

    def items(self, window: str = "24h") -> Iterator[tuple[str, float]]:
        """(market, value) of every market with a value, in the order of codes."""
        with translated_errors(self._url):
            rows = self._client.hgetall(self._keys.table(self._metric, window))
        for market, value in sorted(rows.items()):
            yield market.decode(), float(value)

    def get(self, market: str, window: str = "24h") -> float | None:
        """One value; None while there is none. KeyError for an unknown window."""
        if window not in WINDOWS:
            raise KeyError(f"no window {window!r}; there are {', '.join(WINDOWS)}")
        with translated_errors(self._url):
            value = self._client.hget(self._keys.table(self._metric, window), market)
        return None if value is None else float(value)


class TableValue:
    """One market's entry of a table."""

    def __init__(self, table: RedisTable, market: str) -> None:
        self._table = table
        self._market = market

    def now(self) -> float | None:
        """The value decisions use: over 24 h."""
        return self._table.get(self._market, "24h")

    def window(self, name: str) -> float | None:
        """The value over `5m`, `1h`, `24h` or `7d`."""
        return self._table.get(self._market, name)


class AsyncTable:
    """The same for asyncio: `await u.get("BR", "24h")`, `await u.items()`."""

    def __init__(self, table: RedisTable) -> None:
        self._table = table

    async def get(self, market: str, window: str = "24h") -> float | None:
        """One value; None while there is none. KeyError for an unknown window."""
        return await asyncio.to_thread(self._table.get, market, window)

    async def items(self, window: str = "24h") -> list[tuple[str, float]]:
        """(market, value) of every market with a value, in the order of codes."""
        return await asyncio.to_thread(lambda: list(self._table.items(window)))
