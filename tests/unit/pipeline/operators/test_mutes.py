"""Silences: what they cover, when they end."""

import msgspec
import pytest

from marketpulse.contract.mutes import mute_of
from marketpulse.contract.operators import MuteRecord
from streams.batches import CompactedRecord
from streams.errors import BadInput
from streams.pipeline.operators.mutes import Mutes, new_mute
from tests.support.alerts import alert

ALERT = alert(topic="app")


@pytest.mark.parametrize(
    ("fields", "covers"),
    [
        ({}, True),
        ({"kind": "surge", "market": "BR", "topic": "app"}, True),
        ({"kind": "drop"}, False),
        ({"market": "CN"}, False),
        ({"topic": "price"}, False),
        ({"until": 99}, False),
    ],
)
def test_a_silence_covers_what_it_names(fields: dict[str, object], covers: bool) -> None:
    """What it leaves open stands for any; after its end it covers nothing."""
    mute = msgspec.convert({"id": "m", "until": 200, "created_at": 0} | fields, MuteRecord)
    assert covers == (mute_of(ALERT, [mute], 100) is mute)


def test_the_newest_record_of_a_key_counts() -> None:
    """A tombstone ends it; a broken record or one under another key is passed over."""
    mutes = Mutes()
    one = msgspec.json.encode(MuteRecord("m", 200, 0))
    for offset, (key, value) in enumerate([(b"m", one), (b"n", one), (b"o", b"{"), (None, b"x")]):
        mutes.take(CompactedRecord(offset, key, value))
    assert ["m"] == [mute.id for mute in mutes.active(100)]
    assert [] == mutes.active(200)
    mutes.take(CompactedRecord(4, b"m", None))
    assert [] == mutes.active(100)


def test_a_kind_that_there_is_not_is_refused() -> None:
    """A typo would silence nothing."""
    with pytest.raises(BadInput, match="sruge is no kind of alert"):
        new_mute("m", 1, 1.0, kind="sruge")


def test_a_silence_has_an_author_and_older_ones_are_read() -> None:
    """Who wrote it; empty in a record of a version that had none."""
    assert "Ada" == new_mute("m", 1, 1.0, author="Ada").author
    old = b'{"id": "m", "until": 200, "created_at": 0, "kind": null, "market": "BR", "comment": "known", "v": 1}'
    assert "" == msgspec.json.decode(old, type=MuteRecord).author
