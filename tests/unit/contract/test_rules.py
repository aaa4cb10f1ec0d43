"""The rules' file: what it says is what holds, and whatever is wrong in it is named."""

import doctest
import tomllib
from pathlib import Path

import msgspec
import pytest

from marketpulse.contract import durations
from streams.backtest import series
from streams.contract import rules
from streams.contract.rules import ConditionRule, MarketRules, Rules
from streams.errors import BadInput
from streams.pipeline.operators.rules_file import KEYS, changes, load_rules, values_of

SHIPPED = Path(__file__).parents[3] / "deploy" / "rules.toml"
PROBLEMS = """
[surge]
treshold = 3
drift = 30
odds_ratio = "x"
armed_events = 3.5

[drop]
below = 0.5
events = true
[srge]
x = 1
[market.BRA.surge]
threshold = 4
[market.BR.model]
events = 4
"""
NAMED = """
[surge] treshold: no such key; did you mean threshold?
[surge] drift = 30: must be a duration in quotes from "1m" to "7d", as in "30m"
[surge] odds_ratio = "x": must be a number from 1.05 to 20
[surge] armed_events = 3.5: must be a whole number from 0 to 1,000,000
[drop] events = true: must be a whole number from 1 to 1,000,000
[drop] below = 0.5: must be lower than resolved_above, which is 0.45
[srge]: no such table; did you mean surge?
[market.BRA]: BRA is no assigned ISO 3166-1 alpha-2 code
[market.BR.model]: holds for the whole intake, no market has its own; known: minutes, surge, shift, drop, recovery
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "rules.toml"
    file.write_text(text, "utf-8")
    return file


def test_the_shipped_file_says_the_defaults_and_names_every_key() -> None:
    """It is what holds without a file, and shows all there is."""
    assert Rules() == load_rules(SHIPPED) == load_rules(None)
    content = tomllib.loads(SHIPPED.read_text("utf-8"))
    assert {table: set(keys) for table, keys in KEYS.items()} == {table: set(keys) for table, keys in content.items()}


def test_every_field_of_the_rules_has_a_key() -> None:
    """But a recovery's own times: it is news, and shown for as long as is said."""

    def fields(kind: type[msgspec.Struct], prefix: str) -> set[str]:
        found = set()
        for one in msgspec.structs.fields(kind):
            inner = one.type is ConditionRule
            found |= fields(ConditionRule, f"{prefix}{one.name}.") if inner else {prefix + one.name}
        return found

    every = set[str]().union(*(fields(one.type, f"{one.name}.") for one in msgspec.structs.fields(MarketRules)))
    known = {key.field for keys in KEYS.values() for key in keys.values()}
    assert {"watch.recovery.for_ms", "watch.recovery.clear_ms"} == every - known
    assert set() == known - every


def test_a_file_says_only_what_differs_and_markets_inherit_the_rest(tmp_path: Path) -> None:
    """BR takes the common half-life and its own threshold; the UK is GB."""
    file = written(
        tmp_path,
        '[surge]\ndrift = "1h30m"\n[drop]\nfor = "0s"\n[market.BR.surge]\nthreshold = 16\n'
        '[market.UK.no_data]\nevents = 7\n[market.IN.minutes]\ngrace = "10m"\n',
    )
    found = load_rules(file)
    assert (90.0, 12.4, 0) == (found.surge.drift_minutes, found.surge.threshold, found.watch.drop.for_ms)
    assert (90.0, 16.0) == (found.of("BR").surge.drift_minutes, found.of("BR").surge.threshold)
    assert (7, 100) == (found.of("GB").watch.no_data_events, found.of("DE").watch.no_data_events)
    assert {
        "surge.drift": ("6h", "1h30m"),
        "drop.for": ("10m", "0s"),
        "market.BR.surge.threshold": (None, 16.0),
        "market.GB.no_data.events": (None, 7),
        "market.IN.minutes.grace": (None, "10m"),
    } == changes(Rules(), found)
    assert {} == changes(found, found)
    assert 12.4 == values_of(Rules())["surge.threshold"]


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    """File, table, key, what may stand there, and the nearest name."""
    with pytest.raises(BadInput) as caught:
        load_rules(written(tmp_path, PROBLEMS))
    message = str(caught.value)
    assert str(tmp_path / "rules.toml") in message
    for line in NAMED.strip().splitlines():
        assert line in message
    assert len(NAMED.strip().splitlines()) == message.count("\n") - 1
    assert "Operator action" in message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[surge\n", "line 1"),
        ("surge = 3\n", "surge: must be a table"),
        ("market = 3\n", "market: must be a table"),
        ("[market]\nBR = 3\n", "market.BR: must hold tables"),
        ("[surge]\nthreshold = nan\n", "must be a number from 1 to 1000"),
        ('[drop]\nfor = "1m1h"\n', '[drop] for = "1m1h": must be a duration'),
        ('[drop]\nfor = "8d"\n', '"0s" to "7d"'),
        ("[bad_input]\nshare = 0.02\n", "cleared = 0.05: must be lower than share, which is 0.02"),
        ("[market.BR.drop]\nresolved_above = 0.3\n", "[market.BR.drop] below = 0.4: must be lower"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, named: str) -> None:
    """No TOML, no table, no number, out of range, in the wrong order."""
    with pytest.raises(BadInput) as caught:
        load_rules(written(tmp_path, text))
    assert named in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Rather than falling back to the defaults."""
    with pytest.raises(BadInput):
        load_rules(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["", "30", "30 m", "m", "1m1h", "1h1h", "-1m", "1.5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """One way to write one."""
    with pytest.raises(ValueError, match="is no duration"):
        durations.duration_ms(text)


@pytest.mark.parametrize("text", ["8y", "x3", "2+1x4z", "3-2x3", "1x50001"])
def test_what_is_no_series_is_refused(text: str) -> None:
    """Unknown parts, values below 0, more than can be meant."""
    with pytest.raises(ValueError, match=r"series|below 0"):
        series.values_of(text)


@pytest.mark.parametrize("module", [durations, rules, series])
def test_examples_in_the_docstrings_hold(module: object) -> None:
    """Run as they stand."""
    outcome = doctest.testmod(module)  # type: ignore[arg-type]
    assert (0, True) == (outcome.failed, outcome.attempted > 0)
