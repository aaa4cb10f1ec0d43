"""Which dead letters may be sent again, and where to."""

import pytest

from streams.kafka.dead_letters import NOT_WHOLE, parsed, why_not

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
