"""What a partition is read under."""

from dataclasses import dataclass

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
    """A partition under our claim: `next` is where the next batch starts."""

    claim: Claim
    next: int
    seen: SeenIds
    verify: bool  # the first record fetched is the last one counted: compare, then drop it
    sought_again: int = -1  # offset that was sought twice because the first answer began behind it
    last_ms: int = 0  # record time of the last record read, as far as it is known
