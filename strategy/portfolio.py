"""Markets, costs, bounds and budget, typed and checked, from a TOML file."""

import math
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from marketpulse.contract.markets import market_code
from marketpulse.contract.portfolio import Market, Plan, Portfolio
from marketpulse.files import Unreadable, read_toml
from strategy.errors import BadPortfolio

_Kind = TypeVar("_Kind", Market, Plan)

MONEY = ("c", "d", "l", "f", "o", "g", "spend_low", "spend_high", "spend", "spent", "pinned", "spend_minimum")


def actual_spend(portfolio: Portfolio) -> dict[str, float | None]:
    """What each market spends now, in the plan's currency; None where that or its currency's rate is not known."""
    rates = portfolio.plan.currencies | {portfolio.plan.currency: 1.0}
    found: dict[str, float | None] = {}
    for code, market in portfolio.markets.items():
        rate = rates.get(market.currency or portfolio.plan.currency)
        found[code] = None if market.spend is None or rate is None else market.spend * rate
    return found


def load_portfolio(path: Path | None = None) -> Portfolio:
    """The portfolio of a TOML file, or the shipped one.

    Raises:
        BadPortfolio: the file cannot be read or a field is missing, unknown or out of range.
    """
    try:
        content = (path or files("strategy") / "markets.toml").read_bytes()
        return portfolio_of(read_toml(content, dict[str, Any]))
    except (OSError, Unreadable) as error:
        raise BadPortfolio(f"{path} cannot be read: {error}. Operator action: mend the file.") from error


def portfolio_of(content: dict[str, Any]) -> Portfolio:
    """The portfolio of parsed content: tables `plan`, `defaults`, `regions`, `currencies` and `markets.<code>`.

    Raises:
        BadPortfolio: with all that is wrong in it.
    """
    for name in ("plan", "defaults", "regions", "currencies", "markets"):
        if not isinstance(content.get(name, {}), dict):
            raise BadPortfolio(f"{name} is no table. Operator action: write it as [{name}].")
    if not content.get("markets"):
        raise BadPortfolio("the market table names no market. Operator action: add one under [markets.<code>].")
    fields, problems = _plan_fields(content)
    plan, found = read(Plan, fields, plan_contradictions)
    problems += [f"[plan] {problem}" for problem in found]
    markets, found = _markets(content, plan or Plan(**_names(fields)))
    problems += found
    if problems or plan is None:
        raise BadPortfolio(
            f"the market table cannot be used: {'; '.join(problems)}. Operator action: fix these fields.", problems
        )
    return Portfolio(plan, dict(sorted(markets.items())))


def _markets(content: dict[str, Any], plan: Plan) -> tuple[dict[str, Market], list[str]]:
    """The markets that can be used, and what is wrong with the others."""
    markets: dict[str, Market] = {}
    problems: list[str] = []
    named: set[str] = set()
    for name, fields in sorted(content["markets"].items()):
        code = market_code(name)
        wrong = []
        if code is None:
            wrong.append("is no assigned ISO 3166-1 alpha-2 code")
        elif code in named:
            wrong.append(f"is {code} once more")
        market = None
        if isinstance(fields, dict):
            whole = content.get("defaults", {}) | fields
            market, found = read(Market, whole, market_contradictions)
            wrong += [*found, *name_problems(plan, whole.get("currency"), whole.get("region"))]
        else:
            wrong.append("is no table")
        problems += [f"[markets.{name}] {problem}" for problem in wrong]
        if code is not None and market is not None:
            markets[code] = market
            named.add(code)
    return markets, problems


def _plan_fields(content: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The table `plan`, with `[regions.<name>] cap = ...` and `[currencies]` put into it; wrong regions."""
    caps: dict[str, Any] = {}
    problems = []
    for name, region in content.get("regions", {}).items():
        if isinstance(region, dict) and set(region) == {"cap"}:
            caps[name] = region["cap"]
        else:
            problems.append(f"regions.{name} needs one field, cap")
    extra = {name: value for name, value in (("regions", caps), ("currencies", content.get("currencies"))) if value}
    fields: dict[str, Any] = content.get("plan", {}) | extra
    return fields, problems


def _names(fields: dict[str, Any]) -> dict[str, Any]:
    """Currencies and regions of a plan that cannot be used, so that its markets are checked all the same."""
    usual = Plan()
    return {
        name: value
        for name in ("currency", "currencies", "regions")
        if isinstance(value := fields.get(name), type(getattr(usual, name)))
    }


def read(
    kind: type[_Kind], fields: dict[str, Any], contradictions: Callable[[_Kind], list[str]]
) -> tuple[_Kind | None, list[str]]:
    """A market or plan of its fields, or None and everything that is wrong with them."""
    problems = []
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, field in known.items():
        if name not in fields:
            problems += [f"{name} is missing"] if field.required else []
            continue
        try:
            msgspec.convert(fields[name], field.type)
        except msgspec.ValidationError as error:
            problems.append(f"{name}: {error}")
        if not all(map(math.isfinite, _numbers(fields[name]))):
            problems.append(f"{name}: {fields[name]} is no finite number")
    problems += [f"{name} is no field of it" for name in sorted(set(fields) - set(known))]
    if problems:
        return None, problems
    record = msgspec.convert(fields, kind)
    found = contradictions(record)
    return (None if found else record), found


def _numbers(value: object) -> Iterator[float]:
    """Every number of a field: TOML has `inf` and `nan`, which JSON, and so every record, has not."""
    match value:
        case float():
            yield value
        case list():
            for entry in value:
                yield from _numbers(entry)
        case dict():
            yield from _numbers([*value.values()])


def name_problems(plan: Plan, currency: object, region: object) -> list[str]:
    """What a market names that its plan lacks: a currency's rate, a region's cap. What is no text is passed over."""
    problems = []
    if isinstance(currency, str) and currency != plan.currency and currency not in plan.currencies:
        problems.append(f"currency = {currency!r} has no rate in [currencies]")
    if isinstance(region, str) and region and region not in plan.regions:
        problems.append(f"region = {region!r} has no cap in [regions]")
    return problems


def check_names(plan: Plan, market: Market) -> None:
    """Raises BadPortfolio where a market's currency has no rate in the plan, or its region no cap."""
    _refuse(name_problems(plan, market.currency, market.region))


def in_plan_currency(portfolio: Portfolio) -> Portfolio:
    """The same portfolio with all money in the plan's currency.

    Raises:
        BadPortfolio: a market's currency has no rate.
    """
    plan, markets = portfolio.plan, {}
    for code, market in portfolio.markets.items():
        if market.currency in (None, plan.currency):
            continue
        rate = plan.currencies.get(market.currency)
        if rate is None:
            raise BadPortfolio(
                f"markets.{code}: currency = {market.currency!r} has no rate. Operator action: add it to [currencies]."
            )
        money = {name: value * rate for name in MONEY if (value := getattr(market, name)) is not None}
        markets[code] = msgspec.structs.replace(market, **money, currency=None)
    return Portfolio(plan, portfolio.markets | markets) if markets else portfolio


def with_currencies(portfolio: Portfolio) -> Portfolio:
    """The same portfolio, each market with the currency that its amounts are in: they keep it under another plan."""
    unit = portfolio.plan.currency
    markets = {
        code: market if market.currency else msgspec.structs.replace(market, currency=unit)
        for code, market in portfolio.markets.items()
    }
    return Portfolio(portfolio.plan, markets)


def market_contradictions(market: Market) -> list[str]:
    """Where a market's fields contradict each other."""
    problems = []
    high = math.inf if market.spend_high is None else market.spend_high
    if market.p0 >= market.p_max:
        problems.append(f"p0 = {market.p0} is not below p_max = {market.p_max}")
    if high < market.spend_low:
        problems.append(f"spend_high = {market.spend_high} is below spend_low = {market.spend_low}")
    if market.spend_minimum > high:
        problems.append(f"spend_minimum = {market.spend_minimum} is above spend_high = {high}")
    if market.pinned is not None and not market.spend_low <= market.pinned <= high:
        problems.append(f"pinned = {market.pinned} is outside spend_low = {market.spend_low} and spend_high = {high}")
    if not market.legal_ready and max(market.spend_low, market.pinned or 0.0) > 0:
        problems.append("legal_ready = false forbids spend, but spend_low or pinned demand it")
    return problems


def plan_contradictions(plan: Plan) -> list[str]:
    """Whether the weights o1..o4 are negative or do not sum to 1."""
    if min(plan.weights) < 0 or abs(sum(plan.weights) - 1) > 1e-6:
        return [f"weights = {list(plan.weights)} must not be negative and must sum to 1"]
    return []


def checked_market(market: Market) -> Market:
    """The same market; raises BadPortfolio where its fields contradict each other."""
    _refuse(market_contradictions(market))
    return market


def checked_plan(plan: Plan) -> Plan:
    """The same plan; raises BadPortfolio if the weights o1..o4 are negative or do not sum to 1."""
    _refuse(plan_contradictions(plan))
    return plan


def _refuse(problems: list[str]) -> None:
    if problems:
        raise BadPortfolio("; ".join(problems), problems)
