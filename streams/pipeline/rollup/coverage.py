"""From when on a stream is complete, and which comparisons of users it therefore allows."""

from collections.abc import Mapping, Sequence

from marketpulse.contract.units import DAY_MS, HOUR_MS

FIRST_EVENTS = 1_000  # that say where the stream begins
FEWEST_EVENTS = 100  # without these the begin is not known
STRAY_SHARE = 0.1  # of the first events may lie before the begin: phones that were offline, clocks that are wrong
MOST_LOST = 0.01  # of a stretch that is compared


def begin_of(first_events: Mapping[int, int]) -> int | None:
    """The minute before which at most a tenth of the first events lies; None while they are too few to say.

    Live events come together at the present, whatever some late ones bring from the days before; an import begins with
    its oldest ones. So the order of arrival tells them apart, whatever time a record was written at.

    Args:
        first_events: minute -> events, of those that came first.
    """
    total, so_far = sum(first_events.values()), 0
    if total < FEWEST_EVENTS:
        return None
    for minute in sorted(first_events):
        so_far += first_events[minute]
        if so_far > total * STRAY_SHARE:
            return minute
    raise AssertionError("a total is more than a tenth of it")


def first_events_after(first_events: Mapping[int, int], per_minute: Mapping[int, int]) -> dict[int, int]:
    """The first events with those of one more step."""
    return {
        minute: first_events.get(minute, 0) + per_minute.get(minute, 0)
        for minute in sorted({*first_events, *per_minute})
    }


def comparable(stream_time_ms: int, since_ms: int | None, gaps: Sequence[tuple[int, int]]) -> frozenset[str]:
    """Which pairs of stretches the stream was heard over.

    `1h`, `24h`, `7d`: the last whole one and the one before; `week`: the last whole UTC day and the same day of the
    week before. `long` is there once the stream is old enough for `week`, heard or not.

    Args:
        stream_time_ms: T in epoch ms.
        since_ms: event time from which on the stream is complete; None = not known.
        gaps: event times between which the market's feed was dead.
    """
    if since_ms is None:
        return frozenset()
    hour, midnight = stream_time_ms // HOUR_MS * HOUR_MS, stream_time_ms // DAY_MS * DAY_MS

    def heard(end_ms: int, length_ms: int) -> bool:
        begin_ms = end_ms - length_ms
        lost_ms = sum(max(0, min(end, end_ms) - max(begin, begin_ms)) for begin, end in gaps)
        return since_ms <= begin_ms and lost_ms <= MOST_LOST * length_ms

    pairs = {
        "1h": (hour, hour - HOUR_MS, HOUR_MS),
        "24h": (hour, hour - DAY_MS, DAY_MS),
        "7d": (midnight, midnight - 7 * DAY_MS, 7 * DAY_MS),
        "week": (midnight, midnight - 7 * DAY_MS, DAY_MS),
    }
    found = {name for name, (end, before, length) in pairs.items() if heard(end, length) and heard(before, length)}
    return frozenset(found | ({"long"} if since_ms <= midnight - 8 * DAY_MS else set()))
