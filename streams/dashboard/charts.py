"""Charts as Plotly figures, in the page's own colours: u with its band, volume by label, users; spend per market."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import plotly.graph_objects as plotly
from plotly.subplots import make_subplots

from marketpulse.contract.records import AllocationRecord
from streams.dashboard.feed import Running
from streams.dashboard.history import Moment, Unit

BLUE, VERMILLION, GREEN, GREY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#8a939c", "#e69f00"
"""Okabe and Ito's palette, told apart by colour-blind eyes too, with a grey between."""
LABEL_COLOURS = {"negative": VERMILLION, "neutral": GREY, "positive": GREEN}
CLEAR = "rgba(0,0,0,0)"
UNITS: dict[str, tuple[Unit, int]] = {
    "5m": ("minute", 6),
    "1h": ("minute", 60),
    "24h": ("hour", 24),
    "7d": ("hour", 168),
}
"""Window -> (unit of its chart's buckets, how many)."""


def market_figure(moments: Sequence[Moment], running: Sequence[Running], window: str) -> dict[str, Any]:
    """u per bucket with its 95 % band, events per label, distinct users where buckets are hours.

    Args:
        moments: the window's buckets, oldest first.
        running: u over the running 5 minutes per step; drawn where the window is 5 minutes.
        window: `5m`, `1h`, `24h` or `7d`.
    """
    unit = UNITS[window][0]
    with_users = unit == "hour"
    figure = make_subplots(
        rows=3 if with_users else 2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.06,
        row_heights=[0.5, 0.3, 0.2] if with_users else [0.6, 0.4],
    )
    known = [one for one in moments if one.u is not None]
    _band(figure, [_when(one.at) for one in known], [one.u for one in known], f"u of one {unit}")
    if window == "5m" and moments:
        late = [one for one in running if one.at >= moments[0].at]
        line = {"color": ORANGE, "width": 2}
        x, y = [_when(one.at) for one in late], [one.u.value for one in late]
        figure.add_trace(plotly.Scatter(x=x, y=y, name="u over 5 min, per step", line=line), row=1, col=1)
    for label, colour in LABEL_COLOURS.items():
        bar = plotly.Bar(
            x=[_when(one.at) for one in moments],
            y=[one.labels.get(label, 0) for one in moments],
            name=label,
            marker={"color": colour},
        )
        figure.add_trace(bar, row=2, col=1)
    if with_users:
        users = [(one.at, one.users) for one in moments if one.users is not None]
        line = {"color": ORANGE, "width": 2}
        x = [_when(at) for at, _ in users]
        figure.add_trace(plotly.Scatter(x=x, y=[n for _, n in users], name="users", line=line), row=3, col=1)
        figure.update_yaxes(title_text="users/h", rangemode="tozero", row=3, col=1)
    figure.update_yaxes(title_text="u (0 to 1)", range=[0, 1], row=1, col=1)
    figure.update_yaxes(title_text=f"events/{'min' if unit == 'minute' else 'h'}", row=2, col=1)
    figure.update_layout(barmode="stack", **_layout(480))
    return _plain(figure)


def spend_figure(now: AllocationRecord, before: AllocationRecord | None, unit: str) -> dict[str, Any]:
    """Spend per market in force beside what it was before."""
    codes = sorted(set(now.spend) | set(before.spend if before else {}))
    figure = plotly.Figure()
    if before is not None:
        earlier = [before.spend.get(code, 0.0) for code in codes]
        figure.add_trace(plotly.Bar(x=codes, y=earlier, name="before", marker={"color": GREY}))
    current = [now.spend.get(code, 0.0) for code in codes]
    figure.add_trace(plotly.Bar(x=codes, y=current, name="in force", marker={"color": BLUE}))
    figure.update_yaxes(title_text=f"spend a period ({unit})")
    figure.update_layout(barmode="group", **_layout(300))
    return _plain(figure)


def _band(figure: Any, x: list[str], values: Sequence[Any], name: str) -> None:
    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    figure.add_trace(plotly.Scatter(x=x, y=[one.high for one in values], **edge), row=1, col=1)
    figure.add_trace(
        plotly.Scatter(
            x=x, y=[one.low for one in values], fill="tonexty", fillcolor="rgba(0,114,178,0.2)", **edge
        ),
        row=1,
        col=1,
    )  # fmt: skip
    line = {"color": BLUE, "width": 2}
    trace = plotly.Scatter(
        x=x, y=[one.value for one in values], name=f"{name}, 95 %", line=line, mode="lines+markers", marker={"size": 4}
    )
    figure.add_trace(trace, row=1, col=1)


def _layout(height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 60, "r": 10, "t": 10, "b": 70},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "legend": {"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0, "traceorder": "normal"},
        "hovermode": "x unified",
        "template": "none",
        "uirevision": "kept",  # zoom and hidden series stay while news comes
    }


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _plain(figure: Any) -> dict[str, Any]:
    content: Mapping[str, Any] = figure.to_plotly_json()
    return {"data": content["data"], "layout": content["layout"]}
