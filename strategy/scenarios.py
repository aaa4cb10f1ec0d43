"""Scenarios: other metrics, other plans, other markets, side by side; and how the answer moves along one number."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from marketpulse.contract.allocation import Allocation, Basis, MarketPlan
from marketpulse.contract.markets import market_code
from marketpulse.contract.portfolio import Market, Plan, Portfolio
from marketpulse.files import Unreadable, read_toml
from strategy.allocate import allocate
from strategy.errors import BadMetrics, BadPortfolio
from strategy.portfolio import market_contradictions, name_problems, plan_contradictions, read
from strategy.uncertainty import Precision, Stance

_T = TypeVar("_T")
_Kind = TypeVar("_Kind", Market, Plan)


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `plan --metrics` reads: per market u in [0, 1], r per day (null = unknown), and how sure they are.

    n: events that u was made of; u_se, r_se: standard errors. Without these nothing is said of uncertainty.
    """

    u: dict[str, float | None]
    r: dict[str, float | None] = {}
    n: dict[str, int] = {}
    u_se: dict[str, float] = {}
    r_se: dict[str, float] = {}

    def by_code(self) -> "Metrics":
        """The same by market code. Raises BadMetrics where a name is no market, or two names are one."""
        found: dict[str, Any] = {}
        unknown: list[str] = []
        for kind, values in msgspec.structs.asdict(self).items():
            codes = {name: market_code(name) for name in values}
            unknown += [f"{kind}.{name}" for name, code in codes.items() if code is None]
            if len(set(codes.values())) < len(codes):
                raise BadMetrics(f"{kind} names a market twice: {', '.join(codes)}. Operator action: leave one.")
            found[kind] = {codes[name]: value for name, value in values.items()}
        if unknown:
            raise BadMetrics(
                f"{', '.join(unknown)}: no assigned ISO 3166-1 alpha-2 code. Operator action: fix the names."
            )
        return Metrics(**found)


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file (TOML): fields of the plan, of regions, markets and metrics that are otherwise than now."""

    name: str = ""
    plan: dict[str, Any] = {}
    regions: dict[str, dict[str, float]] = {}
    markets: dict[str, dict[str, Any]] = {}
    u: dict[str, float] = {}
    r: dict[str, float] = {}


class Point(msgspec.Struct, frozen=True):
    """The answer at one value of what is varied."""

    value: float
    status: str
    gain: float
    marginal_value_of_budget: float
    spend: dict[str, float]


class PlanAnswer(msgspec.Struct, frozen=True):
    """What `plan --json` prints with scenarios or a curve: allocations by scenario (`now` first), points by value."""

    scenarios: dict[str, Allocation]
    varied: str | None = None
    curve: list[Point] = []


@dataclass(frozen=True)
class Question:
    """Everything that one plan is made from; see `allocate`."""

    portfolio: Portfolio
    metrics: Metrics
    previous: dict[str, MarketPlan] | None = None
    stance: Stance = "point"
    day_ago: Mapping[str, float] = field(default_factory=dict)
    basis: Basis | None = None

    def answer(self) -> Allocation:
        """The best allocation. Raises BadMetrics, BadPortfolio."""
        u = {code: value for code, value in self.metrics.u.items() if value is not None}
        precision = Precision(self.metrics.n, self.metrics.u_se, self.metrics.r_se)
        return allocate(
            self.portfolio, u, self.metrics.r, self.previous, precision, self.stance, day_ago=self.day_ago,
            basis=self.basis,
        )  # fmt: skip

    def under(self, scenario: Overrides) -> "Question":
        """The same question under a scenario.

        Raises:
            BadPortfolio: a field is unknown or out of range.
        """
        given, problems = _plan_fields(self.portfolio.plan, scenario)
        plan, wrong = _changed(self.portfolio.plan, given, Plan, plan_contradictions)
        problems += wrong
        markets = dict(self.portfolio.markets)
        whole = _by_code(scenario.markets, markets, problems)
        for code, fields in whole.items():
            markets[code], wrong = _changed(markets[code], fields, Market, market_contradictions)
            problems += [f"[markets.{code}] {problem}" for problem in wrong]
        for code, market in markets.items():
            named = msgspec.structs.asdict(market) | whole.get(code, {})
            wrong = name_problems(plan, named["currency"], named["region"])
            problems += [f"[markets.{code}] {problem}" for problem in wrong]
        u, r = (_by_code(numbers, markets, problems) for numbers in (scenario.u, scenario.r))
        if problems:
            where = scenario.name or "the scenario"
            raise BadPortfolio(
                f"{where} cannot be used: {'; '.join(problems)}. Operator action: fix these fields.", problems
            )
        changed = msgspec.structs.replace(self.metrics, u=self.metrics.u | u, r=self.metrics.r | r)
        return replace(self, portfolio=Portfolio(plan, markets), metrics=changed)


def _plan_fields(plan: Plan, scenario: Overrides) -> tuple[dict[str, Any], list[str]]:
    """Fields of the plan that a scenario sets, with the caps of its `[regions.NAME]`, and what is wrong with those."""
    problems = [
        f"[regions.{name}] {field} is no field of a region: it has a cap"
        for name, fields in scenario.regions.items()
        for field in fields
        if field != "cap"
    ]
    caps = {name: fields["cap"] for name, fields in scenario.regions.items() if "cap" in fields}
    if not caps:
        return scenario.plan, problems
    if "regions" in scenario.plan:
        problems.append("[plan] regions and [regions.NAME] are both there: one of them is meant")
    return scenario.plan | {"regions": {**plan.regions, **caps}}, problems


def load_overrides(path: Path) -> Overrides:
    """A scenario of a TOML file, named after the file where it has no name. Raises BadPortfolio."""
    try:
        scenario = read_toml(path.read_bytes(), Overrides)
    except (OSError, Unreadable) as error:
        raise BadPortfolio(f"{path} cannot be used: {error}. Operator action: mend the file.") from error
    return scenario if scenario.name else msgspec.structs.replace(scenario, name=path.stem)


def varied(name: str, value: float) -> Overrides:
    """A scenario in which one number is otherwise: `budget` or another field of the plan, `u.BR`, `r.BR`.

    Raises:
        BadMetrics: the name has another form.
    """
    kind, _, market = name.partition(".")
    if not market:
        return Overrides(plan={name: value})
    if kind not in ("u", "r"):
        raise BadMetrics(f"{name} cannot be varied. Operator action: name a field of the plan, u.<market>, r.<market>.")
    return Overrides(u={market: value}) if kind == "u" else Overrides(r={market: value})


def curve(question: Question, name: str, values: Sequence[float]) -> list[Point]:
    """How the answer moves along one number: the sensitivity to budget, a weight, one market's metrics."""
    points = []
    for value in values:
        answer = question.under(varied(name, value)).answer()
        spend = {code: one.spend for code, one in answer.markets.items()}
        feasible = answer.status != "infeasible"
        points.append(
            Point(value, answer.status, answer.gain, answer.marginal_value_of_budget, spend if feasible else {})
        )  # fmt: skip
    return points


def _by_code(found: Mapping[str, _T], markets: Collection[str], problems: list[str]) -> dict[str, _T]:
    """The same by market code; names that are none of the markets go to `problems`."""
    codes = {name: market_code(name) for name in found}
    problems += [f"{name} is no market of the portfolio" for name, code in codes.items() if code not in markets]
    return {code: found[name] for name, code in codes.items() if code is not None and code in markets}


def _changed(
    record: _Kind, fields: dict[str, Any], kind: type[_Kind], contradictions: Callable[[_Kind], list[str]]
) -> tuple[_Kind, list[str]]:
    """The record with other fields, or as it was with what is wrong with them."""
    changed, problems = read(kind, msgspec.structs.asdict(record) | fields, contradictions)
    return (record if changed is None else changed), problems
