"""Alerts in fact and with other rules, side by side."""

from marketpulse.contract.records import AlertRecord
from streams.backtest.side_by_side import AlertRow, Episode, episodes, paired


def episode(fired: int, ended: int | None, market: str = "BR", topic: str | None = None) -> Episode:
    return Episode(f"surge-{market}-{fired}", "surge", market, topic, fired, ended)


def row(in_fact: Episode | None, with_rules: Episode | None) -> AlertRow:
    one = in_fact or with_rules
    assert one is not None
    return AlertRow("surge", one.market, one.topic, in_fact, with_rules)


def test_the_same_incident_found_at_another_time_is_one_row() -> None:
    """
    in fact         |--1--|      |-2-|        |----3 ...
    with the rules    |--1--|          |-4-|     |-5-|
    """
    in_fact = [episode(100, 200), episode(400, 440), episode(600, None)]
    other = [episode(150, 250), episode(500, 540), episode(700, 740)]
    rows = [row(in_fact[0], other[0]), row(in_fact[1], None), row(None, other[1]), row(in_fact[2], other[2])]
    assert rows == paired(reversed(in_fact), other)


def test_another_market_or_topic_is_another_row() -> None:
    """However near in time."""
    one, market, topic = episode(100, 200), episode(100, 200, "DE"), episode(100, 200, topic="app")
    rows = paired([one], [market, topic])
    assert {(True, False), (False, True)} == {(a.in_fact is not None, a.with_rules is not None) for a in rows}
    assert 3 == len(rows)


def test_an_episode_is_made_of_all_states_of_an_alert() -> None:
    """The newest counts; what never fired is none."""
    fired = AlertRecord("a", 3, "drop", "BR", "firing", 90, 100)
    ended = AlertRecord("a", 7, "drop", "BR", "resolved", 90, 100, ended_at=500)
    pending = AlertRecord("b", 4, "drop", "DE", "resolved", 95, None, ended_at=99)
    assert [Episode("a", "drop", "BR", None, 100, 500)] == episodes([ended, pending, fired])
