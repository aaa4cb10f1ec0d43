"""Alerts in messages: urgency, grouping, limits, words."""

import pytest

from marketpulse.contract.words import without_excerpts
from streams.notify.limit import Limit
from streams.notify.messages import Message, grouped, incidents_of, severity, text, title, within
from tests.support.alerts import alert


def test_urgency_is_of_kind_and_reach() -> None:
    """A topic's surge is less than its market's; one silent market less than all of them."""
    found = [
        severity(one)
        for one in (
            alert(),
            alert(topic="price"),
            alert(kind="no_data", market="*"),
            alert(kind="no_data"),
            alert(kind="recovery"),
        )
    ]
    assert ["critical", "warning", "critical", "warning", "info"] == found


def test_a_market_is_one_message() -> None:
    """Its surge with those of its topics; what ended apart from what fires."""
    alerts = [alert(), alert(topic="price"), alert(topic="delivery"), alert(kind="drop", market="DE", state="resolved")]
    assert [tuple(alerts[:3]), tuple(alerts[3:])] == [one.alerts for one in grouped(alerts)]


def test_a_cause_in_many_markets_is_one_message() -> None:
    """And a market with another cause has its own."""
    alerts = [
        alert(kind="no_data", market="BR"),
        alert(kind="no_data", market="DE"),
        alert(kind="surge", market="FR"),
        alert(kind="no_data", market="IN"),
    ]
    assert [["BR", "DE", "IN"], ["FR"]] == [[one.market for one in message.alerts] for message in grouped(alerts)]


def test_what_is_over_the_limit_becomes_one_summary() -> None:
    """Nothing is dropped; with nothing allowed all waits."""
    messages = [Message((alert(market=one),)) for one in ("BR", "DE", "FR", "IN")]
    assert messages == within(messages, 4)
    first, rest = within(messages, 2)
    assert (messages[0], ("DE", "FR", "IN"), True) == (first, tuple(one.market for one in rest.alerts), rest.summary)
    assert [] == within(messages, 0)


def test_the_bucket_fills_with_time() -> None:
    """Three at once, then one every ten seconds, never more than three."""
    limit = Limit(per_minute=6, burst=3)
    assert 3 == limit.available(100.0)
    for _ in range(3):
        limit.take()
    assert [0, 0, 1, 3] == [limit.available(at) for at in (100.0, 109.0, 110.0, 1_000.0)]


def test_words_are_those_of_page_and_terminal() -> None:
    """State, kind, market, topic, since when, evidence; an excerpt only where it was left in; what the kind means."""
    evidence = {"share": 0.4217, "words": ["Sabine"], "excerpts": ["a entrega atrasou"], "problems": ["cpu"]}
    start = 1_700_000_000_000
    one = alert(state="resolved", started_at=start, ended_at=start + 600_000, topic="delivery", evidence=evidence)
    full = Message((one,))
    said = text(full, "https://page.example.com/")
    assert "Marketpulse: surge resolved in BR" == title(full)
    times = "since 2023-11-14 22:13:20 UTC, until 2023-11-14 22:23:20 UTC"
    assert said.startswith(f"resolved surge BR/delivery, {times}: share 0.422; words Sabine; problems cpu")
    assert "“a entrega atrasou”" in said
    assert said.endswith("rose by more than chance\nhttps://page.example.com/")
    left = text(Message((without_excerpts(one),)))
    assert ("share 0.422; problems cpu" in left, "atrasou" in left, "Sabine" in left) == (True, False, False)


def test_a_long_message_counts_what_it_does_not_spell_out() -> None:
    """Twenty lines, then how many more."""
    many = Message(tuple(alert(kind="drop", market=f"{at:02}") for at in range(25)), summary=True)
    assert "and 5 more" in text(many)
    assert "Marketpulse: 25 changes of alerts at once" == title(many)


def test_alerts_of_one_incident_are_one_line() -> None:
    """A market with its topics; topics alone where the market has none; the most urgent and largest first."""
    alerts = [
        alert(topic="price", market="DE", evidence={"statistic": 15}),
        alert(topic="delivery", market="DE", evidence={"statistic": 20}),
        alert(topic="price", evidence={"statistic": 14}),
        alert(evidence={"statistic": 13}),
        alert(market="FR", evidence={"statistic": 30}),
    ]
    found = [(one.alert.market, one.topics, one.whole) for one in incidents_of(alerts)]
    assert [("FR", (), True), ("BR", ("price",), True), ("DE", ("delivery", "price"), False)] == found
    lines = text(Message(tuple(alerts))).splitlines()
    assert ["firing surge FR,", "firing surge BR (price),", "firing surge DE/delivery, price,"] == [
        line[: line.index(" since")] for line in lines[:3]
    ]
    assert 4 == len(lines)


@pytest.mark.parametrize("room", [100, 300, 1_000, 2_000, 4_096])
@pytest.mark.parametrize("page", [None, "https://page.example.com/"])
def test_a_message_fits_what_a_service_takes(room: int, page: str | None) -> None:
    """Thirty alerts: the largest is there whatever the room, the others are counted, the page is linked."""
    said = {"share": 0.4, "expected_share": 0.1, "excerpts": ["a entrega atrasou " * 9]}
    alerts = tuple(alert(market=f"M{at}", evidence={"statistic": at} | said) for at in range(30))
    found = text(Message(alerts), page, room)
    assert len(found) <= room
    assert found.startswith("firing surge M29")
    assert "more: marketpulse alerts" in found
    assert page is None or found.endswith(page)
