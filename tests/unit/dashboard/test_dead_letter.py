"""A dead letter as the page shows it: nothing in it names a person."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from marketpulse.errors import Unavailable
from streams.dashboard import actions
from streams.dashboard.actions import AT_ONCE, Actions, redacted
from streams.errors import BadInput
from streams.kafka.dead_letters import RejectedRecord
from streams.settings import load_settings
from tests.support.waiting import until_async


class SlowKafka:
    """Sends one dead letter once `answers` is set."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.asked = 0

    async def __call__(self, *_: object) -> AsyncIterator[RejectedRecord]:
        self.asked += 1
        await self.answers.wait()
        yield letter(b"x")


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


async def test_two_are_looked_up_at_once_and_one_more_is_refused() -> None:
    """In words; it is taken once there is room again."""
    kafka = SlowKafka()
    asked = Actions(load_settings(kafka="127.0.0.1:9092"), read=kafka)
    looking = [asyncio.create_task(asked.dead_letter("bad_time")) for _ in range(AT_ONCE)]

    async def all_ask() -> bool:
        return kafka.asked == AT_ONCE

    await until_async(all_ask)
    with pytest.raises(BadInput, match=r"other questions are being answered\. Operator action: ask again"):
        await asked.dead_letter("bad_time")
    kafka.answers.set()
    assert ["x"] * 3 == [one.shown for one in [*await asyncio.gather(*looking), await asked.dead_letter("bad_time")]]


async def test_one_that_takes_too_long_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka that does not answer is said, each time."""
    monkeypatch.setattr(actions, "KAFKA_WITHIN_S", 0.01)
    asked = Actions(load_settings(kafka="127.0.0.1:9092"), read=SlowKafka())
    for _ in range(AT_ONCE + 1):
        with pytest.raises(Unavailable, match="did not answer within"):
            await asked.dead_letter("bad_time")
