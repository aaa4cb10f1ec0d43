"""The histogram of latencies that the ledger keeps: numbers of buckets and what they stand for."""

import math


def latency_bucket(latency_ms: int) -> int:
    """Number of the histogram bucket, 10 % wide each; `latency_of_bucket` is its middle."""
    return round(10 * math.log(max(latency_ms, 1)))


def latency_of_bucket(bucket: int) -> float:
    """Latency in ms at the middle of a bucket."""
    return math.exp(bucket / 10)


DEAD_LETTERS = ":dead_letter"  # of all markets, under `*` and the minute of the records' own time
SHADOW = "shadow:"


def latency_quantile(totals: dict[str, int], share: float) -> float | None:
    """Latency in ms below which the given share of events lies; None before any event."""
    buckets = sorted((int(name.partition(":")[2]), n) for name, n in totals.items() if name.startswith("latency:"))
    wanted = share * sum(n for _, n in buckets)
    for bucket, n in buckets:
        wanted -= n
        if wanted <= 0:
            return latency_of_bucket(bucket)
    return None
