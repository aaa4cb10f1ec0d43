"""Tests of rules on synthetic input go through the real roll-up, and can fail."""

from pathlib import Path

import pytest

from streams.backtest.made_up import TrialResult, run_trials
from streams.errors import BadInput

SHIPPED = Path(__file__).parents[3] / "deploy" / "rules_test.toml"
JUMP = """
interval = "INTERVAL"
[[test]]
name = "jump"
[[test.series]]
market = "BR"
events = "EVENTS"
negatives = "NEGATIVES"
[[test.expect]]
at = "3h15m"
alerts = [{ kind = "surge", market = "BR" }]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "test.toml"
    file.write_text(text, "utf-8")
    return file


def jump(folder: Path, interval: str = "1m", events: str = "20x240", negatives: str = "4x180 12x60") -> TrialResult:
    text = JUMP.replace("INTERVAL", interval).replace("EVENTS", events).replace("NEGATIVES", negatives)
    return run_trials(written(folder, text))[0]


def test_the_shipped_tests_pass_with_the_shipped_rules() -> None:
    """Every one of them, and every one fires or holds still as its name says."""
    assert [] == [one for one in run_trials(SHIPPED) if not one.ok]


def test_other_rules_fail_them(tmp_path: Path) -> None:
    """A surge that needs ten times the evidence is late; what was expected and what came are told."""
    file = tmp_path / "rules.toml"
    file.write_text("[surge]\nthreshold = 900\n", "utf-8")
    first = run_trials(SHIPPED, file)[0]
    assert (False, ["surge BR"], []) == (first.ok, first.checks[1].expected, first.checks[1].got)


def test_a_market_of_its_own_keeps_still_while_another_fires(tmp_path: Path) -> None:
    """The override of BR does not touch DE."""
    (tmp_path / "rules.toml").write_text("[market.BR.surge]\nthreshold = 900\n", "utf-8")
    series = '[[test.series]]\nmarket = "{}"\nevents = "20x240"\nnegatives = "4x180 12x60"\n'
    text = 'rules = "rules.toml"\n[[test]]\nname = "two"\n' + series.format("BR") + series.format("DE")
    [one] = run_trials(
        written(tmp_path, text + '[[test.expect]]\nat = "3h15m"\nalerts = [{ kind = "surge", market = "DE" }]\n')
    )
    assert (True, []) == (one.ok, [line for line in one.story if "surge BR" in line])


def test_an_interval_is_spread_over_its_minutes(tmp_path: Path) -> None:
    """Ten times as much every ten minutes tells the same story as the same every minute."""
    by_minute = jump(tmp_path)
    by_ten = jump(tmp_path, "10m", "200x24", "40x18 120x6")
    assert (True, by_minute) == (by_minute.ok, by_ten)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"events": "20y240"}, "no part of a series"),
        ({"negatives": "4x180 30x60"}, "value 181 of BR has more negatives"),
        ({"negatives": "4x241"}, "negatives of BR are 241 values"),
        ({"interval": "30s"}, "whole minutes"),
    ],
)
def test_a_test_that_makes_no_sense_is_refused(tmp_path: Path, changed: dict[str, str], named: str) -> None:
    """With its number and name."""
    with pytest.raises(BadInput) as caught:
        jump(tmp_path, **changed)
    assert "test 1 (jump)" in str(caught.value)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("found", "put", "named"),
    [
        ('kind = "surge"', 'kind = "surg"', "Invalid enum value"),
        ("negatives", "negativ", "unknown field `negativ`"),
        ('market = "BR"', 'market = "XX"', "XX is no assigned"),
        ("[[test.expect]]", "[[test.expectation]]", "expectation"),
        ('alerts = [{ kind = "surge", market = "BR" }]', "", "neither alerts nor shifts"),
    ],
)
def test_what_is_misspelt_is_named(tmp_path: Path, found: str, put: str, named: str) -> None:
    """A test that looks at nothing would pass for ever."""
    text = JUMP.replace("INTERVAL", "1m").replace("EVENTS", "20x240").replace("NEGATIVES", "4x240")
    with pytest.raises(BadInput) as caught:
        run_trials(written(tmp_path, text.replace(found, put)))
    assert named in str(caught.value)
