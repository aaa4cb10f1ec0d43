"""Event-time buckets per market and the window sums over them."""

from collections.abc import Mapping

import numpy as np

from marketpulse.contract.metrics import WINDOWS
from streams.pipeline.count.cells import CellLayout, Cells

MINUTES_KEPT = 180
HOURS_KEPT = 192


class Windows:
    """Minute buckets (kept 3 h) and hour buckets (kept 8 d) of every market, in event time.

    A window is the sum of its whole buckets, the current one and whatever lies ahead of stream time (events of
    partitions that are further on). An event older than what is kept is counted in `dropped_late`.
    """

    def __init__(self, layout: CellLayout) -> None:
        self.layout = layout
        self.dropped_late = 0
        self._buckets: dict[str, dict[str, dict[int, Cells]]] = {}  # market -> unit -> bucket -> cells
        self._changed: set[tuple[str, str, int]] = set()
        self._removed: set[tuple[str, str, int]] = set()

    @property
    def markets(self) -> list[str]:
        """Markets with any bucket, in the order of their codes."""
        return sorted(self._buckets)

    def add(self, market: str, minute: int, cells: Cells, stream_minute: int) -> None:
        """Add one (market, minute) delta; `stream_minute` decides what is too old to be kept."""
        units = self._buckets.setdefault(market, {"minute": {}, "hour": {}})
        if minute > stream_minute - MINUTES_KEPT:
            self._add(units, market, "minute", minute, cells)
        if minute // 60 > stream_minute // 60 - HOURS_KEPT:
            self._add(units, market, "hour", minute // 60, cells)
        else:
            self.dropped_late += self.layout.read(cells).n

    def _add(self, units: dict[str, dict[int, Cells]], market: str, unit: str, bucket: int, cells: Cells) -> None:
        known = units[unit].get(bucket)
        units[unit][bucket] = cells.copy() if known is None else known + cells
        self._changed.add((market, unit, bucket))
        self._removed.discard((market, unit, bucket))

    def advance(self, stream_minute: int) -> None:
        """Forget buckets that no window reaches any more."""
        oldest = {"minute": stream_minute - MINUTES_KEPT, "hour": stream_minute // 60 - HOURS_KEPT}
        for market, units in self._buckets.items():
            for unit, buckets in units.items():
                for bucket in [bucket for bucket in buckets if bucket <= oldest[unit]]:
                    del buckets[bucket]
                    self._changed.discard((market, unit, bucket))
                    self._removed.add((market, unit, bucket))

    def window(self, market: str, name: str, stream_minute: int) -> Cells:
        """Sum of a market's window (`5m`, `1h`, `24h`, `7d`) at stream time."""
        return self._sum(market, WINDOWS[name][0], first_bucket(name, stream_minute), None)

    def between_hours(self, market: str, first: int, end: int) -> Cells:
        """Sum of a market's hour buckets in [first, end)."""
        return self._sum(market, "hour", first, end)

    def between_minutes(self, market: str, first: int, end: int) -> Cells:
        """Sum of a market's minute buckets in [first, end)."""
        return self._sum(market, "minute", first, end)

    def events_with_user(self, market: str, first: int, end: int) -> int:
        """Events that name a user in a market's hour buckets in [first, end)."""
        hours, cell = self._buckets.get(market, {}).get("hour", {}), self.layout.index("with_user")
        return sum(int(hours[hour][cell]) for hour in range(first, end) if hour in hours)

    def usual_hours(self, market: str, last_hour: int) -> list[float]:
        """Events of each hour of day, 24 numbers: means over the 7 days that end with an hour (of epoch hours).

        Where a market speaks for less than a day, hours that it has not been through take the mean of the others.
        """
        found = {
            hour: self.layout.events(cells)
            for hour, cells in self._buckets.get(market, {}).get("hour", {}).items()
            if last_hour - 7 * 24 < hour <= last_hour
        }
        seen = range(min(found, default=last_hour), last_hour + 1)
        by_hour: list[list[int]] = [[] for _ in range(24)]
        for hour in seen:
            by_hour[hour % 24].append(found.get(hour, 0))
        mean = sum(found.values()) / len(seen)
        return [sum(events) / len(events) if events else mean for events in by_hour]

    def _sum(self, market: str, unit: str, first: int, end: int | None) -> Cells:
        buckets = self._buckets.get(market, {}).get(unit, {})
        chosen = [cells for bucket, cells in buckets.items() if bucket >= first and (end is None or bucket < end)]
        if not chosen:
            return self.layout.zeros()
        total: Cells = np.add.reduce(chosen)
        return total

    # --- persistence --------------------------------------------------------------------------------------------

    def take_changes(self) -> tuple[dict[tuple[str, str], dict[int, bytes]], dict[tuple[str, str], list[int]]]:
        """Buckets changed and removed since the last call, per (market, unit): new content, gone bucket numbers."""
        changed: dict[tuple[str, str], dict[int, bytes]] = {}
        for market, unit, bucket in sorted(self._changed):
            changed.setdefault((market, unit), {})[bucket] = self._buckets[market][unit][bucket].tobytes()
        removed: dict[tuple[str, str], list[int]] = {}
        for market, unit, bucket in sorted(self._removed):
            removed.setdefault((market, unit), []).append(bucket)
        self._changed.clear()
        self._removed.clear()
        return changed, removed

    def load(self, market: str, minutes: Mapping[int, bytes], hours: Mapping[int, bytes]) -> None:
        """Restore one market's buckets as `take_changes` gave them."""
        rows = {"minute": minutes, "hour": hours}
        self._buckets[market] = {
            unit: {bucket: self.layout.restored(content) for bucket, content in buckets.items()}
            for unit, buckets in rows.items()
        }

    def relay(self, before: CellLayout, after: CellLayout) -> None:
        """Put every bucket, counted in one layout, into another; all of them are changes."""
        self.layout = after
        for market, units in self._buckets.items():
            for unit, buckets in units.items():
                for bucket, cells in buckets.items():
                    buckets[bucket] = after.relaid(before, cells)
                    self._changed.add((market, unit, bucket))


def first_bucket(name: str, stream_minute: int) -> int:
    """Number of the oldest bucket (minute or hour) of a window at stream time."""
    unit, length = WINDOWS[name]
    return (stream_minute if unit == "minute" else stream_minute // 60) - length + 1
