"""Commands on the detectors' rules: check a file, try it on synthetic input, and on the past."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from marketpulse.contract.decode import utc
from streams.backtest.side_by_side import Answered, Episode
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.cli.settings import load_settings, run_async
from streams.contract.rules import Rules
from streams.errors import BadInput
from streams.pipeline.operators.rules_file import changes, load_rules

if TYPE_CHECKING:
    from streams.backtest.journal import WhatIf


rules_app = typer.Typer(no_args_is_help=True, help="The detectors' rules: check a file, test it on synthetic input.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(rules_app, name="rules", rich_help_panel=output.WATCH)
    app.command("what-if", rich_help_panel=output.DECIDE)(what_if)


@rules_app.command("check")
def rules_check(
    file: Annotated[Path, typer.Argument(help="TOML in the form of `deploy/rules.toml`.")], as_json: Json = False
) -> None:
    """Whether a rules file can be used, and what it changes. Exit code 2 where it cannot; every problem is named.

    ```
    marketpulse rules check deploy/rules.toml
    ```
    """
    changed = changes(Rules(), load_rules(file))
    if as_json:
        output.print_json({"changed": {name: {"default": was, "file": now} for name, (was, now) in changed.items()}})
        return
    output.say(f"{file} can be used; values that are not the default: {len(changed)}")
    for name, (was, now) in changed.items():
        output.say(output.visible(f"  {name} = {now}{f' (default {was})' if was is not None else ''}"))


@rules_app.command("test")
def rules_test(
    file: Annotated[Path, typer.Argument(help="TOML in the form of `deploy/rules_test.toml`.")],
    rules: Annotated[Path | None, typer.Option(help="Other rules than the file names.")] = None,
    as_json: Json = False,
) -> None:
    """Run the detectors on synthetic input and compare with what is expected. Exit code 1 on failure.

    ```
    marketpulse rules test deploy/rules_test.toml --rules my_rules.toml
    ```
    """
    from streams.backtest.made_up import run_trials

    results = run_trials(file, rules)
    if as_json:
        output.print_json({"ok": all(one.ok for one in results), "tests": results})
    else:
        for one in results:
            output.say(output.visible(f"{'ok    ' if one.ok else 'failed'} {one.name}"))
            for check in one.checks:
                if not check.ok:
                    expected, got = (", ".join(names) or "none" for names in (check.expected, check.got))
                    words = f"         {check.what} at {check.at}: expected {expected}; got {got}"
                    output.say(output.visible(words))
            if not one.ok:
                output.say("\n".join(f"         | {output.visible(line)}" for line in one.story or ["nothing fired"]))
        output.say(f"{sum(one.ok for one in results)} of {len(results)} tests passed")
    raise typer.Exit(0 if all(one.ok for one in results) else 1)


def what_if(
    rules: Annotated[Path, typer.Option(help="TOML in the form of `deploy/rules.toml`.")],
    begin: Annotated[
        str | None, typer.Option("--from", help="Stream time; the rules take over at the checkpoint before it.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Stream time at which the replay ends.")] = None,
    as_json: Json = False,
) -> None:
    """Replay the journal with other rules: what would have fired and been allocated, beside what was.

    Reads only; nothing is put in force.

    ```
    marketpulse what-if --rules my_rules.toml --from 2026-11-20T00:00Z
    ```
    """
    from streams.backtest.journal import what_if as replay_with_rules

    given, first, last = load_rules(rules), _time("--from", begin), _time("--to", end)
    with progress("replaying") as update:
        found = run_async(replay_with_rules(load_settings(), given, first, last, update))
    if as_json:
        output.print_json({"same": found.same} | msgspec.structs.asdict(found))
        return
    console = output.console()
    console.print(
        f"steps {found.first_step} to {found.last_step}, {utc(found.begin)[:16]} to {utc(found.end)[:16]}; rules that "
        f"differ from those in force at the end: {len(found.changed)}",
        highlight=False,
    )
    for name, (was, now) in found.changed.items():
        console.print(output.cell(f"  {name}: {_value(was)} -> {_value(now)}"))
    console.print(_alerts(found))
    console.print(_allocations(found))
    for market, (was, now) in found.spend.items():
        if abs(now - was) > 0.05:
            console.print(output.cell(f"spend {market}: {was:,.1f} in fact, {now:,.1f} with the rules"))
    console.print("identical outcome" if found.same else "the outcome would have differed")


def _time(name: str, text: str | None) -> int | None:
    from marketpulse.contract.decode import Rejected, time_ms

    try:
        return None if text is None else time_ms(text)
    except Rejected:
        raise BadInput(
            f"{name} {text}: no time with an offset from UTC. Operator action: give one as in 2026-11-20T00:00Z."
        ) from None


def _value(value: float | str | None) -> str:
    return "as for all markets" if value is None else str(value)


def _alerts(found: "WhatIf") -> Table:
    table = Table("alert", "topic", "in fact", "with the rules", "only", title="Alerts that fired, with their end")
    for row in found.alerts:
        only = "" if row.in_fact and row.with_rules else "in fact" if row.in_fact else "with the rules"
        row_of = (f"{row.kind} {row.market}", row.topic, _span(row.in_fact), _span(row.with_rules), only)
        table.add_row(*map(output.cell, row_of))
    in_fact = sum(row.in_fact is not None for row in found.alerts)
    table.caption = f"{in_fact} in fact, {sum(row.with_rules is not None for row in found.alerts)} with the rules"
    return table


def _span(one: Episode | None) -> str:
    if one is None:
        return "-"
    return f"{utc(one.fired_at)[5:16]} to {'...' if one.ended_at is None else utc(one.ended_at)[5:16]}"


def _allocations(found: "WhatIf") -> Table:
    table = Table("time", "cause", "in fact", "with the rules", title="Answers of the allocator, with the money moved")
    for row in found.allocations:
        cause = " ".join(filter(None, (row.cause, row.market)))
        table.add_row(utc(row.stream_time)[:16], output.cell(cause), _answer(row.in_fact), _answer(row.with_rules))
    return table


def _answer(one: Answered | None) -> str:
    return "-" if one is None else f"{one.status}, {one.moved:,.1f}"
