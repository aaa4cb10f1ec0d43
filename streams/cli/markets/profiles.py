"""Commands that publish market profiles, and show which are in force."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from marketpulse.contract.markets import market_code
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.words import clock, count_of
from strategy.errors import BadPortfolio
from strategy.portfolio import load_portfolio
from streams.cli import output
from streams.cli.markets.in_force import Held, held_now
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async
from streams.cli.views.profiles import budget_words, markets_in_force, regions_in_force, regions_of, spenders
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.pipeline.operators.preview import Preview, preview
from streams.pipeline.operators.profiles import Profiles, apply_records
from streams.pipeline.operators.published import PLAN_KEY
from streams.pipeline.operators.spenders import rows_of

if TYPE_CHECKING:
    from streams.settings import Settings

ProfileFile = Annotated[Path, typer.Argument(help="TOML in the form of `strategy/markets.toml`.")]

WHOLE = "apply the whole file (without --merge, --market, --no-plan), or add the rate or cap to its plan."
LIMITED = ", go there over several days, or raise change_limit_share or change_limit_floor of the plan"
CHANGES_SHOWN = 12
WITH_IT = f"`profiles rm` the markets with it ({PLAN_KEY} and their codes in one command), or apply a whole file."

profiles_app = typer.Typer(no_args_is_help=True, help="Markets, costs, bounds and budget in force.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(profiles_app, name="profiles", rich_help_panel=output.DECIDE)


@profiles_app.command("validate")
def profiles_validate(file: ProfileFile, as_json: Json = False) -> None:
    """Check a file as `apply` would, publish nothing, show who may get money. Exit code 2 with every problem.

    ```
    marketpulse profiles validate markets.toml
    ```
    """
    portfolio = _load(file, as_json)
    if why := _infeasible(portfolio):
        _refuse(file, [why], as_json)
    rows = rows_of(portfolio, dict.fromkeys(portfolio.markets, "this file"))
    plan = portfolio.plan
    if as_json:
        output.print_json(
            {"markets": sorted(rows), "budget": plan.budget, "currency": plan.currency, "rows": rows, "problems": []}
        )
        return
    output.say(f"{file} can be used: {count_of(len(rows), 'market')}, {output.visible(budget_words(plan))}")
    output.console().print(spenders(rows, plan))
    output.say("`profiles apply` puts it in place of all other markets; --merge keeps those.")


def _load(file: Path, as_json: bool) -> Portfolio:
    try:
        return load_portfolio(file)
    except BadPortfolio as error:
        _refuse(file, error.problems, as_json)


def _infeasible(portfolio: Portfolio, held: Held | None = None) -> str | None:
    """Why no plan can keep a table, from the spend in force; not looked at where the solver's packages are missing."""
    try:
        from strategy.bounds import infeasible
        from streams.pipeline.reallocate.question import in_force
    except ModuleNotFoundError as error:
        output.note(
            f"Budget and caps were not checked: {error.name} is missing. "
            "Operator action: pip install marketpulse[plan]."
        )
        return None
    if held is None or held.seen is None:
        return infeasible(portfolio)
    now = in_force(held.seen, held.answers, portfolio.plan.currency)
    return infeasible(portfolio, now.plans, now.day_ago)


def _refuse(what: object, problems: Sequence[str], as_json: bool, action: str = "fix these fields.") -> NoReturn:
    """Print every problem and end with exit code 2."""
    if as_json:
        output.print_json({"problems": problems})
    else:
        output.note(f"{output.visible(what)} cannot be used, {count_of(len(problems), 'problem')}:")
        for problem in problems:
            output.note(f"  {output.visible(problem)}")
        output.note(f"Nothing was published. Operator action: {action}")
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
    together at the next step, and answered once. Nothing is published, and the exit code is 2, where workers would
    refuse a part, where amounts of another currency would be read as the plan's, and where budget or caps cannot hold.

    ```
    marketpulse profiles apply markets.toml
    marketpulse profiles apply markets.toml --market BR --no-plan
    ```
    """
    portfolio = _load(file, as_json)
    only = {market_code(name) or name for name in market or ()}
    if missing := only - set(portfolio.markets):
        raise BadInput(f"{file} has no market {', '.join(sorted(missing))}. Operator action: mend --market.")
    settings = load_settings()
    held = held_now(settings)
    records = apply_records(portfolio, held.profiles, only, plan, merge)
    whole = plan and not only and not merge
    done = _publish(settings, held, records, file, as_json, whole)
    published = [key for key, value in records if value is not None]
    if as_json:
        output.print_json({"published": published, **_change(held, done)})
        return
    output.say(f"published: {', '.join(published)}")
    _say_changed(done)
    output.console().print(spenders(held.rows, held.profiles.now.plan))
    if gone := [code for code in done.lose if code not in done.after.markets]:
        output.say(f"no more money for {', '.join(gone)}: not in {file} (--merge keeps them)")


@profiles_app.command("rm")
def profiles_rm(
    names: Annotated[list[str], typer.Argument(help="Market codes, or _plan.")], as_json: Json = False
) -> None:
    """Delete published profiles; without `_plan` the workers' table counts again (the shipped example, if no other).

    As long as a plan is published that replaces that table (`apply` without --merge), a deleted market gets no money.
    What workers would refuse is not published (exit code 2): `_plan` while markets in its currency or regions stay.

    ```
    marketpulse profiles rm NG _plan
    ```
    """
    codes = {name: name if name == PLAN_KEY else market_code(name) for name in names}
    if unknown := sorted(name for name, code in codes.items() if code is None):
        raise BadInput(f"{', '.join(unknown)}: neither {PLAN_KEY} nor a market code. Operator action: mend it.")
    known = sorted({code for code in codes.values() if code is not None})
    settings = load_settings()
    held = held_now(settings)
    records: list[tuple[str, bytes | None]] = [(name, None) for name in known]
    done = _publish(settings, held, records, f"profiles rm {' '.join(known)}", as_json, False)
    if as_json:
        output.print_json({"removed": known, **_change(held, done)})
        return
    output.say(f"removed: {', '.join(known)}")
    _say_changed(done)
    output.console().print(spenders(held.rows, held.profiles.now.plan))
    for words, who in (("no more money for", done.lose), ("money again for", done.again)):
        if who:
            output.say(f"{words} {', '.join(who)}")


def _publish(
    settings: "Settings", held: Held, records: list[tuple[str, bytes | None]], what: object, as_json: bool, whole: bool
) -> Preview:
    """Look what the change does, then publish it; exit code 2 and nothing published where it cannot be.

    A part may leave a table without a plan that was so before: it may be a step towards one.
    """
    was_infeasible = not whole and _infeasible(held.profiles.now, held)
    seen = preview(held.profiles, records, epoch_ms())
    if seen.problems:
        rm = all(value is None for _, value in records)
        _refuse(what, seen.problems, as_json, WITH_IT if rm else WHOLE)
    if not was_infeasible and (why := _infeasible(seen.after) or _infeasible(seen.after, held)):
        limited = LIMITED if _infeasible(seen.after) is None else ""
        lost = f" No money would be left for {', '.join(seen.lose)}." if seen.lose else ""
        _refuse(what, [why], as_json, f"change budget, caps or these markets{limited}.{lost}")
    _apply(settings, records)
    if held.differs:
        output.note(held.differs)
    return seen


def _say_changed(done: Preview) -> None:
    """The values of before and after, as many as a person reads."""
    named = done.changed
    more = f"; {count_of(len(named) - CHANGES_SHOWN, 'more change')} (--json)" if len(named) > CHANGES_SHOWN else ""
    output.say(f"changed: {output.visible('; '.join(named[:CHANGES_SHOWN])) or 'nothing'}{more}")


def _change(held: Held, done: Preview) -> dict[str, object]:
    return {
        "replaces": held.profiles.replaces,
        "markets": held.rows,
        "changed": done.changed,
        "no_more_money": done.lose,
        "money_again": done.again,
    }


@profiles_app.command("ls")
def profiles_ls(as_json: Json = False) -> None:
    """The plan and the markets in force, each with origin and spend, caps with their use, and refused records.

    ```
    marketpulse profiles ls
    ```
    """
    held = held_now(load_settings())
    profiles, now = held.profiles, held.profiles.now
    if held.differs:
        output.note(held.differs)
    regions = regions_of(now, held.spend)
    if as_json:
        content = {
            "plan": {"origin": held.origin(PLAN_KEY), "replaces": profiles.replaces} | msgspec.structs.asdict(now.plan),
            "markets": {
                code: {"origin": held.origin(code)} | msgspec.structs.asdict(one) for code, one in now.markets.items()
            },
            "spend": held.spend,
            "regions": regions,
            "refused": [{"offset": letter.offset, "why": letter.message} for letter in profiles.bad],
            "not_yet": _not_yet(profiles),
            "newest_answer": held.refused,
            "changed_at": held.changed_ms,
        }
        output.print_json(content)
        return
    table = markets_in_force(now, held.origins, held.spend)
    newest = f"; newest change {clock(held.changed_ms)}" if held.changed_ms else ""
    table.caption = output.cell(f"plan from: {held.origin(PLAN_KEY)}{newest}; {budget_words(now.plan)}")
    console = output.console()
    console.print(table)
    if regions:
        console.print(regions_in_force(regions, now.plan))
    if held.refused:
        output.note(output.visible(held.refused))
    if profiles.of_file and not held.own:
        output.note(
            "The shipped example is in force, with its markets and costs. Publish your own table: "
            "`marketpulse profiles apply FILE`."
        )
    for letter in profiles.bad:
        output.say(f"refused at offset {letter.offset}: {output.visible(letter.message)}")
    for line in _not_yet(profiles):
        output.say(f"{output.visible(line)}")


def _not_yet(profiles: Profiles) -> list[str]:
    """In words: an apply whose end is missing, and records that wait for the end of their change."""
    lines = [*map(str, profiles.incomplete)]
    if profiles.next_offset < profiles.read_offset:
        lines.append(
            f"records from offset {profiles.next_offset} are not in force yet: more of the same change may come, "
            "for 10 s at most"
        )
    return lines


def _apply(settings: "Settings", records: list[tuple[str, bytes | None]]) -> None:
    from streams.kafka.profiles import apply_profiles

    run_async(apply_profiles(settings.kafka_servers, settings.prefix, records))
