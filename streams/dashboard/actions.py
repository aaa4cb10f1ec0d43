"""What a visitor may ask for beyond looking: a what-if, a silence, one dead letter."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from marketpulse.client.kafka_servers import Servers
from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.allocation import Allocation
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from marketpulse.errors import Unavailable
from strategy.errors import StrategyError
from strategy.portfolio import load_portfolio
from strategy.uncertainty import Stance
from streams.clock import epoch_ms
from streams.dashboard.forms import number_of
from streams.errors import BadInput
from streams.kafka.compacted import write_all
from streams.kafka.dead_letters import RejectedRecord, Selection, read_dead_letters
from streams.kafka.letter_view import letter_message, letter_text, letter_topic
from streams.pipeline.operators.mutes import MOST_HOURS, new_mute
from streams.pipeline.reallocate.question import answer_under, question_of
from streams.privacy.redaction import redact
from streams.settings import Settings

AT_ONCE = 2
ANSWER_WITHIN_S = 5.0
KAFKA_WITHIN_S = 15.0
LETTERS_SEARCHED = 2_000
LETTER_CHARACTERS = 2_000

STANCES: dict[str, Stance] = {"point": "point", "sampled": "sampled", "robust": "robust"}

Write = Callable[[Servers, str, list[tuple[str, bytes | None]]], Awaitable[None]]
Read = Callable[[Servers, str, Selection, int], AsyncIterator[RejectedRecord]]
T = TypeVar("T")


class Letter(msgspec.Struct, frozen=True):
    """One dead letter as the page may show it; `cut`: its value is longer."""

    offset: int
    code: str
    message: str
    topic: str
    partition: int
    source: int
    at: int
    shown: str
    cut: bool


class Actions:
    """Bounded in number and time; `write` puts records into a compacted topic, `read` reads dead letters."""

    def __init__(self, settings: Settings, write: Write = write_all, read: Read = read_dead_letters) -> None:
        self._settings = settings
        self._write = write
        self._read = read
        self._questions = _Places()
        self._letters = _Places()

    @property
    def has_kafka(self) -> bool:
        """Whether this page may write silences: it was given a Kafka."""
        return bool(self._settings.kafka)

    def portfolio(self, snapshot: Snapshot) -> Portfolio:
        """Markets and plan in force; those of the file before the first step."""
        return snapshot.portfolio or load_portfolio(self._settings.portfolio)

    async def what_if(
        self, snapshot: Snapshot, answers: Sequence[AllocationRecord], fields: Mapping[str, str]
    ) -> Allocation:
        """The allocator's answer, made in a thread. Raises BadInput, also where too many ask or it takes too long."""
        changes = {
            "budget": number_of(fields, "budget", 0.01, 1e12),
            "penetration_weight": number_of(fields, "penetration_weight", 0.0, 1_000.0),
            "satisfaction_weight": number_of(fields, "satisfaction_weight", 0.0, 1_000.0),
        }
        if (stance := STANCES.get(fields.get("stance", "point"))) is None:
            raise BadInput("Unknown stance. Operator action: choose point, sampled or robust.")
        self._questions.check()
        question = question_of(snapshot, answers, self.portfolio(snapshot), held=fields.get("held") != "0")
        # A thread cannot be stopped: it counts until it has ended.
        answering = self._questions.start(asyncio.to_thread(answer_under, question, changes, stance))
        try:
            return await asyncio.wait_for(asyncio.shield(answering), ANSWER_WITHIN_S)
        except TimeoutError as error:
            raise BadInput(
                f"no answer within {ANSWER_WITHIN_S:g} s. Operator action: `marketpulse plan` takes its time."
            ) from error
        except StrategyError as error:
            raise BadInput(str(error)) from error

    async def mute(self, fields: Mapping[str, str]) -> str:
        """Write a silence; its id. Raises BadInput, Unavailable."""
        hours = number_of(fields, "hours", 0.01, MOST_HOURS)
        chosen = [fields.get(name, "").strip() for name in ("kind", "market", "topic", "comment", "author")]
        if not chosen[-1]:
            raise BadInput("the name is missing. Operator action: give your name; it is shown beside the silence.")
        mute = new_mute(uuid.uuid4().hex[:12], epoch_ms(), hours, *chosen)
        await self._write_mute(mute.id, encode(mute))
        return mute.id

    async def unmute(self, fields: Mapping[str, str]) -> str:
        """End a silence; its id. Raises BadInput, Unavailable."""
        name = fields.get("id", "")
        if not 1 <= len(name) <= 128:
            raise BadInput("no silence was named. Operator action: use the button beside it.")
        await self._write_mute(name, None)
        return name

    async def _write_mute(self, name: str, content: bytes | None) -> None:
        if not self.has_kafka:
            raise BadInput("this page was given no Kafka. Operator action: set MARKETPULSE_KAFKA.")
        topic = topic_name(self._settings.prefix, "market.mutes")
        await _in_time(self._write(self._settings.kafka_servers, topic, [(name, content)]))

    async def dead_letter(self, code: str) -> Letter:
        """The newest dead letter of a code among the last 2,000, read in a thread. Raises BadInput, Unavailable."""
        if not self.has_kafka:
            raise BadInput(
                "this page was given no Kafka, where dead letters stand. Operator action: MARKETPULSE_KAFKA."
            )
        self._letters.check()
        found = await _in_time(self._letters.start(self._newest(code)))
        if found is None:
            raise BadInput(
                f"none of the newest {LETTERS_SEARCHED:,} dead letters is {code!r}. "
                "Operator action: `marketpulse dead-letters ls` reads them all."
            )
        return found

    async def _newest(self, code: str) -> Letter | None:
        found = None
        letters = self._read(self._settings.kafka_servers, self._settings.prefix, Selection(code), LETTERS_SEARCHED)
        async for one in letters:
            found = one
        return None if found is None else await asyncio.to_thread(redacted, found)


class _Places:
    """Room for `AT_ONCE` pieces of work."""

    def __init__(self) -> None:
        self._working = 0

    def check(self) -> None:
        """Raises BadInput while there is no room."""
        if self._working >= AT_ONCE:
            raise BadInput("other questions are being answered. Operator action: ask again in a moment.")

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin it; it takes its room until it ends, also where nobody waits any more."""
        self._working += 1
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._working -= 1
        if not task.cancelled():
            task.exception()  # looked at here where nobody waits any more


async def _in_time(work: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(work, KAFKA_WITHIN_S)
    except TimeoutError as error:
        raise Unavailable(f"Kafka did not answer within {KAFKA_WITHIN_S:g} s. Operator action: start it.") from error


def redacted(one: RejectedRecord) -> Letter:
    """A dead letter without what could name a person: no key, chosen fields, texts redacted."""
    shown = letter_text(one)
    return Letter(
        offset=one.offset, code=redact(one.code), message=letter_message(one), topic=letter_topic(one),
        partition=one.source_partition, source=one.source_offset, at=one.record_ms,
        shown=shown[:LETTER_CHARACTERS], cut=len(shown) > LETTER_CHARACTERS,
    )  # fmt: skip
