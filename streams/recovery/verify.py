"""`ledger verify`: what stands in Redis against a count of its own of the topics."""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from marketpulse.client.redis_server import translated_errors
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import DAY_MS, HOUR_MS
from marketpulse.errors import Unavailable
from models.classifier import ModelInfo
from streams.errors import LedgerLost, RetentionPassed, TopicRecreated
from streams.kafka.log_reader import LogReader
from streams.ledger.commit import Ledger
from streams.ledger.types import checksum
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.ingest.claims import PASSED, RECREATED
from streams.pipeline.rollup.step_writes import MODEL_FIELD
from streams.privacy.user_hashes import Mixed, keys_in
from streams.recovery.recount import Recount, Recounter, Say, newest_alerts
from streams.settings import Settings

HOURS = 168
DAYS = 7
USERS_REL, USERS_ABS = 0.03, 8
"""How far a HyperLogLog may be off. Of n users some n^2/32,768 share a register by chance (Poisson) if few: of
thousands of counts one is off by 3 of 96. With 8 a right count is called wrong once in 100,000."""
SHOWN = 20
ATTEMPTS = 50


class Difference(msgspec.Struct, frozen=True):
    """One key that is not what the topics say."""

    key: str
    counted: Any
    in_redis: Any


class VerifyReport(msgspec.Struct, frozen=True):
    """`compared` keys, of which `different` differ (the first 20 in `differences`), at offsets `offsets`.

    `left_out` says what could not be compared, and why.
    """

    equal: bool
    step: int
    records: int
    compared: int
    different: int
    differences: list[Difference]
    left_out: list[str]
    offsets: dict[int, int]
    seconds: float


@dataclass
class Moment:
    """What Redis held at one moment: the published buckets with all that is counted and not yet published."""

    step: int = 0
    next: dict[int, int] = field(default_factory=dict)
    began: dict[int, int] = field(default_factory=dict)
    last: dict[int, tuple[int, int]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    labels: dict[tuple[str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    users: dict[tuple[str, int], int] = field(default_factory=dict)
    alerts: dict[str, AlertRecord] = field(default_factory=dict)
    on_their_way: list[AlertRecord] = field(default_factory=list)
    hour: int = 0
    mixed: list[Mixed] = field(default_factory=list)


async def verify(settings: Settings, say: Say) -> VerifyReport:
    """Compare Redis with the topics; workers may go on meanwhile.

    Raises:
        Unavailable: Kafka or Redis does not answer. LedgerLost, TopicRecreated, RetentionPassed: nothing to compare.
    """
    started = time.monotonic()
    ledger = Ledger(settings.redis, settings.prefix)
    try:
        moment = await _moment(ledger)
    finally:
        await ledger.close()
    async with LogReader(settings.kafka_servers, topic_name(settings.prefix, "feedback")) as feedback:
        for number, position in moment.next.items():
            first, end = feedback.offsets[number]
            where = f"{feedback.topic}[{number}]"
            if position > end:
                raise TopicRecreated(f"{where} ends at {end}, but the ledger counted up to {position}. {RECREATED}")
            if position < first:
                raise RetentionPassed(f"{where} begins at {first}, but the ledger counted up to {position}. {PASSED}")
        found = await Recounter(settings, say).count(feedback, moment.next, moment.began)
    comparison = _Comparison()
    for number, record in found.last.items():
        if number in moment.last:
            counted = record.timestamp, checksum(record.value)
            comparison.take(f"partition {number}: last record", counted, moment.last[number])
    _compare_totals(comparison, found, moment)
    _compare_labels(comparison, found, moment)
    _compare_users(comparison, found, moment)
    _compare_alerts(comparison, await newest_alerts(settings, moment.step, moment.on_their_way), moment)
    return VerifyReport(
        equal=not comparison.differences,
        step=moment.step,
        records=found.records,
        compared=comparison.compared,
        different=len(comparison.differences),
        differences=comparison.differences[:SHOWN],
        left_out=comparison.left_out,
        offsets=moment.next,
        seconds=round(time.monotonic() - started, 2),
    )


@dataclass
class _Comparison:
    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def take(self, key: str, counted: Any, in_redis: Any, equal: bool | None = None) -> None:
        self.compared += 1
        if not (counted == in_redis if equal is None else equal):
            self.differences.append(Difference(key, counted, in_redis))


def _compare_totals(comparison: _Comparison, found: Recount, moment: Moment) -> None:
    if found.begins_ms:
        comparison.left_out.append(
            f"totals, and hours up to {_utc(found.begins_ms)}: the topic no longer holds all that was counted then"
        )
        return
    if found.doubtful:
        comparison.left_out.append(f"accepted and duplicates: {found.doubtful} repeated ids lie near the horizon")
    outside = {"dead_letter:model_failed", "dead_letter:bad_profile"}  # not of the feedback topic alone
    failed = moment.totals.get("dead_letter:model_failed", 0)
    names = {name for name in moment.totals if name in ("accepted", "duplicates") or name.startswith("dead_letter:")}
    for name in sorted((names | set(found.totals)) - outside):
        if found.doubtful and name in ("accepted", "duplicates"):
            continue
        counted = found.totals[name] - (failed if name == "accepted" else 0)
        comparison.take(f"total {name}", counted, moment.totals.get(name, 0))


def _compare_labels(comparison: _Comparison, found: Recount, moment: Moment) -> None:
    failed = moment.totals.get("dead_letter:model_failed", 0)
    if found.doubtful or (failed and found.unlabelled > failed):
        comparison.left_out.append("events per hour: feedback.classified does not tell which events count")
        return
    labelled = found.unlabelled <= failed
    if not labelled:
        comparison.left_out.append("labels: feedback.classified does not hold all events; their number is compared")
    oldest = max(moment.hour - HOURS + 1, found.begins_ms // HOUR_MS + 1 if found.begins_ms else 0)
    for market, hour in sorted({*found.labels, *moment.labels}):
        if hour < oldest:
            continue
        counted, in_redis = found.labels[market, hour], moment.labels[market, hour]
        key = f"market {market}, hour {_utc(hour * HOUR_MS)}"
        if labelled:
            for label in sorted({*counted, *in_redis} - {""}):
                comparison.take(f"{key}, {label}", counted[label], in_redis[label])
        else:
            comparison.take(f"{key}, events", counted.total(), in_redis.total())


def users_agree(counted: int, estimate: int) -> bool:
    """Whether a count of distinct users and a HyperLogLog's estimate of them are of the same users."""
    return abs(estimate - counted) <= max(USERS_ABS, USERS_REL * counted)


def _compare_users(comparison: _Comparison, found: Recount, moment: Moment) -> None:
    first_day = found.begins_ms // DAY_MS + 1 if found.begins_ms else 0
    for (market, day), estimate in sorted(moment.users.items()):
        if day < first_day:
            continue
        if keys_in(moment.mixed, 24 * day, 24 * (day + 1)) > 1:
            comparison.left_out.append(f"users of {market} on {_utc(day * DAY_MS)[:10]}: the key of hashes changed")
            continue
        counted = len(found.users[market, day])
        near = users_agree(counted, estimate)
        comparison.take(f"users of {market} on {_utc(day * DAY_MS)[:10]} (within 3 % or 8)", counted, estimate, near)


def _compare_alerts(comparison: _Comparison, on_topic: dict[str, AlertRecord], moment: Moment) -> None:
    ids = {*moment.alerts, *(one.id for one in on_topic.values() if one.state != "resolved")}
    for name in sorted(ids):
        told, known = on_topic.get(name), moment.alerts.get(name)
        comparison.take(
            f"alert {name}", None if told is None else [told.seq, told.state], known and [known.seq, known.state]
        )


def _utc(epoch_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(epoch_ms // 1000))


# --- Redis ----------------------------------------------------------------------------------------------------------


async def _moment(ledger: Ledger) -> Moment:
    for _ in range(ATTEMPTS):  # which keys there are changes with every step: ask, read, and see that it still holds
        moment = await _try_moment(ledger)
        if moment is not None:
            return moment
    raise Unavailable(f"the ledger under {ledger.keys.prefix!r} changes faster than it can be read. Try again.")


async def _try_moment(ledger: Ledger) -> Moment | None:
    keys, redis = ledger.keys, ledger.redis
    with translated_errors(ledger.url):
        standing, opened = await ledger.standing(), await redis.hget(keys.ledger, "open")
        if standing is None or opened is None:
            raise LedgerLost(
                f"Redis holds no ledger under prefix {keys.prefix!r}: there is nothing to verify. Operator action: "
                "`marketpulse ledger rebuild` after a loss, `marketpulse ledger init` for a first start."
            )
        _, published, partitions = standing
        state = {name.decode(): value for name, value in (await redis.hgetall(keys.state)).items()}
        markets = sorted(one.decode() for one in await redis.smembers(keys.markets))
        steps = range(published + 1, int(opened) + 1)
        open_users: dict[tuple[str, int], list[str]] = defaultdict(list)
        for step in steps:
            for bucket in await redis.smembers(keys.step_buckets(step)):
                market, _, hour = bucket.decode().partition(":")
                open_users[market, int(hour) // 24].append(keys.step_users(step, bucket.decode()))
        hour = _hour(state)
        days = {(market, day) for market in markets for day in range(hour // 24 - DAYS + 1, hour // 24 + 1)}
        asked = sorted(days | set(open_users))
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hmget(keys.ledger, "published", "open")
            pipe.hgetall(keys.totals)
            pipe.hgetall(keys.alerts)
            pipe.xrange(keys.outbox)
            for number in range(partitions):
                pipe.hmget(keys.partition(number), "next", "began", "last_timestamp", "last_checksum")
            for step in steps:
                pipe.hgetall(keys.step_counts(step))
            for market in markets:
                pipe.hgetall(keys.hours(market))
            for market, day in asked:
                pipe.pfcount(keys.users_of_day(market, day), *open_users[market, day])
            now, totals, alerts, outbox, *rest = await pipe.execute()
    if [int(value) for value in now] != [published, int(opened)]:
        return None
    moment = Moment(published, hour=hour)
    moment.on_their_way = [
        msgspec.json.decode(row[b"value"], type=AlertRecord) for _, row in outbox if row[b"topic"].endswith(b"alerts")
    ]
    moment.totals = {name.decode(): int(value) for name, value in totals.items()}
    decoded = [msgspec.json.decode(content, type=AlertRecord) for content in alerts.values()]
    moment.alerts = {alert.id: alert for alert in decoded}
    for number in range(partitions):
        position, began, timestamp, crc = rest.pop(0)
        moment.next[number], moment.began[number] = int(position), int(began or -1)
        if timestamp is not None:
            moment.last[number] = int(timestamp), int(crc)
    for _ in steps:
        _add_open(moment, rest.pop(0))
    layout = _layout(state)
    for market in markets:
        for at, content in rest.pop(0).items():
            for name, n in zip(layout.names, layout.restored(content).tolist(), strict=True):
                _add_cell(moment, market, int(at), name, n)
    moment.mixed = _mixed(state)
    moment.users = dict(zip(asked, map(int, rest), strict=True))
    return moment


def _hour(state: dict[str, bytes]) -> int:
    common = msgspec.msgpack.decode(state["common"]) if "common" in state else {}
    return int((common.get("stream_time_ms") or 0) // HOUR_MS)


def _mixed(state: dict[str, bytes]) -> list[Mixed]:
    common = msgspec.msgpack.decode(state["common"]) if "common" in state else {}
    return [(int(begins), int(ends)) for begins, ends in common.get("users_mixed", ())]


def _layout(state: dict[str, bytes]) -> CellLayout:
    """Of the buckets."""
    if MODEL_FIELD not in state:
        return CellLayout(())
    info = msgspec.json.decode(state[MODEL_FIELD], type=ModelInfo)
    return layout_of(info)


def _add_open(moment: Moment, counts: dict[bytes, bytes]) -> None:
    for row, n in counts.items():
        market, minute, cell = row.decode().split(":", 2)
        if market != "*":
            _add_cell(moment, market, int(minute) // 60, cell, int(n))


def _add_cell(moment: Moment, market: str, hour: int, cell: str, n: int) -> None:
    label, slash, _ = cell.partition("/")
    if slash and n and label != "e":
        moment.labels[market, hour][label] += n
