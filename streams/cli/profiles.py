"""Commands that publish what operators decide: market profiles and silences."""

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer
from rich.table import Table

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.decode import utc
from marketpulse.contract.markets import market_code
from marketpulse.contract.operators import ApplyMark, MuteRecord, apply_headers
from marketpulse.contract.portfolio import Market, Plan
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from strategy.errors import BadPortfolio
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.pipeline.operators.mutes import Mutes, new_mute
from streams.pipeline.operators.profiles import Profiles, apply_records
from streams.pipeline.operators.published import PLAN_KEY
from streams.pipeline.operators.spenders import Row, may_spend, origin_of, rows_of

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
    """Check a file as `apply` would, publish nothing, show who may get money. Exit code 2 with every problem.

    ```
    marketpulse profiles validate markets.toml
    ```
    """
    try:
        portfolio = load_portfolio(file)
    except BadPortfolio as error:
        _refuse(file, error, as_json)
    rows = rows_of(portfolio, dict.fromkeys(portfolio.markets, "this file"))
    plan = portfolio.plan
    if as_json:
        output.print_json(
            {"markets": sorted(rows), "budget": plan.budget, "currency": plan.currency, "rows": rows, "problems": []}
        )
        return
    sys.stdout.write(f"{file} can be used: {len(rows)} markets, budget {plan.budget:,g} ({plan.currency})\n")
    output.console().print(_spenders(rows, plan))
    sys.stdout.write("`profiles apply` puts it in place of all other markets; --merge keeps those.\n")


def _refuse(file: Path, error: BadPortfolio, as_json: bool) -> NoReturn:
    """Print every problem and end with exit code 2."""
    if as_json:
        output.print_json({"problems": error.problems})
    else:
        output.note(
            f"{file} cannot be used, {len(error.problems)} problems:" if len(error.problems) > 1 else f"{file}:"
        )
        for problem in error.problems:
            output.note(f"  {problem}")
    raise typer.Exit(2)


@profiles_app.command("apply")
def profiles_apply(
    file: ProfileFile,
    market: Annotated[list[str] | None, typer.Option(help="Only this market (again for more).")] = None,
    plan: Annotated[bool, typer.Option(help="Also publish the plan: budget, currency, weights, limits.")] = True,
    merge: Annotated[
        bool, typer.Option("--merge", help="Keep markets that the file lacks, published or of the workers' table.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish a file in place of every other table: markets that it lacks get no more money.

    With --merge they keep it; with --market or --no-plan only the named parts change. It is one change: in force
    together at the next step, and answered once.

    ```
    marketpulse profiles apply markets.toml
    marketpulse profiles apply markets.toml --market BR --no-plan
    ```
    """
    portfolio = load_portfolio(file)
    only = {market_code(name) or name for name in market or ()}
    if missing := only - set(portfolio.markets):
        raise BadInput(f"{file} has no market {', '.join(sorted(missing))}. Operator action: mend --market.")
    settings = load_settings()
    held = _read_profiles(settings)
    before = held.now.markets
    records = apply_records(portfolio, held, only, plan, merge)
    _apply(settings, records)
    for number, (key, value) in enumerate(records, start=1):
        headers = tuple(apply_headers(ApplyMark("this", number, len(records))))
        held.take(CompactedRecord(held.read_offset, key.encode(), value, headers))
    own = settings.portfolio is not None
    rows = rows_of(held.now, {code: origin_of(held, code, own) for code in held.now.markets})
    lose = [code for code, one in before.items() if may_spend(one) and code not in held.now.markets]
    published = [key for key, value in records if value is not None]
    if as_json:
        output.print_json({"published": published, "replaces": held.replaces, "markets": rows, "no_more_money": lose})
        return
    sys.stdout.write(f"published: {', '.join(published)}\n")
    output.console().print(_spenders(rows, held.now.plan))
    if lose:
        sys.stdout.write(f"no more money for {', '.join(lose)}: not in {file} (--merge keeps them)\n")


@profiles_app.command("rm")
def profiles_rm(
    names: Annotated[list[str], typer.Argument(help="Market codes, or _plan.")], as_json: Json = False
) -> None:
    """Delete published profiles; without `_plan` the workers' table counts again (the shipped example, if no other).

    As long as a plan is published that replaces that table (`apply` without --merge), a deleted market gets no money.

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
    settings = load_settings()
    profiles = _read_profiles(settings)
    now, own = profiles.now, settings.portfolio is not None
    if as_json:
        content = {
            "plan": {"origin": origin_of(profiles, PLAN_KEY, own), "replaces": profiles.replaces}
            | msgspec.structs.asdict(now.plan),
            "markets": {
                code: {"origin": origin_of(profiles, code, own)} | msgspec.structs.asdict(one)
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
            code, origin_of(profiles, code, own), one.status, *bounds, f"{one.p0:.2f}", f"{one.p_max:.2f}", costs,
            _limits(one),
        )  # fmt: skip
    plan = origin_of(profiles, PLAN_KEY, own)
    table.caption = f"plan from: {plan}; budget {now.plan.budget:,.0f} ({now.plan.currency})"
    output.console().print(table)
    if profiles.of_file and not own:
        output.note(
            "The shipped example is in force, with its markets and costs. Publish your own table: "
            "`marketpulse profiles apply FILE`."
        )
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


def _spenders(rows: dict[str, Row], plan: Plan) -> Table:
    """Who may get money."""
    caption = f"budget {plan.budget:,g} ({plan.currency})"
    table = Table("market", "from", "status", "spend", "currency", caption=caption)
    for code, row in rows.items():
        table.add_row(code, row.origin, row.status, row.spend, row.currency)
    return table


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
