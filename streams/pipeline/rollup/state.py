"""What a roll-up remembers from step to step, of all markets together."""

import msgspec

from marketpulse.contract.records import AlertRecord
from streams.contract.journal import UserKey
from streams.contract.rules import Rules
from streams.pipeline.detect.canaries import Turn
from streams.pipeline.detect.conditions import Input
from streams.pipeline.detect.drift import Drift
from streams.pipeline.detect.watch import WatchState
from streams.privacy.user_hashes import Mixed


class CommonState(msgspec.Struct):
    """What all markets share; times in epoch ms."""

    stream_time_ms: int | None = None
    read_ms: int | None = None  # record time up to which all of the log was read
    held_by: tuple[int, ...] = ()  # partitions that stream time waits for, while others are further
    held_since_ms: int | None = None  # on Redis's clock: since when it waits and does not move
    judged_ms: int | None = None  # stream time up to which minutes went to the detectors
    late_events: int = 0  # that came after their minute had gone there
    now_ms: int = 0
    covered_since_ms: int | None = None
    first_events: dict[int, int] = {}  # minute -> events, while there are too few to be sure of where the stream begins
    pooled: dict[str, tuple[float, float]] = {}  # topic -> fading (events, negatives) over all markets
    started: bool = False
    input: Input = msgspec.field(default_factory=Input)
    watch: WatchState = msgspec.field(default_factory=WatchState)
    canaries: list[AlertRecord] = []  # that fire until the next step
    canary_turn: Turn = msgspec.field(default_factory=Turn)
    allocated: str = ""  # id of the allocation in force at the step before
    spend: dict[str, float] = {}  # of that, per market, without entry money
    spend_currency: str = ""  # of that; empty where it was not kept yet
    moves: dict[str, list[tuple[int, float]]] = {}  # market -> (when its spend changed, what it was), of 24 h
    ended: dict[str, int] = {}  # alerts that readers still see -> stream time at which they ended, oldest first
    drift: Drift = msgspec.field(default_factory=Drift)
    model: str = ""
    profiles: int = 0  # offset up to which profiles have been in force
    mutes: int = 0
    labels: int = 0
    ahead: int = 0  # `seq` of what a step publishes is its number and this: Redis went back in time
    written_minute: int = 0  # of stream time, when all markets were written last: windows move without events too
    portfolio: str = ""  # fingerprint of the portfolio in force
    rules: Rules | None = None  # those of the step before
    user_key: UserKey | None = None  # that of the step before
    users_mixed: list[Mixed] = []  # where a user may be counted under two keys
    digest: str = ""  # of all outcomes so far, see StepRecord


class _Known(msgspec.Struct):
    user_key: UserKey | None = None


def known_key(common: bytes | None) -> UserKey | None:
    """The key of user hashes of a stored CommonState, whichever version stored it."""
    return None if common is None else msgspec.msgpack.decode(common, type=_Known).user_key
