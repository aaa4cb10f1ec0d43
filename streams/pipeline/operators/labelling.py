"""Labelling: which texts of a market-week are shown, read at their places in `feedback`, and the answers written."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.decode import Rejected, decode
from marketpulse.contract.operators import LABELS, Answer, LabelRecord, key_of_label
from marketpulse.contract.records import ClassifiedRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import HOUR_MS
from marketpulse.contract.wire import UNREADABLE, encode
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.judgement.draw import Lottery, begin_of_week, name_of_week, spreads_within
from streams.judgement.estimate import WORTH, estimate
from streams.judgement.frame import Census, Drawn, Frame, Round, sample_of
from streams.kafka.compacted import read_each, write_all
from streams.kafka.log_reader import LogReader
from streams.kafka.publish import partition_of
from streams.pipeline.operators.labels import Labels
from streams.privacy.redaction import excerpt
from streams.privacy.user_hashes import folded_key
from streams.settings import Settings

SHOWN_CHARACTERS = 1_000
"""Of a text, redacted: more than an excerpt has, which is there to give an idea."""
EVERY = 5_000  # records between two words of progress

_classified = msgspec.json.Decoder(ClassifiedRecord)
Say = Callable[[str, int, int | None], object]
Ask = Callable[[str, int, int], Answer | None]
"""Shows a text, its number and how many there are at least; None = whoever is asked has had enough."""


class Week(msgspec.Struct, frozen=True):
    """What the labels of a market-week come to. `u`, `low`, `high` are null while a cell has too few texts.

    `texts` were labelled so far, `answered` in this round; `unclear` could not be judged, `gone` are no longer in
    `feedback`; `missing` of those asked for, there were no texts. `classifier` is the mean score without labels.
    """

    market: str
    week: str
    events: int
    texts: int
    answered: int
    unclear: int
    gone: int
    missing: int
    classifier: float | None
    u: float | None = None
    low: float | None = None
    high: float | None = None


def require_on(settings: Settings) -> None:
    """Raises BadInput where this installation shows no texts, or keeps no answers of the model."""
    for name in ("excerpts", "classified"):
        if not getattr(settings, name):
            raise BadInput(
                f"labelling is off: MARKETPULSE_{name.upper()} is false. Operator action: set it to true here and for "
                "the workers, if texts may be shown to people."
            )


class Labelling:
    """One round: `async with` it, then `run`. Everything raises Unavailable and OperatorNeeded, as Kafka does.

    Args:
        settings: with the key of user hashes that the workers have.
        market: its code.
        week: number of the UTC week.
        rater: who answers.
        say: hears of progress.
    """

    def __init__(self, settings: Settings, market: str, week: int, rater: str, say: Say) -> None:
        self._settings = settings
        self._market, self._week = market, week
        self._rater = rater
        self._say = say
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Labelling":
        require_on(self._settings)
        topic = self._topic("feedback")
        self._feedback = await self._stack.enter_async_context(LogReader(self._settings.kafka_servers, topic))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def _topic(self, name: str) -> str:
        return topic_name(self._settings.prefix, name)

    async def run(self, texts: int, confusion: NDArray[np.float64] | None, ask: Ask) -> Week:
        """Show as many texts, write each answer before the next is shown, and sum up.

        Args:
            texts: to be answered, beside those that were.
            confusion: (3, 3) rows P(answered | true) of the model, to draw where texts tell most; None = not known.
            ask: called in a thread.
        """
        frame, answers = await self._frame(), await self._answers()
        shares = np.array(frame.counts) / max(frame.events, 1)
        spreads = (
            [0.3] * len(LABELS) if confusion is None else spreads_within(confusion, shares, WORTH["u"]).tolist()
        )  # not known: as many of a cell as its share of the events
        shown = Round(frame, spreads, texts, answers)
        answered = unclear = gone = 0
        stopped = False
        while not stopped and (drawn := shown.next()) is not None:
            if (text := await self.text(drawn)) is None:
                gone += 1
                shown.replace()
                continue
            answer = await asyncio.to_thread(ask, text, answered + 1, texts)
            if answer is None:
                stopped = True
                continue
            await self._write(frame, drawn, answer)
            answers[drawn.id] = answer
            if answer == "unclear":
                unclear += 1
                shown.replace()
            else:
                answered += 1
        missing = 0 if stopped else texts - answered
        return self._summed(frame, answers, (answered, unclear, gone, missing))

    async def _frame(self) -> Frame:
        """The model's answers of the market-week, in the one partition that the market is in."""
        census, key, read = Census(self._market, self._week), self._market.encode(), 0
        topic = self._topic("feedback.classified")
        async with LogReader(self._settings.kafka_servers, topic) as reader:
            partition = partition_of(key, len(reader.offsets))
            first = await reader.offset_at(begin_of_week(self._week) - HOUR_MS, partition)
            oldest, end = reader.offsets[partition]
            if 0 < oldest >= first:
                raise BadInput(
                    f"the begin of {name_of_week(self._week)} is no longer in {topic}: how many events of each label "
                    "the week had is not known. Operator action: label a later week."
                )
            async for record in reader.records(first, end, partition):
                if record.key == key and (classified := _read(record.value)) is not None:
                    self._take(census, classified)
                read += 1
                if read % EVERY == 0:
                    self._say("reading feedback.classified", record.offset - first, end - first)
        key_of_draw = folded_key(self._settings.user_hash_key.get_secret_value().encode())
        return await asyncio.to_thread(census.frame, Lottery(key_of_draw))

    def _take(self, census: Census, classified: ClassifiedRecord) -> None:
        try:
            census.take(classified)
        except OverflowError as error:
            raise BadInput(
                f"{self._market} has {error} in {name_of_week(self._week)}: no draw is made of so large a week. "
                "Operator action: label a week with fewer."
            ) from None

    async def _answers(self) -> dict[str, Answer]:
        labels = Labels()
        await read_each(self._settings.kafka_servers, self._topic("market.labels"), labels.take)
        return {name: label.label for name, label in labels.of_week(self._market, self._week).items()}

    async def text(self, drawn: Drawn) -> str | None:
        """The redacted text of an event, on one line; None where `feedback` no longer holds it."""
        at = drawn.offset
        if drawn.partition not in self._feedback.offsets:
            return None
        async for record in self._feedback.records(at, at + 1, drawn.partition):
            now_ms = epoch_ms()
            record_ms = min(record.timestamp, now_ms) if record.timestamp > 0 else now_ms
            try:
                event = decode(record.value, record_ms, record.headers)
            except Rejected:
                return None
            return excerpt(event.text, SHOWN_CHARACTERS) if event.market == self._market else None
        return None

    async def _write(self, frame: Frame, drawn: Drawn, answer: Answer) -> None:
        record = LabelRecord(
            id=drawn.id,
            market=self._market,
            week=self._week,
            predicted=LABELS[drawn.cell],
            label=answer,
            score=drawn.score,
            model=drawn.model,
            counts=frame.by_model[drawn.model],
            at=epoch_ms(),
            language=drawn.language,
            rater=self._rater,
        )
        row = key_of_label(self._market, drawn.id), encode(record)
        await write_all(self._settings.kafka_servers, self._topic("market.labels"), [row])

    def _summed(self, frame: Frame, answers: dict[str, Answer], done: tuple[int, int, int, int]) -> Week:
        texts = sum(answers.get(drawn.id, "unclear") != "unclear" for rows in frame.drawn for drawn in rows)
        mean = frame.mean_score if frame.events else None
        answered, unclear, gone, missing = done
        week = Week(self._market, name_of_week(self._week), frame.events, texts, answered, unclear, gone, missing, mean)
        if not texts:
            return week
        found = estimate(sample_of(frame, answers), WORTH["u"])
        if np.isnan(found.value[0]):
            return week
        return msgspec.structs.replace(
            week, u=float(found.value[0]), low=float(found.low[0]), high=float(found.high[0])
        )


def _read(value: bytes | None) -> ClassifiedRecord | None:
    try:
        return _classified.decode(value or b"")
    except UNREADABLE:
        return None
