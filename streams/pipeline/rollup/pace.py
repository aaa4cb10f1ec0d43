"""How much one step may hold, so that it is published well within its lease."""

from streams.ledger.types import Command

LEAST_CELLS = 10_000
MEASURED_FROM = 2_000  # smaller steps spend their time on other things than cells
NEWEST_WEIGHT = 0.3


class Pace:
    """Measures cells a second over steps; what half a lease can take is the bound of the open step.

    The ledger keeps the bound: commits above it are answered FULL and wait, whichever worker sends them.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._per_s: float | None = None

    def took(self, cells: int, seconds: float) -> None:
        """One step was cut, decided and published: how many cells it held, and the seconds that took."""
        if cells >= MEASURED_FROM and seconds > 0:
            now = cells / seconds
            self._per_s = now if self._per_s is None else (1 - NEWEST_WEIGHT) * self._per_s + NEWEST_WEIGHT * now

    @property
    def most_cells(self) -> int | None:
        """The bound; None while nothing was measured."""
        return None if self._per_s is None else max(LEAST_CELLS, int(self._per_s * self._lease_s / 2))

    def writes(self, ledger_key: str) -> list[Command]:
        """What the next step's publication writes."""
        bound = self.most_cells
        return [] if bound is None else [["HSET", ledger_key, "open_cells", bound]]
