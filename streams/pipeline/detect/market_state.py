"""What the detectors remember of one market."""

from collections.abc import Mapping

import msgspec

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import HOUR_MS
from streams.contract.journal import JudgedWeek
from streams.pipeline.detect.shift import ShiftState
from streams.pipeline.detect.surge import SurgeState
from streams.pipeline.detect.watch import WatchState

WARMING_MS = HOUR_MS
WARMING_EVENTS = 500


TopicCounts = dict[str, tuple[int, int]]  # topic -> (events, negatives)


class Warming(msgspec.Struct):
    """A market that learns its baselines again, since when (epoch ms of stream time), and its events since then."""

    since_ms: int
    events: int = 0

    def over(self, stream_ms: int) -> bool:
        """Whether an hour or 500 events have passed."""
        return stream_ms - self.since_ms >= WARMING_MS or self.events >= WARMING_EVENTS


class MarketState(msgspec.Struct):
    """One market's detectors: surge per topic (`""` = the market), shift reference, minutes that are not over yet.

    `late`: events of minutes that have been judged, by the minute that they wait for.
    """

    surges: dict[str, SurgeState] = {}
    shift: ShiftState | None = None
    waiting: dict[int, TopicCounts] = {}
    waiting_languages: dict[int, list[int]] = {}  # events of each of the layout's languages
    late: dict[int, TopicCounts] = {}
    late_languages: dict[int, list[int]] = {}
    rising: TopicCounts = {}  # judged since the market's S was last 0: where its surge comes from, if it becomes one
    judged_minute: int = 0  # the newest that went to the detectors
    spoken: list[float] = []  # the same of the minutes released so far, fading by events
    watch: WatchState = msgspec.field(default_factory=WatchState)
    excerpts: list[Excerpt] = []
    warming: Warming | None = None
    judged: tuple[JudgedWeek, ...] = ()  # texts that people labelled, by week and model


def forget_excerpts(markets: Mapping[str, MarketState], before_ms: int | None = None) -> set[str]:
    """Take out excerpts of events before that time (epoch ms), None = all of them; the markets that had some."""
    found = set()
    for name, state in markets.items():
        left = [row for row in state.excerpts if before_ms is not None and row.occurred_at >= before_ms]
        if len(left) < len(state.excerpts):
            state.excerpts = left
            found.add(name)
    return found
