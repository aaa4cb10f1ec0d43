"""Charts as SVG files that need nothing from anywhere else."""

from collections.abc import Mapping

import pygal
from pygal.style import Style

COSTS = {
    "c": "market selection",
    "d": "data adaptation",
    "l": "legal compliance",
    "f": "culture integration",
    "o": "technology output",
}
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")  # Okabe and Ito: told apart by colour-blind eyes too
STYLE = Style(background="white", plot_background="white", colors=COLOURS, font_family="sans-serif")


def stacked_costs(markets: Mapping[str, Mapping[str, float]], unit: str) -> bytes:
    """The five costs of each market, one stacked bar a market.

    Args:
        markets: market -> costs by the names c, d, l, f, o.
        unit: of money.
    """
    chart = pygal.StackedBar(style=STYLE, js=(), legend_at_bottom=True, legend_at_bottom_columns=3, height=480)
    chart.title = f"Money to enter a market ({unit})"
    chart.x_labels = list(markets)
    for name, meaning in COSTS.items():
        chart.add(f"{name}: {meaning}", [costs[name] for costs in markets.values()])
    picture: bytes = chart.render()
    return picture


def macro_f1_bars(model: Mapping[str, float], baseline: Mapping[str, float]) -> bytes:
    """Macro-F1 per language of a model, beside a baseline's where there is one."""
    chart = pygal.Bar(style=STYLE, js=(), legend_at_bottom=True, height=420, range=(0, 1))
    chart.title = "Macro-F1 per language"
    chart.x_labels = list(model)
    chart.add("model", list(model.values()))
    if baseline:
        chart.add("TF-IDF + linear SVM", [baseline.get(language) for language in model])
    picture: bytes = chart.render()
    return picture
