"""Commands for the ledger and its journal: begin, replay."""

import asyncio
import sys
from typing import Annotated

import msgspec
import typer

from streams.cli_progress import progress
from streams.settings import load_settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger in Redis: begin, check, rebuild.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(ledger_app, name="ledger")
    app.command()(replay)


@ledger_app.command("init")
def ledger_init(partitions: Annotated[int, typer.Option(min=1)] = 8, as_json: Json = False) -> None:
    """Create topics and an empty ledger where there is none; an existing ledger is left as it is.

    Example: `marketpulse ledger init --partitions 16`
    """
    from streams.embedded import Endpoints
    from streams.run import set_up

    settings = load_settings()
    created = asyncio.run(set_up(Endpoints(settings.kafka, settings.redis), settings.prefix, partitions))
    answer({"created": created}, as_json, "ledger created" if created else "there is a ledger already; nothing changed")


def replay(
    checkpoint: Annotated[bool, typer.Option("--checkpoint", help="From the newest checkpoint on only.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Compare every record with what its topic holds.")] = False,
    as_json: Json = False,
) -> None:
    """Replay the journal: the same metrics, alerts and allocations, and their hash. Exit code 1 where one differs.

    Writes to no topic and no table. Example: `marketpulse replay --compare`
    """
    from streams.replay_report import replay_journal

    with progress("replaying") as update:
        report = asyncio.run(replay_journal(load_settings(), checkpoint, compare, update))
    lines = [
        f"steps {report.first_step} to {report.last_step}: {report.metrics} metrics records, "
        f"{len(report.alerts)} alert states, {len(report.shifts)} shifts, {len(report.allocations)} allocations",
        f"sha256 {report.sha256}",
    ]
    if report.first_differing_step is not None:
        lines.append(f"DIFFERENT from step {report.first_differing_step} on than what was published then")
    if report.differences is not None:
        lines.append(f"{report.compared} records equal those on the topics, {report.aged} are no longer there")
        lines += [
            f"DIFFERENT {one.topic} {one.id} {one.seq}: on the topic {_short(one.on_topic)}, "
            f"replayed {_short(one.replayed)}"
            for one in report.differences
        ]
    answer(report, as_json, "\n".join(lines))
    raise typer.Exit(0 if report.same else 1)


def answer(content: object, as_json: bool, text: str) -> None:
    """One answer on standard output."""
    sys.stdout.write((msgspec.json.encode(content).decode() if as_json else text) + "\n")


def _short(content: object) -> str:
    return "nothing" if content is None else f"{msgspec.json.encode(content).decode():.300}"
