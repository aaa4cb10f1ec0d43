"""Alertmanager's v2 API: alerts as it knows them, reminded of before it would end them itself."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.words import without_excerpts
from streams.notify.heartbeat import KIND
from streams.notify.http import Poster
from streams.notify.messages import Message, severity, text, title

ENDS_AFTER = 4
"""A firing alert ends in Alertmanager after so many reminders that did not come, as Prometheus has it."""
BEATS = 2
"""Heartbeats that must stay out before `MarketpulseHeartbeat` ends in Alertmanager."""


class AlertmanagerSink:
    """Posts to `<url>/api/v2/alerts`: all that is due at once in one request."""

    def __init__(
        self,
        poster: Poster,
        product: str,
        resend_s: float,
        page: str | None,
        excerpts: bool,
        token: str | None,
        heartbeat_s: float | None = None,
    ) -> None:
        self.resend_s: float | None = resend_s
        self._poster = poster
        self._product = product
        self._page = page
        self._heartbeat_s = heartbeat_s
        self._excerpts = excerpts
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def divided(self, alerts: Sequence[AlertRecord]) -> list[Message]:
        """One message: Alertmanager groups itself."""
        return [Message(tuple(alerts))] if alerts else []

    def shown(self, message: Message, now_ms: int) -> str:
        """The request's body."""
        return self.body(message, now_ms).decode()

    async def send(self, message: Message, now_ms: int) -> None:
        """Raises Undelivered."""
        await self._poster.post(self.body(message, now_ms), self._headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def body(self, message: Message, now_ms: int) -> bytes:
        """The alerts as `postableAlerts` of the v2 API."""
        return msgspec.json.encode([self._postable(alert, now_ms) for alert in message.alerts])

    def _postable(self, alert: AlertRecord, now_ms: int) -> dict[str, Any]:
        alert = alert if self._excerpts else without_excerpts(alert)
        one = Message((alert,))
        beats = alert.kind == KIND
        labels = {
            "alertname": "MarketpulseHeartbeat" if beats else f"marketpulse_{alert.kind}",
            "kind": alert.kind,
            "market": alert.market,
            "severity": "none" if beats else severity(alert),
            "product": self._product,
        }
        starts_ms = alert.started_at
        if alert.state == "resolved":
            ends_ms = max(starts_ms, min(alert.ended_at or now_ms, now_ms))
        else:
            lasts_s = BEATS * (self._heartbeat_s or 0) if beats else ENDS_AFTER * (self.resend_s or 0)
            ends_ms = max(starts_ms, now_ms) + int(lasts_s * 1_000)
        postable: dict[str, Any] = {
            "labels": labels | ({"topic": alert.topic} if alert.topic else {}),
            "annotations": {"summary": title(one), "description": text(one), "alert_id": alert.id},
            "startsAt": _rfc3339(starts_ms),
            "endsAt": _rfc3339(ends_ms),
        }
        if self._page:
            postable["generatorURL"] = page_of(self._page, alert)
        return postable


def page_of(page: str, alert: AlertRecord) -> str:
    """Where the page shows an alert: its market, or all alerts."""
    return page.rstrip("/") + ("/alerts" if alert.market == "*" else f"/market/{alert.market}")


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
