"""One roll-up step as a pure function: a cut step in; windows, metrics, alerts and shifts out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_field

from msgspec.structs import replace

from marketpulse.contract.canary import KIND
from marketpulse.contract.keys import EXCERPTS_LIVE_MS
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AlertRecord, AllocationRecord, ShiftRecord
from marketpulse.contract.totals import DEAD_LETTERS
from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS
from streams.contract.journal import StepRecord, UserKey
from streams.contract.rules import Rules
from streams.judgement.confusion import Confusion
from streams.ledger.types import CutStep
from streams.pipeline.count.cells import CellLayout, Cells
from streams.pipeline.count.windows import Windows
from streams.pipeline.detect.canaries import watch_canaries
from streams.pipeline.detect.drift import Drift, drift_step
from streams.pipeline.detect.evidence import newest_states, with_evidence
from streams.pipeline.detect.judge import judge_minutes, surge_alert
from streams.pipeline.detect.market_state import MarketState, Warming, forget_excerpts
from streams.pipeline.detect.minutes import keep, last_closed
from streams.pipeline.detect.relayout import relay_market
from streams.pipeline.detect.surge import AlertChange
from streams.pipeline.detect.watch import (
    EVERYWHERE,
    View,
    gaps_of,
    watch_allocation,
    watch_input,
    watch_markets,
    watch_model,
    watch_stream,
)
from streams.pipeline.rollup.coverage import FIRST_EVENTS, begin_of, first_events_after
from streams.pipeline.rollup.deltas import deltas_of, drift_sums, lag_of
from streams.pipeline.rollup.judged import JudgedConfusions
from streams.pipeline.rollup.metrics import compute_metrics
from streams.pipeline.rollup.shifts import follow_spend, shifts_of
from streams.pipeline.rollup.state import CommonState
from streams.pipeline.rollup.step_record import StepContext, fingerprint, step_record
from streams.pipeline.rollup.stream_time import StreamTime, stream_time
from streams.pipeline.rollup.users import ActiveUsers
from streams.privacy.user_hashes import mixed_after

EXCERPTS_KEPT = 40
ENDED_SHOWN_MS = 7 * DAY_MS
TESTS_SHOWN_MS = HOUR_MS
MOST_ENDED = 10_000


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """All that one step publishes; `seq` of its alerts and shifts only ever grows, also where steps begin again.

    `allocation` is the one in force, `late_events` how many have come so far after their minute was judged, `forgotten`
    the ids of alerts that ended so long ago that readers see them no more, `canaries_dropped` how many were so far,
    `quoted_markets` those whose excerpts changed, also because some are too old or none are to be kept.
    """

    step: int
    seq: int
    stream_time_ms: int | None
    metrics: dict[str, MarketMetrics]
    changed_markets: list[str]
    written_markets: list[str]
    alerts: list[AlertRecord]
    shifts: list[ShiftRecord]
    journal: StepRecord
    allocation: AllocationRecord | None = None
    late_events: int = 0
    forgotten: tuple[str, ...] = ()
    canaries_dropped: int = 0
    quoted_markets: Sequence[str] = ()


class RollUp:
    """The roll-up's state between steps; `take` and `decide` belong to one step, in this order.

    Same steps and same user counts in, same outcome out, bit for bit.
    """

    def __init__(
        self,
        layout: CellLayout,
        idle_ms: int,
        confusion: Confusion | None = None,
        rules: Rules = Rules(),
    ) -> None:
        self.layout = layout
        self.rules = rules
        self.common = CommonState()
        self.markets: dict[str, MarketState] = {}
        self.windows = Windows(layout)
        self.active: dict[str, ActiveUsers] = {}
        self.operators_shown: dict[str, bytes] = {}  # key -> content in Redis; a roll-up just loaded knows of none
        self._idle_ms = idle_ms
        self._confusion = confusion
        self._labelled = JudgedConfusions(layout)
        self._active_hour: int | None = None
        self._forgotten_of: set[str] = set()  # markets of which the step took excerpts out

    # --- a step's input -----------------------------------------------------------------------------------------

    def measured(self, confusion: Confusion | None) -> None:
        """Use another model's confusion from now on."""
        self._confusion = confusion

    def relay(self, layout: CellLayout) -> None:
        """Count in another model's layout from now on; windows and waiting minutes are put into it.

        Counts of a topic that is gone join `general`, those of a language that is gone `other`; a new topic begins at
        0. What the detectors learned is another matter: `decide` has them begin again with every other model.
        """
        before, self.layout, self._labelled = self.layout, layout, JudgedConfusions(layout)
        if before.names != layout.names:
            self.windows.relay(before, layout)
            for state in self.markets.values():
                relay_market(state, before, layout)

    def profiles_changed(self, portfolio: Portfolio) -> bool:
        """Whether a portfolio is another than that of the step before (False at the first step)."""
        return self.common.portfolio not in ("", fingerprint(portfolio))

    def take(self, step: CutStep, journalled: StepRecord | None = None) -> list[str]:
        """Add a step's deltas to windows and to the minutes that wait, move stream time; the markets that changed.

        Args:
            step: as it was cut.
            journalled: the step's own record when it is replayed: stream time is what it says, whatever the settings.
        """
        common = self.common
        deltas = deltas_of(step.counts, self.layout)
        dead = sum(n for field, n in step.counts.items() if field.endswith(DEAD_LETTERS))
        whole = sum(deltas.values(), self.layout.step_zeros())
        good = self.layout.read(whole).n
        common.input.add(good + dead, dead, step.now_ms, self.rules.watch.bad_input_half_life_ms)
        before = StreamTime(common.stream_time_ms, common.read_ms)
        oldest = min((at * MINUTE_MS for _, at in deltas), default=None)
        time = stream_time(before, step.partitions, self._idle_ms, oldest)
        if journalled is not None:
            time = replace_field(time, at_ms=journalled.stream_time, held_by=journalled.held_by)
        waits = bool(time.held_by) and time.at_ms == common.stream_time_ms
        common.held_since_ms = (common.held_since_ms or step.now_ms) if waits else None
        common.stream_time_ms, common.read_ms, common.held_by = time.at_ms, time.read_ms, time.held_by
        common.now_ms = step.now_ms
        if common.stream_time_ms is None:
            return []
        drift_step(common.drift, good, drift_sums(whole, self.layout), common.stream_time_ms)
        if common.covered_since_ms is None or common.first_events:
            self._find_begin(deltas)
        minute = common.stream_time_ms // MINUTE_MS
        # What users said is kept for 8 days also where a market says nothing new.
        self._forgotten_of = forget_excerpts(self.markets, common.stream_time_ms - EXCERPTS_LIVE_MS)
        self.windows.advance(minute)
        for (market, at), cells in deltas.items():
            self.windows.add(market, at, cells[: self.layout.size], minute)
            state = self.markets.setdefault(market, MarketState())
            state.watch.newest_ms = max(state.watch.newest_ms or 0, at * MINUTE_MS)
            if topics := self.layout.measured_topics(cells):  # what nobody measured is no sign of a surge
                languages = self.layout.by_language(cells).sum(axis=1).tolist()[:-1]
                common.late_events += keep(state, at, topics, languages, self._judged(market), minute)
        for market, chosen in step.excerpts.items():
            if market in self.markets:
                self.markets[market].excerpts = [*self.markets[market].excerpts, *chosen][-EXCERPTS_KEPT:]
        return sorted({market for market, _ in deltas})

    def _find_begin(self, deltas: Mapping[tuple[str, int], Cells]) -> None:
        """Where the stream begins, as its first events say; an older state knows it without them."""
        common = self.common
        per_minute = Counter[int]()
        for (_, minute), cells in deltas.items():
            per_minute[minute] += self.layout.events(cells)
        common.first_events = first_events_after(common.first_events, per_minute)
        begin = begin_of(common.first_events)
        common.covered_since_ms = None if begin is None else begin * MINUTE_MS
        if sum(common.first_events.values()) >= FIRST_EVENTS:
            common.first_events = {}

    def _judged(self, market: str) -> int:
        """The last minute of a market that went to the detectors, or would have if there had been something in it."""
        if self.common.judged_ms is None:
            return 0
        return last_closed(self.common.judged_ms, self.rules.of(market).minutes.grace_ms)

    def markets_to_recount(self, step: CutStep) -> list[str]:
        """Markets whose distinct users may have changed: all of them when the hour of stream time changed."""
        assert self.common.stream_time_ms is not None
        hour = self.common.stream_time_ms // HOUR_MS
        if hour != self._active_hour:
            self._active_hour = hour
            return self.windows.markets
        return sorted({bucket.partition(":")[0] for bucket in step.users})

    # --- a step's outcome ---------------------------------------------------------------------------------------

    def decide(self, step: CutStep, changed: Sequence[str], context: StepContext) -> StepOutcome:
        """Metrics of all markets, then detectors over the minutes that are over, then shifts."""
        common = self.common
        common.profiles, common.mutes, common.ahead = context.profiles, context.mutes, context.ahead
        common.labels = context.labels
        for market, weeks in context.judged.items():
            self.markets[market].judged = weeks
        seq = step.number + context.ahead
        time = StreamTime(common.stream_time_ms, common.read_ms, common.held_by)
        journal = step_record(step, time, context, common.portfolio, common.model)
        if self.rules != common.rules:
            journal, common.rules = replace(journal, rules=self.rules), self.rules
        if context.portfolio is not None:
            common.portfolio = fingerprint(context.portfolio)
        if context.user_key is not None and context.user_key != common.user_key:
            journal = replace(journal, user_key=context.user_key)
        alerts = watch_input(common.watch, common.input, seq, step.now_ms, self.rules.watch)
        alerts += watch_canaries(common.canaries, common.canary_turn, step.counts, seq, step.now_ms)
        if common.stream_time_ms is None:
            return StepOutcome(
                step.number,
                seq,
                None,
                {},
                [],
                [],
                alerts,
                [],
                journal,
                context.allocation,
                canaries_dropped=common.canary_turn.dropped,
            )
        if not context.quotes:
            self._forgotten_of |= forget_excerpts(self.markets)
        stream_ms = common.stream_time_ms
        held_ms = 0 if common.held_since_ms is None else step.now_ms - common.held_since_ms
        newest = [part.newest_ms or 0 for part in step.partitions.values()]
        furthest_ms = max([*newest, *(state.watch.newest_ms or 0 for state in self.markets.values())], default=0)
        view = View(step.now_ms - stream_ms, lag_of(step), held_ms, common.held_by, furthest_ms - stream_ms)
        alerts += watch_stream(common.watch, view, seq, step.now_ms, self.rules.watch)
        self._keys(context.user_key, stream_ms)
        follow_spend(common, context.allocation, stream_ms)
        alerts += self._rebase(seq, context.model, stream_ms)
        metrics = compute_metrics(
            self.windows,
            stream_ms,
            self.active,
            common.covered_since_ms,
            context.spending,
            self._confusion,
            common.users_mixed,
            {market: gaps_of(state.watch, stream_ms) for market, state in self.markets.items()},
            self._labelled.of(self.markets, self._confusion, context.model, stream_ms),
        )
        changed = sorted({*changed, *(context.judged.keys() & metrics.keys())})
        alerts += judge_minutes(
            self.markets,
            common.pooled,
            stream_ms,
            seq,
            self.rules,
            len(self.layout.topics),
            None if self._confusion is None else self._confusion.mean,
        )
        common.judged_ms = stream_ms
        watched = {market: state.watch for market, state in self.markets.items()} | {EVERYWHERE: common.watch}
        alerts += watch_markets(watched, metrics, self.windows.usual_hours, seq, stream_ms, self.rules)
        alerts += watch_model(common.watch, context.problems, common.drift, metrics, seq, stream_ms, self.rules.watch)
        alerts += watch_allocation(common.watch, context.refused, seq, stream_ms, self.rules.watch)
        surged = {
            alert.market
            for alert in alerts
            if alert.kind in ("surge", "drop") and alert.state == "firing" and alert.topic is None
        }
        alerts = newest_states(self._with_evidence(alert) for alert in alerts)
        shifts = shifts_of(self.markets, common, metrics, surged, seq, context, self.rules)
        minute_began = stream_ms // MINUTE_MS != common.written_minute
        common.written_minute = stream_ms // MINUTE_MS
        written = sorted(metrics) if minute_began else changed
        return StepOutcome(
            step.number,
            seq,
            stream_ms,
            metrics,
            changed,
            written,
            alerts,
            shifts,
            journal,
            context.allocation,
            common.late_events,
            self._forget_ended(alerts, stream_ms),
            common.canary_turn.dropped,
            sorted(self._forgotten_of.union(changed)),
        )

    def _forget_ended(self, alerts: Sequence[AlertRecord], stream_ms: int) -> tuple[str, ...]:
        """Alerts that ended 7 days ago, or that more than 10,000 have ended after: the topic still has them.

        Tests after an hour: whoever may publish feedback may send one every 10 s.
        """
        ended = self.common.ended
        for alert in alerts:
            ended.pop(alert.id, None)
            if alert.state == "resolved":
                ended[alert.id] = stream_ms
        old = [name for name, at in ended.items() if stream_ms - at > _shown_ms(name)]
        for name in old:
            del ended[name]
        beyond = list(ended)[: max(0, len(ended) - MOST_ENDED)]
        for name in beyond:
            del ended[name]
        return (*old, *beyond)

    def _keys(self, user_key: UserKey | None, stream_ms: int) -> None:
        """Remember where user ids were hashed with one key and with another."""
        common = self.common
        if user_key is None:
            return
        newest_ms = max((state.watch.newest_ms or 0 for state in self.markets.values()), default=0)
        common.users_mixed = mixed_after(common.users_mixed, common.user_key, user_key, max(newest_ms, stream_ms))
        common.user_key = user_key

    def _rebase(self, step: int, model: str, stream_ms: int) -> list[AlertRecord]:
        """Another model answers otherwise: forget what its predecessor taught the detectors, and warm up.

        Surges that were firing are resolved: nothing would tell any more when they end.
        """
        common = self.common
        ended = []
        if common.model and common.model != model:
            common.pooled, common.drift = {}, Drift()
            for market, state in sorted(self.markets.items()):
                for topic, surge in sorted(state.surges.items()):
                    if surge.fired_ms is not None:
                        change = AlertChange("resolved", surge.fired_ms, stream_ms, {"cause": "the model changed"})
                        ended.append(surge_alert(change, step, market, topic or None))
                state.surges, state.shift, state.warming = {}, None, Warming(stream_ms)
        common.model = model
        return ended

    def _with_evidence(self, alert: AlertRecord) -> AlertRecord:
        said = alert.state == "firing" and alert.kind in ("surge", "drop")
        if not said:
            return alert
        return with_evidence(alert, self.windows, self.markets[alert.market].excerpts, self.common.users_mixed)


def _shown_ms(alert: str) -> int:
    """How long readers see an alert after its end."""
    return TESTS_SHOWN_MS if alert.startswith(f"{KIND}-") else ENDED_SHOWN_MS
