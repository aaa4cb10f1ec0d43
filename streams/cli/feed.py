"""The commands that bring feedback in: `run`, `publish`, `simulate`, `intake`."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketpulse.contract.words import count_of
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import Update, progress, shown_events
from streams.cli.settings import load_settings, run_async
from streams.clock import epoch_ms

if TYPE_CHECKING:
    from streams.kafka.publish import Record
    from streams.sources.feed import Feed
    from streams.sources.lines import Skipped
    from streams.sources.shift import Shift

File = Annotated[str, typer.Argument(help="JSON or CSV, packed too; XLSX, XLS, ODS, Parquet; `-` = standard input.")]
Sheet = Annotated[str | None, typer.Option(help="Sheet of a spreadsheet; default: the first that has rows.")]


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

    Exit code 1: not all was processed in time, or no event was accepted.

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
    if complete and not result.accepted:
        output.note("No event was accepted. Operator action: see why with `marketpulse publish --dry-run`.")
    raise typer.Exit(0 if complete and result.accepted else 1)


def publish(
    file: File,
    raw: Annotated[bool, typer.Option("--raw", help="Send each line's bytes as they are, broken ones too.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Records per second; default: as fast as Kafka takes them.")
    ] = None,
    shift: Annotated[
        bool,
        typer.Option("--shift-to-now", help="Move all times so that the newest event is now; a wrong clock's apart."),
    ] = False,
    column: Annotated[
        list[str] | None, typer.Option(help="Field=column, as in market=country; repeat for more.")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Tables: column to keep as an attribute; default: all that fit.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="CSV: default: comma, semicolon, tab or |, by the content.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the text, as in cp1252; default: by the content.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times without an offset, as in Europe/Berlin or UTC.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="Format of times, as strptime takes it: '%m/%d/%Y %H:%M'.")
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="Mapping of another program's records: a TOML file, or a shipped name.")
    ] = None,
    market: Annotated[
        str | None, typer.Option(help="With --mapping: country of all records, where the file lacks it.")
    ] = None,
    sheet: Sheet = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen; send nothing.")] = False,
    resume: Annotated[
        Path | None, typer.Option(help="File with the position; continues there after an interruption.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send even where most records would be dead letters.")] = False,
    as_json: Json = False,
) -> None:
    """Publish feedback. The Kafka key is `user`, else `id`. Reports first which records will be dead letters.

    Exit code 1: nothing was sent, or quotes in a CSV file do not close. Without --yes (or --raw) nothing is sent where
    most of it would be refused.

    ```
    marketpulse publish feedback.csv --shift-to-now
    zcat f.gz | marketpulse publish - --rate 100
    marketpulse publish big.jsonl.gz --resume big.position
    marketpulse publish reviews.csv --column id=review_id \\
      --column market=country --timezone Europe/Berlin --dry-run
    marketpulse publish reviews.csv --mapping google-play-console
    marketpulse publish reviews.xlsx --sheet March --timezone UTC
    ```
    """
    from marketpulse.contract.topics import topic_name
    from streams.errors import BadInput
    from streams.kafka.admin import cluster_of
    from streams.kafka.publish import publish as send
    from streams.sources.events import form_of
    from streams.sources.feed import Feed
    from streams.sources.mapped import mapped_form
    from streams.sources.mapping_file import load_mapping
    from streams.sources.resume import Position

    _check_dry_run(dry_run, {"--rate": rate is not None, "--resume": resume is not None, "--yes": yes})
    settings = load_settings()
    topic = topic_name(settings.prefix, "feedback")
    if mapping is None:
        if market is not None:
            raise BadInput("--market goes with --mapping. Operator action: add --mapping, or leave --market out.")
        form = form_of(column, delimiter, timezone, encoding, time_format, attribute, sheet)
    else:
        given = {"--column": column, "--attribute": attribute, "--time-format": time_format, "--raw": raw}
        if idle := [name for name, value in given.items() if value]:
            raise BadInput(f"--mapping sets what {', '.join(idle)} sets. Operator action: leave it out.")
        form = mapped_form(load_mapping(mapping), file, market, timezone, delimiter, encoding, sheet)
    with Feed(file, raw, form) as feed:
        cluster = "" if resume is None else run_async(cluster_of(settings.kafka_servers))
        position = Position.of(resume, f"{feed.fingerprint()} {form} {raw} {shift} {topic} {cluster}")
        look = _look(feed, position.shift if position.begun else None, shift, epoch_ms())
        done = 0
        held_back = not (yes or raw) and look.mostly_refused
        if not dry_run and not held_back:
            position.begin(look.shift)
            rest = itertools.islice(look.shift.of(feed.records()), position.acknowledged, None)
            with progress("publishing") as update:

                def acknowledged(number: int) -> None:
                    position.keep(number)
                    update(position.acknowledged, look.records)

                done = run_async(send(settings.kafka_servers, topic, rest, rate, acknowledged))
            position.end()
    answer = {
        "published": done,
        "skipped": look.skipped.count,
        "refused": look.refused,
        "shifted_by_ms": look.shift.by_ms,
        "topic": topic,
    }
    if position.begun:
        answer["published_before"] = position.before
    if dry_run:
        answer["records"] = look.records
    sent = f"{count_of(look.records, 'record')} read" if dry_run else f"{count_of(done, 'record')} published to {topic}"
    skipped, refused = count_of(look.skipped.count, look.unit), count_of(look.refused, "dead letter")
    output.answer(answer, as_json, f"{sent}, {skipped} skipped, {refused} expected")
    if held_back:
        output.note(
            "Nothing was sent: most of it would be skipped or refused. Operator action: correct the file or the "
            f"options{'' if shift else ' (old times: --shift-to-now)'}, or send it with --yes."
        )
    nothing = look.records == look.refused if dry_run else done + position.before == 0
    raise typer.Exit(1 if nothing or held_back or look.skipped.damaged else 0)


def _check_dry_run(dry_run: bool, others: dict[str, bool]) -> None:
    from streams.errors import BadInput

    if dry_run and (idle := [name for name, given in others.items() if given]):
        raise BadInput(
            f"With --dry-run nothing is sent: {', '.join(idle)} does nothing. Operator action: leave it out."
        )


@dataclass(frozen=True)
class _Look:
    """What a file holds, and what will become of it."""

    shift: "Shift"
    records: int
    refused: int
    skipped: "Skipped"
    unit: str

    @property
    def mostly_refused(self) -> bool:
        """More than half of what was read would be a dead letter, or cannot be sent at all."""
        return 2 * (self.refused + self.skipped.count) > self.records + self.skipped.count


def _look(feed: "Feed", kept: "Shift | None", shift: bool, now_ms: int) -> _Look:
    """Read all of it, and report what is skipped, refused, guessed and left out."""
    from marketpulse.contract.decode import TOO_LATE_MS
    from marketpulse.contract.units import DAY_MS
    from streams.sources.feed import forecast
    from streams.sources.lines import Skipped
    from streams.sources.shift import Shift, Times

    skipped, life_days = Skipped(), TOO_LATE_MS // DAY_MS
    with progress("reading") as update:
        times = Times(_counted(feed.records(), update)) if shift and not kept else None
        by = kept or (times.shift_to(now_ms) if times else Shift())
        seen = forecast(by.of(_counted(feed.records(skipped), update)), now_ms)
    for number, why in skipped.first:
        output.note(output.visible(f"{feed.unit} {number} skipped: {why}"))
    for note in feed.notes():
        output.note(output.visible(note))
    if times and (ahead := times.ahead):
        output.note(
            f"{ahead} of {seen.records} lie more than a day after all others: taken for those of a wrong clock, so "
            "--shift-to-now goes by the newest of the others"
        )
    if times and times.days > life_days:
        output.note(f"the times span {times.days} days; those of the last {life_days} are read, older ones refused")
    for reason, count in seen.refused.most_common(10):
        output.note(output.visible(f"{count} of {seen.records} will be dead letters, {reason}"))
    return _Look(by, seen.records, seen.refused.total(), skipped, feed.unit)


def _counted(records: "Iterable[Record]", update: Update) -> "Iterator[Record]":
    for number, record in enumerate(records):
        if number % 1_000 == 0:
            update(number, None)
        yield record


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
        output.answer({"published": published}, as_json, f"{count_of(published, 'event')} published")
        return
    truth = write_feed(FeedPlan(seed=seed, events=events), out, expected)
    output.answer(
        truth,
        as_json,
        f"{count_of(truth['lines'], 'line')} in {out}: {truth['accepted']:,} good, {truth['dead_letter']:,} broken",
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
