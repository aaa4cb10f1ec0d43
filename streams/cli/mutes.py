"""Commands that silence alerts."""

import uuid
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.decode import utc
from marketpulse.contract.mutes import MAX_MUTES
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings, login_name, run_async
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.pipeline.operators.mutes import Mutes, new_mute

if TYPE_CHECKING:
    from streams.settings import Settings

FULL = f"{MAX_MUTES:,} silences are in force, as many as there may be."
mute_app = typer.Typer(no_args_is_help=True, help="Silence alerts: while a silence is active, nobody is notified.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(mute_app, name="mute", rich_help_panel=output.WATCH)


@mute_app.command("add")
def mute_add(
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 90, help="How long it holds.")],
    kind: Annotated[str | None, typer.Option(help=f"{', '.join(ALERTS)}; default: any.")] = None,
    market: Annotated[str | None, typer.Option(help="Market code, or `*` for what concerns all; default: any.")] = None,
    topic: Annotated[str | None, typer.Option(help="Topic of a surge; default: any.")] = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    author: Annotated[str | None, typer.Option(help="Who mutes; default: the login name of this machine.")] = None,
    as_json: Json = False,
) -> None:
    """Silence alerts for some hours.

    ```
    marketpulse mute add --market BR --kind surge --hours 2
    ```
    """
    now_ms = epoch_ms()
    mute = new_mute(uuid.uuid4().hex[:12], now_ms, hours, kind, market, topic, comment, author or login_name())
    settings = load_settings()
    if len(_active_mutes(settings)) >= MAX_MUTES:
        raise BadInput(f"{FULL} Operator action: `marketpulse mute ls`, then `mute rm` what is not needed.")
    _write(settings, [(mute.id, encode(mute))])
    output.answer(msgspec.to_builtins(mute), as_json, f"silence {mute.id} holds until {utc(mute.until)}")


@mute_app.command("ls")
def mute_ls(as_json: Json = False) -> None:
    """Silences in force.

    ```
    marketpulse mute ls
    ```
    """
    found = _active_mutes(load_settings())
    if len(found) >= MAX_MUTES:
        output.note(f"{FULL} Operator action: `marketpulse mute rm` what is not needed.")
    for mute in found:
        what = " ".join(f"{name}={getattr(mute, name)}" for name in ("kind", "market", "topic") if getattr(mute, name))
        who = f"by {mute.author}" if mute.author else ""
        parts = (mute.id, "until", utc(mute.until), what or "everything", who, mute.comment)
        line = output.visible(" ".join(filter(None, parts)))
        output.answer(msgspec.to_builtins(mute), as_json, line)


@mute_app.command("rm")
def mute_rm(mute: Annotated[str, typer.Argument(help="Id, as `ls` names it.")], as_json: Json = False) -> None:
    """End a silence.

    ```
    marketpulse mute rm 3f2a9c1d77aa
    ```
    """
    settings = load_settings()
    if mute not in {one.id for one in _active_mutes(settings)}:
        raise BadInput(f"no silence {mute} is in force. Operator action: `marketpulse mute ls`.")
    _write(settings, [(mute, None)])
    output.answer({"removed": mute}, as_json, f"silence {mute} ended")


def _active_mutes(settings: "Settings") -> list[MuteRecord]:
    from streams.kafka.compacted import read_each

    mutes = Mutes(clock=epoch_ms)
    run_async(read_each(settings.kafka_servers, topic_name(settings.prefix, "market.mutes"), mutes.take))
    return mutes.active(epoch_ms())


def _write(settings: "Settings", records: list[tuple[str, bytes | None]]) -> None:
    from streams.kafka.compacted import write_all

    run_async(write_all(settings.kafka_servers, topic_name(settings.prefix, "market.mutes"), records))
