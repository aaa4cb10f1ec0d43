"""The histogram of latencies that the ledger keeps: numbers of buckets and what they stand for."""

import math


def latency_bucket(latency_ms: int) -> int:
    """Number of the histogram bucket, 10 % wide each; `latency_of_bucket` is its middle."""
    return round(10 * math.log(max(latency_ms, 1)))


def latency_of_bucket(bucket: int) -> float:
    """Latency in ms at the middle of a bucket."""
    return math.exp(bucket / 10)
