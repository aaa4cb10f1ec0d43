"""The terminal view: one snapshot as rich tables."""

from collections.abc import Collection

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.decode import utc
from marketpulse.contract.metrics import Estimate, MarketMetrics
from marketpulse.contract.records import AlertRecord, AllocationRecord
from marketpulse.contract.totals import latency_quantile
from marketpulse.contract.words import count_of, evidence_words
from streams.cli.output import cell, visible
from streams.cli.views.plans import value_words
from streams.clock import epoch_ms

BAR = 20
MOST_ALERTS = 6


def render(snapshot: Snapshot, title: str = "Marketpulse") -> RenderableType:
    """Header, table of markets, alerts, allocation: about 100 columns wide. What is silenced is shown as muted."""
    now_ms = epoch_ms()
    muted = {alert.id for alert in snapshot.alerts if snapshot.muted(alert, now_ms)}
    parts: list[RenderableType] = [_header(snapshot), _markets(snapshot, muted)]
    if snapshot.alerts:
        parts.append(_alerts(snapshot.alerts, muted))
    if snapshot.allocation is not None:
        parts.append(_allocation(snapshot.allocation))
    return Panel(Group(*parts), title=cell(title), border_style="cyan")


def _header(snapshot: Snapshot) -> Text:
    status = snapshot.status
    totals = status.totals
    latency = latency_quantile(totals, 0.5)
    dead = sum(n for name, n in totals.items() if name.startswith("dead_letter:"))
    when = utc(status.stream_time)[:19].replace("T", " ") + " UTC" if status.stream_time else "waiting for events"
    opened = snapshot.lag.in_transaction
    waiting = f" (and {opened:,} in open transactions)" if opened else ""
    return Text(
        f"stream time {when}   step {status.step}   accepted {totals.get('accepted', 0):,}   duplicates "
        f"{totals.get('duplicates', 0):,}   dead letters {dead:,}   median latency "
        f"{'-' if latency is None else f'{latency / 1000:.1f} s'}   lag {count_of(snapshot.lag.records, 'record')}, "
        f"{snapshot.lag.seconds:.0f} s{waiting}   model {visible(status.model)} on {visible(status.device)}",
        style="dim",
    )


def _markets(snapshot: Snapshot, muted: Collection[str]) -> Table:
    table = Table(expand=True, box=None, header_style="bold")
    for name, justify in (
        ("market", "left"), ("events", "right"), ("user experience", "left"), ("u", "right"), ("1 h", "right"),
        ("95 %", "right"), ("r /day", "right"), ("s", "right"), ("neg.", "right"), ("spend", "right"),
        ("moved", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    firing = [alert for alert in snapshot.alerts if alert.state == "firing"]
    loud = {alert.market for alert in firing if alert.id not in muted}
    quiet = {alert.market for alert in firing} - loud
    for market, metrics in snapshot.metrics.items():
        shown = cell(market, "bold")
        if market in loud:
            shown = cell(f"{market} ▲", "bold red")
        elif market in quiet:
            shown = cell(f"{market} △")
        table.add_row(shown, *_market_row(market, metrics, snapshot.allocation))
    return table


def _market_row(market: str, metrics: MarketMetrics, allocation: AllocationRecord | None) -> list[Text | str]:
    day, hour = metrics.windows["24h"], metrics.windows["1h"]
    spend = None if allocation is None else allocation.spend.get(market)
    change = None if allocation is None else allocation.moves.get(market)
    negative = day.labels["negative"] / day.n if day.n else 0.0
    return [
        f"{day.n:,}",
        _bar(day.u),
        f"{day.u.value:.3f}",
        _trend(hour.u.value - day.u.value),
        f"{day.u.low:.2f}–{day.u.high:.2f}",
        "-" if day.r is None else f"{day.r.value:+.3f}",
        "-" if day.s is None else f"{day.s:.2f}",
        f"{negative:.0%}",
        "-" if spend is None else f"{spend:,.0f}",
        Text("-") if not change else Text(f"{change:+.1f}", style="green" if change > 0 else "red"),
    ]


def _bar(u: Estimate) -> Text:
    """u on a scale from 0 to 1, with its interval shaded."""
    low, at, high = (min(BAR - 1, int(value * BAR)) for value in (u.low, u.value, u.high))
    text = Text()
    for column in range(BAR):
        if column == at:
            text.append("█", "cyan")
        else:
            text.append("░" if low <= column <= high else "·", "cyan" if low <= column <= high else "dim")
    return text


def _trend(difference: float) -> Text:
    if abs(difference) < 0.02:
        return Text("→", style="dim")
    return Text(f"↑{difference:+.2f}", style="green") if difference > 0 else Text(f"↓{difference:+.2f}", style="red")


def _alerts(alerts: list[AlertRecord], muted: Collection[str]) -> Table:
    table = Table(title="alerts", title_justify="left", expand=True, box=None, header_style="bold")
    for name in ("state", "kind", "market", "topic", "since", "evidence"):
        table.add_column(name, no_wrap=name != "evidence")
    ordered = sorted(
        alerts,
        key=lambda alert: (alert.state != "firing", alert.id in muted, alert.topic is not None, -alert.started_at),
    )
    for alert in ordered[:MOST_ALERTS]:
        said = [f"{name} {value}" for name, value in evidence_words(alert.evidence)]
        said += [f"“{text}”" for text in alert.evidence.get("excerpts", [])[:1]]
        state = f"{alert.state}, muted" if alert.id in muted else alert.state
        style = "bold red" if state == "firing" else "dim"
        since = utc(alert.started_at)[5:16].replace("T", " ")
        row = (state, alert.kind, alert.market, alert.topic or "all", since, "; ".join(said))
        table.add_row(*map(cell, row), style=style)
    if len(alerts) > MOST_ALERTS:
        table.caption = f"and {len(alerts) - MOST_ALERTS} more: marketpulse status --json"
    return table


def _allocation(allocation: AllocationRecord) -> Text:
    cause = f"{allocation.cause} of {allocation.market}" if allocation.market else allocation.cause
    reason = ""
    if allocation.market:
        plan = allocation.allocation.markets.get(allocation.market)
        reason = plan.reason if plan else ""
    known = allocation.allocation.uncertainty
    gain = f", gain {known.expected:.1f}, {known.worst:.1f} in the worst 5 %" if known else ""
    return cell(
        f"allocation: {cause}, {allocation.status}, "
        f"marginal value of budget {value_words(allocation.allocation, 4)}{gain}. "
        f"{reason or allocation.why}",
        "green",
    )
