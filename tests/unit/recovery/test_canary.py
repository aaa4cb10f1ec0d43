"""What is seen of a canary, and what whoever sent it reads where it does not arrive."""

from marketpulse.contract.canary import KIND, ReceiptRecord, canary_id
from marketpulse.contract.wire import encode
from streams.recovery.canary import ALERT, OTHERS, Sightings, notes_of
from tests.support.alerts import alert

OWN, OTHER = canary_id(1_790_000_000_000, 1), canary_id(1_790_000_000_000, 2)


def test_a_canary_is_seen_on_the_alert_topic_and_at_every_sink() -> None:
    """Once each; other alerts and what cannot be read are passed over."""
    seen = Sightings(OWN)
    for second, value in enumerate([b"{", encode(alert("a")), *[encode(alert(f"test-{OWN}", kind=KIND))] * 2]):
        seen.take("market.alerts", value, second)
    seen.take("market.receipts", encode(ReceiptRecord(OTHER, "desk", 1, True)), 5.0)
    seen.take("market.receipts", encode(ReceiptRecord(OWN, "desk", 1, False, "HTTP 500")), 6.0)
    found = seen.arrivals(["desk", "ops"])
    assert [(ALERT, 2.0, ""), ("desk", 6.0, "HTTP 500"), ("ops", None, "")] == [tuple(one) for one in found]
    assert [True, False, False] == [one.fine for one in found]


def test_where_others_came_first_it_is_told() -> None:
    """At most one begins in ten seconds: another one may have taken the turn."""
    seen = Sightings(OWN)
    seen.take("market.alerts", encode(alert(f"test-{OTHER}", kind=KIND)), 1.0)
    assert [(ALERT, None, OTHERS)] == [tuple(one) for one in seen.arrivals([])]
    seen.take("market.alerts", encode(alert(f"test-{OWN}", kind=KIND)), 11.0)
    assert [(ALERT, 11.0, "")] == [tuple(one) for one in seen.arrivals([])]


def test_a_test_that_waits_too_short_says_so() -> None:
    """A second one within ten seconds waits for its turn; who gave less patience reads why nothing came."""
    missing = Sightings(OWN).arrivals(["desk"])
    assert "alert topic: not within 5 s" == missing[0].line(5.0)
    assert ["after another test a canary may wait for 10 s: give --patience more than that"] == notes_of(missing, 5.0)
    assert [] == notes_of(missing, 30.0)
