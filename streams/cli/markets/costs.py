"""Commands that show what markets cost and how they rank."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from strategy.costs import entry_money, entry_ranking_cost
from strategy.portfolio import load_portfolio
from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings

markets_app = typer.Typer(no_args_is_help=True, help="Markets: what they cost and how they rank.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(markets_app, name="markets", rich_help_panel=output.DECIDE)


@markets_app.command("costs")
def markets_costs(
    profiles: Annotated[Path | None, typer.Option(help="Another market table (TOML).")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write stacked bars to this HTML file.")] = None,
    as_json: Json = False,
) -> None:
    """The five costs of each market, money to enter, and the ranking cost J.

    ```
    marketpulse markets costs --picture costs.html
    ```
    """
    portfolio = load_portfolio(profiles or load_settings().portfolio)
    rows = {
        code: {name: getattr(market, name) for name in ("w", "c", "d", "l", "f", "o")}
        | {"money": entry_money(market), "J": entry_ranking_cost(market)}
        for code, market in portfolio.markets.items()
    }
    if picture is not None:
        from streams.cli.views.charts import stacked_costs

        picture.write_text(stacked_costs(rows, portfolio.plan.currency))
    _print_rows(rows, as_json, f"costs in {portfolio.plan.currency}; J weighs rows and only ranks")


@markets_app.command("rank")
def markets_rank(
    profiles: Annotated[Path | None, typer.Option(help="Another market table (TOML).")] = None, as_json: Json = False
) -> None:
    """Markets by population x income x culture, with J, live u, r and F; observed markets too.

    ```
    marketpulse markets rank
    ```
    """
    from marketpulse.client.reader import Reader

    settings = load_settings()
    portfolio = load_portfolio(profiles or settings.portfolio)
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        snapshot = reader.snapshot()
    live = snapshot.metrics
    portfolio = portfolio if profiles is not None else snapshot.portfolio or portfolio
    rows: dict[str, dict[str, Any]] = {}
    for code in sorted(set(portfolio.markets) | set(live)):
        market, one = portfolio.markets.get(code), live.get(code)
        day = None if one is None else one.windows["24h"]
        rows[code] = {
            "potential": None if market is None else market.population * market.income * market.culture / 1e9,
            "J": None if market is None else entry_ranking_cost(market),
            "u": None if day is None else day.u.value,
            "r": None if day is None or day.r is None else day.r.value,
            "F": None if one is None else one.objective,
            "status": "observed" if market is None else market.status,
        }
    ordered = dict(sorted(rows.items(), key=lambda row: -(row[1]["potential"] or 0.0)))
    _print_rows(ordered, as_json, "potential = population x income x culture, in 1e9")


def _print_rows(rows: dict[str, dict[str, Any]], as_json: bool, caption: str) -> None:
    if as_json:
        output.print_json(rows)
        return
    table = Table("market", *next(iter(rows.values())), caption=output.cell(caption))
    for code, row in rows.items():
        cells = (
            "-" if one is None else f"{one:,.3g}" if isinstance(one, float) and one < 10 else _plain(one)
            for one in row.values()
        )
        table.add_row(*map(output.cell, (code, *cells)))
    output.console().print(table)


def _plain(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float | int) else str(value)
