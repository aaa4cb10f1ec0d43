"""Which records of `feedback` and of dead letters are a user's, in a market."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import DAY_MS
from marketpulse.contract.wire import MAX_ID_CHARACTERS
from streams.clock import epoch_ms
from streams.contract.ids import bounded
from streams.contract.journal import UserKey
from streams.errors import UserKeyDiffers
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.rollup.state import CommonState
from streams.privacy.user_hashes import key_id, quick_key_id
from streams.recovery.erase import EXCERPTS, Erase, Place
from streams.recovery.fold import Fold
from streams.settings import load_settings
from tests.support.alerts import alert

NOW_MS = 1_790_000_000_000
EVENT = {"id": "1", "market": "BR", "text": "bom", "occurred_at": NOW_MS, "user": "u7"}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "t", "market": "DE", "data": EVENT}


def record_of(value: bytes | None, key: bytes | None = b"") -> SimpleNamespace:
    return SimpleNamespace(value=value, key=key, timestamp=NOW_MS, timestamp_type=1, headers=(), partition=0, offset=7)


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
    binary = Erase(load_settings(), "\udcff", None, lambda *_: None)  # as Python reads the byte of an argument
    assert binary._is_by(record_of(b"no json", key=b"\xff"))


LATE = {"occurred_at": NOW_MS - 30 * DAY_MS}


@pytest.mark.parametrize(
    "value",
    [
        b"\xef\xbb\xbf" + written(**LATE),
        written(**LATE).replace(b"bom", b"bom\\ud800"),
        b"[" + written() + b"]",
        b"[1, [" + written(user="u9", market="DE") + b", " + written() + b"]]",
        json.dumps([CLOUD]).encode().replace(b"DE", b"BR"),
    ],
    ids=["byte order mark", "half a surrogate", "list", "list of lists", "list of CloudEvents"],
)
def test_a_rejected_record_is_found_as_far_as_it_can_be_read(value: bytes) -> None:
    """Without a key, in whatever it is wrapped; in the market that it says beside the user."""
    assert is_by(value)
    assert is_by(value, "BR")
    assert not is_by(value, "DE")
    assert not is_by(value.replace(b"u7", b"u8"))


@pytest.mark.parametrize(
    "value",
    [
        written()[:-1],
        written(text="x").replace(b"x", b"\xff"),
        json.dumps({"events": [EVENT]}).encode(),
        b'{"user" :\n"u7", ' + b"x" * 1_000,
    ],
    ids=["cut", "not UTF-8", "wrapped", "broken"],
)
def test_a_record_that_cannot_be_read_is_found_by_its_bytes(value: bytes) -> None:
    """Its market is unknown; a user of a longer id is another, and what a text says names nobody."""
    assert is_by(value)
    assert not is_by(value, "BR")
    assert not is_by(value.replace(b"u7", b"u70"))
    assert not is_by(written(text='"user": "u7"', user="u8")[:-1])


LONG = "auth0|" + "ä" * 140
HASHED = bounded(LONG, MAX_ID_CHARACTERS)


@pytest.mark.parametrize(
    "record",
    [
        record_of(written(user=LONG), None),
        record_of(b"[" + written(user=LONG) + b"]", None),
        record_of(json.dumps(EVENT | {"user": LONG}, ensure_ascii=False).encode()[:-1], None),
        record_of(written(user=None), LONG.encode()),
        record_of(b"{", LONG.encode()),
        record_of(written(user=HASHED), HASHED.encode()),
        record_of(b"{", HASHED.encode()),
    ],
)
def test_an_id_that_is_too_long_is_found_raw_and_hashed(record: SimpleNamespace) -> None:
    """A producer that sends it as it is has a dead letter, with the id as key too; a mapping hashes it."""
    assert Erase(load_settings(), LONG, None, lambda *_: None)._is_by(record)
    assert not Erase(load_settings(), LONG + "x", None, lambda *_: None)._is_by(record)


def test_what_is_counted_of_an_id_that_is_too_long_is_under_its_hash() -> None:
    """As a mapping published it: that is what excerpts and other topics were made of."""
    long, hashed = (Erase(load_settings(), user, None, lambda *_: None) for user in (LONG, HASHED))
    assert hashed.user_hash == long.user_hash
    order = long._settings.user_hashes.orders[0].of("BR", HASHED, 0, 7, negative=True)
    assert long._quotes.owns("BR", Excerpt(order, "quebrado", "negative", "app", NOW_MS))


def test_a_record_without_a_user_is_nobodys() -> None:
    """Neither a user called None has it, nor one whose id is empty; a user of that name is found."""
    for user in ("None", ""):
        work = Erase(load_settings(), user, None, lambda *_: None)
        for market in ("BR", "Brazil"):  # what was counted, and a dead letter
            for key in (None, b"other"):
                nobody = {name: value for name, value in (EVENT | {"market": market}).items() if name != "user"}
                assert not work._is_by(record_of(json.dumps(nobody).encode(), key))
                assert not work._is_by(record_of(json.dumps(nobody | {"user": None}).encode(), key))
    work = Erase(load_settings(), "None", None, lambda *_: None)
    assert work._is_by(record_of(written(user="None", market="Brazil")))


def test_excerpts_in_redis_are_gone_after_eight_days() -> None:
    """What an alert quotes lives as long as its alert, which nobody knows; nothing found needs no day."""
    work = Erase(load_settings(), "u7", None, lambda *_: None)
    order = work._settings.user_hashes.orders[0].of("BR", "u7", 0, 7, negative=True)
    said = Excerpt(order, "quebrado", "negative", "app", NOW_MS)

    def held(*quotes: str) -> Fold:
        fold = Fold("")
        state = MarketState(excerpts=[said])
        fold.hashes["state"] = {b"market:BR": msgspec.msgpack.encode(state)}
        firing = alert(market="BR", started_at=NOW_MS, evidence={"excerpts": list(quotes)})
        fold.hashes["alerts"] = {b"one": msgspec.json.encode(firing)}
        return fold

    in_days = ((work._quoted(held()).gone_by or 0) - epoch_ms()) / DAY_MS
    assert 8 == pytest.approx(in_days, abs=0.1)
    assert (2, None) == (work._quoted(held("quebrado")).found, work._quoted(held("quebrado")).gone_by)
    assert Place(EXCERPTS, 0) == work._quoted(Fold(""))


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
