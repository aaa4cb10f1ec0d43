"""What readers see beside a text: nothing that leads to its event, or to its user, in `feedback.classified`."""

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import HOUR_MS
from streams.privacy.excerpt_order import ExcerptOrder, speaker_of
from streams.privacy.shown_excerpts import shown

ORDER = ExcerptOrder(b"one key")
NOON = 12 * HOUR_MS


def said(at_ms: int) -> Excerpt:
    order = ORDER.of("BR", f"u{at_ms}", 0, at_ms, True)
    return Excerpt(order, f"text {at_ms}", "negative", "app", at_ms)


def test_times_are_those_of_the_hour() -> None:
    """`feedback.classified` has the exact one beside the user's hash; label, topic and text stay."""
    kept = [said(NOON), said(NOON + 1), said(NOON + HOUR_MS - 1), said(NOON + HOUR_MS)]
    found = {one.text: one for one in shown(kept)}
    assert [NOON, NOON, NOON, NOON + HOUR_MS] == [found[one.text].occurred_at for one in kept]
    assert [("negative", "app", None)] * 4 == [(one.label, one.topic, speaker_of(one.order)) for one in found.values()]


def test_places_in_the_list_tell_no_more_than_the_hour() -> None:
    """However excerpts came: hours are in order, and within one the lottery decides."""
    kept = [said(NOON + at) for at in range(20)] + [said(at) for at in range(20)]
    found = shown(kept)
    assert found == shown(kept[::-1])
    assert [0] * 20 + [NOON] * 20 == [one.occurred_at for one in found]
    assert [one.text for one in found[20:]] != [one.text for one in kept[:20]]
