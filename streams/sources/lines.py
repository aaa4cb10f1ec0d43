"""Lines of files, within bounds, and who hears of those that are not usable."""

from collections.abc import Callable, Iterator
from typing import IO, AnyStr

MAX_LINE = 16_777_216
"""Bytes of a line that are read; Kafka takes no record as long."""
MAX_RECORD = 1_048_576
"""Bytes of a record that are parsed; four times the largest event."""
DAMAGED = "a quote opens in this row and does not close"

OnBroken = Callable[[int, str], object]


class Skipped:
    """Lines that were skipped: how many, how many for damaged quotes, and number and reason of the first ten."""

    def __init__(self) -> None:
        self.count = 0
        self.damaged = 0
        self.first: list[tuple[int, str]] = []

    def __call__(self, number: int, why: str) -> None:
        """Add a line."""
        self.count += 1
        self.damaged += why.startswith(DAMAGED)
        if len(self.first) < 10:
            self.first.append((number, why))


def too_long(limit: int) -> str:
    """Why a line or an object is not usable."""
    return f"longer than {limit:,} bytes"


def bounded_lines(content: IO[AnyStr], end: AnyStr, on_broken: OnBroken, limit: int) -> Iterator[AnyStr]:
    """The lines with their ends; one beyond the limit is reported, and an empty one takes its place."""
    number = 0
    while line := content.readline(limit):
        number += 1
        if len(line) == limit and not line.endswith(end):
            while (line := content.readline(limit)) and not line.endswith(end):
                pass
            on_broken(number, too_long(limit))
            line = end
        yield line
