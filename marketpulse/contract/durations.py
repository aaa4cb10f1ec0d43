"""Durations as people write them, `30m` or `1h30m`, and as milliseconds."""

import re

from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS

UNITS_MS = {"d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS, "s": 1_000}
_PART = re.compile(r"(\d+)([dhms])")


def duration_ms(text: str) -> int:
    """Milliseconds of a duration: whole numbers with d, h, m or s, largest unit first, each at most once.

    >>> [duration_ms(text) for text in ("30m", "1h30m", "0s")]
    [1800000, 5400000, 0]

    Raises:
        ValueError: it is no duration.
    """
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    whole = "".join(number + unit for number, unit in parts) == text
    if not parts or not whole or units != [unit for unit in UNITS_MS if unit in units]:
        raise ValueError(f"{text!r} is no duration")
    return sum(int(number) * UNITS_MS[unit] for number, unit in parts)


def duration_text(ms: float) -> str:
    """A duration in the form that `duration_ms` reads; parts of a second are left out.

    >>> [duration_text(ms) for ms in (1_800_000, 5_400_000, 0)]
    ['30m', '1h30m', '0s']
    """
    left, words = int(ms), ""
    for unit, size in UNITS_MS.items():
        number, left = divmod(left, size)
        words += f"{number}{unit}" if number else ""
    return words or "0s"
