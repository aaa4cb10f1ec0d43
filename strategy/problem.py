"""The decision in arrays: who may be paid how much, from one budget under regional caps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy.objective import Terms, Vector


@dataclass(frozen=True)
class Problem:
    """n markets, k regions; money per period.

    A market that is on costs `fixed` + x with low <= x <= high; one that is off costs and gains nothing. `region` (n,)
    indexes `caps` (k + 1,), whose last entry is infinite and stands for markets without a capped region.
    """

    terms: Terms
    low: Vector
    high: Vector
    fixed: Vector
    optional: NDArray[np.bool_]  # whether the market may be off
    region: NDArray[np.intp]
    caps: Vector
    budget: float

    def take(self, on: NDArray[np.bool_]) -> "Problem":
        """The problem that is left when these markets are on, with their fixed money paid, and no other is."""
        chosen = np.flatnonzero(on)
        fixed, region = self.fixed[chosen], self.region[chosen]
        return Problem(
            self.terms.take(chosen),
            self.low[chosen],
            self.high[chosen],
            np.zeros(len(chosen)),
            np.zeros(len(chosen), np.bool_),
            region,
            self.caps - np.bincount(region, fixed, len(self.caps)),
            self.budget - float(fixed.sum()),
        )

    @property
    def feasible(self) -> bool:
        """Whether the markets that must be on fit budget and caps at their lower bounds."""
        least = np.where(self.optional, 0.0, self.fixed + self.low)
        in_regions = np.bincount(self.region, least, len(self.caps))
        slack = 1e-12 * max(self.budget, 1.0)
        return bool(least.sum() <= self.budget + slack and (in_regions <= self.caps + slack).all())
