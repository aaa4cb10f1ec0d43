"""The commands for what other programs write: `adopt` proposes a mapping, `bridge` brings a topic to `feedback`."""

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketpulse.contract.words import count_of
from streams.cli import output
from streams.cli.feed import Sheet
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.cli.settings import load_settings, run_async

if TYPE_CHECKING:
    from marketpulse.client.kafka_servers import Servers
    from streams.bridge.bridge import Bridge, Bridged
    from streams.bridge.schemas import Schemas
    from streams.settings import Settings
    from streams.sources.adopt import Proposal

Source = Annotated[
    str | None, typer.Option("--from", help="Kafka of the topic, host:port,...; default: this project's own.")
]
SourceFile = Annotated[
    Path | None,
    typer.Option("--from-file", help="Kafka of the topic with TLS or login: a file of MARKETPULSE_KAFKA... lines."),
]
Envelopes = Annotated[
    bool, typer.Option(help="Open envelopes: Kafka Connect, Debezium, CloudEvents, Fluentd, Logstash.")
]
SHOWN_ROWS = 10


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (adopt, bridge):
        app.command(rich_help_panel=output.FEED)(command)


def adopt(
    sample: Annotated[
        str | None, typer.Argument(help="CSV or JSON with a few records, packed too; XLSX, XLS, ODS, Parquet.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option(help="In place of SAMPLE: a foreign topic, whose newest records are read.")
    ] = None,
    source: Source = None,
    source_file: SourceFile = None,
    envelopes: Envelopes = True,
    market: Annotated[str | None, typer.Option(help="Country of all records, where they have none.")] = None,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    """Propose a mapping for SAMPLE or a topic: TOML on standard output, ten records as they would be on standard error.

    Of a topic up to 200 records are read, within 20 seconds and without a consumer group. Exit code 1: a field that an
    event needs was found nowhere, or no record would become an event.

    ```
    marketpulse adopt reviews.csv > mine.toml
    marketpulse publish reviews.csv --mapping mine.toml --dry-run
    marketpulse adopt --topic crm.tickets --from kafka.crm:9092 > mine.toml
    marketpulse bridge crm.tickets --from kafka.crm:9092 --mapping mine.toml
    ```
    """
    from streams.errors import BadInput
    from streams.sources.adopt import proposed

    of_topic = {"--from": source, "--from-file": source_file, "--no-envelopes": not envelopes}
    if (sample is None) == (topic is None):
        raise BadInput("adopt reads a sample or a topic. Operator action: give either SAMPLE or --topic.")
    if idle := [option for option, given in (of_topic if topic is None else {"--sheet": sheet}).items() if given]:
        kind = "file" if topic is None else "topic"
        raise BadInput(f"{', '.join(idle)} does nothing for a {kind}. Operator action: leave it out.")
    if topic is None:
        command = ["publish", str(sample), *(["--sheet", sheet] if sheet else [])]
        found = proposed(str(sample), market, sheet)
    else:
        where = ["--from", source] if source else ["--from-file", str(source_file)] if source_file else []
        command = ["bridge", topic, *where, *([] if envelopes else ["--no-envelopes"])]
        found = _proposed_of_topic(topic, source, source_file, market, envelopes)
    _show(found, shlex.join(["marketpulse", *command, *found.options]), as_json)
    raise typer.Exit(0 if any(isinstance(row, dict) for row in found.rows) else 1)


def _proposed_of_topic(
    topic: str, source: str | None, source_file: Path | None, market: str | None, envelopes: bool
) -> "Proposal":
    from streams.bridge.sample import newest, proposed_of
    from streams.telemetry.logs import configure_logs

    settings = load_settings()
    servers = _servers(source, source_file, settings)
    configure_logs(settings)
    with progress("reading"):
        sample = run_async(newest(servers, topic))
    return proposed_of(sample, topic, market, envelopes)


def _show(found: "Proposal", following: str, as_json: bool) -> None:
    """A proposal, and the command to use it with."""
    reasons = Counter(row for row in found.rows if isinstance(row, str))
    events = len(found.rows) - reasons.total()
    answer = {
        "toml": found.toml, "mapping": found.ready, "events": events, "records": len(found.rows), "reasons": reasons,
        "next": following,
    }  # fmt: skip
    output.answer(answer, as_json, found.toml)
    for number, row in enumerate(found.rows[:SHOWN_ROWS], 1):
        shown = f"refused: {row}" if isinstance(row, str) else msgspec.json.encode(row).decode()
        output.note(output.visible(f"{number}: {shown}"))
    for note in found.notes:
        output.note(output.visible(note))
    for why, count in reasons.most_common(10):
        output.note(output.visible(f"{count_of(count, 'record')} would be refused, {why}"))
    output.note(f"{events} of {len(found.rows)} records would be events.")
    if events:
        output.note(output.visible(f"Next: {following}"))


def _servers(source: str | None, file: Path | None, settings: "Settings") -> "Servers":
    """The Kafka of a foreign topic. Raises BadInput, SettingsError."""
    from streams.errors import BadInput
    from streams.settings import kafka_of

    if source is not None and file is not None:
        raise BadInput("--from and --from-file name two sources. Operator action: leave one out.")
    return source or (settings.kafka_servers if file is None else kafka_of(file))


def bridge(
    topic: Annotated[str, typer.Argument(help="Foreign topic: JSON, or as --schema-registry says.")],
    source: Source = None,
    source_file: SourceFile = None,
    name: Annotated[
        str | None, typer.Option(help="Of the source, in positions and ids; default: the id of its cluster.")
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="Mapping of its records: a TOML file, or a shipped name.")] = None,
    market: Annotated[
        str | None, typer.Option(help="With --mapping: country of all records, where they have none.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="With --mapping: zone of times without an offset, as in Europe/Berlin.")
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option(min=0, help="Only this partition; repeat for more. Default: all.")
    ] = None,
    envelopes: Envelopes = True,
    schema_registry: Annotated[
        str | None, typer.Option(help="URL of the Schema Registry of Avro, Protobuf and JSON Schema values.")
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Begin behind what is there, where nothing was bridged yet.")
    ] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at the end that the topic has now.")] = False,
    skip_deleted: Annotated[
        bool, typer.Option("--skip-deleted", help="Go on where records were deleted before they were bridged.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the records of a foreign topic to `feedback`, each exactly once, until SIGTERM.

    The position is written in the transaction of the events: after any interruption the same command goes on. What
    cannot become an event is a dead letter. A second bridge of the same partition ends the first one with exit code 78.

    ```
    marketpulse bridge crm.reviews --from kafka.crm:9092 --mapping zendesk
    marketpulse bridge shop.public.reviews --from-file shop.env \\
      --mapping mine.toml --partition 0 --partition 1
    marketpulse bridge crm.tickets --mapping mine.toml \\
      --schema-registry https://registry.crm:8081
    marketpulse bridge old.feedback --until-end --json
    ```
    """
    from marketpulse.contract.topics import topic_name
    from streams.bridge.bridge import Bridge, Plan
    from streams.bridge.events import Converter
    from streams.errors import BadInput
    from streams.kafka.admin import cluster_of
    from streams.sources.mapped import mapped_form
    from streams.sources.mapping_file import load_mapping
    from streams.telemetry.logs import configure_logs

    if mapping is None and (idle := [o for o, v in {"--market": market, "--timezone": timezone}.items() if v]):
        raise BadInput(f"{', '.join(idle)} goes with --mapping. Operator action: add --mapping, or leave it out.")
    settings = load_settings()
    servers = _servers(source, source_file, settings)
    schemas = None if schema_registry is None else _schemas(schema_registry, settings)
    form = None if mapping is None else mapped_form(load_mapping(mapping), "", market, timezone)
    configure_logs(settings)
    cluster = run_async(cluster_of(servers))
    if topic == topic_name(settings.prefix, "feedback") and cluster == run_async(cluster_of(settings.kafka_servers)):
        raise BadInput(f"{topic} would be bridged into itself. Operator action: name another topic, or --from.")
    name = name or cluster
    plan = Plan(
        servers, topic, settings.kafka_servers, settings.prefix, Converter(name, form, envelopes, schemas), partition,
        settings.codec, newest, until_end, skip_deleted,
    )  # fmt: skip
    with progress("bridging") as update:
        done = run_async(_until_signal(Bridge(plan, update)))
    answer = {
        "records": done.records, "events": done.events, "dead_letters": done.dead_letters, "reasons": done.reasons,
    }  # fmt: skip
    output.answer(
        answer,
        as_json,
        f"{count_of(done.records, 'record')} read, {count_of(done.events, 'event')} published, "
        f"{count_of(done.dead_letters, 'dead letter')}",
    )
    for why, count in done.reasons.most_common(10):
        output.note(output.visible(f"{count_of(count, 'dead letter')}, {why}"))


def _schemas(url: str, settings: "Settings") -> "Schemas":
    """What reads by the schemas of a registry. Raises BadInput: the extra is not installed, or it is no URL."""
    from streams.bridge.schemas import Schemas, require_libraries

    require_libraries()
    from streams.bridge.registry import Access, Registry

    return Schemas(Registry(Access(url, settings.schema_registry_login, settings.schema_registry_ca)))


async def _until_signal(bridge: "Bridge") -> "Bridged":
    """Run until SIGTERM or SIGINT: what is under way is finished."""
    import asyncio
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await bridge.run(stop)
