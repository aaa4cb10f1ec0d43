"""What a partition is read under."""

import time
from dataclasses import dataclass, field

from streams.batches import SourceMark
from streams.ledger.types import Claim
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
