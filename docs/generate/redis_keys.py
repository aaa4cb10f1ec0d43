"""Every Redis key of one prefix, described: type, who reads it, how long it lives. Tests hold it against the code."""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from streams.pipeline.rollup.step import EXCERPTS_KEPT

KeyType = Literal["string", "hash", "set", "list", "stream"]


class KeySpec(msgspec.Struct, frozen=True):
    """A key or a family of keys; `<...>` in the pattern stands for one part. HyperLogLogs are strings to Redis."""

    pattern: str
    kind: KeyType
    life: str
    what: str

    def matches(self, name: str) -> bool:
        """Whether a key (without prefix and colon) is one of this family."""
        parts = [".+" if part.startswith("<") else re.escape(part) for part in re.split(r"(<\w+>)", self.pattern)]
        return re.fullmatch("".join(parts), name) is not None


ALWAYS = "as long as the ledger"
STEP = "until the step is published"

FOR_READERS: tuple[KeySpec, ...] = (
    KeySpec("table:<metric>:<window>", "hash", ALWAYS, "market -> value; u, r, s, t over 5m, 1h, 24h, 7d"),
    KeySpec("metrics:<market>", "string", ALWAYS, "JSON: all values with intervals, step, stream time, model"),
    KeySpec("topics:<market>", "string", ALWAYS, "JSON: topic -> n, negative, u over 24 h"),
    KeySpec("excerpts:<market>", "string", "8 days from their events on", "JSON: redacted texts, each with its hour"),
    KeySpec("markets", "set", ALWAYS, "codes ever seen"),
    KeySpec("alerts", "hash", ALWAYS, "alert id -> newest state (JSON), 7 d once ended; excerpts, words while firing"),
    KeySpec("allocation", "string", ALWAYS, "JSON: the allocation in force"),
    KeySpec("allocations", "list", "the last 500", "JSON: the allocator's answers"),
    KeySpec("portfolio", "string", ALWAYS, "JSON: markets and plan in force"),
    KeySpec("mutes", "string", ALWAYS, "JSON: silences in force, 1,000 at most; written where they changed"),
    KeySpec("model", "string", ALWAYS, "JSON: the model in use: its topics and languages, and how good it is"),
    KeySpec("workers", "hash", "10 minutes after the last word", "worker -> model, device, partitions, time (JSON)"),
    KeySpec("step", "hash", ALWAYS, "step, stream_time, published_at (epoch ms), model, device, digest"),
    KeySpec("changes", "stream", "about 2,000 entries", "one entry per step and allocation; resume by id"),
)  # fmt: skip
"""What any program may read."""

OF_THE_LEDGER: tuple[KeySpec, ...] = (
    KeySpec("ledger", "hash", ALWAYS, "id, generation, open and published step, lease, partitions, writing script"),
    KeySpec("totals", "hash", ALWAYS, "accepted, duplicates, dead letters by code, latencies, shadow answers"),
    KeySpec("state", "hash", ALWAYS, f"MessagePack: the roll-up's memory per market with {EXCERPTS_KEPT} excerpts"),
    KeySpec("partition:<number>", "hash", ALWAYS, "claim, next offset, newest event time, checksum of the last record"),
    KeySpec("positions", "hash", ALWAYS, "partition -> next offset"),
    KeySpec("ids:<number>", "list", "MARKETPULSE_DEDUPE_MINUTES of record time", "digests of event ids, 16 bytes each"),
    KeySpec("buckets:minute:<market>", "hash", "3 hours of stream time", "minute -> counts"),
    KeySpec("buckets:hour:<market>", "hash", "8 days of stream time", "hour -> counts"),
    KeySpec("users:hour:<market>:<hour>", "string", "60 hours from its begin", "HyperLogLog of hashed user ids"),
    KeySpec("users:day:<market>:<day>", "string", "17 days from its begin", "HyperLogLog of hashed user ids"),
    KeySpec("step:<number>:counts", "hash", STEP, "market:minute:cell -> count of the open step"),
    KeySpec("step:<number>:users", "set", STEP, "market:hour of its HyperLogLogs"),
    KeySpec("step:<number>:users:<bucket>", "string", STEP, "HyperLogLog of hashed user ids"),
    KeySpec("step:<number>:excerpts", "hash", STEP, "market -> up to 3 redacted texts"),
    KeySpec("step:<number>:cut", "string", STEP, "where every partition stood at the cut"),
    KeySpec("outbox", "stream", "until Kafka has acknowledged", "records on their way to their topics"),
    KeySpec("shift:seq", "string", ALWAYS, "seq of the newest shift"),
    KeySpec("allocation:seq", "string", ALWAYS, "seq of the newest shift that was answered"),
    KeySpec("checkpoint", "string", ALWAYS, "when the last checkpoint was written, epoch ms"),
)  # fmt: skip
"""What only workers and `marketpulse ledger` may touch."""

KEYS: Mapping[str, KeySpec] = {spec.pattern: spec for spec in (*FOR_READERS, *OF_THE_LEDGER)}


def spec_of(name: str) -> KeySpec | None:
    """The description of a key given without its prefix; None for one that is not described."""
    return next((spec for spec in KEYS.values() if spec.matches(name)), None)
