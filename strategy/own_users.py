"""What the users of one market moved, in its own money and in that of others: solved again for each."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Portfolio
from strategy.entry import choose
from strategy.objective import terms_of
from strategy.problem import Problem
from strategy.water_filling import fill


class UsersMoves:
    """Money that the new metrics of single markets move; nothing of it is a change of the table.

    Args:
        problem: what was answered; markets too uncertain to move have their spend as both bounds.
        portfolio: its table, in the plan's currency.
        u, r: the metrics of now.
        previous: the plans before, with the metrics that they were made with.
    """

    def __init__(
        self,
        problem: Problem,
        portfolio: Portfolio,
        u: Mapping[str, float],
        r: Mapping[str, float | None],
        previous: Mapping[str, MarketPlan],
    ) -> None:
        self._problem = problem
        self._portfolio = portfolio
        self._now = u, r
        self._previous = previous
        self._before = (
            {**u, **{code: one.u for code, one in previous.items() if one.u is not None}},
            {**r, **{code: one.r for code, one in previous.items()}},
        )
        self._solved: dict[tuple[str, bool], Mapping[str, float]] = {}

    def by(self, mover: str, code: str, growth: bool = True) -> float:
        """What the users of `mover` alone move in `code`: with its metrics new, less with none new.

        `growth`: with its new r; without, what its new u moves alone.
        """
        if (mover, growth) not in self._solved:
            (u, r), (u_before, r_before) = self._now, self._before
            some_u = {**u_before, mover: u[mover]} if mover in u else u_before
            some_r = {**r_before, mover: r.get(mover)} if growth else r_before
            self._solved[mover, growth] = self._spend(some_u, some_r)
        return self._solved[mover, growth].get(code, 0.0) - self._unmoved.get(code, 0.0)

    def drift(self, code: str) -> float:
        """What moves with no metrics new: the plan before held it back, or a limit of then holds no more."""
        return self._unmoved.get(code, 0.0) - self._previous[code].spend

    @cached_property
    def _unmoved(self) -> Mapping[str, float]:
        return self._spend(*self._before)

    def _spend(self, u: Mapping[str, float], r: Mapping[str, float | None]) -> Mapping[str, float]:
        codes = self._problem.terms.codes
        asked = replace(self._problem, terms=terms_of(self._portfolio, codes, u, r))
        on = choose(asked).on
        filled = (fill(asked.take(on)).spend + asked.fixed[on]).tolist()
        return dict(zip((code for code, there in zip(codes, on, strict=True) if there), filled, strict=True))
