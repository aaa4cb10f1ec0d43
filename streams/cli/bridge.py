"""The command `bridge`: a foreign topic into `feedback`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketpulse.contract.words import count_of
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.cli.settings import load_settings, run_async

if TYPE_CHECKING:
    from streams.bridge.bridge import Bridge, Bridged
    from streams.bridge.schemas import Schemas
    from streams.settings import Settings


def add_commands(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=output.FEED)(bridge)


def bridge(
    topic: Annotated[str, typer.Argument(help="Foreign topic: JSON, or as --schema-registry says.")],
    source: Annotated[
        str | None, typer.Option("--from", help="Its Kafka, host:port,...; default: this project's own.")
    ] = None,
    source_file: Annotated[
        Path | None,
        typer.Option("--from-file", help="Its Kafka with TLS or login: a file of MARKETPULSE_KAFKA... lines."),
    ] = None,
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
    envelopes: Annotated[
        bool, typer.Option(help="Open envelopes: Kafka Connect, Debezium, CloudEvents, Fluentd, Logstash.")
    ] = True,
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
    from streams.settings import kafka_of
    from streams.sources.mapped import mapped_form
    from streams.sources.mapping_file import load_mapping
    from streams.telemetry.logs import configure_logs

    if source is not None and source_file is not None:
        raise BadInput("--from and --from-file name two sources. Operator action: leave one out.")
    if mapping is None and (idle := [o for o, v in {"--market": market, "--timezone": timezone}.items() if v]):
        raise BadInput(f"{', '.join(idle)} goes with --mapping. Operator action: add --mapping, or leave it out.")
    settings = load_settings()
    servers = source or (settings.kafka_servers if source_file is None else kafka_of(source_file))
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
