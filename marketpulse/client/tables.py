"""What readers find in Redis: key names of the public tables, and the tables' reading side."""

from collections.abc import Iterator
from typing import Any

from streams.ledger.connection import translated_errors
from streams.pipeline.count.windows import WINDOWS


class TableKeys:
    """Public Redis keys of one prefix; a service may read them with any Redis client."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.markets = f"{prefix}:markets"
        self.allocation = f"{prefix}:allocation"
        self.answers = f"{prefix}:allocations"
        self.alerts = f"{prefix}:alerts"
        self.changes = f"{prefix}:changes"
        self.step = f"{prefix}:step"
        self.portfolio = f"{prefix}:portfolio"
        self.mutes = f"{prefix}:mutes"

    def table(self, metric: str, window: str) -> str:
        """Hash market -> value of one metric (`u`, `r`, `s`, `t`) over one window."""
        return f"{self.prefix}:table:{metric}:{window}"

    def metrics(self, market: str) -> str:
        """JSON of all a market's values with intervals."""
        return f"{self.prefix}:metrics:{market}"

    def excerpts(self, market: str) -> str:
        """JSON list of what some of a market's users said last, redacted."""
        return f"{self.prefix}:excerpts:{market}"

    def topics(self, market: str) -> str:
        """JSON: topic -> n, negative, u over 24 h."""
        return f"{self.prefix}:topics:{market}"


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

    def get(self, market: str, window: str) -> float | None:
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
