"""What a roll-up remembers from step to step."""

import msgspec

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import HOUR_MS
from streams.contract.journal import UserKey
from streams.contract.rules import Rules
from streams.pipeline.detect.conditions import Input
from streams.pipeline.detect.drift import Drift
from streams.pipeline.detect.shift import ShiftState
from streams.pipeline.detect.surge import SurgeState
from streams.pipeline.detect.watch import WatchState
from streams.privacy.user_hashes import Mixed

WARMING_MS = HOUR_MS
WARMING_EVENTS = 500


TopicCounts = dict[str, tuple[int, int]]  # topic -> (events, negatives)


class Warming(msgspec.Struct):
    """A market whose baselines are being made anew, since when (epoch ms of stream time), and its events since then."""

    since_ms: int
    events: int = 0

    def over(self, stream_ms: int) -> bool:
        """Whether an hour or 500 events have passed."""
        return stream_ms - self.since_ms >= WARMING_MS or self.events >= WARMING_EVENTS


class MarketState(msgspec.Struct):
    """One market's detectors: surge per topic (`""` = the market), shift reference, minutes held back."""

    surges: dict[str, SurgeState] = {}
    shift: ShiftState | None = None
    waiting: dict[int, TopicCounts] = {}
    waiting_languages: dict[int, list[int]] = {}  # events of each of the layout's languages
    spoken: list[float] = []  # the same of the minutes released so far, fading by events
    watch: WatchState = msgspec.field(default_factory=WatchState)
    excerpts: list[Excerpt] = []
    warming: Warming | None = None


class CommonState(msgspec.Struct):
    """What all markets share; times in epoch ms."""

    stream_time_ms: int | None = None
    now_ms: int = 0
    covered_since_ms: int | None = None
    pooled: dict[str, tuple[float, float]] = {}  # topic -> fading (events, negatives) over all markets
    started: bool = False
    input: Input = msgspec.field(default_factory=Input)
    watch: WatchState = msgspec.field(default_factory=WatchState)
    drift: Drift = msgspec.field(default_factory=Drift)
    model: str = ""
    profiles: int = 0  # offset up to which profiles have been in force
    mutes: int = 0
    ahead: int = 0  # `seq` of what a step publishes is its number and this: Redis went back in time
    written_minute: int = 0  # of stream time, when all markets were written last: windows move without events too
    portfolio: str = ""  # fingerprint of the portfolio in force
    rules: Rules | None = None  # those of the step before
    user_key: UserKey | None = None  # that of the step before
    users_mixed: list[Mixed] = []  # where a user may be counted under two keys
    digest: str = ""  # of all outcomes so far, see StepRecord
