"""The command that proposes a mapping for a sample of another program's records."""

from typing import Annotated

import msgspec
import typer

from streams.cli import output
from streams.cli.output import Json

ROWS = 10


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel=output.FEED)(adopt)


def adopt(
    sample: Annotated[str, typer.Argument(help="CSV or JSON with a few records, packed by gzip or zip too.")],
    market: Annotated[str | None, typer.Option(help="Country of all records, where the file has none.")] = None,
    as_json: Json = False,
) -> None:
    """Propose a mapping for SAMPLE: TOML on standard output, ten records as they would be on standard error.

    Exit code 1: a field that an event needs was found nowhere, or no record would become an event.

    ```
    marketpulse adopt reviews.csv > mine.toml
    marketpulse publish reviews.csv --mapping mine.toml --dry-run
    ```
    """
    from streams.sources.adopt import proposed

    found = proposed(sample, market)
    events = sum(isinstance(row, dict) for row in found.rows)
    output.answer(
        {"toml": found.toml, "mapping": found.ready, "events": events, "records": len(found.rows)}, as_json, found.toml
    )
    for number, row in enumerate(found.rows[:ROWS], 1):
        shown = f"refused: {row}" if isinstance(row, str) else msgspec.json.encode(row).decode()
        output.note(output.visible(f"{number}: {shown}"))
    output.note(f"{events} of {len(found.rows)} records would be events.")
    raise typer.Exit(0 if events else 1)
