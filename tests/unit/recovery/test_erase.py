"""Which records of `feedback` and of dead letters are a user's, in a market."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from streams.contract.journal import UserKey
from streams.errors import UserKeyDiffers
from streams.pipeline.rollup.state import CommonState
from streams.privacy.user_hashes import key_id, quick_key_id
from streams.recovery.erase import Erase
from streams.recovery.fold import Fold
from streams.settings import load_settings

NOW_MS = 1_790_000_000_000
EVENT = {"id": "1", "market": "BR", "text": "bom", "occurred_at": NOW_MS, "user": "u7"}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "t", "market": "DE", "data": EVENT}


def record_of(value: bytes | None, key: bytes = b"") -> SimpleNamespace:
    return SimpleNamespace(value=value, key=key, timestamp=NOW_MS, headers=(), partition=0, offset=7)


def is_by(value: bytes | None, market: str | None = None, key: bytes = b"") -> bool:
    """Whether a record is found as one of u7."""
    record = record_of(value, key)
    work = Erase(load_settings(), "u7", market, lambda *_: None)
    return work._is_by(record)


def written(**fields: object) -> bytes:
    return json.dumps(EVENT | fields).encode()


@pytest.mark.parametrize(
    ("value", "market"),
    [
        (written(), "BR"),
        (b"\xef\xbb\xbf" + written(), "BR"),
        (written().replace(b"bom", b"bom\\ud800"), "BR"),
        (written(market=" br "), "BR"),
        (written(market="uk"), "GB"),
        (json.dumps(CLOUD).encode(), "BR"),
        (written(text="", user="u7"), "BR"),  # a dead letter
        (written(text="", market="br"), "BR"),
    ],
)
def test_whatever_was_read_of_a_user_is_found(value: bytes, market: str) -> None:
    """As it was counted: other spellings of a market, a mark before it, half a character; refused ones too."""
    assert is_by(value)
    assert is_by(value, market)
    assert not is_by(value, "FR")
    assert not is_by(value.replace(b"u7", b"u8"), market)


def test_a_number_as_user_and_a_key_are_found() -> None:
    """Of dead letters, which nobody could read."""
    work = Erase(load_settings(), "7", None, lambda *_: None)
    assert work._is_by(record_of(written(user=7)))
    assert is_by(b"no json", key=b"u7")
    assert is_by(None, key=b"u7")
    assert not is_by(b"no json")


def test_another_key_than_the_ledgers_is_refused() -> None:
    """It would find nothing, and say so of a user who is there; the key in force or the one before will do."""
    given = {"user_hash_key": "n" * 16, "user_hash_key_before": "o", "user_hash_key_since": "2026-01-31T00:00:00Z"}
    work = Erase(load_settings(**given), "u7", None, lambda *_: None)

    def held(key: UserKey | None) -> Fold:
        fold = Fold("")
        fold.hashes["state"] = {b"common": msgspec.msgpack.encode(CommonState(user_key=key))}
        return fold

    for key in (None, UserKey(key_id(b"n" * 16)), UserKey(quick_key_id(b"o"))):
        work.require_key(held(key))
    work.require_key(Fold(""))
    with pytest.raises(UserKeyDiffers, match="Operator action: set MARKETPULSE_USER_HASH_KEY"):
        work.require_key(held(UserKey(key_id(b"a key that nobody gave here"))))
