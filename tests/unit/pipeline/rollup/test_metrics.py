"""The formulas of the glossary, as laws and against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.metrics import Estimate
from streams.judgement.confusion import Confusion
from streams.pipeline.count.cells import CellLayout, Sums
from streams.pipeline.count.windows import Windows
from streams.pipeline.rollup.metrics import (
    brand_influence,
    compute_metrics,
    expansion_objective,
    expansion_speed,
    optimisation_effect,
    user_experience,
)
from streams.pipeline.rollup.step_record import Spending
from streams.pipeline.rollup.unseen import model_confusion
from streams.pipeline.rollup.users import ActiveUsers, events_per_user

SHARES = st.floats(0, 1)


def sums(scores: list[float]) -> Sums:
    return Sums(len(scores), {}, sum(scores), sum(e * e for e in scores), len(scores))


@given(st.lists(SHARES, max_size=60), SHARES, st.floats(1, 100))
def test_u_lies_in_its_interval_within_bounds(scores: list[float], u0: float, per_user: float) -> None:
    """Whatever was said, 0 <= low <= u <= high <= 1."""
    u = user_experience(sums(scores), per_user, u0)
    assert -1e-12 <= u.low <= u.value + 1e-12
    assert u.value - 1e-12 <= u.high <= 1 + 1e-12


def test_u_is_the_prior_without_events_and_the_mean_with_many() -> None:
    """u = (m u0 + sum e)/(m + n), m = 20."""
    assert pytest.approx(0.3) == user_experience(sums([]), 1.0, 0.3).value
    assert pytest.approx((20 * 0.3 + 80) / 100) == user_experience(sums([1.0] * 80), 1.0, 0.3).value


def test_users_who_write_often_widen_the_interval() -> None:
    """deff = 1 + .1 (k - 1) of those who name a user, here 2.9 and 1; se grows with sqrt(m + n deff)."""
    scores = [0.0, 1.0] * 50
    few, many = (user_experience(sums(scores), events_per_user(100, users), 0.5) for users in (5, 100))
    assert pytest.approx(math.sqrt((20 + 100 * 2.9) / (20 + 100))) == few.se / many.se


def test_events_without_a_user_do_not_widen_the_interval() -> None:
    """100 of 10,000 events name a user: se as of independent events; 20 events from each widen these 100 only."""
    known, some = (Sums(10_000, {}, 5_000.0, 5_000.0, with_user) for with_user in (0, 100))
    independent = user_experience(known, 1.0, 0.5).se
    assert pytest.approx(independent) == user_experience(some, events_per_user(100, 100), 0.5).se
    widened = user_experience(some, events_per_user(100, 5), 0.5).se
    assert pytest.approx(math.sqrt((20 + 9_900 + 100 * 2.9) / (20 + 10_000))) == widened / independent


@pytest.mark.parametrize(("now", "before"), [(100, 80), (0, 0), (7, 1_000)])
def test_r_is_the_log_ratio_per_day(now: int, before: int) -> None:
    """r = ln((A + 5)/(A' + 5))/days and changes sign when the stretches are exchanged."""
    r = expansion_speed(now, before, 7.0)
    assert pytest.approx(math.log((now + 5) / (before + 5)) / 7) == r.value
    assert pytest.approx(-r.value) == expansion_speed(before, now, 7.0).value


def test_s_is_zero_where_nobody_is_active() -> None:
    """s = share of positives among opinions, scaled by the log of active users."""
    assert 0.0 == brand_influence(5, 5, 0.5, 0, 0)
    assert pytest.approx((30 + 20 * 0.5) / 60) == brand_influence(30, 10, 0.5, 99, 99)


def test_t_is_one_when_spent_as_planned_and_none_when_unknown() -> None:
    """t = (min + eps)/(max + eps)."""
    assert 1.0 == optimisation_effect(200.0, 200.0, 2000.0, 10)
    assert pytest.approx(102 / 202) == optimisation_effect(100.0, 200.0, 2000.0, 10)
    assert optimisation_effect(None, 200.0, 2000.0, 10) is None


def test_absent_terms_of_f_are_dropped_and_weights_rescaled() -> None:
    """Without r and t the other two share all the weight."""
    assert pytest.approx(0.5) == expansion_objective(None, 0.4, None, 0.6, (0.25, 0.25, 0.25, 0.25))
    assert pytest.approx(1.0) == expansion_objective(0.9, 1.0, 1.0, 1.0, (0.25, 0.25, 0.25, 0.25))


def metrics_of(order: list[str]) -> dict[str, object]:
    layout = CellLayout(("app",))
    windows = Windows(layout)
    for market in order:
        cells = layout.zeros()
        cells[layout.index("positive/app")] = 10 + len(market)
        cells[layout.index("e/app")] = 9_000_000
        windows.add(market, 30_000_000, cells, 30_000_000)
    active = {market: ActiveUsers(*np.arange(12).tolist()) for market in order}
    spending = Spending({}, {"BR": 1.0}, 2000.0, (0.25, 0.25, 0.25, 0.25))
    return dict(compute_metrics(windows, 30_000_000 * 60_000, active, 0, spending))


def test_the_order_of_markets_changes_nothing() -> None:
    """Permuting markets gives the same metrics, bit for bit."""
    assert metrics_of(["BR", "CN", "US"]) == metrics_of(["US", "BR", "CN"])


def test_r_is_null_while_the_stream_does_not_cover_both_stretches() -> None:
    """48 whole hours are needed for r over 24 h."""
    windows = Windows(CellLayout(("app",)))
    windows.add("BR", 30_000_000, windows.layout.zeros(), 30_000_000)
    now_ms = 30_000_000 * 60_000
    spending = Spending({}, {}, 1.0, (1.0, 0.0, 0.0, 0.0))
    young = compute_metrics(windows, now_ms, {}, now_ms - 47 * 3_600_000, spending)["BR"]
    old = compute_metrics(windows, now_ms, {}, now_ms - 49 * 3_600_000, spending)["BR"]
    assert young.windows["24h"].r is None
    assert old.windows["24h"].r is not None


@pytest.mark.parametrize(
    ("hours", "known"),
    [((1.0, 1.5), True), ((9.0, 9.2), True), ((9.0, 9.5), False), ((180.0, 180.5), False), ((50, 60), True)],
)
def test_r_is_null_where_the_feed_was_dead_in_one_of_its_stretches(hours: tuple[float, float], known: bool) -> None:
    """Hours before 08:00 UTC: r is made of yesterday and the same day a week before; 1 % of each may be lost."""
    windows = Windows(CellLayout(("app",)))
    windows.add("BR", 30_000_000, windows.layout.zeros(), 30_000_000)
    now_ms = 30_000_000 * 60_000
    gap = (now_ms - int(hours[1] * 3_600_000), now_ms - int(hours[0] * 3_600_000))
    active = {"BR": ActiveUsers(day=9, week_ago=9, before_week_ago=9)}
    found = compute_metrics(windows, now_ms, active, 0, Spending({}, {}, 1.0, (1.0, 0.0, 0.0, 0.0)), gaps={"BR": [gap]})
    assert known == (found["BR"].windows["24h"].r is not None)
    assert found["BR"].windows["7d"].r is not None or hours == (50, 60)


@pytest.mark.parametrize(
    ("week_ago", "before_week_ago", "value", "days"), [(1_000, 900, 3_000, 7), (0, 0, 2_700, 1), (100, 0, 2_700, 1)]
)
def test_a_market_that_is_younger_than_its_stream_is_not_compared_with_when_it_was_not_there(
    week_ago: int, before_week_ago: int, value: int, days: int
) -> None:
    """Else its first whole days would be growth by a large factor for a week."""
    windows = Windows(CellLayout(("app",)))
    windows.add("BR", 30_000_000, windows.layout.zeros(), 30_000_000)
    users = ActiveUsers(
        whole_24h=2_700, before_24h=2_600, day=3_000, week_ago=week_ago, before_week_ago=before_week_ago
    )
    spending = Spending({}, {}, 1.0, (1.0, 0.0, 0.0, 0.0))
    r = compute_metrics(windows, 30_000_000 * 60_000, {"BR": users}, 0, spending)["BR"].windows["24h"].r
    assert r is not None
    before = week_ago if days == 7 else 2_600
    assert pytest.approx(math.log((value + 5) / (before + 5)) / days) == r.value
    assert (r.se > 0.15) == (days == 1)


def test_u_corrected_goes_by_what_people_labelled_in_its_market() -> None:
    """Where a market has labels, its confusion takes the place of the measured one; others stay bit for bit."""
    layout = CellLayout(("app",), languages=("pt",))
    windows, now_ms = Windows(layout), 30_000_000 * 60_000
    for market in ("BR", "PT"):
        cells = layout.zeros()
        for name in ("/app", "@pt"):
            for label, count in (("negative", 300), ("neutral", 200), ("positive", 500)):
                cells[layout.index(f"{label}{name}")] = count
        windows.add(market, 30_000_000, cells, 30_000_000)
    measured = Confusion(np.full((3, 3, 3), 0.1) + 0.7 * np.eye(3), np.full((3, 3), np.inf))
    worse = np.array([[0.6, 0.1, 0.3], [0.1, 0.6, 0.3], [0.05, 0.05, 0.9]])
    spending = Spending({}, {}, 1.0, (1.0, 0.0, 0.0, 0.0))

    def corrected(**judged: Confusion) -> dict[str, Estimate]:
        found = compute_metrics(windows, now_ms, {}, 0, spending, measured, judged=judged)
        return {market: one for market in found if (one := found[market].windows["24h"].u_corrected)}

    before = corrected()
    exact, unsure = (
        corrected(BR=Confusion(np.stack([worse] * 2), np.full((2, 3), weight))) for weight in (np.inf, 50.0)
    )
    assert before["PT"] == before["BR"] == exact["PT"] == unsure["PT"]
    assert exact["BR"].value < before["BR"].value - 0.05
    assert exact["BR"].value == unsure["BR"].value
    assert unsure["BR"].se > 1.5 * exact["BR"].se


def test_what_was_not_measured_widens_u_corrected() -> None:
    """The same labels under a measured language, under another, and of unmeasured texts, whose number is there too."""
    layout = CellLayout(("app",), languages=("pt", "de", "zh"))
    windows, now_ms = Windows(layout), 30_000_000 * 60_000
    for market, language in (("PT", "pt"), ("NL", "other"), ("TH", "unmeasured")):
        cells = layout.zeros()
        for name in ("/app", f"@{language}"):
            for label, count in (("negative", 300), ("neutral", 200), ("positive", 500)):
                cells[layout.index(f"{label}{name}")] = count
        windows.add(market, 30_000_000, cells, 30_000_000)
    tables = [[[160 + n, 20, 20], [30, 90 - n, 30], [10, 10, 400 - n]] for n in (-100, 0, 50)]
    measured = model_confusion(dict(zip(("pt", "de", "zh"), tables, strict=True)))
    spending = Spending({}, {}, 1.0, (1.0, 0.0, 0.0, 0.0))
    found = compute_metrics(windows, now_ms, {}, 0, spending, measured)
    pt, nl, th = (found[market].windows["24h"].u_corrected for market in ("PT", "NL", "TH"))
    assert pt is not None
    assert nl is not None
    assert nl == th
    assert nl.se > 1.5 * pt.se
    assert {"PT": 0, "NL": 0, "TH": 1_000} == {market: one.windows["24h"].unmeasured for market, one in found.items()}
    assert {"unmeasured": 1.0} == found["TH"].languages
