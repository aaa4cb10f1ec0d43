"""What a partition is read under."""

import time
from dataclasses import dataclass, field

from aiokafka.structs import ConsumerRecord

from streams.batches import SourceMark
from streams.errors import RetentionPassed, TopicRecreated
from streams.kafka.tolerant import UNKNOWN_TIME, unreadable
from streams.ledger.types import Claim, checksum
from streams.pipeline.ingest.dedupe import SeenIds

RECREATED = (
    "Operator action: restore the topic; or keep what was counted and go on with the new topic from its begin: "
    "`marketpulse ledger rebuild --skip-lost`."
)
PASSED = (
    "Operator action: raise the topic's retention; restore the records, or go on without them: "
    "`marketpulse ledger rebuild --skip-lost`."
)


@dataclass(slots=True)
class Assigned:
    """A partition under our claim: `next` is where the next batch starts, `mark` what is known of the records before.

    Args:
        verify: offset of the last record that was counted, to be compared before anything is read; None = nothing to
            compare, or done.
        settled: an answer that began where it was asked for has come: gaps after it hold no records.
        sought_again: the first answer began too late and was asked for once more.
    """

    claim: Claim
    next: int
    seen: SeenIds
    mark: SourceMark
    verify: int | None = None
    settled: bool = False
    sought_again: bool = False
    since_s: float = field(default_factory=time.monotonic)

    def now_ms(self) -> int:
        """Redis's clock now, in epoch ms: what it was at the claim, and the time since."""
        return self.claim.now_ms + int((time.monotonic() - self.since_s) * 1_000)


def check_bounds(claim: Claim, earliest: int, newest: int, topic: str) -> None:
    """Raises TopicRecreated or RetentionPassed where the log's first and next offset leave out what comes next."""
    if claim.next > newest:
        raise TopicRecreated(
            f"{topic}[{claim.partition}] ends at {newest}, but the ledger counted up to {claim.next}: the topic was "
            f"recreated or truncated. {RECREATED}"
        )
    if claim.next < earliest:
        raise RetentionPassed(
            f"{topic}[{claim.partition}] begins at {earliest}, but the ledger counted up to {claim.next}: retention "
            f"took {earliest - claim.next} offsets that were never counted. {PASSED}"
        )


def check_last_counted(state: Assigned, first: ConsumerRecord | None, topic: str) -> None:
    """Raises TopicRecreated where the last record that was counted is not there any more."""
    mark, offset, state.verify = state.claim.mark, state.verify, None
    if unreadable(first):
        return  # damaged after it had been counted: nothing to compare
    there = first is not None and first.offset == offset
    if not there and mark.last_offset is None:
        return  # written before offsets of last records were kept: a marker may be there
    found = None
    if first is not None and there:  # where it has no time, the mark has that of the record before it
        time_ms = mark.last_timestamp if first.timestamp == UNKNOWN_TIME else first.timestamp
        found = (time_ms, checksum(first.value))
    if found != (mark.last_timestamp, mark.last_checksum):
        what = "another record" if there else "no record"
        raise TopicRecreated(
            f"{topic}[{state.claim.partition}] holds {what} at offset {offset}, where one was counted: "
            f"the topic was recreated. {RECREATED}"
        )
