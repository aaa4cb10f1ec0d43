"""The commands `plan` and `learn`: allocations, scenarios side by side, curves, and what earlier plans teach."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.words import clock
from marketpulse.files import Unreadable, read_json
from strategy.portfolio import load_portfolio
from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async
from streams.cli.views.plans import cause_words, curve_table, history_of, one_plan, print_reasons, side_by_side
from streams.cli.views.profiles import period_words
from streams.errors import BadInput

if TYPE_CHECKING:
    from marketpulse.contract.allocation import Allocation, Basis, MarketPlan
    from strategy.scenarios import Question
    from streams.settings import Settings

POINTS = 21


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command(rich_help_panel=output.DECIDE)(plan)
    app.command(rich_help_panel=output.DECIDE)(allocation)
    app.command(rich_help_panel=output.DECIDE)(learn)


def plan(
    metrics: Annotated[
        Path | None, typer.Option(help='JSON {"u": {"BR": 0.6}, "r": {"BR": null}}; default: what Redis holds now.')
    ] = None,
    profiles: Annotated[Path | None, typer.Option(help="Markets and budget (TOML); default: those in force.")] = None,
    previous: Annotated[
        Path | None,
        typer.Option(
            help="An allocation as JSON (of `plan --json` or the topic): reasons, and the spend that change limits are "
            "measured from (workers take that of 24 h ago); default: the one in force, where metrics are those of now."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option(help="As if no allocation were in force.")] = False,
    budget: Annotated[str | None, typer.Option(help="Another budget than the file's; 100..500: a curve.")] = None,
    vary: Annotated[
        str | None, typer.Option(help="A curve along one number: u.BR=.3..0.8, r.US=0..0.1, satisfaction_weight=1..3.")
    ] = None,
    scenario: Annotated[
        list[Path] | None, typer.Option(help="TOML with [plan], [markets.<code>], [u], [r]; again for more.")
    ] = None,
    stance: Annotated[
        Literal["point", "sampled", "robust"],
        typer.Option(help="What uncertain worth counts as: as measured, its mean, the worst 5 %."),
    ] = "point",
    picture: Annotated[Path | None, typer.Option(help="Where a chart goes, as an HTML page.")] = None,
    as_json: Json = False,
) -> None:
    """Solve for the best allocation; writes nothing, needs no Kafka or Redis with --metrics. Exit code 1: infeasible.

    ```
    marketpulse plan --budget 1500
    marketpulse plan --metrics m.json --scenario s.toml --previous a.json
    marketpulse plan --metrics m.json --budget 1000..3000 --picture curve.html
    ```
    """
    from strategy.scenarios import Overrides, PlanAnswer, curve, load_overrides

    settings = load_settings()
    question = _question(settings, metrics, profiles, previous, fresh)
    name, values = _range(budget, vary)
    if budget is not None and name != "budget":
        question = question.under(Overrides(plan={"budget": _number(budget, "--budget")}))
    question = replace(question, stance=stance)
    scenarios = {"now": question.answer()}
    for path in scenario or []:
        one = load_overrides(path)
        scenarios[one.name] = question.under(one).answer()
    points = curve(question, name, values) if name is not None else []
    unit = question.portfolio.plan.currency
    money = f"{unit} {period_words(question.portfolio.plan)}"
    if picture is not None:
        from streams.cli.views.charts import allocation_bars, curve_lines

        page = curve_lines(name, points, unit) if name is not None else allocation_bars(scenarios, unit)
        picture.write_text(page, "utf-8")
    if as_json:
        plain = len(scenarios) == 1 and not points
        answer = scenarios["now"] if plain else PlanAnswer(scenarios, name, points)
        output.print_json(answer)
        _end(scenarios)
        return
    console = output.console()
    if name is not None:
        console.print(curve_table(name, points))
    elif len(scenarios) > 1:
        console.print(side_by_side(scenarios, money))
    else:
        console.print(one_plan(scenarios["now"], money, "A proposal, not in force: "))
        print_reasons(console, scenarios["now"])
    for title, answered in scenarios.items():
        if answered.status == "infeasible" and (name is not None or len(scenarios) > 1):
            console.print(output.cell(f"{title}: {answered.why}"), soft_wrap=True)
    _end(scenarios)


def _end(scenarios: "dict[str, Allocation]") -> None:
    """Exit code 1 where an answer is no plan."""
    if any(one.status == "infeasible" for one in scenarios.values()):
        raise typer.Exit(1)


def allocation(
    history: Annotated[
        int, typer.Option(min=0, max=500, help="Also this many of the newest answers, adopted or not.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="The record, as `plan --previous` takes it; with --history all of them.")
    ] = False,
) -> None:
    """The allocation in force, with a sentence per market, and the newest answer where that was rejected.

    ```
    marketpulse allocation --history 10
    marketpulse allocation --history 10 --json
    marketpulse allocation --json > then.json
    marketpulse plan --previous then.json
    ```
    """
    from marketpulse.client.reader import Reader
    from marketpulse.contract.allocation import Allocation

    settings = load_settings()
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        record, portfolio, answers = reader.snapshot().allocation, reader.portfolio(), reader.allocations()
    if record is None:
        raise BadInput("no allocation is in force yet. Operator action: let a worker count events first.")
    newest_last = sorted(answers, key=lambda one: one.seq)[-history:] if history else []
    if as_json:
        output.print_json({"in_force": record, "answers": newest_last} if history else record)
        return
    plan = (portfolio or load_portfolio(settings.portfolio)).plan
    console = output.console()
    plans = msgspec.convert(record.allocation, Allocation)
    since = f"In force since {clock(record.stream_time)} of stream time, {cause_words(record)}: "
    console.print(one_plan(plans, f"{plan.currency} {period_words(plan)}", since))
    print_reasons(console, plans)
    newest = max(answers, key=lambda one: one.seq, default=record)
    if not newest.adopted:
        words = newest.why if newest.why.startswith(newest.status) else f"{newest.status}, {newest.why}"
        why = f"The newest answer was not adopted: {words}"
        console.print(output.cell(why), soft_wrap=True)
    if history:
        console.print(history_of(newest_last))


def learn(
    allocations: Annotated[
        Path | None, typer.Option(help="JSON lines of `market.allocations`; default: the topic itself, a year of it.")
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(
            help="Markets and budget (TOML); default: those in force, with --allocations those of the file "
            "that MARKETPULSE_PORTFOLIO names."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate each market's cost of satisfaction (d) again from what followed earlier plans.

    Proposes, adopts nothing: change d in your market table, then apply it.

    ```
    marketpulse learn
    marketpulse profiles apply
    ```
    """
    from marketpulse.contract.allocation import Allocation
    from strategy.learning import outcomes_of, propose

    settings = load_settings()
    portfolio = _table(settings, profiles, live=allocations is None)
    answers = [(one.stream_time, msgspec.convert(one.allocation, Allocation)) for one in _kept(settings, allocations)]
    proposals = propose(portfolio, outcomes_of(answers, portfolio.plan.period_days))
    if as_json:
        output.print_json(proposals)
        return
    table = Table(
        "market", "d", "proposed", "95 %", "outcomes", "", title=f"Cost of satisfaction ({len(answers)} plans)"
    )
    for one in proposals:
        interval = f"{one.low:,.1f} to {one.high:,.1f}"
        verdict = "differs" if one.clear else "fits"
        table.add_row(
            output.cell(one.market), f"{one.d:,.1f}", f"{one.proposed:,.1f}", interval, str(one.outcomes), verdict
        )
    if not proposals:
        output.note(
            f"Nothing to learn from {len(answers)} plans: it takes two answers that are at least a day apart, and "
            "markets in which money went into quality and u was measured before and after."
        )
        return
    output.console().print(table)


def _named(settings: "Settings", profiles: Path | None) -> str:
    return str(profiles or settings.portfolio or "the shipped example of a table")


def _table(settings: "Settings", profiles: Path | None, live: bool) -> Portfolio:
    """The given table, else the one in force where servers are asked, else the settings' own."""
    portfolio = load_portfolio(profiles or settings.portfolio)
    if profiles is not None or not live:
        return portfolio
    from marketpulse.client.reader import Reader

    with Reader(settings.redis, prefix=settings.prefix) as reader:
        return reader.portfolio() or portfolio


def _kept(settings: "Settings", file: Path | None) -> list[AllocationRecord]:
    """Every answer that is kept, in order. Raises BadInput."""
    if file is None:
        from streams.kafka.compacted import read_all

        topic = topic_name(settings.prefix, "market.allocations")
        lines = [one.value for one in run_async(read_all(settings.kafka_servers, topic)) if one.value is not None]
    else:
        lines = file.read_bytes().splitlines()
    try:
        return sorted((read_json(line, AllocationRecord) for line in lines), key=lambda one: one.seq)
    except Unreadable as error:
        raise BadInput(f"{file or 'market.allocations'}: {error}. Operator action: give allocation records.") from error


def _question(
    settings: "Settings", metrics: Path | None, profiles: Path | None, previous: Path | None, fresh: bool
) -> "Question":
    if fresh and previous is not None:
        raise BadInput("--fresh and --previous exclude each other. Operator action: leave one out.")
    from strategy.scenarios import Metrics, Question

    portfolio = load_portfolio(profiles or settings.portfolio)
    before, basis = (None, None) if previous is None else _previous(previous)
    if metrics is not None:
        try:
            found = read_json(metrics.read_bytes(), Metrics).by_code()
            if strangers := sorted({*found.u, *found.r, *found.n, *found.u_se, *found.r_se} - portfolio.markets.keys()):
                raise BadInput(
                    f"{metrics}: {', '.join(strangers)} not in {_named(settings, profiles)}; with --metrics no "
                    "server is asked. Operator action: name your table with --profiles, or leave it out."
                )
            return Question(portfolio, found, before, basis=basis)
        except (OSError, Unreadable) as error:
            raise BadInput(
                f'{metrics}: {error}. Operator action: give JSON like {{"u": {{"BR": 0.6}}, "r": {{}}}}.'
            ) from error
    from marketpulse.client.reader import Reader
    from streams.pipeline.reallocate.question import question_of

    with Reader(settings.redis, prefix=settings.prefix) as reader:
        portfolio = portfolio if profiles is not None else reader.portfolio() or portfolio
        seen, answers = reader.snapshot(), reader.allocations()
    if before is not None:
        return replace(question_of(seen, answers, portfolio, held=False), previous=before, basis=basis)
    return question_of(seen, answers, portfolio, held=not fresh)


def _previous(file: Path) -> "tuple[dict[str, MarketPlan], Basis | None]":
    """Plans of an allocation as `plan --json` prints it, or of a record of `market.allocations`, and its table."""
    from marketpulse.contract.allocation import Allocation, Basis

    try:
        content = read_json(file.read_bytes(), dict[str, Any])
        plans = msgspec.convert(content.get("allocation", content), Allocation).markets
        return plans, msgspec.convert(content.get("basis"), Basis | None)
    except (OSError, Unreadable, msgspec.ValidationError) as error:
        raise BadInput(f"{file}: {error}. Operator action: give an allocation as JSON.") from error


def _range(budget: str | None, vary: str | None) -> tuple[str | None, list[float]]:
    """Name and values of a curve, from `--budget A..B` or `--vary NAME=A..B`; (None, []) without."""
    if vary is not None:
        name, _, span = vary.partition("=")
    elif budget is not None and ".." in budget:
        name, span = "budget", budget
    else:
        return None, []
    low, separator, high = span.partition("..")
    if not separator or not name:
        raise BadInput(f"{vary or budget!r} is no range. Operator action: give NAME=LOW..HIGH, as in u.BR=0.3..0.8.")
    first, last = _number(low, "range"), _number(high, "range")
    if not first < last:
        raise BadInput(f"{low}..{high} is empty. Operator action: give the lower end first.")
    return name, [first + (last - first) * at / (POINTS - 1) for at in range(POINTS)]


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e300 < value < 1e300:
        raise BadInput(f"{what} {text!r} is no number. Operator action: give one, or LOW..HIGH.")
    return value
