"""Counts in, metrics out: u, r, s, t and F with intervals, every formula from `docs/glossary.md`."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from msgspec.structs import replace

from marketpulse.contract.metrics import WINDOWS, Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.units import HOUR_MS, MINUTE_MS
from streams.judgement.confusion import Confusion
from streams.pipeline.count.cells import CellLayout, Cells, Sums, TopicSums
from streams.pipeline.count.windows import Windows, first_bucket
from streams.pipeline.rollup.correction import corrected_score
from streams.pipeline.rollup.coverage import comparable
from streams.pipeline.rollup.step_record import Spending
from streams.pipeline.rollup.users import ActiveUsers, WindowUsers, keys_of_stretches, users_of_windows
from streams.privacy.user_hashes import Mixed

PRIOR_EVENTS = 20.0  # m: weight of the prior u0 and of the pooled share s0
ACTIVE_OFFSET = 5.0  # a: keeps r finite for few users
Z95 = 1.96
HLL_ERROR = 0.0081  # standard error of a 16,384-register HyperLogLog
BASELINE_HOURS = 168
# Of ln A/A' of two neighbouring days: a Monday of 25 % more users is .22 up, and .22 down a day later.
WEEKDAY_SD = 0.15


def user_experience(sums: Sums, per_user: float, u0: float) -> Estimate:
    """u = (m u0 + sum e)/(m + n), shrunk to the market's own history (empirical Bayes), with a sampling interval.

    With v0 = .6 u0(1-u0): s2 = [m(v0 + (u0-u)^2) + sum e^2 - 2u sum e + n u^2]/(m + n);
    deff = 1 + .1 (k - 1) w/n widens it for users who write often: w of the n events name a user, k of them each user;
    an event without a user counts as one more user. se = sqrt(s2 (m + n deff))/(m + n).

    Args:
        sums: the window's sums.
        per_user: k >= 1; 1 also where it is not known.
        u0: prior mean in [0, 1].
    """
    m, n = PRIOR_EVENTS, sums.n
    u = (m * u0 + sums.sum_e) / (m + n)
    v0 = 0.6 * u0 * (1 - u0)
    spread = m * (v0 + (u0 - u) ** 2) + sums.sum_e2 - 2 * u * sums.sum_e + n * u * u
    events = n + 0.1 * (per_user - 1) * sums.with_user
    se = math.sqrt(max(spread, 0.0) / (m + n) * (m + events)) / (m + n)
    return Estimate(u, max(0.0, u - Z95 * se), min(1.0, u + Z95 * se), se)


def expansion_speed(active: int, active_before: int, days: float, rhythm_sd: float = 0.0) -> Estimate:
    """r = ln((A + a)/(A' + a))/days, a = 5: relative growth of distinct active users per day.

    se = sqrt(1/(A+4.5) + 1/(A'+4.5) + 2 * .0081^2 + rhythm_sd^2)/days (Poisson counts, the HyperLogLogs' error, and
    what the week's rhythm alone does to the ratio where the two stretches are of different weekdays).
    """
    r = trend(active, active_before) / days
    se = math.sqrt(1 / (active + 4.5) + 1 / (active_before + 4.5) + 2 * HLL_ERROR**2 + rhythm_sd**2) / days
    return Estimate(r, r - Z95 * se, r + Z95 * se, se)


def trend(active: int, active_before: int) -> float:
    """ln((A + a)/(A' + a)): growth between two stretches, not per day."""
    return math.log((active + ACTIVE_OFFSET) / (active_before + ACTIVE_OFFSET))


def brand_influence(positive: int, negative: int, pooled_share: float, active: int, most_active: int) -> float:
    """s = (pos + 20 s0)/(pos + neg + 20) * ln(1 + A)/ln(1 + max A) in [0, 1]; 0 where nobody is active."""
    if most_active <= 0:
        return 0.0
    share = (positive + PRIOR_EVENTS * pooled_share) / (positive + negative + PRIOR_EVENTS)
    return share * math.log1p(active) / math.log1p(most_active)


def optimisation_effect(actual: float | None, planned: float | None, budget: float, markets: int) -> float | None:
    """t = (min(x, x*) + eps)/(max(x, x*) + eps), eps = .01 budget/N; None without a known spend or an allocation."""
    if actual is None or planned is None:
        return None
    eps = 0.01 * budget / max(markets, 1)
    return (min(actual, planned) + eps) / (max(actual, planned) + eps)


def expansion_objective(
    r: float | None, s: float | None, t: float | None, u: float | None, weights: tuple[float, float, float, float]
) -> float | None:
    """One market's share of F: sum o_k term_k with r^ = clip(r, 0, .5)/.5; None terms dropped, weights rescaled."""
    growth = None if r is None else min(max(r, 0.0), 0.5) / 0.5
    present = [(o, term) for o, term in zip(weights, (growth, s, t, u), strict=True) if term is not None]
    total = sum(o for o, _ in present)
    return sum(o * term for o, term in present) / total if total else None


def compute_metrics(
    windows: Windows,
    stream_time_ms: int,
    active: Mapping[str, ActiveUsers],
    covered_since_ms: int | None,
    spending: Spending,
    measured: Confusion | None = None,
    mixed: Sequence[Mixed] = (),
    gaps: Mapping[str, Sequence[tuple[int, int]]] = MappingProxyType({}),
    judged: Mapping[str, Confusion] = MappingProxyType({}),
) -> dict[str, MarketMetrics]:
    """All metrics of all markets at one step; the order of markets changes nothing.

    Args:
        windows: the buckets, advanced to stream time.
        stream_time_ms: T in epoch ms.
        active: distinct users per market; absent = none.
        covered_since_ms: event time from which on the stream is complete; r and trend are None where it begins later.
        spending: of the allocation in force.
        measured: the model's confusion in each of the layout's languages, for `u_corrected`; None = not known.
        mixed: where a user may be counted under two keys.
        gaps: of each market, event times between which its feed was dead: r and trend are None where more than 1 % of
            one of the stretches that they compare lies in them.
        judged: of markets that people labelled texts of, their own confusion in the layout's languages, in place of
            `measured`. The weight of either widens the interval of `u_corrected`.
    """
    minute, hour = stream_time_ms // MINUTE_MS, stream_time_ms // HOUR_MS
    markets = windows.markets
    read = windows.layout.read
    cells = {name: {market: windows.window(market, name, minute) for market in markets} for name in WINDOWS}
    sums = {name: {market: read(cells[name][market]) for market in markets} for name in WINDOWS}
    corrected = {} if measured is None else _corrected(cells, windows.layout, measured, judged)
    baselines = {name: _baselines(windows, markets, name, minute) for name in WINDOWS}
    users = {market: active.get(market, ActiveUsers()) for market in markets}
    day = sums["24h"]
    positive = sum(day[market].labels["positive"] for market in markets)
    negative = sum(day[market].labels["negative"] for market in markets)
    pooled_share = positive / (positive + negative) if positive + negative else 0.5
    most = max((users[market].current_24h for market in markets), default=0)
    keys = keys_of_stretches(hour, mixed)
    result = {}
    for market in markets:
        brand = brand_influence(
            day[market].labels["positive"],
            day[market].labels["negative"],
            pooled_share,
            users[market].current_24h,
            most,
        )
        growth = _growth(users[market], keys, comparable(stream_time_ms, covered_since_ms, gaps.get(market, ())))
        seen = users_of_windows(
            hour,
            users[market],
            keys,
            partial(windows.events_with_user, market),
            day[market].with_user,
            sums["7d"][market].with_user,
        )
        of_window = {
            name: _window_metrics(
                sums[name][market], seen[name], baselines[name][market], corrected.get((name, market)), growth[name]
            )
            for name in WINDOWS
        }
        of_window["24h"] = replace(of_window["24h"], s=brand)
        decisive = of_window["24h"]
        effect = optimisation_effect(
            spending.actual.get(market), spending.planned.get(market), spending.budget, len(spending.planned)
        )
        topics = windows.layout.by_topic(cells["24h"][market])
        result[market] = MarketMetrics(
            windows=of_window,
            t=effect,
            objective=expansion_objective(
                None if decisive.r is None else decisive.r.value,
                brand,
                effect,
                decisive.u.value,
                spending.weights,
            ),
            topics={name: (one.n, one.negative, _topic_u(one, decisive.u.value)) for name, one in topics.items()},
            languages=_language_shares(cells["24h"][market], windows.layout),
        )
    return result


def _corrected(
    cells: Mapping[str, Mapping[str, Cells]], layout: CellLayout, measured: Confusion, judged: Mapping[str, Confusion]
) -> dict[tuple[str, str], Estimate]:
    """u_corrected per (window, market): per language, weighted by its events; the prior expects the market's 7 d."""
    rows: list[tuple[str, str, int]] = []
    counts, baselines = [], []
    for window, of_market in cells.items():
        for market, vector in of_market.items():
            by_language = layout.by_language(vector)
            week = layout.by_language(cells["7d"][market]).sum(axis=0) + 1.0
            for language in np.flatnonzero(by_language.sum(axis=1)).tolist():
                rows.append((window, market, language))
                counts.append(by_language[language])
                baselines.append(week / week.sum())
    if not rows:
        return {}
    table = np.array(counts, np.float64)
    known = [(judged.get(market, measured), language) for _, market, language in rows]
    means = np.array([each.mean[language] for each, language in known])
    weights = np.array([each.weight[language] for each, language in known])
    score, error = corrected_score(table, means, np.array(baselines), weights)
    grouped: dict[tuple[str, str], list[int]] = {}
    for at, (window, market, _) in enumerate(rows):
        grouped.setdefault((window, market), []).append(at)
    n = table.sum(axis=1)
    found = {}
    for key, chosen in grouped.items():
        weight = n[chosen] / n[chosen].sum()
        u, se = float(weight @ score[chosen]), float(np.sqrt((weight**2) @ (error[chosen] ** 2)))
        found[key] = Estimate(u, max(0.0, u - Z95 * se), min(1.0, u + Z95 * se), se)
    return found


def _language_shares(cells: Cells, layout: CellLayout) -> dict[str, float]:
    n = layout.by_language(cells).sum(axis=1)
    total = int(n.sum())
    return {language: int(n[at]) / total for at, language in enumerate(layout.languages) if n[at]}


@dataclass(frozen=True, slots=True)
class _Growth:
    r: Estimate | None = None
    trend: float | None = None


def _growth(users: ActiveUsers, keys: ActiveUsers, heard: Collection[str]) -> dict[str, _Growth]:
    """r and trend of each window, None where a stretch was not heard or may count a user twice.

    r of 24 h compares a whole day with the same day of the week before, so that the week's rhythm is no growth. While
    the stream is too young for that, or the market (nobody on that day, or on the day before it, so that it may have
    begun in between), r compares the last 24 hours with the 24 before, and its error says what a weekday can do.
    """

    def compared(pair: str, now: str, before: str, days: float, rhythm_sd: float = 0.0) -> Estimate | None:
        if pair not in heard or not getattr(keys, now) == getattr(keys, before) == 1:
            return None
        return expansion_speed(getattr(users, now), getattr(users, before), days, rhythm_sd)

    hour = "1h" in heard and keys.whole_1h == keys.before_1h == 1
    if "long" in heard and users.week_ago and users.before_week_ago:
        day = compared("week", "day", "week_ago", 7.0)
    else:
        day = compared("24h", "whole_24h", "before_24h", 1.0, WEEKDAY_SD)
    return {
        "5m": _Growth(),
        "1h": _Growth(trend=trend(users.whole_1h, users.before_1h) if hour else None),
        "24h": _Growth(day),
        "7d": _Growth(compared("7d", "whole_7d", "before_7d", 7.0)),
    }


def _window_metrics(
    sums: Sums, users: WindowUsers, u0: float, corrected: Estimate | None, growth: _Growth
) -> WindowMetrics:
    return WindowMetrics(
        n=sums.n,
        labels=sums.labels,
        u=user_experience(sums, users.per_user, u0),
        u_corrected=corrected,
        confidence=sums.confidence / sums.n if sums.n else None,
        users=users.shown,
        user_share=sums.with_user / sums.n if sums.n else None,
        r=growth.r,
        trend=growth.trend,
        unmeasured=sums.unmeasured,
    )


def _topic_u(sums: TopicSums, u0: float) -> float:
    return (PRIOR_EVENTS * u0 + sums.sum_e) / (PRIOR_EVENTS + sums.n)


def _baselines(windows: Windows, markets: list[str], name: str, minute: int) -> dict[str, float]:
    """u0: raw mean of the 7 d up to the last closed hour before the window; pooled if thin, else .5."""
    first = first_bucket(name, minute)
    end = first if WINDOWS[name][0] == "hour" else first // 60
    sums = {m: windows.layout.read(windows.between_hours(m, end - BASELINE_HOURS, end)) for m in markets}
    n = sum(one.n for one in sums.values())
    pooled = sum(one.sum_e for one in sums.values()) / n if n >= PRIOR_EVENTS else 0.5
    return {m: one.sum_e / one.n if one.n >= PRIOR_EVENTS else pooled for m, one in sums.items()}
