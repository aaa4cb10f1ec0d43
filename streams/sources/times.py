"""Times as files write them, as epoch milliseconds: the contract's own forms, local ones with a zone, epoch numbers."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from email.utils import parsedate_to_datetime

from marketpulse.contract.decode import Rejected, time_ms

FIRST_S = 946_684_800
LAST_S = 4_102_444_800
"""A number is a time only between the years 2000 and 2100; there seconds, ms, µs and ns do not overlap."""
BEYOND_MS = 10**13
MOST_CHARACTERS = 100
"""No time is longer. Some forms are looked for in time by the square of the length, and anybody may write a text."""
UNITS_PER_S = (1, 1_000, 1_000_000, 1_000_000_000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"\d{9,19}([.]\d{1,9})?", re.ASCII)
_DOTTED = re.compile(r"(\d{1,2})[.](\d{1,2})[.](\d{4})(?:,?\s+(.+))?", re.ASCII)
_ZERO_OFFSET = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)


def number_ms(number: float) -> int | None:
    """Epoch milliseconds of an epoch number in s, ms, µs or ns, whichever lies in 2000 to 2100; None: no time."""
    for unit in UNITS_PER_S:
        if FIRST_S * unit <= number < LAST_S * unit:
            return int(number * 1_000 / unit) if unit < 1_000 else int(number) // (unit // 1_000)
    return None


def written_ms(written: object, zone: tzinfo | None = None, form: str | None = None) -> int | None:
    """Epoch milliseconds of a time.

    Args:
        written: text, number, date, or date with time.
        zone: of times without an offset; None: those are no times.
        form: how text is written, as `strptime` takes it; None: ISO 8601, RFC 2822, `d.m.Y`, an epoch number.

    Returns:
        None where it is no time, or one before 1970 or after 2286.
    """
    if isinstance(written, bool):
        return None
    if isinstance(written, int | float):
        return number_ms(written)
    if isinstance(written, date):
        return _in_bounds(written if isinstance(written, datetime) else datetime.combine(written, time()), zone)
    if not isinstance(written, str):
        return None
    text = written.strip()
    if len(text) > MOST_CHARACTERS:
        return None
    if form is not None:
        return _in_bounds(_formed(text, form), zone)
    if _NUMBER.fullmatch(text) and (number := number_ms(float(text) if "." in text else int(text))) is not None:
        return number
    try:
        at = time_ms(text)
        return at if 0 < at < BEYOND_MS else None
    except Rejected:
        return _in_bounds(_local(text), zone)


def _local(text: str) -> datetime | None:
    """What the contract does not take: no offset, an offset by name, RFC 2822, the day first."""
    if _ZERO_OFFSET.search(text):
        text = _ZERO_OFFSET.sub("+00:00", text)
    if day := _DOTTED.fullmatch(text):
        text = f"{day[3]}-{int(day[2]):02}-{int(day[1]):02} {day[4] or '00:00'}"
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _formed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)
    except (ValueError, re.error):
        return None


def _in_bounds(at: datetime | None, zone: tzinfo | None) -> int | None:
    if at is None or (at.tzinfo is None and zone is None):
        return None
    try:
        found = ((at if at.tzinfo else at.replace(tzinfo=zone)) - _EPOCH) // timedelta(milliseconds=1)
    except (OverflowError, ValueError):
        return None
    return found if 0 < found < BEYOND_MS else None
