"""Charts as HTML pages that need nothing from anywhere else."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as plotly

from marketpulse.contract.allocation import Allocation
from strategy.scenarios import Point

COSTS = {
    "c": "market selection",
    "d": "data adaptation",
    "l": "legal compliance",
    "f": "culture integration",
    "o": "technology output",
}
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")  # Okabe and Ito: told apart by colour-blind eyes too


def stacked_costs(markets: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """The five costs of each market, one stacked bar a market.

    Args:
        markets: market -> costs by the names c, d, l, f, o.
        unit: of money.
    """
    bars = {f"{name}: {meaning}": [costs[name] for costs in markets.values()] for name, meaning in COSTS.items()}
    return _bars(f"Money to enter a market ({unit})", list(markets), bars, "stack")


def macro_f1_bars(model: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """Macro-F1 per language of a model, beside a baseline's where there is one."""
    bars = {"model": list(model.values())}
    if baseline:
        bars["TF-IDF + linear SVM"] = [baseline[language] for language in model]
    return _bars("Macro-F1 per language", list(model), bars, "group")


def allocation_bars(scenarios: Mapping[str, Allocation], unit: str) -> str:
    """Spend per market of allocations side by side."""
    codes = sorted({code for one in scenarios.values() for code in one.markets})
    bars = {
        name: [one.markets[code].spend if code in one.markets else 0.0 for code in codes]
        for name, one in scenarios.items()
    }
    return _bars(f"Spend per market ({unit})", codes, bars, "group")


def curve_lines(name: str, points: Sequence[Point], unit: str) -> str:
    """Spend per market along one number, where there is a plan."""
    known = [point for point in points if point.spend]
    codes = sorted({code for point in known for code in point.spend})
    at = [point.value for point in known]
    lines = [plotly.Scatter(name=code, x=at, y=[point.spend.get(code, 0.0) for point in known]) for code in codes]
    layout = {
        "title": {"text": f"Spend per market along {name} ({unit})"},
        "xaxis": {"title": {"text": name}},
        "template": "plotly_white",
    }
    page: str = plotly.Figure(lines, layout).to_html(include_plotlyjs=True, full_html=True)
    return page


def _bars(title: str, names: list[str], bars: Mapping[str, list[float]], mode: str) -> str:
    """One bar per name and series; the script that draws them is part of the page."""
    series = [
        plotly.Bar(name=name, x=names, y=values, marker_color=colour)
        for (name, values), colour in zip(bars.items(), COLOURS, strict=False)
    ]
    figure = plotly.Figure(series, {"title": {"text": title}, "barmode": mode, "template": "plotly_white"})
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page
