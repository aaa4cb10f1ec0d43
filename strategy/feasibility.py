"""Whether a market table can be kept at all: what is pinned or demanded, against budget and regional caps."""

from marketpulse.contract.portfolio import Portfolio
from strategy.bounds import clash, markets_in, problem_of
from strategy.objective import terms_of
from strategy.portfolio import in_plan_currency


def infeasible(portfolio: Portfolio) -> str | None:
    """Why no plan can keep a table, with the nearest budget and caps that would do, as `allocate` says it; else None.

    Metrics do not matter for it. Change limits are left out: they depend on the spend in force, not on the table.
    """
    portfolio = in_plan_currency(portfolio)
    bounds = markets_in(portfolio, None)
    problem = problem_of(portfolio, bounds, terms_of(portfolio, tuple(bounds), {}, {}))
    return None if problem.feasible else clash(portfolio, bounds, problem)
