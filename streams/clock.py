"""The clock of this machine, in the unit of every record."""

import time


def epoch_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
