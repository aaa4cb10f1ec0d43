"""The journal `market.steps` as it stands: its history, found once, then read step by step; its checkpoints."""

import zlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec

from marketpulse.contract.wire import UNREADABLE
from streams.clock import epoch_ms
from streams.contract.journal import CHECKPOINT_KEY, JOURNAL_FORMAT, CheckpointRecord, StepRecord
from streams.errors import JournalIncomplete, LedgerNewer
from streams.kafka.log_reader import LogReader
from streams.privacy.redaction import redact_log
from streams.recovery.chain import Chain, Mark, Place, Stretch

Progress = Callable[[int, int | None], object]

_steps = msgspec.json.Decoder(StepRecord)
_checkpoints = msgspec.json.Decoder(CheckpointRecord)
Written = TypeVar("Written", StepRecord, CheckpointRecord)


def silent(done: int, total: int | None = None) -> None:
    """Progress that nobody wants to see."""


def step_of(value: bytes | None, offset: int) -> StepRecord:
    """The step that a record holds. Raises JournalIncomplete: it holds none. LedgerNewer: of a newer version."""
    try:
        return _known(_steps.decode(value or b""), offset)
    except UNREADABLE as error:
        raise JournalIncomplete(
            f"the record of market.steps at offset {offset} is no step: {redact_log(str(error))}. "
            "Operator action: see who else writes to the topic; limit it to the workers."
        ) from error


def _known(record: Written, offset: int) -> Written:
    if record.format > JOURNAL_FORMAT:
        raise LedgerNewer(
            f"the record of market.steps at offset {offset} has format {record.format}, and this version knows "
            f"{JOURNAL_FORMAT} at most: a newer version of Marketpulse wrote it. Operator action: run that version."
        )
    return record


class Journal:
    """Reads through an open LogReader of `market.steps`; Unavailable where Kafka does not answer."""

    def __init__(self, reader: LogReader, progress: Progress = silent) -> None:
        self._reader = reader
        self._progress = progress
        self._read_to = 0
        self.chain = Chain()

    async def find_all(self) -> None:
        """Read from the begin of the topic."""
        await self._find(self._reader.offsets[0][0])

    async def find_newest(self, interval_ms: int) -> None:
        """Read back from the end until a complete checkpoint is among what was read, at most to the begin.

        Args:
            interval_ms: time between checkpoints: twice as much is read at first.
        """
        begin, now_ms = self._reader.offsets[0][0], epoch_ms()
        back_ms = 2 * interval_ms
        while not self.chain.marks:
            first = max(begin, await self._reader.offset_at(now_ms - back_ms))
            self.chain = Chain()
            await self._find(first)
            if first == begin:
                return
            back_ms *= 4

    async def find_more(self) -> None:
        """Read what was written since."""
        await self._find(self._read_to)

    async def _find(self, first: int) -> None:
        end = await self._reader.end()
        async for record in self._reader.records(first, end):
            if record.key == CHECKPOINT_KEY:
                self.chain.take_checkpoint(_known(_checkpoints.decode(record.value), record.offset), record.offset)
            else:
                self.chain.take_step(int(record.key), record.offset, zlib.crc32(record.value))
            self._progress(record.offset - first, end - first)
        self._read_to = max(first, end)

    async def step(self, place: Place) -> StepRecord:
        """The record of one step."""
        async for record in self._reader.records(place.offset, place.offset + 1):
            return step_of(record.value, record.offset)
        raise JournalIncomplete(f"step {place.step} is no longer there. Operator action: give the command again.")

    async def steps(self, stretch: Stretch) -> AsyncIterator[StepRecord]:
        """The records of a stretch, in order."""
        wanted = {place.offset: place for place in stretch.places}
        if not wanted:
            return
        # A record that a rewind undid may stand between those that count, but never the other way round.
        async for record in self._reader.records(min(wanted), max(wanted) + 1):
            if record.offset in wanted:
                yield step_of(record.value, record.offset)

    async def content(self, mark: Mark) -> AsyncIterator[str]:
        """The content of a checkpoint's parts, in order."""
        for offset in mark.offsets:
            async for record in self._reader.records(offset, offset + 1):
                yield _checkpoints.decode(record.value).content
