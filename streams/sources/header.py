"""Which row of a table is its header, where titles may be above it."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from streams.errors import BadInput
from streams.sources.events import Form, cell_text

MAX_ABOVE = 20
"""Rows above a header that are looked at."""
MIN_NAMED = 2
"""Names that are asked for in a row below the first, so that it is taken for the header."""

NumberedRow = tuple[int, Sequence[Any]]


def rows_above(rows: Iterable[NumberedRow], form: Form, unit: str) -> int:
    """How many of the first rows are above the header: the first row that the form takes, or the only one.

    Where it takes none, 0: the row is refused by whoever reads it. `unit`: rows, or lines.

    Raises:
        BadInput: several could be the header; or none, and one below the first has more of the names asked for.
    """
    wanted = form.wanted()
    fits: list[tuple[int, int]] = []
    most, best = MIN_NAMED - 1, None  # one name may be what a user wrote, which is no message's to show
    for place, (number, row) in enumerate(itertools.islice(rows, MAX_ABOVE + 1)):
        names = list(map(cell_text, row))
        try:
            form.table(names)
        except BadInput as error:
            if (number_named := _named(names, wanted)) > most:
                most, best = number_named, error if place else None
            continue
        if place == 0:
            return 0
        fits.append((place, number))
    if len(fits) == 1:
        return fits[0][0]
    if fits:
        (_, one), (_, other) = fits[:2]
        raise BadInput(
            f"{unit} {one} and {other} could both be the header. Operator action: delete the {unit} above the header, "
            "and what is below the table."
        )
    if best is not None:
        raise best
    return 0


def rows_above_named(rows: Iterable[Sequence[Any]], wanted: Collection[str]) -> int:
    """The same where only likely names of columns are known: the first row with two, if the very first has none."""
    found = [_named(list(map(cell_text, row)), wanted) for row in itertools.islice(rows, MAX_ABOVE + 1)]
    if not found or found[0]:
        return 0
    return next((place for place, number in enumerate(found) if number >= MIN_NAMED), 0)


def skipped_note(first: int, last: int, header: int, unit: str) -> str:
    """What was skipped, by numbers of rows or lines."""
    single = unit.removesuffix("s")
    above = f"{single} {first} above it was" if first == last else f"{unit} {first} to {last} above it were"
    return f"the header is in {single} {header}; {above} skipped"


def _named(names: Sequence[str], wanted: Collection[str]) -> int:
    return len({name.strip().casefold() for name in names} & set(wanted))
