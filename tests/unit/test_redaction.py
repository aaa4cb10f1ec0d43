"""What could name a person does not stay in an excerpt; what the message says does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.redaction import EXCERPT_CHARACTERS, excerpt, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ana.silva+x@mail.example.com.br now", "write to [email] now"),
        ("call +49 (0)30 123-456-78 please", "call [number] please"),
        ("card 4111 1111 1111 1111 was charged", "card [number] was charged"),
        ("DE89 3704 0044 0532 0130 00 is my account", "[iban] is my account"),
        ("see https://shop.example/o?token=abc123", "see [link]"),
        ("thanks @maria_s for nothing", "thanks [handle] for nothing"),
        ("order 123456 is late", "order [number] is late"),
        ("version 4.2 crashed 3 times in 2026", "version 4.2 crashed 3 times in 2026"),
        ("\u202eflip\x00ped", " flip ped"),
        ("价格太贵了 13800138000", "价格太贵了 [number]"),
    ],
)
def test_what_names_a_person_goes(text: str, expected: str) -> None:
    """By kind; prices, years and versions stay."""
    assert expected == redact(text)


@given(st.text(max_size=500))
def test_an_excerpt_is_short_printable_and_stable(text: str) -> None:
    """One line, bounded, and redacting twice changes nothing."""
    one = excerpt(text)
    assert len(one) <= EXCERPT_CHARACTERS
    assert "\n" not in one
    assert one == excerpt(one)
