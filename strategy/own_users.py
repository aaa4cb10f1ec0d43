"""What a market's own users moved of its money, apart from what the users of others did: solved again for each."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Portfolio
from strategy.entry import choose
from strategy.objective import terms_of
from strategy.problem import Problem
from strategy.water_filling import fill

OwnMove = Callable[[str], float]
"""Money that the market's own new metrics move, with all other metrics as before."""


def nothing_moved(_code: str) -> float:
    """Of an answer that has no plans."""
    return 0.0


def own_move_of(
    problem: Problem,
    portfolio: Portfolio,
    u: Mapping[str, float],
    r: Mapping[str, float | None],
    previous: Mapping[str, MarketPlan],
) -> OwnMove:
    """Spend with one market's metrics new, less the spend with none new: nothing of it is the table's or a limit's.

    Args:
        problem: what was answered; markets too uncertain to move have their spend as both bounds.
        portfolio: its table, in the plan's currency.
        u, r: the metrics of now.
        previous: the plans before, with the metrics that they were made with.
    """
    codes = problem.terms.codes
    u_before = {**u, **{code: one.u for code, one in previous.items() if one.u is not None}}
    r_before = {**r, **{code: one.r for code, one in previous.items()}}

    @cache
    def spend(code: str | None) -> Mapping[str, float]:
        new = () if code is None else (code,)
        some_u = u_before | {name: u[name] for name in new if name in u}
        some_r = r_before | {name: r.get(name) for name in new}
        asked = replace(problem, terms=terms_of(portfolio, codes, some_u, some_r))
        on = choose(asked).on
        filled = fill(asked.take(on)).spend + asked.fixed[on]
        return dict(zip((one for one, there in zip(codes, on, strict=True) if there), filled.tolist(), strict=True))

    return lambda code: spend(code).get(code, 0.0) - spend(None).get(code, 0.0)
