"""Commands for operations people: doctor, configuration, alerts, dead letters."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.table import Table

from marketpulse.contract.decode import utc
from marketpulse.contract.units import HOUR_MS
from marketpulse.contract.words import count_of
from streams.cli import output
from streams.cli.ledger import agree
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.cli.settings import load_settings, run_async
from streams.clock import epoch_ms
from streams.errors import BadInput

if TYPE_CHECKING:
    from streams.kafka.dead_letters import RejectedRecord, Selection
    from streams.settings import Settings

T = TypeVar("T")
Code = Annotated[str | None, typer.Option(help="Only this error code, as `bad_time`.")]
OfMarket = Annotated[str | None, typer.Option(help="Only this market.")]
Since = Annotated[float | None, typer.Option(help="Only those from the last N hours.")]

dead_letters_app = typer.Typer(no_args_is_help=True, help="Inspect and replay rejected events.")
alerts_app = typer.Typer(invoke_without_command=True)
config_app = typer.Typer(no_args_is_help=True, help="Show the settings in force.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command(rich_help_panel=output.WATCH)(doctor)
    app.add_typer(alerts_app, name="alerts", rich_help_panel=output.WATCH)
    app.add_typer(dead_letters_app, name="dead-letters", rich_help_panel=output.REPAIR)
    app.add_typer(config_app, name="config", rich_help_panel=output.START)


def doctor(as_json: Json = False) -> None:
    """Check Kafka, topics, Redis, ledger, model, device and settings; say what to do. Exit code 1 if anything is wrong.

    ```
    marketpulse doctor
    ```
    """
    from streams.recovery.doctor import WARNINGS, examine

    findings = run_async(examine(load_settings()))
    if as_json:
        output.print_json(findings)
    else:
        for one in findings:
            do = f"\n  do: {output.visible(one.do)}" if one.do else ""
            word = "fine " if one.fine else "warn " if one.part in WARNINGS else "WRONG"
            output.say(f"{word} {one.part}: {output.visible(one.what)}{do}")
    raise typer.Exit(0 if all(one.fine for one in findings if one.part not in WARNINGS) else 1)


@config_app.command("show")
def config_show(as_json: Json = False) -> None:
    """Every setting with its value (secrets hidden) and where it comes from.

    ```
    marketpulse config show
    ```
    """
    from streams.settings import Settings

    settings = load_settings()
    rows = {
        name: {"value": str(getattr(settings, name)), "origin": _origin(settings, name)}
        for name in Settings.model_fields
    }
    if as_json:
        output.print_json(rows)
        return
    table = Table("setting", "value", "origin")
    for name, row in rows.items():
        table.add_row(*map(output.cell, (f"MARKETPULSE_{name.upper()}", row["value"], row["origin"])))
    output.console().print(table)


def _origin(settings: "Settings", name: str) -> str:
    return "environment or file" if name in settings.model_fields_set else "default"


@alerts_app.callback()
def alerts(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", help="Keep printing new states until Ctrl-C.")] = False,
    muted: Annotated[bool, typer.Option("--muted", help="Include silenced alerts.")] = False,
    as_json: Json = False,
) -> None:
    """List alerts with their current state.

    ```
    marketpulse alerts --follow --json
    ```
    """
    if context.invoked_subcommand is not None:
        return
    from marketpulse.client.reader import Reader

    settings = load_settings()
    said: set[tuple[str, int]] = set()
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        try:
            while True:
                snapshot = reader.snapshot()
                now_ms = epoch_ms()
                silenced = {alert.id for alert in snapshot.alerts if snapshot.muted(alert, now_ms)}
                for alert in snapshot.alerts:
                    if (alert.id, alert.seq) in said or (alert.id in silenced and not muted):
                        continue
                    said.add((alert.id, alert.seq))
                    if as_json:
                        output.print_json(alert)
                    else:
                        where = f"{alert.market}/{alert.topic}" if alert.topic else alert.market
                        state = f"{alert.state}, muted" if alert.id in silenced else f"{alert.state:8}"
                        line = f"{utc(alert.started_at)} {state} {alert.kind} {where} {alert.id}"
                        output.say(output.visible(line))
                if not follow:
                    if silenced and not muted:
                        output.note(f"{count_of(len(silenced), 'silenced alert')} not shown: add --muted.")
                    return
                time.sleep(1)
        except KeyboardInterrupt:
            return


@alerts_app.command("test")
def alerts_test(
    patience: Annotated[float, typer.Option(min=1, max=3600, help="Seconds to wait for every sink.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Send a canary the whole way: it is counted as nothing, becomes an alert of kind `test`, and goes to every sink.

    Shows after how many seconds it got to each. Exit code 1 if it did not get everywhere. At most one canary becomes an
    alert in 10 s, one more waits for its turn: a second test in a row takes so much longer.

    ```
    marketpulse alerts test --patience 30
    ```
    """
    from streams.recovery.canary import notes_of, send_canary

    with progress("on its way") as update:
        places = run_async(send_canary(load_settings(), patience, update))
    if as_json:
        output.print_json([place._asdict() for place in places])
    else:
        for place in places:
            output.say(output.visible(place.line(patience)))
        for note in notes_of(places, patience):
            output.note(note)
    raise typer.Exit(0 if all(place.fine for place in places) else 1)


@dead_letters_app.command("ls")
def dead_letters_ls(
    code: Code = None,
    market: OfMarket = None,
    hours: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="Show at most N, newest first; 0 = no limit.")] = 100,
    as_json: Json = False,
) -> None:
    """List dead letters, the newest last.

    ```
    marketpulse dead-letters ls --code bad_time
    ```
    """
    every = _collect(_selection(code, market, hours, None), _without_bytes)
    found = every[-limit:]
    if as_json:
        for one in found:
            output.print_json(_public(one))
        return
    prefix = load_settings().prefix
    table = Table("offset", "code", "market", "from", "message")
    for letter in map(_public, found):
        source = "{topic} {partition}@{offset}".format(**letter["source"]).removeprefix(f"{prefix}.")
        row = (letter["offset"], letter["code"], letter["market"] or "-", source, letter["message"])
        table.add_row(*map(output.cell, row))
    table.caption = count_of(len(every), "dead letter") + (f", the newest {limit}" if len(found) < len(every) else "")
    output.console().print(table)


@dead_letters_app.command("show")
def dead_letters_show(
    offset: Annotated[int, typer.Argument(help="As `ls` names it.")],
    raw: Annotated[bool, typer.Option("--raw", help="Key and value whole, bytes escaped, user id and all.")] = False,
) -> None:
    """One dead letter: chosen fields, texts redacted, no user id. What is no JSON as its shape.

    ```
    marketpulse dead-letters show 12
    ```
    """
    from streams.kafka.letter_view import letter_text

    found = _collect(_selection(None, None, None, offset), lambda letter: letter)
    if not found:
        raise BadInput(f"there is no dead letter at offset {offset}. Operator action: `marketpulse dead-letters ls`.")
    [one] = found
    whole = {"value": repr(one.value), "key": repr(one.key)} if raw else {"shown": letter_text(one)}
    output.print_json(_public(one) | whole)


@dead_letters_app.command("replay")
def dead_letters_replay(
    code: Code = None,
    market: OfMarket = None,
    hours: Since = None,
    offset: Annotated[int | None, typer.Option(help="Only this one.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many, and what market profiles change.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before market profiles are sent.")] = False,
    as_json: Json = False,
) -> None:
    """Re-publish dead letters to `feedback`, byte for byte, after the cause has been fixed.

    Refused market profiles go back to `market.profiles` only with --code bad_profile or --offset, after it was shown
    what they would change in the table that is in force by then, and a confirmation. Letters of erased users are sent
    again too: give `privacy erase` again.

    Exit code 1 if some could not be sent: they are listed with the reason, and the others were sent.

    ```
    marketpulse dead-letters replay --code unknown_market --dry-run
    ```
    """
    from streams.cli.markets.replayed import profiles_again
    from streams.kafka.dead_letters import replay, why_not

    settings = load_settings()
    profiles = code == "bad_profile" or offset is not None
    selection = replace(_selection(code, market, hours, offset), profiles=profiles)
    again, topic = profiles_again(settings, selection) if profiles else None, f"{settings.prefix}.market.profiles"
    if dry_run:
        found = _collect(selection, lambda letter: (letter.offset, why_not(letter, settings.prefix)))
        cut = [{"offset": offset, "why": why} for offset, why in found if why]
        would: dict[str, object] = {"replayed": 0, "selected": len(found), "left": cut}
        if again is not None:
            output.note(again.question(topic))
            would["profiles"] = again.change
        output.answer(would, as_json, f"{count_of(len(found) - len(cut), 'dead letter')} to send again")
        return
    if again is not None:
        agree(again.question(topic), yes)
    offsets = again.offsets if again is not None else ()
    with progress("sending again") as update:

        def sent(number: int) -> None:
            update(number, None)

        done = run_async(replay(settings.kafka_servers, settings.prefix, selection, sent, offsets))
    left = [{"offset": offset, "why": why} for offset, why in done.left]
    answer = {"replayed": done.sent, "selected": done.sent + len(left), "left": left}
    lines = [
        f"{count_of(done.sent, 'dead letter')} sent again",
        *(f"offset {at} left: {output.visible(why)}" for at, why in done.left),
    ]
    output.answer(answer, as_json, "\n".join(lines))
    if left:
        raise typer.Exit(1)


def _selection(code: str | None, market: str | None, hours: float | None, offset: int | None) -> "Selection":
    from streams.kafka.dead_letters import Selection

    since = None if hours is None else epoch_ms() - int(hours * HOUR_MS)
    return Selection(code, market, since, offset)


def _collect(selection: "Selection", kept: Callable[["RejectedRecord"], T]) -> list[T]:
    """What is kept of each: with their bytes, all dead letters may be more than memory holds."""
    from streams.kafka.dead_letters import read_dead_letters

    settings = load_settings()

    async def read() -> list[T]:
        found = []
        async for one in read_dead_letters(settings.kafka_servers, settings.prefix, selection, markets=True):
            found.append(kept(one))
            update(len(found), None)
        return found

    with progress("reading dead letters") as update:
        return run_async(read())


def _without_bytes(letter: "RejectedRecord") -> "RejectedRecord":
    return replace(letter, key=None, value=None, headers=())


def _public(one: "RejectedRecord") -> dict[str, Any]:
    from streams.kafka.letter_view import letter_market, letter_message, letter_topic

    source = {"topic": letter_topic(one), "partition": one.source_partition, "offset": one.source_offset}
    return {
        "offset": one.offset, "code": one.code, "message": letter_message(one), "market": letter_market(one),
        "source": source, "at": utc(one.record_ms),
    }  # fmt: skip
