"""Which dead letters may be sent again, and where to."""

import pytest

from streams.batches import CUT_BYTES, HEADER_BYTES, DeadLetter, cut, fitting
from streams.kafka.dead_letters import NOT_WHOLE, Selection, parsed, why_not
from streams.kafka.outbound import letter_record
from streams.kafka.tolerant import MAX_HEADERS

VALUE = b'{"id":"1"}'


@pytest.mark.parametrize(
    ("topic", "value", "further", "why"),
    [
        ("shop.feedback", VALUE, {}, ""),
        ("shop.market.profiles", VALUE, {}, ""),
        ("", VALUE, {}, ""),
        (
            "shop.market.steps",
            VALUE,
            {},
            "the topic shop.market.steps; records are sent to shop.feedback",
        ),
        ("another.feedback", VALUE, {}, "the topic another.feedback;"),
        ("shop.feedback", VALUE, {"cut": b"9"}, NOT_WHOLE),
        ("shop.feedback", None, {}, "neither key nor value"),
    ],
)
def test_a_dead_letter_goes_back_to_where_records_come_from_only(
    topic: str, value: bytes | None, further: dict[str, bytes], why: str
) -> None:
    """Its own header names the topic: a journal, or another product's feedback, is refused in words."""
    headers = {"code": b"bad_time", "topic": topic.encode(), **further}
    named = tuple((f"__streams.errors.{name}", content) for name, content in headers.items())
    said = why_not(parsed(1, None, value, 0, named), "shop")
    assert why in said
    assert bool(why) == bool(said)


def test_refused_profiles_are_sent_again_only_where_they_are_asked_for() -> None:
    """Another table may be in force by then."""
    headers = (("__streams.errors.code", b"bad_profile"), ("__streams.errors.topic", b"shop.market.profiles"))
    letter = parsed(1, b"BR", VALUE, 0, headers)
    assert Selection().takes(letter)
    assert not Selection(profiles=False).takes(letter)


def test_headers_that_are_empty_weigh_something_too() -> None:
    """So that a letter with a million of them is cut to what a topic takes."""
    letter = DeadLetter("bad_time", "m", 0, 0, b"k", b"v", (("", b""),) * 10_000, 0)
    shorter = cut(letter)
    assert letter.size > 100_000
    assert ("headers",) == shorter.cut
    assert len(shorter.headers) * HEADER_BYTES <= CUT_BYTES


def test_a_letter_with_more_headers_than_can_be_read_again_is_cut() -> None:
    """With those that say why it is one it stays within what is read of a record."""
    headers = tuple((str(number), b"") for number in range(MAX_HEADERS))
    shorter = fitting(DeadLetter("bad_time", "m", 0, 0, b"k", b"v", headers, 0, last_offset=1))
    assert ("headers",) == shorter.cut
    _, _, _, sent = letter_record(shorter, "shop.feedback", "p.feedback.dead-letter")
    assert len(sent) <= MAX_HEADERS
