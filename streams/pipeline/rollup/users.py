"""Distinct users: over which stretches they are counted, and which of these a window shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from streams.privacy.user_hashes import Mixed, keys_in

DAY_STRETCHES = frozenset({"current_7d", "whole_7d", "before_7d", "day", "week_ago", "before_week_ago"})
"""Stretches that are counted from the HyperLogLogs of UTC days; the others from those of hours."""
MOST_AHEAD = 192  # hours by which a partition may be further on than stream time


@dataclass(frozen=True, slots=True)
class ActiveUsers:
    """Distinct users of one market from merged HyperLogLogs, over the stretches of `stretches`."""

    current_1h: int = 0
    whole_1h: int = 0
    before_1h: int = 0
    current_24h: int = 0
    whole_24h: int = 0
    before_24h: int = 0
    current_7d: int = 0
    whole_7d: int = 0
    before_7d: int = 0
    day: int = 0
    week_ago: int = 0
    before_week_ago: int = 0


ONCE = ActiveUsers(*(1 for _ in fields(ActiveUsers)))  # keys_of_stretches: every user under one key everywhere


def stretches(hour: int) -> dict[str, tuple[int, int]]:
    """Hours [first, end) behind each field of ActiveUsers, in its order, at an hour of stream time.

    `current_*` hold the running hour and the one ahead of it (events of partitions that are further on); `whole_*` are
    over, `before_*` is the equally long stretch before. Of 24 hours `current` is the window itself. Of 7 days all three
    begin at UTC midnight, since hours are not kept for so long. `day` is the last whole UTC day, `week_ago` the same
    day of the week before, `before_week_ago` the day before that one.
    """
    midnight = hour // 24 * 24
    return {
        "current_1h": (hour, hour + 2),
        "whole_1h": (hour - 1, hour),
        "before_1h": (hour - 2, hour - 1),
        "current_24h": (hour - 23, hour + 2),
        "whole_24h": (hour - 24, hour),
        "before_24h": (hour - 48, hour - 24),
        "current_7d": (midnight - 144, hour + 2),
        "whole_7d": (midnight - 168, midnight),
        "before_7d": (midnight - 336, midnight - 168),
        "day": (midnight - 24, midnight),
        "week_ago": (midnight - 192, midnight - 168),
        "before_week_ago": (midnight - 216, midnight - 192),
    }


def keys_of_stretches(hour: int, mixed: Sequence[Mixed]) -> ActiveUsers:
    """For each count of users, under how many keys at most a user is in it: 1 = once."""
    return ActiveUsers(**{name: keys_in(mixed, first, end) for name, (first, end) in stretches(hour).items()})


def events_per_user(with_user: int, users: int, keys: int = 1) -> float:
    """How many events each user sent, at least 1: events that name a user over distinct users, of one stretch."""
    return max(1.0, with_user / max(1, users // keys)) if users else 1.0


@dataclass(frozen=True, slots=True)
class WindowUsers:
    """What a window knows of its users.

    Args:
        shown: distinct users to publish; None = not known.
        per_user: events with a user per distinct user, 1 where nothing is known.
    """

    shown: int | None = None
    per_user: float = 1.0


def users_of_windows(
    hour: int,
    active: ActiveUsers,
    keys: ActiveUsers,
    events: Callable[[int, int], int],
    events_24h: int,
    events_7d: int,
) -> Mapping[str, WindowUsers]:
    """The users of each window: like over like, so that nothing jumps at a full hour or at midnight.

    Distinct users cannot be had for any 60 minutes or 168 hours. So 1 h shows the last whole hour or the running one,
    and 7 d the last 7 whole UTC days or today and the 6 before: whichever holds more events that name a user. 24 h is
    the window itself. 5 min shows none; how often its users write is that of the hour.

    Args:
        hour: of stream time.
        active: distinct users.
        keys: under how many keys a user may be in each stretch.
        events: events with a user in the hours [first, end).
        events_24h, events_7d: events with a user in these windows, with all that lies ahead.
    """
    bounds = stretches(hour)

    def from_window(name: str, total: int, begin: int) -> tuple[int, WindowUsers]:
        first, end = bounds[name]
        more, less = events(first, begin), events(begin, first) + events(end, hour + MOST_AHEAD)
        return counted(name, total + more - less)

    def counted(name: str, found: int) -> tuple[int, WindowUsers]:
        users, of_keys = getattr(active, name), getattr(keys, name)
        shown = users if found and of_keys == 1 else None
        return found, WindowUsers(shown, events_per_user(found, users, of_keys))

    def fuller(whole: tuple[int, WindowUsers], current: tuple[int, WindowUsers]) -> WindowUsers:
        return current[1] if current[0] > whole[0] else whole[1]

    in_hour = fuller(*(counted(name, events(*bounds[name])) for name in ("whole_1h", "current_1h")))
    return {
        "5m": WindowUsers(None, in_hour.per_user),
        "1h": in_hour,
        "24h": from_window("current_24h", events_24h, hour - 23)[1],
        "7d": fuller(*(from_window(name, events_7d, hour - 167) for name in ("whole_7d", "current_7d"))),
    }
