"""What one step or one allocation writes: the list of Redis commands that the ledger executes at once."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from marketpulse.contract.keys import TableKeys
from marketpulse.contract.metrics import WINDOWS, MarketMetrics, WindowMetrics
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AlertRecord, AllocationRecord, MetricsRecord
from marketpulse.contract.units import HOUR_MS
from marketpulse.contract.wire import encode
from marketpulse.contract.words import without_excerpts
from models.classifier import ModelInfo
from streams.ledger.commit import Ledger
from streams.ledger.keys import Keys
from streams.ledger.lives import excerpts_left_s
from streams.ledger.types import Command, CutStep
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.rollup.state import CommonState
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import outcome_digest
from streams.pipeline.rollup.users import ONCE, keys_of_stretches
from streams.privacy.shown_excerpts import shown

CHANGES_KEPT = 2_000
MOST_FIELDS = 1_000
WARM_EVENTS = 100
MODEL_FIELD = "model_info"


def step_writes(
    ledger: Ledger,
    step: CutStep,
    rollup: RollUp,
    outcome: StepOutcome,
    info: ModelInfo,
    degraded: bool = False,
) -> list[Command]:
    """Every write of one step: buckets, state, tables, alerts, change stream and outbox."""
    keys = ledger.keys
    writes = _bucket_writes(keys, rollup)
    writes += _table_writes(keys, outcome.metrics)
    changed = set(outcome.changed_markets)
    key_changed = keys_of_stretches((outcome.stream_time_ms or 0) // HOUR_MS, rollup.common.users_mixed) != ONCE
    records = []
    for market in outcome.written_markets:
        one = outcome.metrics[market]
        record = MetricsRecord(
            market=market,
            step=outcome.step,
            stream_time=outcome.stream_time_ms or 0,
            published_at=step.now_ms,
            newest_event=rollup.markets[market].watch.newest_ms,
            metrics=one,
            model=info.id,
            model_sha256=info.sha256,
            reliability=_reliability(one, info),
            flags=_flags(one, rollup.markets[market].warming is not None, degraded, key_changed),
        )
        content = encode(record)
        records.append(content)
        writes.append(["SET", keys.metrics(market), content])
        writes.append(["SET", keys.topics(market), msgspec.json.encode(one.topics)])
        if market in changed:
            writes.append(ledger.outbox_write("market.metrics", market, content))
    for market in outcome.quoted_markets:
        quoted = shown(rollup.markets[market].excerpts)
        writes.append(["SET", keys.excerpts(market), msgspec.json.encode(quoted)])
        writes.append(["EXPIRE", keys.excerpts(market), excerpts_left_s(quoted, outcome.stream_time_ms)])
    writes += alert_writes(ledger, outcome.alerts)
    gone = outcome.forgotten
    writes += [["HDEL", keys.alerts, *gone[at : at + MOST_FIELDS]] for at in range(0, len(gone), MOST_FIELDS)]
    for shift in outcome.shifts:
        writes.append(ledger.outbox_write("market.shifts", shift.market or "_all", encode(shift)))
    if outcome.shifts:
        writes.append(["SET", keys.shift_seq, outcome.seq])
    digest = outcome_digest(rollup.common.digest, records, outcome.alerts, outcome.shifts, outcome.allocation)
    rollup.common.digest = digest
    journal = msgspec.structs.replace(outcome.journal, digest=digest)
    writes.append(ledger.outbox_write("market.steps", str(outcome.step), encode(journal)))
    writes += _state_writes(keys, rollup, info)
    stream_time = outcome.stream_time_ms or 0
    writes.append(
        ["HSET", keys.step, "step", outcome.step, "stream_time", stream_time, "published_at", step.now_ms,
         "model", info.id, "device", info.device, "digest", digest]
    )  # fmt: skip
    writes.append(
        ["XADD", keys.changes, "MAXLEN", "~", CHANGES_KEPT, "*", "step", outcome.step, "stream_time", stream_time,
         "markets", ",".join(outcome.changed_markets), "alerts", len(outcome.alerts)]
    )  # fmt: skip
    return writes


def alert_writes(ledger: Ledger, alerts: Iterable[AlertRecord]) -> list[Command]:
    """New states of alerts: what readers see, and the outbox."""
    writes: list[Command] = []
    for alert in alerts:
        content = encode(alert)
        writes.append(["HSET", ledger.keys.alerts, alert.id, content])
        writes.append(ledger.outbox_write("market.alerts", alert.id, content))
    return writes


def unquoting_writes(keys: Keys, held: Iterable[bytes]) -> list[Command]:
    """Alerts that readers see (JSON), without what users wrote, where they hold some: in Redis alone, not on the topic.

    They go before a step's own writes, which know newer states.
    """
    writes: list[Command] = []
    for content in held:
        alert = msgspec.json.decode(content, type=AlertRecord)
        if (bare := without_excerpts(alert)) != alert:
            writes.append(["HSET", keys.alerts, alert.id, encode(bare)])
    return writes


def operator_writes(
    ledger: Ledger, shown: dict[str, bytes], portfolio: Portfolio, mutes: Sequence[MuteRecord], bad_profiles: int
) -> list[Command]:
    """What operators published: portfolio and silences in force, and how many profiles were refused.

    `shown`: key -> content that is in Redis; what is the same is not written, what is written is put into it.
    """
    keys = ledger.keys
    now = {keys.portfolio: msgspec.json.encode(portfolio), keys.mutes: msgspec.json.encode(mutes)}
    writes: list[Command] = [["SET", key, content] for key, content in now.items() if shown.get(key) != content]
    shown.update(now)
    if bad_profiles:
        writes.append(["HINCRBY", keys.totals, "dead_letter:bad_profile", bad_profiles])
    return writes


def _flags(one: MarketMetrics, rebased: bool, degraded: bool, key_changed: bool) -> tuple[str, ...]:
    warming = rebased or one.windows["24h"].n < WARM_EVENTS
    flags = {"warming": warming, "degraded": degraded, "key_changed": key_changed}
    return tuple(name for name, holds in flags.items() if holds)


def _reliability(one: MarketMetrics, info: ModelInfo) -> dict[str, dict[str, float]]:
    """Per language of the last 24 h: its share, and what the model's development set says of it."""
    found = {}
    for language, share in one.languages.items():
        quality = info.languages.get(language)
        measured = {} if quality is None else {"accuracy": quality.accuracy, "macro_f1": quality.macro_f1}
        found[language] = {"share": share} | measured
    return found


def _bucket_writes(keys: Keys, rollup: RollUp) -> list[Command]:
    changed, removed = rollup.windows.take_changes()
    writes: list[Command] = []
    for (market, unit), buckets in changed.items():
        rows = list(buckets.items())
        for at in range(0, len(rows), MOST_FIELDS):
            flat = [part for row in rows[at : at + MOST_FIELDS] for part in row]
            writes.append(["HSET", _bucket_key(keys, market, unit), *flat])
    for (market, unit), gone in removed.items():
        for at in range(0, len(gone), MOST_FIELDS):
            writes.append(["HDEL", _bucket_key(keys, market, unit), *gone[at : at + MOST_FIELDS]])
    return writes


def _bucket_key(keys: Keys, market: str, unit: str) -> str:
    return keys.minutes(market) if unit == "minute" else keys.hours(market)


def _state_writes(keys: Keys, rollup: RollUp, info: ModelInfo) -> list[Command]:
    model = msgspec.json.encode(info)
    fields: list[str | bytes] = ["common", msgspec.msgpack.encode(rollup.common), MODEL_FIELD, model]
    for market in rollup.markets:
        fields += [f"market:{market}", msgspec.msgpack.encode(rollup.markets[market])]
    writes: list[Command] = [["SET", keys.model, model]]
    for at in range(0, len(fields), 2 * MOST_FIELDS):
        writes.append(["HSET", keys.state, *fields[at : at + 2 * MOST_FIELDS]])
    return writes


def layout_of_state(state: Mapping[str, bytes]) -> CellLayout | None:
    """The layout of the buckets that a stored state belongs to; None for a state of no model."""
    return layout_of(msgspec.json.decode(state[MODEL_FIELD], type=ModelInfo)) if MODEL_FIELD in state else None


def load_rollup(rollup: RollUp, state: Mapping[str, bytes]) -> list[str]:
    """Restore a roll-up's state from what `step_writes` stored; the markets whose buckets are to be loaded."""
    if "common" in state:
        rollup.common = msgspec.msgpack.decode(state["common"], type=CommonState)
    rollup.markets = {
        field.partition(":")[2]: msgspec.msgpack.decode(content, type=MarketState)
        for field, content in sorted(state.items())
        if field.startswith("market:")
    }
    return sorted(rollup.markets)


def _table_writes(keys: TableKeys, metrics: Mapping[str, MarketMetrics]) -> list[Command]:
    writes: list[Command] = []
    if metrics:
        writes.append(["SADD", keys.markets, *sorted(metrics)])
    for window in WINDOWS:
        for metric in ("u", "r", "s", "t"):
            values = {market: _value(metric, one, one.windows[window]) for market, one in metrics.items()}
            known = [part for market, value in values.items() if value is not None for part in (market, repr(value))]
            absent = [market for market, value in values.items() if value is None]
            if known:
                writes.append(["HSET", keys.table(metric, window), *known])
            if absent:
                writes.append(["HDEL", keys.table(metric, window), *absent])
    return writes


def _value(metric: str, one: MarketMetrics, window: WindowMetrics) -> float | None:
    if metric == "u":
        return window.u.value
    if metric == "r":
        return None if window.r is None else window.r.value
    if metric == "s":
        return window.s
    return one.t


def allocation_writes(ledger: Ledger, record: AllocationRecord) -> list[Command]:
    """The writes of one allocation: the current one (if adopted), its history on the topic, the change stream."""
    keys = ledger.keys
    content = encode(record)
    writes: list[Command] = [ledger.outbox_write("market.allocations", record.id, content)]
    if record.adopted:
        writes.append(["SET", keys.allocation, content])
    writes.append(["XADD", keys.changes, "MAXLEN", "~", CHANGES_KEPT, "*", "allocation", record.id])
    writes.append(["RPUSH", keys.answers, content])
    writes.append(["LTRIM", keys.answers, -500, -1])
    return writes
