"""Markets, costs, bounds and budget, typed and checked, from a TOML file."""

import math
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from marketpulse.contract.portfolio import Market, Plan, Portfolio
from strategy.errors import BadPortfolio

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
        text = (path or files("strategy") / "markets.toml").read_text("utf-8")
        return portfolio_of(tomllib.loads(text))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise BadPortfolio(f"{path} cannot be read: {error}. Operator action: mend the file.") from error


def portfolio_of(content: dict[str, Any]) -> Portfolio:
    """The portfolio of parsed content: tables `plan`, `defaults`, `regions`, `currencies` and `markets.<code>`."""
    for name in ("plan", "defaults", "regions", "currencies", "markets"):
        if not isinstance(content.get(name, {}), dict):
            raise BadPortfolio(f"{name} is no table. Operator action: write it as [{name}].")
    defaults = content.get("defaults", {})
    if not content.get("markets"):
        raise BadPortfolio("the market table names no market. Operator action: add one under [markets.<code>].")
    where = "plan"
    try:
        plan = checked_plan(msgspec.convert(_plan_fields(content), Plan))
        markets = {}
        for code, fields in sorted(content["markets"].items()):
            where = f"markets.{code}"
            markets[code] = checked_market(msgspec.convert(defaults | fields, Market))
            check_names(plan, markets[code])
    except (msgspec.ValidationError, BadPortfolio, TypeError) as error:
        raise BadPortfolio(
            f"the market table cannot be used: [{where}] {error}. Operator action: mend that field."
        ) from error
    return Portfolio(plan, markets)


def _plan_fields(content: dict[str, Any]) -> dict[str, Any]:
    """The table `plan`, with `[regions.<name>] cap = ...` and `[currencies]` put into it."""
    caps = {}
    for name, region in content.get("regions", {}).items():
        if not isinstance(region, dict) or set(region) != {"cap"}:
            raise BadPortfolio(f"regions.{name} needs one field, cap")
        caps[name] = region["cap"]
    extra = {name: value for name, value in (("regions", caps), ("currencies", content.get("currencies"))) if value}
    fields: dict[str, Any] = content.get("plan", {}) | extra
    return fields


def check_names(plan: Plan, market: Market) -> None:
    """Raises BadPortfolio where a market's currency has no rate in the plan, or its region no cap."""
    if market.currency not in (None, plan.currency) and market.currency not in plan.currencies:
        raise BadPortfolio(f"currency = {market.currency!r} has no rate in [currencies]")
    if market.region and market.region not in plan.regions:
        raise BadPortfolio(f"region = {market.region!r} has no cap in [regions]")


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


def checked_market(market: Market) -> Market:
    """The same market; raises BadPortfolio where its fields contradict each other."""
    if market.p0 >= market.p_max:
        raise BadPortfolio(f"p0 = {market.p0} is not below p_max = {market.p_max}")
    if market.spend_high is not None and market.spend_high < market.spend_low:
        raise BadPortfolio(f"spend_high = {market.spend_high} is below spend_low = {market.spend_low}")
    high = math.inf if market.spend_high is None else market.spend_high
    if market.spend_minimum > high:
        raise BadPortfolio(f"spend_minimum = {market.spend_minimum} is above spend_high = {high}")
    if market.pinned is not None and not market.spend_low <= market.pinned <= high:
        raise BadPortfolio(
            f"pinned = {market.pinned} is outside spend_low = {market.spend_low} and spend_high = {high}"
        )
    if not market.legal_ready and max(market.spend_low, market.pinned or 0.0) > 0:
        raise BadPortfolio("legal_ready = false forbids spend, but spend_low or pinned demand it")
    return market


def checked_plan(plan: Plan) -> Plan:
    """The same plan; raises BadPortfolio if the weights o1..o4 are negative or do not sum to 1."""
    if min(plan.weights) < 0 or abs(sum(plan.weights) - 1) > 1e-6:
        raise BadPortfolio(f"weights = {list(plan.weights)} must not be negative and must sum to 1")
    return plan
