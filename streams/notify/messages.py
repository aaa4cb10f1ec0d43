"""Alerts in messages: how urgent they are, which belong together, how they are put in words."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

from msgspec.structs import replace

from marketpulse.contract.alert_kinds import ALERTS, AlertKind
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.words import clock, evidence_words

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
SHOWN = 20
"""Alerts that one message for people spells out; more are counted."""
_CRITICAL: tuple[AlertKind, ...] = ("surge", "no_data", "bad_input")


class Message(NamedTuple):
    """What a sink gets at once; a summary stands for several messages that were too many."""

    alerts: tuple[AlertRecord, ...]
    summary: bool = False


def severity(alert: AlertRecord) -> Severity:
    """How urgent an alert is: a recovery is news; a market's surge, a silent or a broken intake is critical."""
    if alert.kind == "recovery":
        return "info"
    whole = alert.topic is None if alert.kind == "surge" else alert.market == "*"
    return "critical" if alert.kind in _CRITICAL and whole else "warning"


def grouped(alerts: Iterable[AlertRecord]) -> list[Message]:
    """One message per state and market of what is due at once; markets with the same kinds of alerts share one."""
    by_market: dict[tuple[str, str], list[AlertRecord]] = {}
    for alert in alerts:
        by_market.setdefault((alert.state, alert.market), []).append(alert)
    by_cause: dict[tuple[str, tuple[str, ...]], list[AlertRecord]] = {}
    for (state, _), found in by_market.items():
        by_cause.setdefault((state, tuple(sorted({one.kind for one in found}))), []).extend(found)
    return [Message(tuple(found)) for found in by_cause.values()]


def within(messages: Sequence[Message], allowed: int) -> list[Message]:
    """At most so many messages: what is over the limit becomes one summary. None are allowed: none, all wait."""
    if len(messages) <= allowed:
        return list(messages)
    if allowed <= 0:
        return []
    rest = [alert for message in messages[allowed - 1 :] for alert in message.alerts]
    return [*messages[: allowed - 1], Message(tuple(rest), summary=True)]


def without_excerpts(alert: AlertRecord) -> AlertRecord:
    """The same alert without what users wrote."""
    return replace(alert, evidence={name: one for name, one in alert.evidence.items() if name != "excerpts"})


def title(message: Message) -> str:
    """A line: state, kinds and markets; of a summary how many alerts."""
    alerts = message.alerts
    if message.summary:
        return f"Marketpulse: {len(alerts)} changes of alerts at once"
    kinds = ", ".join(_unique(one.kind for one in alerts))
    markets = ", ".join("all markets" if one == "*" else one for one in _unique(one.market for one in alerts))
    return f"Marketpulse: {kinds} {alerts[0].state} in {markets}"


def text(message: Message, page: str | None = None) -> str:
    """A line of state, market, kind, topic, times and evidence for each alert, what its kind means, and the page."""
    lines = [_line(alert) for alert in message.alerts[:SHOWN]]
    if len(message.alerts) > SHOWN:
        lines.append(f"and {len(message.alerts) - SHOWN} more: marketpulse alerts")
    lines += [f"{kind}: {ALERTS[kind]}" for kind in _unique(one.kind for one in message.alerts) if kind in ALERTS]
    return "\n".join(lines + ([page] if page else []))


def _line(alert: AlertRecord) -> str:
    where = "all markets" if alert.market == "*" else alert.market
    parts = [f"{alert.state} {alert.kind} {where}" + (f"/{alert.topic}" if alert.topic else "")]
    parts.append(f"since {clock(alert.started_at)}")
    if alert.ended_at is not None:
        parts.append(f"until {clock(alert.ended_at)}")
    return ", ".join(parts) + _evidence(alert.evidence)


def _evidence(evidence: dict[str, Any]) -> str:
    said = [f"{name} {value}" for name, value in evidence_words(evidence)]
    said += [f"“{excerpt}”" for excerpt in evidence.get("excerpts", [])[:1]]
    return ": " + "; ".join(said) if said else ""


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
