"""Charts as HTML pages that need nothing from anywhere else."""

from collections.abc import Mapping

import plotly.graph_objects as plotly

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


def _bars(title: str, names: list[str], bars: Mapping[str, list[float]], mode: str) -> str:
    """One bar per name and series; the script that draws them is part of the page."""
    series = [
        plotly.Bar(name=name, x=names, y=values, marker_color=colour)
        for (name, values), colour in zip(bars.items(), COLOURS, strict=False)
    ]
    figure = plotly.Figure(series, {"title": {"text": title}, "barmode": mode, "template": "plotly_white"})
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page
