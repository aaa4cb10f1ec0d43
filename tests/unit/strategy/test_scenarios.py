"""Scenarios and curves: one number changed, everything else as it was; wrong files are refused by name."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from strategy.errors import BadMetrics, BadPortfolio
from strategy.portfolio import load_portfolio, portfolio_of
from strategy.scenarios import Metrics, Overrides, Question, curve, load_overrides, varied

PORTFOLIO = load_portfolio()
METRICS = Metrics(u=dict.fromkeys(PORTFOLIO.markets, 0.66), r=dict.fromkeys(PORTFOLIO.markets, 0.02))
QUESTION = Question(PORTFOLIO, METRICS)


def test_a_scenario_without_content_is_the_question_itself() -> None:
    """The same answer, bit for bit."""
    assert QUESTION.answer() == QUESTION.under(Overrides()).answer()


def test_a_scenario_file_changes_what_it_names(tmp_path: Path) -> None:
    """Plan, market and metric at once; its name is the file's."""
    file = tmp_path / "lean.toml"
    file.write_text("[plan]\nbudget = 1500.0\n[markets.BR]\npinned = 200.0\n[u]\nUS = 0.3\n")
    scenario = load_overrides(file)
    answer = QUESTION.under(scenario).answer()
    assert ("lean", 1_500.0, 200.0, 0.3) == (
        scenario.name, answer.budget, answer.markets["BR"].spend, answer.markets["US"].u,
    )  # fmt: skip


def test_a_region_of_a_scenario_is_written_as_in_a_table(tmp_path: Path) -> None:
    """Its cap beside those of other regions."""
    (file := tmp_path / "capped.toml").write_text("[regions.EU]\ncap = 400.0\n[markets.DE]\nregion = 'EU'\n")
    asked = QUESTION.under(load_overrides(file)).portfolio
    assert (QUESTION.portfolio.plan.regions | {"EU": 400.0}, "EU") == (asked.plan.regions, asked.markets["DE"].region)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[plan]\nbudgett = 1", "budgett"),
        ("[plan]\nbudget = -1", "budget"),
        ("[markets.XX]\npinned = 1", "XX is no market"),
        ("[u]\nXX = 0.5", "XX is no market"),
        ("[r]\nNG = 0.5", "NG is no market"),
        ("[markets.BR]\nregion = 'EU'", "region = 'EU' has no cap"),
        ("[markets.BR]\ncurrency = 'XYZ'", "currency = 'XYZ' has no rate"),
        ("[markets.BR]\nspend_low = 9.0\nspend_high = 3.0", "below spend_low"),
        ("[metrics]\nu = 1", "metrics"),
        ("[regions.EU]\nbudget = 1.0", "budget is no field of a region"),
        ("[plan]\nregions = { EU = 9.0 }\n[regions.EU]\ncap = 1.0", "both there"),
        ("[plan", "mend the file"),
    ],
)
def test_a_wrong_scenario_is_refused_by_name(tmp_path: Path, content: str, why: str) -> None:
    """The field or the file is named."""
    file = tmp_path / "s.toml"
    file.write_text(content)
    with pytest.raises(BadPortfolio, match=why):
        QUESTION.under(load_overrides(file))


def test_the_budget_curve_rises_and_flattens() -> None:
    """Gain grows with the budget, its marginal value falls; where bounds ask for more, the point has no plan."""
    points = curve(QUESTION, "budget", [500.0, 1_000.0, 2_000.0, 4_000.0])
    gains, prices = [one.gain for one in points], [one.marginal_value_of_budget for one in points]
    assert sorted(gains) == gains
    assert sorted(prices, reverse=True) == prices
    pinned = QUESTION.under(Overrides(markets={"BR": {"pinned": 700.0}}))
    assert ["infeasible", "optimal"] == [one.status for one in curve(pinned, "budget", [600.0, 800.0])]


def test_one_metric_or_weight_can_be_varied() -> None:
    """A happier BR gets more promotion; a higher worth of satisfaction moves money to quality."""
    assert 2 == len({one.spend["BR"] for one in curve(QUESTION, "u.BR", [0.4, 0.6])})
    quality = [
        sum(one.quality for one in QUESTION.under(varied("satisfaction_weight", weight)).answer().markets.values())
        for weight in (1.0, 3.0)
    ]
    assert quality[1] > quality[0]
    with pytest.raises(BadMetrics, match=r"t\.BR"):
        varied("t.BR", 1.0)


def test_regions_and_currencies_of_a_file_are_checked() -> None:
    """Tables `regions` and `currencies` become the plan's; a name without its table is refused."""
    market = msgspec.structs.asdict(PORTFOLIO.markets["DE"]) | {"region": "EU", "currency": "EUR"}
    content = {"regions": {"EU": {"cap": 50.0}}, "currencies": {"EUR": 0.8}, "markets": {"DE": market}}
    plan = portfolio_of(content).plan
    assert ({"EU": 50.0}, {"EUR": 0.8}) == (plan.regions, plan.currencies)
    for missing, why in (("regions", "region = 'EU' has no cap"), ("currencies", "currency = 'EUR' has no rate")):
        with pytest.raises(BadPortfolio, match=why):
            portfolio_of({name: table for name, table in content.items() if name != missing})
    with pytest.raises(BadPortfolio, match=r"regions\.EU needs one field, cap"):
        portfolio_of(content | {"regions": {"EU": {"cup": 1.0}}})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"pinned": 5.0, "spend_low": 6.0}, "pinned = 5.0 is outside"),
        ({"spend_minimum": 9.0, "spend_high": 8.0}, "spend_minimum = 9.0 is above"),
        ({"legal_ready": False, "pinned": 1.0}, "legal_ready = false forbids"),
    ],
)
def test_a_market_that_contradicts_itself_is_refused(fields: dict[str, object], why: str) -> None:
    """Both fields are named."""
    market = msgspec.structs.asdict(PORTFOLIO.markets["DE"]) | fields
    with pytest.raises(BadPortfolio, match=why):
        portfolio_of({"markets": {"DE": market}})


def test_one_rule_for_market_codes_everywhere() -> None:
    """Lower case and UK are read in metrics, scenarios and what is varied; no code, or one twice, is refused."""
    plain = Question(PORTFOLIO, Metrics(u={"BR": 0.4, "GB": 0.5}))
    assert plain.metrics == Metrics(u={"br": 0.4, "uk": 0.5}).by_code()
    expected = plain.under(Overrides(u={"GB": 0.3})).answer()
    assert expected == plain.under(Overrides(u={"uk": 0.3})).answer()
    assert expected == plain.under(varied("u.uk", 0.3)).answer()
    with pytest.raises(BadMetrics, match=r"u\.Brazil: no assigned"):
        Metrics(u={"Brazil": 0.4}).by_code()
    with pytest.raises(BadMetrics, match="twice: GB, UK"):
        Metrics(u={"GB": 0.4, "UK": 0.5}).by_code()


def test_a_table_names_every_problem_at_once() -> None:
    """Unknown and missing fields, values, contradictions, names without their table, codes: all, with their places."""
    good = msgspec.structs.asdict(PORTFOLIO.markets["DE"])
    lacking = {name: value for name, value in good.items() if name != "culture"}
    content = {
        "plan": {"budgett": 1.0, "rho": -1.0},
        "markets": {
            "BR": lacking | {"c": "much", "colour": 1},
            "DE": good | {"region": "EU", "currency": "XYZ"},
            "FR": good | {"p0": 0.7, "pinned": 5.0, "spend_low": 6.0},
            "UK": good,
            "GB": good,
            "Brazil": good,
            "US": 3,
            "JP": good | {"region": ["EU"]},
        },
    }
    with pytest.raises(BadPortfolio) as caught:
        portfolio_of(content)
    expected = [
        "[plan] budgett is no field of it",
        "[plan] rho: Expected `float` >= 0.0",
        "[markets.BR] culture is missing",
        "[markets.BR] c: Expected `float`, got `str`",
        "[markets.BR] colour is no field of it",
        "[markets.DE] currency = 'XYZ' has no rate in [currencies]",
        "[markets.DE] region = 'EU' has no cap in [regions]",
        "[markets.FR] p0 = 0.7 is not below p_max = 0.6",
        "[markets.FR] pinned = 5.0 is outside spend_low = 6.0 and spend_high = inf",
        "[markets.UK] is GB once more",
        "[markets.Brazil] is no assigned ISO 3166-1 alpha-2 code",
        "[markets.US] is no table",
        "[markets.JP] region: Expected `str`, got `array`",
    ]
    assert sorted(expected) == sorted(caught.value.problems)
    assert all(problem in str(caught.value) for problem in expected)


def test_a_table_reads_market_codes_as_everything_else_does() -> None:
    """Lower case and UK."""
    good = msgspec.structs.asdict(PORTFOLIO.markets["DE"])
    assert ["BR", "GB"] == list(portfolio_of({"markets": {"uk": good, "br": good}}).markets)


def test_a_scenario_and_metrics_name_every_problem_at_once() -> None:
    """All unknown markets and fields."""
    markets: dict[str, dict[str, Any]] = {"BR": {"region": "EU", "currency": "XYZ", "c": -1.0}, "NG": {"pinned": 1.0}}
    wrong = Overrides(plan={"budgett": 1.0}, markets=markets, u={"XX": 0.5}, r={"KE": 0.1})
    with pytest.raises(BadPortfolio) as caught:
        QUESTION.under(wrong)
    for why in ("budgett", "region = 'EU'", "currency = 'XYZ'", "c: Expected", "NG", "XX", "KE"):
        assert why in str(caught.value)
    with pytest.raises(BadMetrics, match=r"u\.Brazil.*r\.Chine"):
        Metrics(u={"Brazil": 0.4}, r={"Chine": 0.1}).by_code()
