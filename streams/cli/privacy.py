"""The command `privacy erase`: what is stored of one user, what of it can be erased, and when the rest goes."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from marketpulse.contract.decode import utc
from marketpulse.contract.markets import market_code
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import Phases
from streams.cli.settings import load_settings, run_async
from streams.errors import BadInput

privacy_app = typer.Typer(no_args_is_help=True, help="Find and erase what is stored about one user.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(privacy_app, name="privacy", rich_help_panel=output.REPAIR)


@privacy_app.command("erase")
def privacy_erase(
    user: Annotated[str, typer.Option(help="Raw id, as the producer sends it; `-` = read it from standard input.")],
    market: Annotated[str | None, typer.Option(help="Only what the user said there; default: everywhere.")] = None,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut", help="Also delete the topics' records up to the user's newest one, older ones of others with them."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply the changes. Without it: dry run.")] = False,
    as_json: Json = False,
) -> None:
    """Find what is stored of a user; with --yes erase what can be. Counts do not change.

    Excerpts and words are taken out of Redis at once by a rebuild: workers restart (exit code 75). What Kafka holds
    goes with its retention, or now with --cut.

    ```
    marketpulse privacy erase --user u7 --market BR
    ```
    """
    from streams.recovery.erase import EXCERPTS, Erase, Erasure

    code = None if market is None else market_code(market)
    if market is not None and code is None:
        raise BadInput(f"{market} is no market code. Operator action: mend --market.")
    name = sys.stdin.readline().rstrip("\r\n") if user == "-" else user
    if not name:
        raise BadInput("no user is named. Operator action: give --user ID.")
    settings = load_settings()
    with Phases() as say:
        work = Erase(settings, name, code, say)
        done = run_async(work.erase(cut)) if yes else Erasure(work.user_hash, run_async(work.find()), False)
    if as_json:
        output.print_json(done)
        return
    table = Table("where", "found", "cannot be read", "erased", "the rest is gone by", title=f"User {done.user_hash}")
    for place in done.places:
        found = "cannot be told" if place.found is None else str(place.found)
        left = place.found is None or place.found > place.erased or place.unreadable
        never = "7 days after its alert ends" if place.where == EXCERPTS else "never"
        ends = "-" if not left else never if place.gone_by is None else utc(place.gone_by)[:16].replace("T", " ")
        table.add_row(place.where, found, str(place.unreadable or "-"), str(place.erased) if yes else "-", ends)
    table.caption = "workers start anew" if done.rebuilt else "" if yes else "nothing was changed; --yes erases"
    output.console().print(table)
