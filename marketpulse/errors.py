"""Every error that a service meets: one root, with what happened and what to do.

MarketpulseError
├── Rejected                 an event breaks the contract; `code` says which rule
├── Unavailable              Kafka or Redis does not answer; retriable
│   ├── KafkaUnavailable     it is Kafka; retriable
│   │   ├── TopicMissing     a topic does not exist, or not yet; retriable
│   │   └── NotAcknowledged  Kafka did not acknowledge a record in time: it may or may not be there; retriable
│   └── LedgerFull           Redis is at a bound; retriable
└── OperatorNeeded           trying again cannot help: login, rights, certificates

The server's own errors derive from these (`streams/errors.py`).
"""

EXIT_OPERATOR = 78


class MarketpulseError(Exception):
    """Root of all errors.

    `retriable`: the same call may succeed later. `code` names the kind for machines: it is in the log line
    `process_ends`; docs/operations.md has an entry for each. `exit_code` is that of a command which ends with it.
    """

    retriable = False
    exit_code = 1
    code: str = "error"

    @property
    def what(self) -> str:
        """What happened."""
        return what_and_action(str(self))[0]

    @property
    def action(self) -> str:
        """What an operator can do; empty where nothing is known."""
        return what_and_action(str(self))[1]


class Unavailable(MarketpulseError):
    """Kafka or Redis does not answer. Operator action: none at first; it is tried again."""

    retriable = True
    server = "redis"


class KafkaUnavailable(Unavailable):
    """Kafka does not answer or takes no records. Operator action: start it, or restore the network."""

    server = "kafka"


class TopicMissing(KafkaUnavailable):
    """A topic does not exist, or not yet. Operator action: `marketpulse topics create`."""

    code = "topic_missing"


class NotAcknowledged(KafkaUnavailable):
    """Kafka did not acknowledge a record in time. Operator action: send it again; a copy counts once by its id."""

    code = "not_acknowledged"


class LedgerFull(Unavailable):
    """Redis is at a bound. Operator action: give Redis memory, or see why no step is rolled up."""


class OperatorNeeded(MarketpulseError):
    """Trying again cannot help. Operator action: as the message says."""

    exit_code = EXIT_OPERATOR


def what_and_action(message: str) -> tuple[str, str]:
    """What happened, and what an operator can do: empty where the message does not say."""
    what, _, action = message.partition("Operator action: ")
    return what.strip(), action.strip()
