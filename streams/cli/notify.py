"""Commands that carry alerts on: the notifier, and a test of its sinks."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async

SinksPath = Annotated[
    Path | None, typer.Option("--sinks", help="TOML in the form of `deploy/sinks.toml`; default: MARKETPULSE_SINKS.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be sent; send and remember nothing.")]

notify_app = typer.Typer(invoke_without_command=True)


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(notify_app, name="notify", rich_help_panel=output.WATCH)


@notify_app.callback()
def notify(
    context: typer.Context,
    sinks: SinksPath = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send alerts to Alertmanager, Apprise targets and signed webhooks until SIGTERM; `notify test` tries the sinks.

    Exit codes: 0 stopped, 2 the sinks file cannot be used, 75 start it again, 78 an operator is needed. `--json` is for
    `--dry-run`.

    ```
    marketpulse notify --sinks deploy/sinks.toml
    marketpulse notify --dry-run
    ```
    """
    if context.invoked_subcommand is not None:
        return
    from streams.notify.process import run_notifier

    settings = load_settings()
    run_notifier(settings, sinks or settings.sinks, _shown(as_json) if dry_run else None)


@notify_app.command("test")
def notify_test(
    sink: Annotated[str | None, typer.Option(help="Only the sink of this name.")] = None,
    sinks: SinksPath = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send a test alert to every sink, once, and say what happened. Exit code 1 if any sink failed.

    ```
    marketpulse notify test --sinks deploy/sinks.toml --sink chat
    ```
    """
    from streams.notify.process import try_sinks
    from streams.notify.sinks_file import load_sinks

    settings = load_settings()
    file = load_sinks(sinks or settings.sinks, os.environ)
    tried = run_async(try_sinks(settings, file, sink, _shown(as_json) if dry_run else None))
    for one in tried:
        if as_json:
            output.print_json({**one._asdict(), "seconds": round(one.seconds, 3)})
        elif not dry_run:
            said = "delivered" if one.delivered else f"NOT delivered: {one.why}"
            output.say(output.visible(f"{one.sink} ({one.kind}): {said}, {one.seconds:.1f} s"))
    raise typer.Exit(0 if dry_run or all(one.delivered for one in tried) else 1)


def _shown(as_json: bool) -> Callable[[dict[str, object]], None]:
    """Prints what a dry run would have sent."""

    def show(event: dict[str, object]) -> None:
        if as_json:
            output.print_json(event)
        else:
            output.say(f"to {event['sink']}:\n{event['message']}\n")

    return show
