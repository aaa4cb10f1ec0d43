"""What operators published, and which records of a change may be in force together: files are held to the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketpulse.contract.portfolio import Market, Plan, Portfolio
from strategy.errors import BadPortfolio
from strategy.portfolio import check_names, with_currencies

PLAN_KEY = "_plan"


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """A plan; `replaces`: only published markets get money, those of the file do not."""

    plan: Plan
    replaces: bool = False


Values = Mapping[str, Market | PublishedPlan | None]
"""Key of a record -> what it publishes; None = its tombstone."""


@dataclass(frozen=True, slots=True)
class Published:
    """Markets and plan that stand in for those of the file."""

    markets: Mapping[str, Market] = field(default_factory=dict)
    plan: Plan | None = None
    replaces: bool = False

    def changed(self, values: Values) -> "Published":
        """The same with other values."""
        markets, plan = dict(self.markets), PublishedPlan(self.plan, self.replaces) if self.plan else None
        for key, value in values.items():
            if key == PLAN_KEY:
                plan = value if isinstance(value, PublishedPlan) else None
            elif isinstance(value, Market):
                markets[key] = value
            else:
                markets.pop(key, None)
        return Published(markets, plan.plan, plan.replaces) if plan else Published(markets)

    def over(self, base: Portfolio) -> Portfolio:
        """The portfolio that this and the file's make; amounts of the file keep its currency."""
        if self.plan is not None and self.plan.currency != base.plan.currency:
            base = with_currencies(base)
        of_file = {} if self.replaces else base.markets
        return Portfolio(self.plan or base.plan, dict(sorted((of_file | dict(self.markets)).items())))


def accepted(base: Portfolio, before: Published, values: Values) -> tuple[Published, dict[str, str]]:
    """What is in force after a change, and why each record that is not was refused.

    Refused are markets of the change whose region or currency the plan does not have, and a plan that lacks what other
    markets name; the rest is in force if it fits together, nothing of the change otherwise.

    Args:
        base: the file's portfolio.
        before: what was in force before; with `base` it fits together.
        values: the change.
    """
    faults = _faults(base, before.changed(values))
    if not faults:
        return before.changed(values), {}
    why = {key: _do(fault) for key, fault in faults.items() if key in values}
    others = [f"{key} ({fault})" for key, fault in faults.items() if key not in values]
    if others and PLAN_KEY in values:
        why[PLAN_KEY] = _do(f"the plan lacks what markets in force name: {', '.join(others)}")
    rest = before.changed({key: value for key, value in values.items() if key not in why})
    if not _faults(base, rest):
        return rest, why
    refused = ", ".join(sorted(why))
    together = _do(f"refused together with {refused} of the same change: without that, the rest does not fit together")
    return before, {key: why.get(key, together) for key in values}


def _faults(base: Portfolio, published: Published) -> dict[str, str]:
    """Market -> which name of it the plan does not have."""
    portfolio = published.over(base)
    found = {}
    for code, market in portfolio.markets.items():
        try:
            check_names(portfolio.plan, market)
        except BadPortfolio as error:
            found[code] = str(error)
    return found


def _do(fault: str) -> str:
    return f"{fault}. Operator action: publish plan and markets that fit together in one `profiles apply`."
