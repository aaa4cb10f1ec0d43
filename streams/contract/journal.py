"""The journal: steps and checkpoints of `market.steps`, and the key of user hashes that they name."""

from typing import Any, Literal

import msgspec

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import Excerpt, RefusedAnswer
from marketpulse.contract.wire import CONTRACT_VERSION
from streams.contract.rules import Rules


class UserKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which key user ids are hashed with: `id` tells it from others, `since` (epoch ms of event time, 0 = always).

    `differ`: a worker that lives uses another.
    """

    id: str
    since: int = 0
    differ: bool = False


class JudgedWeek(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people answered about texts of one market-week that one model classified.

    `counts`: events of the week that the model called negative, neutral, positive. `labels`: language (empty = not
    known) -> texts by [answered][predicted], in that order of labels too.
    """

    week: int
    model: str
    counts: tuple[int, int, int]
    labels: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]]


class PartitionMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a source partition was at a cut, beside its offset; times in epoch ms, absent = nothing was committed.

    `last_offset`, `last_timestamp` and `last_checksum` (CRC-32) are those of the last record before the offset: they
    tell whether the topic still is the one that was counted. `newest`, `rose`, `seen` are the partition's clock (event
    time reached, record time of what last raised it, record time read); `end` is Kafka's last stable offset.
    `committed` is what format 1 had in place of `rose` and `seen`.
    """

    newest: int | None = None
    committed: int | None = None
    last_timestamp: int | None = None
    last_checksum: int | None = None
    began: int = (
        0  # first offset that was ever counted; -1: what was counted first is another topic's, or a gap follows
    )
    last_offset: int | None = None
    rose: int | None = None
    seen: int | None = None
    end: int | None = None


class StepRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One roll-up step in `market.steps`: with the steps before it, all that its outcome depends on.

    `portfolio`, `rules`, `user_key` and `model_info` are there when they differ from those of the step before, and of
    `judged` the markets whose weeks do.
    `allocation` is the id of the allocation in force, `refused` the allocator's newest answer where it failed or is
    infeasible, `totals` the ledger's totals at the cut. `quotes`: False where the step, by its leader's setting, forgot
    all excerpts of before and quoted nobody. `digest` is the SHA-256 of all outcomes so far: that of the
    step before with this step's metrics, alerts and shifts and the allocation in force.
    """

    step: int
    stream_time: int | None
    cut: dict[str, int]
    deltas: dict[str, dict[str, dict[str, int]]]  # market -> minute -> cell -> count or micro-units
    users: dict[str, str] = {}  # "market:hour" -> base64 of the step's HyperLogLog
    excerpts: dict[str, list["Excerpt"]] = {}  # market -> what some of its users said, redacted
    now: int = 0  # Redis's clock at the cut
    profiles: int = 0  # offset in market.profiles up to which profiles were in force
    model: str = ""
    ahead: int = 0  # `seq` of what this step publishes is `step + ahead`: more than 0 after Redis went back in time
    partitions: dict[str, PartitionMark] = {}
    totals: dict[str, int] = {}
    allocation: str = ""
    refused: RefusedAnswer | None = None
    problems: tuple[str, ...] = ()
    mutes: int = 0  # offset in market.mutes up to which silences were in force
    labels: int = 0  # offset in market.labels up to which answers of people were taken
    judged: dict[str, tuple[JudgedWeek, ...]] = {}  # market -> all of its weeks, where one is another than before
    portfolio: Portfolio | None = None
    rules: Rules | None = None
    model_info: dict[str, Any] | None = None
    user_key: UserKey | None = None
    digest: str = ""
    held_by: tuple[int, ...] = ()  # partitions that stream time waited for, while others were further
    quotes: bool = True
    format: int = 1
    v: int = CONTRACT_VERSION


JOURNAL_FORMAT = 2
"""Of steps and checkpoints: raised with every change that an older version would misread; absent in a record = 1."""
CHECKPOINT_KEY = b"checkpoint"
"""Kafka key of checkpoints in `market.steps`; that of a step is its number."""


class CheckpointRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a checkpoint in `market.steps`, key `checkpoint`: the ledger as step `step` left it.

    A checkpoint is complete, and counts, once the record with `part == parts` is there; `id` tells attempts at the same
    step apart. `content` is base64 of zlib of MessagePack: Redis keys with their content. The last record has none; it
    says where the source stood and what was counted (`now`, `cut`, `partitions`, `totals`: as in a step's record).
    `cause` is `reset` or `rebuild` where the ledger began anew from this state, and steps go on after `step`.
    """

    id: str
    step: int
    part: int
    parts: int
    cause: Literal["hourly", "rebuild", "reset"] = "hourly"
    content: str = ""
    now: int = 0
    cut: dict[str, int] = {}
    partitions: dict[str, PartitionMark] = {}
    totals: dict[str, int] = {}
    format: int = 1
    v: int = CONTRACT_VERSION
