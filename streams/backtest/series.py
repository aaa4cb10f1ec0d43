"""The compact notation of made-up series: `20x120 5` is 120 times 20, then 5 once."""

import re

LONGEST = 50_000
_PART = re.compile(r"(?P<first>\d+(?:\.\d+)?)(?:(?P<by>[+-]\d+(?:\.\d+)?))?(?:x(?P<times>\d+))?|_(?:x(?P<gap>\d+))?")


def values_of(text: str) -> list[float]:
    """The values of a series.

    `8`: once; `8x30`: 30 times; `2+1x4`: 2 3 4 5; `9-3x3`: 9 6 3; `_x30`: nothing, 30 times.

    >>> values_of("8x2 _ 2+1x3")
    [8.0, 8.0, 0.0, 2.0, 3.0, 4.0]

    Raises:
        ValueError: a part that cannot be read, a value below 0, or more than 50,000 values.
    """
    values: list[float] = []
    for part in text.split():
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no part of a series; known: 8, 8x30, 2+1x4, 9-3x3, _x30")
        times = int(match["times"] or match["gap"] or 1)
        if len(values) + times > LONGEST:
            raise ValueError(f"{part!r} makes the series longer than {LONGEST:,} values")
        first, by = float(match["first"] or 0), float(match["by"] or 0)
        values += [first + by * at for at in range(times)]
    if any(value < 0 for value in values):
        raise ValueError(f"{text!r} falls below 0")
    return values


def spread(values: list[float], parts: int) -> list[int]:
    """Whole counts: each value divided evenly over so many parts, nothing lost.

    >>> spread([5.0, 2.0], 2)
    [2, 3, 1, 1]
    """
    return [int(value * (at + 1) // parts - value * at // parts) for value in values for at in range(parts)]
