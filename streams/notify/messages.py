"""Alerts in messages: how urgent they are, which belong together, how they are put in words."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

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
        by_cause.setdefault((state, tuple(sorted({alert.kind for alert in found}))), []).extend(found)
    return [Message(tuple(found)) for found in by_cause.values()]


def within(messages: Sequence[Message], allowed: int) -> list[Message]:
    """At most so many messages: what is over the limit becomes one summary. None are allowed: none, all wait."""
    if len(messages) <= allowed:
        return list(messages)
    if allowed <= 0:
        return []
    rest = [alert for message in messages[allowed - 1 :] for alert in message.alerts]
    return [*messages[: allowed - 1], Message(tuple(rest), summary=True)]


def title(message: Message) -> str:
    """A line: state, kinds and markets; of a summary how many alerts."""
    alerts = message.alerts
    if message.summary:
        return f"Marketpulse: {len(alerts)} changes of alerts at once"
    kinds = ", ".join(_unique(alert.kind for alert in alerts))
    markets = ", ".join(
        "all markets" if market == "*" else market for market in _unique(alert.market for alert in alerts)
    )
    return f"Marketpulse: {kinds} {alerts[0].state} in {markets}"


def text(message: Message, page: str | None = None, room: int | None = None) -> str:
    """A line for each incident, the largest first, then what the kinds mean, and the page.

    A line has state, market, kind, topics, times and evidence.

    Args:
        message: what to put in words.
        page: its address.
        room: characters that the receiver takes at most: fewer lines then, and how many are left out; None = no limit.
    """
    incidents = incidents_of(message.alerts)
    lines = [_line(incident) for incident in incidents[:SHOWN]]

    def body() -> str:
        left = len(message.alerts) - sum(len(shown.topics) + shown.whole for shown in incidents[: len(lines)])
        more = [f"and {left} more: marketpulse alerts"] if left > 0 else []
        return "\n".join([*lines, *more, *([page] if page else [])])

    if room is not None:
        while len(body()) > room and len(lines) > 1:
            lines.pop()
        if (over := len(body()) - room) > 0:
            lines[0] = lines[0][: max(0, len(lines[0]) - over - 1)] + "…"
    found = body()
    meant = [f"{kind}: {ALERTS[kind]}" for kind in _unique(alert.kind for alert in message.alerts) if kind in ALERTS]
    whole = "\n".join([*found.splitlines()[: None if page is None else -1], *meant, *([page] if page else [])])
    return whole if room is None or len(whole) <= room else found


class Incident(NamedTuple):
    """Alerts of one kind, market and state: the market's own, else its largest topic's; and which topics have one."""

    alert: AlertRecord
    topics: tuple[str, ...]
    whole: bool


def incidents_of(alerts: Iterable[AlertRecord]) -> list[Incident]:
    """The most urgent first, then those with the most evidence."""
    together: dict[tuple[str, str, str], list[AlertRecord]] = {}
    for alert in alerts:
        together.setdefault((alert.kind, alert.market, alert.state), []).append(alert)
    found = []
    for same in together.values():
        largest = sorted(same, key=_size, reverse=True)
        whole = [alert for alert in largest if alert.topic is None]
        topics = tuple(alert.topic for alert in largest if alert.topic is not None)
        found += [Incident(one, topics if at == 0 else (), True) for at, one in enumerate(whole)]
        found += [] if whole else [Incident(largest[0], topics, False)]
    return sorted(found, key=lambda one: _size(one.alert), reverse=True)


def _size(alert: AlertRecord) -> tuple[int, float]:
    statistic = alert.evidence.get("statistic")
    return SEVERITIES.index(severity(alert)), float(statistic) if isinstance(statistic, int | float) else 0.0


def _line(incident: Incident) -> str:
    alert = incident.alert
    where = "all markets" if alert.market == "*" else alert.market
    if incident.topics:
        where += f" ({', '.join(incident.topics)})" if incident.whole else f"/{', '.join(incident.topics)}"
    parts = [f"{alert.state} {alert.kind} {where}", f"since {clock(alert.started_at)}"]
    if alert.ended_at is not None:
        parts.append(f"until {clock(alert.ended_at)}")
    return ", ".join(parts) + _evidence(alert.evidence)


def _evidence(evidence: dict[str, Any]) -> str:
    said = [f"{name} {value}" for name, value in evidence_words(evidence)]
    said += [f"“{excerpt}”" for excerpt in evidence.get("excerpts", [])[:1]]
    return ": " + "; ".join(said) if said else ""


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
