"""Every error the stream side raises, with its exit code; roots are in marketpulse/errors.py.

MarketpulseError
├── SettingsError            settings do not parse; every problem at once (exit 2)
├── BadInput                 a file or an argument of a command cannot be used (exit 2)
├── Unprotected              the page would listen beyond this machine without a token (exit 2)
│   └── IntakeUnprotected    the intake would
├── JournalIncomplete        the journal does not hold what a replay or rebuild needs (exit 1)
├── UserKeyDiffers           the ledger hashes user ids with another key than this process was given (exit 2)
├── Overtaken                somebody else repaired the same ledger meanwhile (exit 1)
├── Restart                  this process must start anew, the data is safe (exit 75)
│   ├── ClaimTimeout         a partition could not be claimed in time
│   ├── StepTooLong          a step of the roll-up did not end within a minute
│   ├── LedgerRewound        Redis went back in time: seek back and count again
│   └── LedgerReplaced       the ledger was rebuilt or reset: begin with the new one
└── OperatorNeeded           a restart cannot help (exit 78)
    ├── LedgerLost           the ledger or a partition's entry is missing: Redis was emptied
    │   └── PartitionUnknown the topic was given more partitions: a claim adds them
    ├── LogMismatch          the source topic is not the one that the ledger counted
    │   ├── TopicRecreated   other records, or fewer of them, stand where the ledger counted
    │   └── RetentionPassed  records were deleted before they were counted
    ├── LedgerNewer          a newer version wrote the ledger
    ├── LedgerBroken         a script failed after its first write
    ├── CodecMissing         records are compressed in a way that this installation cannot read
    └── RecordTooLarge       Kafka takes no record as large as the one to be written

"""

from marketpulse.errors import MarketpulseError, OperatorNeeded

EXIT_RESTART = 75


class SettingsError(MarketpulseError):
    """Settings do not parse. Operator action: mend every setting that is named, then start again."""

    exit_code = 2


class BadInput(MarketpulseError):
    """A file or argument cannot be used. Operator action: as the message says."""

    exit_code = 2


class Unprotected(MarketpulseError):
    """The page would be open to anybody. Operator action: set MARKETPULSE_PAGE_TOKEN, or listen on loopback."""

    exit_code = 2
    code = "page_unprotected"
    service = "page"
    setting = "MARKETPULSE_PAGE_TOKEN (16 characters at least)"


class IntakeUnprotected(Unprotected):
    """The intake would be open to anybody. Operator action: set MARKETPULSE_INTAKE_TOKENS, or listen on loopback."""

    code = "intake_unprotected"
    service = "intake"
    setting = "MARKETPULSE_INTAKE_TOKENS (16 characters at least each)"


class JournalIncomplete(MarketpulseError):
    """The journal does not hold what a replay needs. Operator action: as the message says."""

    code = "journal_incomplete"


class UserKeyDiffers(MarketpulseError):
    """The ledger hashes user ids with another key. Operator action: set MARKETPULSE_USER_HASH_KEY as workers do."""

    exit_code = 2
    code = "user_key_differs"


class Overtaken(MarketpulseError):
    """Somebody else changed the ledger meanwhile. Operator action: see who, then give the same command again."""

    code = "overtaken"


class Restart(MarketpulseError):
    """The process must start anew; nothing is lost. Operator action: none under a supervisor."""

    exit_code = EXIT_RESTART


class ClaimTimeout(Restart):
    """A partition could not be claimed in time. Operator action: see why Redis did not answer."""

    code = "claim_timeout"


class StepTooLong(Restart):
    """A step of the roll-up did not end within a minute. Operator action: see if Redis is slow or the machine busy."""

    code = "step_too_long"


class LedgerRewound(Restart):
    """Redis went back in time. Operator action: none; the worker seeks back and counts again."""

    code = "ledger_rewound"


class LedgerReplaced(Restart):
    """Another ledger stands in its place. Operator action: none; the worker starts anew with the new one."""

    code = "ledger_replaced"


class LedgerLost(OperatorNeeded):
    """The ledger is not in Redis. Operator action: `marketpulse ledger rebuild`; for a first start `ledger init`."""

    code = "ledger_lost"


class PartitionUnknown(LedgerLost):
    """The ledger knows `known` partitions, not this one. Operator action: none; the worker that reads it adds it."""

    def __init__(self, message: str, known: int) -> None:
        super().__init__(message)
        self.known = known


class LogMismatch(OperatorNeeded):
    """The topic is not the one the ledger counted. Operator action: see its two kinds."""


class TopicRecreated(LogMismatch):
    """Other records stand where the ledger counted. Operator action: restore the topic, or go on with the new one."""

    code = "topic_recreated"


class RetentionPassed(LogMismatch):
    """Records were deleted before they were counted. Operator action: restore them, or go on without them."""

    code = "retention_passed"


class LedgerNewer(OperatorNeeded):
    """The ledger or the journal was written by a newer version. Operator action: run that version."""

    code = "ledger_newer"


class LedgerBroken(OperatorNeeded):
    """A ledger script failed after its first write. Operator action: keep Redis as it is and rebuild the ledger."""

    code = "ledger_broken"


class CodecMissing(OperatorNeeded):
    """Records are compressed, and no library reads them. Operator action: install the library that is named."""

    code = "codec_missing"


class RecordTooLarge(OperatorNeeded):
    """A topic does not take a record of ours. Operator action: raise the topic's `max.message.bytes`."""

    code = "record_too_large"
