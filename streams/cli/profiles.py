"""Commands that publish what operators decide: market profiles and silences."""

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.decode import utc
from marketpulse.contract.markets import market_code
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.portfolio import Market, Portfolio
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.pipeline.operators.mutes import Mutes, new_mute
from streams.pipeline.operators.profiles import Profiles, profile_records
from streams.pipeline.operators.published import PLAN_KEY

if TYPE_CHECKING:
    from streams.settings import Settings

ProfileFile = Annotated[Path, typer.Argument(help="TOML in the form of `strategy/markets.toml`.")]

profiles_app = typer.Typer(no_args_is_help=True, help="Markets, costs, bounds and budget in force.")
mute_app = typer.Typer(no_args_is_help=True, help="Silence alerts: while a silence is active, nobody is notified.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(profiles_app, name="profiles", rich_help_panel=output.DECIDE)
    app.add_typer(mute_app, name="mute", rich_help_panel=output.WATCH)


@profiles_app.command("validate")
def profiles_validate(file: ProfileFile, as_json: Json = False) -> None:
    """Check a file as `apply` would, and publish nothing. Exit code 2 where it cannot be used.

    ```
    marketpulse profiles validate markets.toml
    ```
    """
    portfolio = _checked(file)
    output.answer(
        {"markets": sorted(portfolio.markets), "budget": portfolio.plan.budget},
        as_json,
        f"{file} can be used: {len(portfolio.markets)} markets, budget {portfolio.plan.budget:,.0f}",
    )


def _checked(file: Path) -> Portfolio:
    portfolio = load_portfolio(file)
    unknown = [code for code in portfolio.markets if market_code(code) is None]
    if unknown:
        raise BadInput(
            f"{file}: {', '.join(unknown)}: no assigned ISO 3166-1 alpha-2 code. Operator action: mend the name."
        )
    return portfolio


@profiles_app.command("apply")
def profiles_apply(
    file: ProfileFile,
    market: Annotated[list[str] | None, typer.Option(help="Only this market (again for more).")] = None,
    plan: Annotated[bool, typer.Option(help="Also publish the plan: budget, currency, weights, limits.")] = True,
    as_json: Json = False,
) -> None:
    """Publish a file's plan and markets as one change: in force together at the next step, and answered once.

    ```
    marketpulse profiles apply markets.toml --market BR --no-plan
    ```
    """
    portfolio = _checked(file)
    wanted = set(market or portfolio.markets)
    if missing := wanted - set(portfolio.markets):
        raise BadInput(f"{file} has no market {', '.join(sorted(missing))}. Operator action: mend --market.")
    wanted |= {PLAN_KEY} if plan else set()
    settings = load_settings()
    records: list[tuple[str, bytes | None]] = [
        (key, value) for key, value in profile_records(portfolio) if key in wanted
    ]
    _apply(settings, records)
    output.answer(
        {"published": [key for key, _ in records]}, as_json, f"published: {', '.join(key for key, _ in records)}"
    )


@profiles_app.command("rm")
def profiles_rm(
    names: Annotated[list[str], typer.Argument(help="Market codes, or _plan.")], as_json: Json = False
) -> None:
    """Delete published profiles; the file's entries apply again; markets not in the file are observed.

    ```
    marketpulse profiles rm NG _plan
    ```
    """
    codes = {name: name if name == PLAN_KEY else market_code(name) for name in names}
    if unknown := sorted(name for name, code in codes.items() if code is None):
        raise BadInput(f"{', '.join(unknown)}: neither {PLAN_KEY} nor a market code. Operator action: mend it.")
    known = {code for code in codes.values() if code is not None}
    _apply(load_settings(), [(name, None) for name in sorted(known)])
    output.answer({"removed": sorted(known)}, as_json, f"removed: {', '.join(sorted(known))}")


@profiles_app.command("ls")
def profiles_ls(as_json: Json = False) -> None:
    """The plan and the markets in force, each with its origin, and records that were refused.

    ```
    marketpulse profiles ls
    ```
    """
    profiles = _read_profiles(load_settings())
    now = profiles.now
    if as_json:
        content = {
            "plan": {"origin": profiles.origin(PLAN_KEY)} | msgspec.structs.asdict(now.plan),
            "markets": {
                code: {"origin": profiles.origin(code)} | msgspec.structs.asdict(one)
                for code, one in now.markets.items()
            },
            "refused": [{"offset": letter.offset, "why": letter.message} for letter in profiles.bad],
            "not_yet": _not_yet(profiles),
        }
        output.print_json(content)
        return
    table = Table("market", "origin", "status", "spend low", "high", "now", "p0", "p max", "costs c d l f o", "limits")
    for code, one in now.markets.items():
        bounds = ("-" if value is None else f"{value:,.0f}" for value in (one.spend_low, one.spend_high, one.spend))
        costs = " ".join(f"{value:,.0f}" for value in (one.c, one.d, one.l, one.f, one.o))
        table.add_row(
            code, profiles.origin(code), one.status, *bounds, f"{one.p0:.2f}", f"{one.p_max:.2f}", costs, _limits(one)
        )
    table.caption = f"plan from {profiles.origin(PLAN_KEY)}: budget {now.plan.budget:,.0f} ({now.plan.currency})"
    output.console().print(table)
    for letter in profiles.bad:
        sys.stdout.write(f"refused at offset {letter.offset}: {letter.message}\n")
    for line in _not_yet(profiles):
        sys.stdout.write(f"{line}\n")


def _not_yet(profiles: Profiles) -> list[str]:
    """In words: an apply whose end is missing, and records that wait for the end of their change."""
    lines = [*map(str, profiles.incomplete)]
    if profiles.next_offset < profiles.read_offset:
        lines.append(
            f"records from offset {profiles.next_offset} are not in force yet: more of the same change may come, "
            "for 10 s at most"
        )
    return lines


def _limits(market: Market) -> str:
    """The rarer limits of a market in words."""
    named = [
        ("pinned", market.pinned), ("at least", market.spend_minimum or None), ("spent", market.spent or None)
    ]  # fmt: skip
    words = [f"{name} {value:,.0f}" for name, value in named if value is not None]
    words += [] if market.legal_ready else ["not legally ready"]
    words += [f"in {one}" for one in (market.region, market.currency) if one]
    return ", ".join(words)


def _read_profiles(settings: "Settings") -> Profiles:
    profiles = Profiles(load_portfolio(settings.portfolio))
    for record in _read(settings, "market.profiles"):
        profiles.take(record)
        newest_ms = record.timestamp_ms
    if profiles.read_offset:  # as a reader has it who was there when the newest record came
        profiles.settle(newest_ms)
        profiles.settle(epoch_ms())
    return profiles


@mute_app.command("add")
def mute_add(
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 90, help="How long it holds.")],
    kind: Annotated[str | None, typer.Option(help=f"{', '.join(ALERTS)}; default: any.")] = None,
    market: Annotated[str | None, typer.Option(help="Market code, or `*` for what concerns all; default: any.")] = None,
    topic: Annotated[str | None, typer.Option(help="Topic of a surge; default: any.")] = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Silence alerts for some hours.

    ```
    marketpulse mute add --market BR --kind surge --hours 2
    ```
    """
    now_ms = epoch_ms()
    mute = new_mute(uuid.uuid4().hex[:12], now_ms, hours, kind, market, topic, comment)
    _write(load_settings(), "market.mutes", [(mute.id, encode(mute))])
    output.answer(msgspec.to_builtins(mute), as_json, f"silence {mute.id} holds until {utc(mute.until)}")


@mute_app.command("ls")
def mute_ls(as_json: Json = False) -> None:
    """Silences in force.

    ```
    marketpulse mute ls
    ```
    """
    for mute in _active_mutes(load_settings()):
        what = " ".join(f"{name}={getattr(mute, name)}" for name in ("kind", "market", "topic") if getattr(mute, name))
        output.answer(
            msgspec.to_builtins(mute),
            as_json,
            f"{mute.id} until {utc(mute.until)} {what or 'everything'} {mute.comment}".rstrip(),
        )


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
    _write(settings, "market.mutes", [(mute, None)])
    output.answer({"removed": mute}, as_json, f"silence {mute} ended")


def _active_mutes(settings: "Settings") -> list[MuteRecord]:
    mutes = Mutes()
    for record in _read(settings, "market.mutes"):
        mutes.take(record)
    return mutes.active(epoch_ms())


def _read(settings: "Settings", topic: str) -> list[CompactedRecord]:
    from streams.kafka.compacted import read_all

    return run_async(read_all(settings.kafka_servers, topic_name(settings.prefix, topic)))


def _apply(settings: "Settings", records: list[tuple[str, bytes | None]]) -> None:
    from streams.kafka.profiles import apply_profiles

    run_async(apply_profiles(settings.kafka_servers, settings.prefix, records))


def _write(settings: "Settings", topic: str, records: list[tuple[str, bytes | None]]) -> None:
    from streams.kafka.compacted import write_all

    run_async(write_all(settings.kafka_servers, topic_name(settings.prefix, topic), records))
