"""The command line: every command's arguments and output; the work is elsewhere."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.errors import MarketpulseError
from streams.settings import load_settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)


@app.command()
def worker() -> None:
    """Run one worker until SIGTERM. Exit codes: 0 stopped, 75 start it again, 78 an operator is needed."""
    from streams.app import run_worker

    run_worker(load_settings())


@app.command()
def run(
    file: Annotated[str, typer.Argument(help="JSONL with one Kafka message value a line (.gz too).")],
    embedded: Annotated[bool, typer.Option("--embedded", help="Start a Kafka and a Redis of its own.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    report: Annotated[Path | None, typer.Option(help="Where the JSON report goes.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until it gives up with a partial report.")] = 600,
    data: Annotated[Path | None, typer.Option(help="Folder for the servers' data; temporary when not given.")] = None,
) -> None:
    """Publish FILE as it is, shifted to now, wait until all of it is counted and answered, report, stop.

    Example: `marketpulse run feed.jsonl.gz --embedded --workers 2 --report r.json`
    """
    from streams.run import RunPlan
    from streams.run import run as run_job

    plan = RunPlan(file, workers, timeout, embedded, data_folder=data)
    result, complete = run_job(load_settings(), plan, _say)
    document = msgspec.json.format(msgspec.json.encode(result), indent=1)
    if report is not None:
        report.write_bytes(document + b"\n")
    _say({"event": "finished", "complete": complete, "accepted": result.accepted, "seconds": result.seconds})
    raise typer.Exit(0 if complete else 1)


def _say(event: dict[str, object]) -> None:
    """One JSON line."""
    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    sys.stdout.flush()


def main() -> None:
    """Entry point: errors become one message and their exit code."""
    try:
        app(standalone_mode=True)
    except MarketpulseError as error:
        sys.stderr.write(f"marketpulse: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
