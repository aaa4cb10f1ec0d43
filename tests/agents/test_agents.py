"""The agents' loops on a five-line fake stream: thin, in order, and never raising for one bad record."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from marketpulse.contract.decode import Decoded
from marketpulse.contract.records import ShiftRecord
from marketpulse.contract.wire import encode
from marketpulse.errors import Unavailable
from models.classifier import Predictions
from models.errors import BadOutput
from models.stub import StubClassifier
from streams.agents import make_classify, make_commit, make_reallocate, make_roll_up
from streams.batches import DeadLetter, DecodedBatch, Position, SourceMark
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scorer import Scorer
from streams.pipeline.count.committer import Committer
from streams.settings import Settings
from streams.telemetry.worker import Telemetry
from streams.worker.channels import acknowledging
from streams.worker.deps import Deps


async def stream(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


class Recorder:
    """Stands for a channel, a committer, a leader or a reallocator: keeps what it is given."""

    def __init__(self, fails: int = 0) -> None:
        self.seen: list[Any] = []
        self._fails = fails

    async def put(self, value: object) -> None:
        self.seen.append(value)

    commit = reallocate = put

    async def tick(self) -> bool:
        self.seen.append("tick")
        if len(self.seen) <= self._fails:
            raise Unavailable("Redis is away")
        return True


class Unheld:
    """A source whose partition is taken by another worker after a number of questions."""

    def __init__(self, questions: int = 0) -> None:
        self.left = questions

    def holds(self, position: Position) -> bool:
        self.left -= 1
        return self.left >= 0


class FakeRecord:
    """The fields of a Kafka record that a dead letter keeps."""

    def __init__(self, offset: int, value: bytes) -> None:
        self.partition, self.offset, self.key, self.value, self.headers, self.timestamp = 0, offset, b"k", value, (), 5


def batch(*texts: str) -> DecodedBatch:
    events = [Decoded(str(at), "BR", text, 1_000, None, None, None) for at, text in enumerate(texts)]
    records = [FakeRecord(at, text.encode()) for at, text in enumerate(texts)]
    return DecodedBatch(Position(0, 1, "g", 0, len(texts)), events, records, [], 0, b"", 0, SourceMark(), 0, 0)


def scorer(classifier: Any, candidate: Any = None, held: Callable[[object], bool] = lambda _: True) -> Scorer:
    deps = Deps(Settings(), None, None, classifier, None, None, None, None, candidate)  # type: ignore[arg-type]
    return Scorer(deps, SimpleNamespace(records_per_batch=100, holds=held))  # type: ignore[arg-type]


async def test_classify_keeps_the_order_of_batches() -> None:
    """Each decoded batch comes out scored, in the order it came in."""
    channel = Recorder()
    first, second = batch("a", "b"), batch("c")
    await make_classify(scorer(StubClassifier()), channel)(stream(first, second))
    assert [first, second] == [one.batch for one in channel.seen]
    assert [(2, 3), (1, 3)] == [one.sentiment.shape for one in channel.seen]


async def test_a_text_the_model_fails_on_costs_only_itself() -> None:
    """It goes to the dead letters with its bytes; its neighbours are scored."""

    class Failing(StubClassifier):
        def classify(self, texts: Any, languages: Any) -> Predictions:
            if "poison" in texts:
                raise BadOutput("NaN")
            return super().classify(texts, languages)

    channel = Recorder()
    await make_classify(scorer(Failing()), channel)(stream(batch("a", "poison", "c")))
    [scored] = channel.seen
    assert ["a", "c"] == [event.text for event in scored.batch.events]
    assert [("model_failed", 1, b"poison")] == [(d.code, d.offset, d.value) for d in scored.batch.dead_letters]
    alone = StubClassifier().classify(["a", "c"], [None, None])
    assert np.array_equal(alone.sentiment, scored.sentiment)


async def test_commit_commits_every_batch() -> None:
    """One after the other."""
    committer = Recorder()
    batches = [ScoredBatch(batch("a"), np.zeros((1, 3)), np.zeros((1, 12))) for _ in range(3)]  # type: ignore[arg-type]
    await make_commit(committer)(stream(*batches))  # type: ignore[arg-type]
    assert batches == committer.seen


async def test_roll_up_waits_while_redis_is_away() -> None:
    """A tick that fails is tried again at the next."""
    leader = Recorder(fails=2)
    await make_roll_up(leader)(stream(1, 2, 3))  # type: ignore[arg-type]
    assert ["tick"] * 3 == leader.seen


async def test_an_unreadable_shift_is_skipped() -> None:
    """Bad bytes on the shifts topic cost only themselves."""
    reallocator = Recorder()
    shift = ShiftRecord("s", 1, "shift", "BR", 5, {"BR": 0.5}, {"BR": None})
    await make_reallocate(reallocator)(stream(b"\xff", encode(shift)))  # type: ignore[arg-type]
    assert [shift] == reallocator.seen


async def test_an_empty_batch_needs_no_model() -> None:
    """A batch of broken records only still moves the offset."""
    channel = Recorder()
    await make_classify(scorer(None), channel)(stream(batch()))
    assert 0 == len(channel.seen[0].sentiment)


async def test_a_candidate_classifies_in_shadow() -> None:
    """Its labels travel beside the model's own; where it fails, the batch goes on without them."""

    class Failing(StubClassifier):
        def classify(self, texts: Any, languages: Any) -> Predictions:
            raise BadOutput("NaN")

    for candidate, expected in ((StubClassifier(), True), (Failing(), False), (None, False)):
        channel = Recorder()
        await make_classify(scorer(StubClassifier(), candidate), channel)(stream(batch("a", "b", "c")))
        [scored] = channel.seen
        assert 3 == len(scored.sentiment)
        assert expected == (scored.shadow is not None)
        assert not expected or scored.sentiment.argmax(axis=1).tolist() == scored.shadow.tolist()


class FaustStream:
    """What `acknowledging` uses of a Faust stream; remembers which values were acknowledged."""

    def __init__(self, *values: bytes) -> None:
        self._values = values
        self.acknowledged: list[bytes] = []

    def noack(self) -> "FaustStream":
        return self

    async def events(self) -> AsyncIterator[SimpleNamespace]:
        for value in self._values:
            yield SimpleNamespace(value=value, ack=lambda value=value: self.acknowledged.append(value))


async def test_a_value_whose_work_was_cut_off_is_not_acknowledged() -> None:
    """A shift that was being answered when the worker ended comes again; those answered before do not."""
    begun = asyncio.Event()

    async def work(values: AsyncIterator[bytes]) -> None:
        async for value in values:
            if value == b"second":
                begun.set()
                await asyncio.Event().wait()

    stream = FaustStream(b"first", b"second")
    task = asyncio.create_task(acknowledging(work)(stream))  # type: ignore[arg-type]
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert [b"first"] == stream.acknowledged


async def test_what_was_done_is_acknowledged() -> None:
    """Every value, in order, at the latest when the stream ends."""
    recorder, stream = Recorder(), FaustStream(b"first", b"second")

    async def work(values: AsyncIterator[bytes]) -> None:
        async for value in values:
            await recorder.put(value)

    await acknowledging(work)(stream)
    assert [b"first", b"second"] == recorder.seen == stream.acknowledged


async def test_a_batch_of_a_partition_that_was_taken_is_not_classified() -> None:
    """The model is not asked for what another worker reads again."""

    class Untouched(StubClassifier):
        def classify(self, texts: Any, languages: Any) -> Predictions:
            raise AssertionError("the model was asked")

    scored = await scorer(Untouched(), held=lambda _: False).score(batch("a"))
    assert 0 == len(scored.sentiment)


async def test_a_batch_is_given_up_while_it_waits_once_its_partition_is_taken() -> None:
    """Kafka takes no dead letter; after the second try the partition is another worker's, and the wait ends."""
    tries, answers = 0, Recorder()

    async def refuse(letters: object) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("Kafka is away")

    telemetry = Telemetry()
    telemetry.answered = answers.seen.append  # type: ignore[method-assign]
    outbound = SimpleNamespace(dead_letters=refuse)
    deps = Deps(Settings(), None, outbound, StubClassifier(), None, None, None, None, telemetry=telemetry)  # type: ignore[arg-type]
    letter = DeadLetter("not_json", "no JSON", 0, 0, None, b"{", (), 5)
    waiting = replace(batch(), dead_letters=[letter])
    empty = np.zeros((0, 3), np.float32)
    deps.progress.delivered(waiting.position, 5)
    await Committer(deps, Unheld(questions=3)).commit(ScoredBatch(waiting, empty, empty))  # type: ignore[arg-type]
    assert (2, ["not_held"], 0, {}) == (tries, answers.seen, deps.progress.in_flight, deps.progress.waiting)
