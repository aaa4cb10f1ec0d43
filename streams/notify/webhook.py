"""Signed webhooks: one alert record per request, as a CloudEvent in binary mode."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.wire import encode
from marketpulse.contract.words import without_excerpts
from streams.notify.heartbeat import KIND
from streams.notify.http import Poster
from streams.notify.messages import Message
from streams.notify.signature import signed_headers

SUMMARY = "marketpulse.alerts.summary"
HEARTBEAT = "marketpulse.heartbeat"


class WebhookSink:
    """Posts the alert record; a summary is `{"alerts": [records]}`, and its CloudEvents type says so."""

    resend_s: float | None = None

    def __init__(self, poster: Poster, product: str, keys: Sequence[bytes], excerpts: bool) -> None:
        self._poster = poster
        self._product = product
        self._keys = keys
        self._excerpts = excerpts

    def divided(self, alerts: Sequence[AlertRecord]) -> list[Message]:
        """A message for each."""
        return [Message((alert,)) for alert in alerts]

    def shown(self, message: Message, now_ms: int) -> str:
        """The request's body."""
        return self.body(message).decode()

    async def send(self, message: Message, now_ms: int) -> None:
        """Raises Undelivered."""
        body = self.body(message)
        await self._poster.post(body, self.headers(message, now_ms, body))

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def body(self, message: Message) -> bytes:
        """JSON of the record, or of the summary's records."""
        alerts = [one if self._excerpts else without_excerpts(one) for one in message.alerts]
        return msgspec.json.encode({"alerts": alerts}) if message.summary else encode(alerts[0])

    def headers(self, message: Message, now_ms: int, body: bytes) -> dict[str, str]:
        """The CloudEvent's attributes, and the signature where there is a secret."""
        name = message_id(message)
        signed = signed_headers(self._keys, name, now_ms // 1000, body) if self._keys else {}
        return self._event(message, name) | signed

    def _event(self, message: Message, name: str) -> dict[str, str]:
        last = message.alerts[-1]
        at_ms = last.ended_at or last.fired_at or last.started_at
        kind = HEARTBEAT if last.kind == KIND else f"marketpulse.alert.{last.state}"
        return {
            "ce-specversion": "1.0",
            "ce-id": name,
            "ce-source": f"/marketpulse/{self._product}",
            "ce-type": SUMMARY if message.summary else kind,
            "ce-time": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(),
        }


def message_id(message: Message) -> str:
    """The same for the same states of the same alerts, however often they are sent: it tells repetitions."""
    states = " ".join(f"{alert.id} {alert.seq}" for alert in message.alerts)
    return f"msg_{hashlib.sha256(states.encode()).hexdigest()[:32]}"
