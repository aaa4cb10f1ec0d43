"""The command line: every command's arguments and output; the work is elsewhere."""

import logging
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from marketpulse.errors import MarketpulseError
from models.errors import ModelError
from strategy.errors import StrategyError
from streams.cli import acls as cli_acls
from streams.cli import bench as cli_bench
from streams.cli import bridge as cli_bridge
from streams.cli import feed as cli_feed
from streams.cli import label as cli_label
from streams.cli import ledger as cli_ledger
from streams.cli import model as cli_model
from streams.cli import mutes as cli_mutes
from streams.cli import notify as cli_notify
from streams.cli import operate as cli_operate
from streams.cli import output
from streams.cli import plan as cli_plan
from streams.cli import privacy as cli_privacy
from streams.cli import rules as cli_rules
from streams.cli.markets import costs as cli_costs
from streams.cli.markets import profiles as cli_profiles
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async
from streams.cli.training import bench_topics as cli_bench_topics
from streams.cli.training import encoder as cli_encoder
from streams.cli.training import topics as cli_topics
from streams.cli.training import train as cli_train
from streams.errors import BadInput

EXIT_CODES = (
    "Exit codes: 0 success, 1 incomplete, 2 invalid input or configuration, 75 restart me, 78 operator action required."
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=f"Watch what users in every market say, and keep the market budget where it does most good. {EXIT_CODES}",
)
topics_app = typer.Typer(no_args_is_help=True, help="Create the Kafka topics.")
app.add_typer(topics_app, name="topics", rich_help_panel=output.START)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        output.say(f"marketpulse {version('marketpulse')}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command(rich_help_panel=output.START)
def demo(
    seconds: Annotated[float | None, typer.Option(help="Stop after N seconds (default: run until Ctrl-C).")] = None,
) -> None:
    """Replay 50 simulated hours in half a minute, with an incident, then go on live.

    Starts a real Kafka and a real Redis of its own.

    ```
    marketpulse demo --seconds 60
    ```
    """
    from streams.cli.demo import demo as run_demo

    console = output.console(110)
    complete = run_demo(load_settings(), console, seconds, lambda text: console.print(output.cell(text, "dim")))
    raise typer.Exit(0 if complete or seconds is None else 1)


@app.command(rich_help_panel=output.START)
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder for the servers' data; temporary when not given.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the feedback topic.")] = 8,
) -> None:
    """Start Kafka, Redis and workers on this machine and keep them running until Ctrl-C.

    Prints the environment for other commands.

    ```
    marketpulse up --workers 2 --data ./data
    ```
    """
    import signal
    import tempfile

    from streams.dev.embedded.supervisor import Supervisor
    from streams.dev.run import servers, worker_environment
    from streams.recovery.first_start import set_up

    settings = load_settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with servers(settings, embedded=True, data_folder=data) as endpoints, tempfile.TemporaryDirectory() as logs:
        run_async(set_up(endpoints, settings.prefix, partitions))
        supervisor = Supervisor(
            workers, worker_environment(settings, endpoints), (data or Path(logs)) / "logs", output.print_json
        )
        try:
            supervisor.start()
            environment = {
                "MARKETPULSE_KAFKA": endpoints.kafka,
                "MARKETPULSE_REDIS_URL": endpoints.redis,
                "MARKETPULSE_PREFIX": settings.prefix,
            }
            output.print_json({"event": "ready", **environment})
            while True:
                supervisor.watch()
                time.sleep(1)
        except KeyboardInterrupt:
            output.print_json({"event": "stopping"})
        finally:
            supervisor.stop()


@app.command(rich_help_panel=output.START)
def worker() -> None:
    """Run one worker until SIGTERM. Exit codes: 0 stopped, 75 start it again, 78 an operator is needed.

    ```
    MARKETPULSE_KAFKA=kafka:9092 MARKETPULSE_REDIS_URL=redis://redis:6379/0 \\
      marketpulse worker
    ```
    """
    from streams.app import run_worker

    run_worker(load_settings())


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every second until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Markets, alerts and allocation as they are now.

    ```
    marketpulse status --watch
    ```
    """
    from rich.live import Live

    from marketpulse.client.reader import Reader
    from streams.cli.views.status import render

    settings = load_settings()
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        if as_json:
            output.print_json(reader.snapshot())
            return
        console = output.console(110)
        if not watch:
            console.print(render(reader.snapshot()))
            return
        with Live(console=console, screen=console.is_terminal, auto_refresh=False) as view:
            try:
                while True:
                    view.update(render(reader.snapshot()), refresh=True)
                    time.sleep(1)
            except KeyboardInterrupt:
                return


def page(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback unless you mean it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 = any free one; the address is printed.")] = 8080,
) -> None:
    """Serve the live page: markets, allocation, alerts, health. Beyond loopback only with MARKETPULSE_PAGE_TOKEN.

    ```
    marketpulse page --port 8080
    ```
    """
    from streams.dashboard.serve import serve

    serve(load_settings(), host, port, lambda url: output.print_json({"event": "page", "url": url}))


def classify(
    text: Annotated[str, typer.Argument(help="Any text.")],
    lang: Annotated[
        str | None, typer.Option(help="BCP 47 tag; absent = the language that is found in the text.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show which words carried the label.")] = False,
    as_json: Json = False,
) -> None:
    """What the model says of one text.

    ```
    marketpulse classify "a entrega atrasou de novo" --lang pt
    ```
    """
    from models.load import load_classifier

    if not text.strip():
        raise BadInput("the text is empty. Operator action: give one.")
    settings = load_settings()
    classifier = load_classifier(
        settings.model, settings.model_folder, settings.device, settings.threads, settings.model_sha256
    )
    predicted = classifier.classify([text], [lang])
    sentiment = dict(zip(classifier.info.sentiments, map(float, predicted.sentiment[0]), strict=True))
    topics = dict(zip(classifier.info.topics, map(float, predicted.topic[0]), strict=True))
    best = max(sentiment, key=lambda name: sentiment[name])
    topic = max(topics, key=lambda name: topics[name])
    answer = {
        "label": best, "topic": topic, "sentiment": sentiment, "topics": topics,
        "language": predicted.languages[0] or None, "lang_found": predicted.detected[0] or None,
        "unmeasured": bool(predicted.unmeasured[0]), "model": classifier.info.id, "device": classifier.info.device,
    }  # fmt: skip
    words = cli_model.explained(classifier, text, predicted.languages[0]) if explain else []
    output.answer(
        answer | ({"words": words} if explain else {}),
        as_json,
        f"{best} ({sentiment[best]:.0%}), topic {topic} ({topics[topic]:.0%})",
    )
    if explain and not as_json:
        output.console().print(cli_model.shaded(words))
        heaviest = sorted(words, key=lambda one: -abs(float(str(one["weight"]))))[:5]
        for word in heaviest:
            output.say(f"{float(str(word['weight'])):+.3f} {output.visible(word['word'])}")


@topics_app.command("create")
def topics_create(
    partitions: Annotated[int, typer.Option(min=1, help="Of the feedback topic.")] = 8,
    replication: Annotated[int, typer.Option(min=1, help="Copies of every partition.")] = 1,
    as_json: Json = False,
) -> None:
    """Create every topic that is missing.

    ```
    marketpulse topics create --partitions 16 --replication 3
    ```
    """
    from streams.kafka.admin import create_topics

    settings = load_settings()
    created = run_async(create_topics(settings.kafka_servers, settings.prefix, partitions, replication))
    output.answer({"created": created}, as_json, f"created: {', '.join(created) or 'nothing, all topics exist'}")


# In the order of the help's groups.
cli_feed.add_commands(app)
cli_bridge.add_commands(app)
for command in (status, page):
    app.command(rich_help_panel=output.WATCH)(command)
app.command(rich_help_panel=output.WATCH)(cli_label.label)
cli_operate.add_commands(app)
cli_costs.add_commands(app)
cli_plan.add_commands(app)
cli_profiles.add_commands(app)
cli_mutes.add_commands(app)
cli_ledger.add_commands(app)
cli_privacy.add_commands(app)
cli_rules.add_commands(app)
cli_acls.add_commands(app)
cli_notify.add_commands(app)
app.command(rich_help_panel=output.DEVELOP)(classify)
cli_model.add_commands(app)
cli_encoder.add_commands(cli_model.model_app)
cli_train.add_commands(cli_model.model_app)
cli_topics.add_commands(cli_model.model_app)
cli_bench.add_commands(app)
cli_bench_topics.add_commands(cli_bench.bench_app)


def _uncaught(error: Exception) -> None:
    """Say what nobody handled: Python and Typer would print it with whatever text the error quotes."""
    from streams.telemetry.logs import log_uncaught, shown_traceback

    if not log_uncaught(error):
        output.note(shown_traceback(error))


def main() -> None:
    """Entry point: errors become one message and their exit code."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # commands say themselves what did not answer
    try:
        app(standalone_mode=True)
    except MarketpulseError as error:
        output.failure(error)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if (extra := output.extra_of(error.name or "", next(iter(sys.argv[1:]), ""))) is None:
            _uncaught(error)
            sys.exit(1)
        output.note(
            f"marketpulse: {error.name} is not installed. Operator action: install the extra `{extra}`"
            f" (from the checkout: pip install '.[{extra}]')."
        )
        sys.exit(2)
    except OSError as error:
        output.failure(f"{error}. Operator action: check path and rights.")
        sys.exit(2)
    except (ModelError, StrategyError) as error:
        output.failure(error)
        sys.exit(2)
    except Exception as error:
        _uncaught(error)
        sys.exit(1)
