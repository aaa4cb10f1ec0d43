"""The commands that bring feedback in: `run`, `publish`, `simulate`, `intake`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress, shown_events
from streams.cli.settings import load_settings, run_async
from streams.clock import epoch_ms

File = Annotated[str, typer.Argument(help="JSONL or CSV, `.gz` too; `-` = standard input.")]


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (run, publish, simulate, intake):
        app.command(rich_help_panel=output.FEED)(command)


def run(
    file: File,
    embedded: Annotated[bool, typer.Option("--embedded", help="Start a Kafka and a Redis of its own.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    report: Annotated[Path | None, typer.Option(help="Where the JSON report goes.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until it gives up with a partial report.")] = 600,
    data: Annotated[Path | None, typer.Option(help="Folder for the servers' data; temporary when not given.")] = None,
) -> None:
    """Publish FILE with timestamps shifted to now, wait until it is fully processed, write a report and exit.

    ```
    marketpulse run feed.jsonl.gz --embedded --workers 2 --report r.json
    ```
    """
    from streams.dev.run import RunPlan
    from streams.dev.run import run as run_job

    plan = RunPlan(file, workers, timeout, embedded, data_folder=data)
    with shown_events("counting", output.print_json) as say:
        result, complete = run_job(load_settings(), plan, say)
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    output.print_json(
        {"event": "finished", "complete": complete, "accepted": result.accepted, "seconds": result.seconds}
    )
    raise typer.Exit(0 if complete else 1)


def publish(
    file: File,
    raw: Annotated[bool, typer.Option("--raw", help="Send each line's bytes as they are, broken ones too.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Records per second; default: as fast as Kafka takes them.")
    ] = None,
    shift: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times so that the newest event is now.")
    ] = False,
    column: Annotated[
        list[str] | None, typer.Option(help="CSV: field=column, as in market=country; again for more.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="CSV: default: comma, semicolon or tab, by the header.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="CSV: of times without an offset, as in Europe/Berlin or UTC.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish feedback. The Kafka key is `user`, else `id`. Says what will be a dead letter, and why.

    ```
    marketpulse publish feedback.csv --shift-to-now
    zcat f.gz | marketpulse publish - --rate 100
    marketpulse publish reviews.csv --column id=review_id \\
      --column market=country --timezone Europe/Berlin
    ```
    """
    from marketpulse.contract.topics import topic_name
    from streams.dev.feeds.files import Feed, Skipped, csv_form, forecast
    from streams.dev.feeds.shift import Shift, Times
    from streams.kafka.publish import publish as send

    settings = load_settings()
    skipped = Skipped()
    now_ms = epoch_ms()
    topic = topic_name(settings.prefix, "feedback")
    with Feed(file, raw, csv_form(column, delimiter, timezone)) as feed:
        by = Times(feed.records()).shift_to(now_ms) if shift else Shift()
        seen = forecast(by.of(feed.records(skipped)), now_ms)
        for number, why in skipped.first:
            output.note(output.visible(f"line {number} skipped: {why}"))
        for reason, count in seen.refused.most_common(10):
            output.note(output.visible(f"{count} of {seen.records} will be dead letters, {reason}"))
        records = by.of(feed.records())
        with progress("publishing") as update:
            done = run_async(
                send(settings.kafka_servers, topic, records, rate, lambda number: update(number, seen.records))
            )
    refused = seen.refused.total()
    answer = {
        "published": done,
        "skipped": skipped.count,
        "refused": refused,
        "shifted_by_ms": by.by_ms,
        "topic": topic,
    }
    said = f"{done} records published to {topic}, {skipped.count} lines skipped, {refused} will be dead letters"
    output.answer(answer, as_json, said)


def simulate(
    seed: Annotated[int, typer.Option(help="The same seed gives the same feed.")] = 1,
    events: Annotated[int, typer.Option(min=10, max=5_000_000, help="How many.")] = 20_000,
    out: Annotated[Path, typer.Option(help="JSONL or CSV file to write (by suffix, .gz too).")] = Path("feed.jsonl.gz"),
    expected: Annotated[Path | None, typer.Option(help="Where the truth goes, as JSON.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Publish to Kafka as time goes by instead of a file.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, max=5_000, help="Live: events a second.")] = 20.0,
    history: Annotated[float, typer.Option(min=0, max=160, help="Live: hours before now, published first.")] = 50.0,
    seconds: Annotated[
        float | None, typer.Option(help="Live: stop after N seconds (default: run until Ctrl-C).")
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(help="Live: kind:MARKET:from:to in seconds; outage, price_anger, launch_success, silence."),
    ] = None,
    as_json: Json = False,
) -> None:
    """A simulated multilingual feed of ten markets: a file with its truth (a surge in BR at its end), or live.

    Live without --incident: an outage in BR, price anger in DE, a successful launch in IN, RU falling silent.

    ```
    marketpulse simulate --seed 7 --events 5000 --out feed.jsonl \\
      --expected truth.json
    marketpulse simulate --live --rate 50 --incident outage:FR:30:200
    ```
    """
    from streams.dev.feeds.simulate import FeedPlan, write_feed

    if live:
        from streams.dev.feeds.live import SCRIPT, parse_incident, simulate_live

        incidents = [parse_incident(text) for text in incident or SCRIPT]
        try:
            with progress("history") as update:
                settings, say = load_settings(), output.note
                published = simulate_live(settings, incidents, rate, history, seconds, seed, say, update)
        except KeyboardInterrupt:
            return
        output.answer({"published": published}, as_json, f"{published} events published")
        return
    truth = write_feed(FeedPlan(seed=seed, events=events), out, expected)
    output.answer(
        truth, as_json, f"{truth['lines']} lines in {out}: {truth['accepted']} good, {truth['dead_letter']} broken"
    )


def intake(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback unless you mean it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 = any free one; the address is printed.")] = 8081,
) -> None:
    """Take events over HTTP: POST /v1/feedback, answered once Kafka has them. Beyond loopback only with tokens.

    ```
    MARKETPULSE_INTAKE_TOKENS=$(openssl rand -hex 16) marketpulse intake \\
      --host 0.0.0.0 --port 8081
    ```
    """
    from streams.intake.serve import serve

    serve(load_settings(), host, port, _say)


def _say(url: str) -> None:
    output.print_json({"event": "intake", "url": url})
