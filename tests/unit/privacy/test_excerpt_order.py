"""What an excerpt's order says: who was quoted and in which place, to those alone who have the key."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from streams.privacy.excerpt_order import KEYED, ExcerptOrder, speaker_of, ticket_of, without_speaker

ORDER, OTHER_KEY = ExcerptOrder(b"one key"), ExcerptOrder(b"another key")
IDS = [f"order-2026-{at:09d}-review" for at in range(2_000)]
OFFSET = st.integers(0, 2**63 - 1)


@given(st.text(), st.text() | st.none(), st.integers(0, 2**31 - 1), OFFSET, st.booleans())
def test_an_order_is_exact_wherever_it_is_read(
    market: str, user: str | None, partition: int, offset: int, negative: bool
) -> None:
    """Lua and JavaScript know whole numbers to 2**53; negative texts come first; readers do not see the user."""
    order = ORDER.of(market, user, partition, offset, negative)
    assert KEYED <= order < 2**52
    assert order == int(float(order))
    assert ORDER.of(market, user, partition, offset, True) < ORDER.of(market, user, 0, 0, False)
    assert (None if user is None else ORDER.speaker(market, user)) == speaker_of(order)
    assert None is speaker_of(without_speaker(order))
    assert ticket_of(order) == ticket_of(without_speaker(order)) == KEYED | ORDER.place(partition, offset)


def test_an_order_does_not_lead_back_to_the_event() -> None:
    """Whoever knows partitions, offsets and ids finds nothing without the key: not by CRC-32, nor under another key."""
    tickets = {ticket_of(ORDER.of("BR", "u7", partition, offset, True)) for partition in (0, 1) for offset in range(10)}
    assert 20 == len(tickets)
    assert not tickets & {KEYED | OTHER_KEY.place(partition, at) for partition in (0, 1) for at in range(2_000)}
    assert not {one & 0xFFFF_FFFF for one in tickets} & {zlib.crc32(one.encode()) for one in IDS}
    assert ORDER.speaker("BR", "u7") not in (OTHER_KEY.speaker("BR", "u7"), ORDER.speaker("DE", "u7"))


def test_older_orders_are_read() -> None:
    """Keyed ones drew by the event's id; those before them are its CRC-32, and name nobody."""
    keyed = KEYED | ORDER.place_of_id("p-1") | ORDER.speaker("BR", "u7")
    assert (ORDER.speaker("BR", "u7"), KEYED | ORDER.place_of_id("p-1")) == (speaker_of(keyed), ticket_of(keyed))
    for older in (zlib.crc32(b"p-1"), (1 << 32) + zlib.crc32(b"p-1")):
        assert (None, older, zlib.crc32(b"p-1")) == (speaker_of(older), without_speaker(older), ticket_of(older))
