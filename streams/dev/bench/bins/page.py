"""The comparison with bins as Markdown."""

from collections.abc import Iterable, Sequence

import numpy as np

from streams.dev.bench.bins.report import CHOSEN, COUNTS, Report
from streams.dev.bench.bins.study import TODAY, Compared

BEGIN, END = "<!-- bins: begin -->", "<!-- bins: end -->"


def markdown(found: Report) -> str:
    """Tables: information and delays by language, and with the model measured on other sources."""
    names = [f"{bins} bins" for bins in COUNTS]
    edges = "; ".join(f"{name}: {', '.join(f'{edge:.3f}' for edge in found.edges[name])}" for name in names)
    information = _table(
        ("language", "texts", "negative", "labels: nats an event", *(f"{name}: times" for name in names), "own edges"),
        (
            (
                language,
                f"{one.texts:,}",
                f"{one.negatives:,}",
                f"{one.labels:.4f}",
                *(f"{one.bins[name]:.2f}" for name in names),
                f"{one.own:.2f}",
            )
            for language, one in found.information.items()
        ),
    )
    return (
        f"Edges of P(negative), from all texts: {edges}.\n\n"
        f"What an event says (KL of .2 -> .4 truly negative), `{CHOSEN}` with edges of the language's own last:\n\n"
        f"{information}\nDelay by language, at 20 events a minute, rho .02, drift .2:\n\n{_compared(found.languages)}"
        f"\nThe model measured on other sources than those the texts come from:\n\n{_compared(found.left_out)}"
    )


def written(page: str, found: Report) -> str:
    """A page with new figures between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(found)}\n{END}{after}"


def _compared(rows: Sequence[Compared]) -> str:
    if not rows:
        return "No texts.\n"
    others = [name for name in rows[0].delays if name != TODAY]
    head = (
        "", "incidents", "false alarms a market-month", "labels: minutes", f"{CHOSEN}: minutes", "ratio", "95 %",
        *(f"{name}: ratio" for name in others if name != CHOSEN),
        *(f"{name}: one threshold" for name in others),
        "missed", f"{CHOSEN}: missed",
    )  # fmt: skip
    lines = [
        (
            row.name,
            f"{row.incidents:,}",
            f"{row.false_alarms:.2f}",
            f"{row.delays[TODAY]:.1f}",
            f"{row.delays[CHOSEN]:.1f}",
            f"{row.ratios[CHOSEN][0]:.2f}",
            f"{row.ratios[CHOSEN][1]:.2f} to {row.ratios[CHOSEN][2]:.2f}",
            *(f"{row.ratios[name][0]:.2f}" for name in others if name != CHOSEN),
            *(f"{row.common[name]:.2f}" for name in others),
            f"{row.missed[TODAY]:.2%}",
            f"{row.missed[CHOSEN]:.2%}",
        )
        for row in rows
    ]

    whole = f"{sum(row.incidents for row in rows):,}"
    for name, middle in (("mean", np.mean), ("median", np.median)):
        own = {other: f"**{middle([row.ratios[other][0] for row in rows]):.2f}**" for other in others}
        common = [f"**{middle([row.common[other] for row in rows]):.2f}**" for other in others]
        rest = [own[other] for other in others if other != CHOSEN]
        lines.append((name, whole, "", "", "", own[CHOSEN], "", *rest, *common, "", ""))
    return _table(head, lines)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
