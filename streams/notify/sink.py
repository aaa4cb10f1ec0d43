"""What every sink offers, and the secrets that must not be said."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from marketpulse.contract.records import AlertRecord
from streams.notify.errors import Away, Undelivered
from streams.notify.messages import Message
from streams.privacy.redaction import redact_log
from streams.telemetry.logs import get_logger

log = get_logger("notify")


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


async def send(sink: Sink, message: Message, now_ms: int) -> None:
    """Send by a sink, whatever its receiver or a library of its kind does: its own faults cost no other sink anything.

    Raises:
        Undelivered: it was not taken; Away, which is tried again, where the sink failed in a way that nobody expected.
    """
    try:
        await sink.send(message, now_ms)
    except Undelivered:
        raise
    except Exception as error:
        raise Away(f"the sink failed with {type(error).__name__}: {redact_log(str(error))}") from error


def divided(sink: Sink, alerts: Sequence[AlertRecord]) -> list[Message]:
    """The messages of a sink; one an alert where it cannot divide them, so that one alert holds up no others."""
    try:
        return sink.divided(alerts)
    except Exception as error:
        log.error("sink_failed", error=f"{type(error).__name__}: {error}", alerts=len(alerts))
        return [Message((alert,)) for alert in alerts]


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """A text without any of these secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text
