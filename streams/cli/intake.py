"""The command that serves the intake."""

import logging
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.settings import load_settings


def add_commands(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=output.FEED)(intake)


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
    from streams.telemetry.logs import configure_logs

    settings = load_settings()
    configure_logs(settings)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says every try of an outage
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of every client that speaks no HTTP
    serve(settings, host, port, _say)


def _say(url: str) -> None:
    output.print_json({"event": "intake", "url": url})
