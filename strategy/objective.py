"""What spend buys in each market: value of penetration and satisfaction, and what they cost (DESIGN's section 6).

    maximise  sum_i  a_i m_i (p_i - p0_i) + b_i (q_i - u_i)          m_i = exp(rho r_i) u_i^theta
    z_i = (p_i - p0_i)/(p_max_i - p0_i),  y_i = (q_i - u_i)/(1 - u_i),  phi(z) = -ln(1 - z)
    promotion_i = c_i phi(z_i) + S_i z_i        S_i = (g_i + f_i (1 - culture_i) + l_i/2)(p_max_i - p0_i)/p_max_i
    quality_i   = d_i phi(y_i) + (l_i/2) y_i

promotion + quality = C_promote + C_tech + C_culture + C_legal; a growing market converts better and an unhappy one
leaks what promotion brings in, so r and u scale the value of penetration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.portfolio import Portfolio
from strategy.errors import BadMetrics

Vector = NDArray[np.float64]

Z_CAP = 0.99
Y_CAP = 0.95
DEFAULT_U = 0.5
LEAST_LEFT = np.array([[1 - Z_CAP], [1 - Y_CAP]])
_NO_LOG_COST = 1e-300  # in place of 0: such a variable jumps from 0 to its cap at one price


@dataclass(frozen=True)
class Terms:
    """What n markets are worth and cost; money in the plan's currency per period.

    Rows of the (2, n) arrays: penetration, satisfaction. With w = 1 - z and w = 1 - y, what is left of each:
    gain = value (1 - w), cost = -log ln w + linear (1 - w).
    """

    codes: tuple[str, ...]
    value: Vector  # (2, n): A = a m (p_max - p0) and B = b (1 - u), the gain at z = 1 and at y = 1
    log: Vector  # (2, n): c and d
    linear: Vector  # (2, n): S and l/2
    p0: Vector
    p_max: Vector
    u: Vector

    def take(self, chosen: NDArray[np.intp]) -> "Terms":
        """The terms of some of the markets."""
        codes = tuple(self.codes[at] for at in chosen)
        rows = (self.value[:, chosen], self.log[:, chosen], self.linear[:, chosen])
        return Terms(codes, *rows, self.p0[chosen], self.p_max[chosen], self.u[chosen])

    def left(self, price: Vector | float) -> Vector:
        """w (2, n) that maximises gain - price * cost, price > 0 (one, or one per market).

        z = clip(1 - L c/(A - L S), 0, .99), 0 where A <= L S; y = clip(1 - L d/(B - L l/2), 0, .95) likewise.
        """
        log = np.maximum(self.log, _NO_LOG_COST)
        result: Vector = np.maximum(log / np.maximum(self.value / price - self.linear, log), LEAST_LEFT)
        return result

    def gains(self, left: Vector) -> Vector:
        """Gain (2, n) of penetration and of satisfaction."""
        return self.value * (1 - left)

    def costs(self, left: Vector) -> Vector:
        """Money (2, n) for penetration (promotion) and for satisfaction (quality)."""
        return self.linear * (1 - left) - self.log * np.log(left)

    def steepness(self, left: Vector) -> Vector:
        """Gain per money (2, n) of the next little bit: value/(log/w + linear); 0 where that is free or worthless."""
        price = self.log / left + self.linear
        free = price <= 0
        return np.where(free, 0.0, self.value / np.where(free, 1.0, price))

    def cost_slope(self, left: Vector, price: Vector | float) -> Vector:
        """d cost / d ln price (n,) of the best response; 0 where it stands at 0 or at a cap."""
        per_price = self.value / price
        inside = (left < 1) & (left > LEAST_LEFT)
        slope = (self.log + self.linear * left) * per_price / np.where(inside, per_price - self.linear, 1.0)
        result: Vector = -np.where(inside, slope, 0.0).sum(axis=0)
        return result

    @cached_property
    def most(self) -> Vector:
        """Money (n,) that buys all there is to buy: z and y at their caps, where they are worth anything."""
        worth = self.value > 0
        result: Vector = np.where(worth, self.costs(np.broadcast_to(LEAST_LEFT, self.value.shape)), 0.0).sum(axis=0)
        return result

    @cached_property
    def price_range(self) -> tuple[float, float]:
        """Prices at and above which nothing is bought, and at and below which everything is (free things aside)."""
        first = self.steepness(np.ones_like(self.value))
        last = self.steepness(np.broadcast_to(LEAST_LEFT, self.value.shape))
        bought = last > 0
        if not bought.any():
            return 1.0, 0.5
        return float(first.max()) * (1 + 1e-12), float(last[bought].min()) * (1 - 1e-12)


def terms_of(
    portfolio: Portfolio, codes: tuple[str, ...], u: Mapping[str, float], r: Mapping[str, float | None]
) -> Terms:
    """The terms of the given markets at metrics u (in [0, 1]) and r (per day, None = unknown = 0).

    u is clipped to [.05, .95], r to [-.5, .5], p0 to .99 p_max; a market without u takes .5.

    Raises:
        BadMetrics: a value is not finite, or u lies outside [0, 1].
    """
    plan = portfolio.plan
    worth = portfolio.values
    rows = [
        (
            one.p_max, one.p0, worth[code], one.g + one.f * (1 - one.culture) + one.l / 2, one.c, one.d, one.l / 2,
            _checked("u", code, u.get(code, DEFAULT_U)), _checked("r", code, r.get(code) or 0.0),
        )
        for code, one in ((code, portfolio.markets[code]) for code in codes)
    ]  # fmt: skip
    p_max, p0, value, linear, log_z, log_y, half_legal, user, growth = np.array(rows, np.float64).reshape(-1, 9).T
    p0 = np.minimum(p0, 0.99 * p_max)
    user = np.clip(user, 0.05, 0.95)
    return Terms(
        codes=codes,
        value=np.stack(
            [
                plan.penetration_weight * value * multiplier(plan.rho, plan.theta, user, growth) * (p_max - p0),
                plan.satisfaction_weight * value * (1 - user),
            ]
        ),
        log=np.stack([log_z, log_y]),
        linear=np.stack([linear * (p_max - p0) / p_max, half_legal]),
        p0=p0,
        p_max=p_max,
        u=user,
    )


def multiplier(rho: float, theta: float, u: Vector, r: Vector) -> Vector:
    """m = exp(rho r) u^theta: how growth and experience scale the value of penetration; r clipped to [-.5, .5]."""
    result: Vector = np.exp(rho * np.clip(r, -0.5, 0.5)) * u**theta
    return result


def _checked(name: str, code: str, value: float) -> float:
    if not -np.inf < value < np.inf or (name == "u" and not 0 <= value <= 1):
        raise BadMetrics(f"{name} of {code} is {value}. Operator action: the previous allocation stays; see metrics.")
    return float(value)
