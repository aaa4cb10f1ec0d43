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

import numpy as np
from numpy.typing import NDArray

from strategy.errors import BadMetrics
from strategy.portfolio import Portfolio

Vector = NDArray[np.float64]

Z_CAP = 0.99
Y_CAP = 0.95
DEFAULT_U = 0.5


@dataclass(frozen=True)
class Terms:
    """Arrays (n,) over markets in the order of their codes; money in the plan's currency per period."""

    codes: tuple[str, ...]
    value_penetration: Vector  # A = a m (p_max - p0): gain at z = 1
    value_quality: Vector  # B = b (1 - u): gain at y = 1
    promotion_log: Vector  # c
    promotion_linear: Vector  # S
    quality_log: Vector  # d
    quality_linear: Vector  # l/2
    p0: Vector
    p_max: Vector
    u: Vector

    def gain(self, z: Vector, y: Vector) -> Vector:
        """Gain per market at z and y."""
        return self.value_penetration * z + self.value_quality * y

    def promotion(self, z: Vector) -> Vector:
        """Money for penetration z: C_promote with the linear parts of C_tech, C_culture and C_legal."""
        return self.promotion_log * -np.log1p(-z) + self.promotion_linear * z

    def quality(self, y: Vector) -> Vector:
        """Money for satisfaction y: d phi(y) of C_tech and the rest of C_legal."""
        return self.quality_log * -np.log1p(-y) + self.quality_linear * y

    def best_response(self, price: Vector | float) -> tuple[Vector, Vector]:
        """z and y that maximise gain - price * cost, price > 0.

        z = clip(1 - L c/(A - L S), 0, .99), 0 where A <= L S; y = clip(1 - L d/(B - L l/2), 0, .95) likewise.
        """
        return (
            _best(price, self.value_penetration, self.promotion_log, self.promotion_linear, Z_CAP),
            _best(price, self.value_quality, self.quality_log, self.quality_linear, Y_CAP),
        )


def _best(price: Vector | float, value: Vector, log_cost: Vector, linear_cost: Vector, cap: float) -> Vector:
    margin = value - price * linear_cost
    positive = margin > 0
    best = 1 - price * log_cost / np.where(positive, margin, 1.0)
    return np.where(positive, np.clip(best, 0.0, cap), 0.0)


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
    markets = [portfolio.markets[code] for code in codes]
    user = np.clip(np.array([_checked("u", code, u.get(code, DEFAULT_U)) for code in codes]), 0.05, 0.95)
    growth = np.clip(np.array([_checked("r", code, r.get(code) or 0.0) for code in codes]), -0.5, 0.5)
    p_max = np.array([market.p_max for market in markets])
    p0 = np.minimum([market.p0 for market in markets], 0.99 * p_max)
    value = np.array([worth[code] for code in codes])
    linear = np.array([market.g + market.f * (1 - market.culture) + market.l / 2 for market in markets])
    return Terms(
        codes=codes,
        value_penetration=value * np.exp(plan.rho * growth) * user**plan.theta * (p_max - p0),
        value_quality=value * (1 - user),
        promotion_log=np.array([market.c for market in markets]),
        promotion_linear=linear * (p_max - p0) / p_max,
        quality_log=np.array([market.d for market in markets]),
        quality_linear=np.array([market.l / 2 for market in markets]),
        p0=p0,
        p_max=p_max,
        u=user,
    )


def _checked(name: str, code: str, value: float) -> float:
    if not np.isfinite(value) or (name == "u" and not 0 <= value <= 1):
        raise BadMetrics(f"{name} of {code} is {value}. Operator action: the previous allocation stays; see metrics.")
    return float(value)
