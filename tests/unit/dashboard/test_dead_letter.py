"""A dead letter as the page shows it: nothing in it names a person."""

import pytest

from streams.dashboard.actions import redacted
from streams.kafka.dead_letters import RejectedRecord


def letter(value: bytes | None) -> RejectedRecord:
    return RejectedRecord(5, "bad_time", "no time: mail a@b.example", "feedback", 1, 7, 9, "BR", b"u7", value, ())


@pytest.mark.parametrize(
    "value",
    [
        b'{"user": "u7", "text": "call +49 170 1234567", "attributes": {"mail": "a@b.example", "user": "u7"}}',
        b'call +49 170 1234567 or a@b.example \xff',
        None,
    ],
)  # fmt: skip
def test_no_user_number_or_address_is_shown(value: bytes | None) -> None:
    """Of JSON, of broken bytes, of nothing."""
    one = redacted(letter(value))
    assert [] == [secret for secret in ("u7", "1234567", "a@b") if secret in one.shown + one.message]


def test_a_long_one_is_cut() -> None:
    """2,000 characters, and it says so."""
    one = redacted(letter(b"x y" * 100_000))
    assert (2_000, True) == (len(one.shown), one.cut)
