"""A worker whose model has other topics takes over: counts go on, and the journal replays bit for bit."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from marketpulse.contract.records import MetricsRecord
from models.classifier import LanguageQuality
from models.labels import GENERAL, SENTIMENTS
from models.stub import StubClassifier
from streams.batches import DecodedBatch, Delta, OutboxEntry, Position, SourceMark
from streams.contract.journal import StepRecord
from streams.ledger.commit import Ledger
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.rollup.leader import Leader
from streams.recovery.replay import Replayer
from tests.agents.test_relay import Kafka, Stage
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.programs import Direct

MINUTE = 28_333_000
MEASURED = {"pt": LanguageQuality(0.9, 0.9, ((8, 1, 1), (1, 8, 1), (1, 1, 8)))}


class Brought(StubClassifier):
    """A stub whose model has other topics and languages."""

    info = replace(StubClassifier.info, id="brought", topics=(GENERAL, "refunds"), languages=MEASURED)


class Measured(StubClassifier):
    """A stub whose model was measured in another language."""

    info = replace(StubClassifier.info, id="measured", languages={"de": MEASURED["pt"]})


class Topics(Kafka):
    """Keeps the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[StepRecord] = []

    async def relay(self, entries: Sequence[OutboxEntry]) -> None:
        self.steps += [
            msgspec.json.decode(one.value, type=StepRecord) for one in entries if one.topic == "p.market.steps"
        ]


async def commit(stage: Stage, number: int, counts: dict[str, int]) -> None:
    """Count a batch of one minute of BR."""
    claim = await stage.ledger.claim(0)
    position = Position(0, claim.number, claim.generation, number, number + 1)
    now_ms = MINUTE * 60_000
    mark = SourceMark(number, now_ms, 7, now_ms, now_ms, now_ms, b"")
    batch = DecodedBatch(position, [], [], [], 0, b"", 0, mark, 0, 0)
    cells = {f"BR:{MINUTE}:{cell}": n for cell, n in counts.items()}
    assert "OK" == (await stage.ledger.commit(batch, Delta(cells, {}, {"accepted": 1})))[0]


async def forget_unmeasured(stage: Stage) -> None:
    """Cut the buckets of BR as versions before `@unmeasured` wrote them."""
    for market, units in (await stage.ledger.load_buckets(["BR"])).items():
        for key, buckets in zip(
            (stage.ledger.keys.minutes(market), stage.ledger.keys.hours(market)), units, strict=True
        ):
            for bucket, content in buckets.items():
                await stage.ledger.redis.hset(key, str(bucket), content[: -8 * len(SENTIMENTS)])


async def metrics(stage: Stage) -> MetricsRecord:
    content = await stage.ledger.get(stage.ledger.keys.metrics("BR"))
    assert content is not None
    return msgspec.json.decode(content, type=MetricsRecord)


async def test_counts_of_topics_that_are_gone_are_general_and_replay() -> None:
    """Also those that the worker before counted and no step held yet."""
    stage, kafka = Stage(), Topics()
    stage.kafka = kafka
    await stage.ledger.init("ledger", {0: 0})
    first = Leader(stage.deps(), "first")
    await commit(stage, 0, {"negative/price": 2, "positive/app": 1})
    await first.tick()
    assert {"price": 2, "app": 1} == {name: n for name, (n, _, _) in (await metrics(stage)).metrics.topics.items()}
    await commit(stage, 1, {"positive/quality": 4})
    await first.release()
    deps = replace(stage.deps(), classifier=Brought(), layout=layout_of(Brought.info))
    second = Leader(deps, "second")
    await second.tick()
    await commit(stage, 2, {"negative/refunds": 3, "negative@pt": 3})
    await second.tick()
    found = await metrics(stage)
    assert {GENERAL: 7, "refunds": 3} == {name: n for name, (n, _, _) in found.metrics.topics.items()}
    assert (10, "brought") == (found.metrics.windows["24h"].n, found.model)
    scratch = Ledger("redis://fake", "s", connect=Direct(FakeRedis(lambda: 1_700_000_000_000)).connect)
    replayer = Replayer(None, scratch, idle_ms=30_000)  # type: ignore[arg-type]
    assert [True] * len(kafka.steps) == [(await replayer.step(record)).same for record in kafka.steps]
    assert 3 == len(kafka.steps)


async def test_buckets_of_before_unmeasured_are_taken_over() -> None:
    """They count nothing there; the new model's texts do, and a step of the old one's is put by its home."""
    stage = Stage()
    await stage.ledger.init("ledger", {0: 0})
    first = Leader(replace(stage.deps(), classifier=Measured(), layout=layout_of(Measured.info)), "first")
    await commit(stage, 0, {"negative/price": 2, "positive/app": 1, "negative@de": 2, "positive@other": 1})
    await first.tick()
    await forget_unmeasured(stage)
    await commit(stage, 1, {"negative/price": 3, "negative~price": 3, "negative@unmeasured": 3})
    await first.release()
    second = Leader(replace(stage.deps(), classifier=Brought(), layout=layout_of(Brought.info)), "second")
    await second.tick()
    await commit(stage, 2, {"positive/refunds": 4, "positive@pt": 4})
    await second.tick()
    found = (await metrics(stage)).metrics
    assert {GENERAL: 6, "refunds": 4} == {name: n for name, (n, _, _) in found.topics.items()}
    assert {"pt": 0.4, "other": 0.3, "unmeasured": 0.3} == found.languages
    day = found.windows["24h"]
    assert (10, 3, {"negative": 5, "neutral": 0, "positive": 5}) == (day.n, day.unmeasured, day.labels)
