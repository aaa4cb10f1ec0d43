"""The figures of judgement as Markdown."""

from collections.abc import Iterable, Sequence

from streams.dev.bench.judgement.study import Row

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def markdown(rows: Sequence[Row]) -> str:
    """One table for each thing that is to be covered."""
    tables = [
        _table(what, [row for row in rows if row.what == what]) for what in dict.fromkeys(row.what for row in rows)
    ]
    return "\n".join(tables)


def written(page: str, rows: Sequence[Row]) -> str:
    """A page with new figures between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(rows)}\n{END}{after}"


def _table(what: str, rows: Iterable[Row]) -> str:
    lines = ["method", "texts", "weeks", "covered", "mean width", "ratio", "miss", "bias"], ["---"] * 8
    cells = (
        (
            row.method,
            f"{row.texts}",
            f"{row.weeks:,}",
            f"{row.covered:.1%}".replace("%", " %"),
            f"{row.width:.3f}",
            f"{row.ratio:.2f}",
            f"{row.miss:.3f}",
            f"{row.bias:+.4f}",
        )
        for row in rows
    )
    return f"**{what}**\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in [*lines, *cells])
