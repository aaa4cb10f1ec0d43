"""What every sink offers, and the secrets that must not be said."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from marketpulse.contract.records import AlertRecord
from streams.notify.messages import Message


class Sink(Protocol):
    """A receiver of alerts; a message goes as a whole or not at all."""

    resend_s: float | None
    """Seconds between reminders of what fires; None = it is told of changes alone."""

    def divided(self, alerts: Sequence[AlertRecord]) -> list[Message]:
        """The messages for what is due at once."""

    def shown(self, message: Message, now_ms: int) -> str:
        """What would be sent, for people: no secret, no URL."""

    async def send(self, message: Message, now_ms: int) -> None:
        """Return once the receiver has it. Raises Undelivered."""

    async def close(self) -> None:
        """Close the connections."""


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """A text without any of these secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text
