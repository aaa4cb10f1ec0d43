"""Units of time, in milliseconds, and of counts."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
MICRO = 1_000_000
"""Sums of fractions are kept as whole millionths."""
