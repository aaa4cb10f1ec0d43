"""The windows that metrics are of."""

WINDOWS: dict[str, tuple[str, int]] = {
    "5m": ("minute", 5),
    "1h": ("minute", 60),
    "24h": ("hour", 24),
    "7d": ("hour", 168),
}
"""Window -> (unit of its buckets, how many: the current one included)."""
