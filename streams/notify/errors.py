"""Why a sink did not take a message.

Undelivered
├── Away       it may take it later: no answer, too slow, busy, told to wait; retriable
└── Refused    it never will: the message is malformed or too large for it
"""


class Undelivered(Exception):
    """A sink did not take a message; the text holds no secret and no URL."""

    retriable = False

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Away(Undelivered):
    """The sink may take it later, after `wait_s` seconds if it said so. Operator action: mend the receiver."""

    retriable = True


class Refused(Undelivered):
    """The sink refuses this message. Operator action: see what the receiver expects."""
