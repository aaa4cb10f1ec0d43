"""Units of time and of counts."""

DAY_MS = 86_400_000


MICRO = 1_000_000


MINUTE_MS = 60_000
HOUR_MS = 3_600_000
