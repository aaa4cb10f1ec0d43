"""Which records of `feedback` and of dead letters are a user's, in a market."""

import base64
import json
import re
import urllib.parse
from collections.abc import Callable
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


def record_of(
    value: bytes | None, key: bytes | None = b"", topic: str = "marketpulse.feedback.dead-letter"
) -> SimpleNamespace:
    return SimpleNamespace(
        topic=topic, value=value, key=key, timestamp=NOW_MS, timestamp_type=1, headers=(), partition=0, offset=7
    )


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
        b'{"user" :\n"u7", ' + b"x" * 1_000,
        written(text='"user": "u7"', user="u8")[:-1],
    ],
    ids=["cut", "not UTF-8", "broken", "in a text"],
)
def test_a_record_that_cannot_be_read_is_found_by_its_bytes(value: bytes) -> None:
    """In doubt it is the user's. Its market is unknown; a user of a longer id is another."""
    assert is_by(value)
    assert not is_by(value, "BR")
    assert not is_by(value.replace(b"u7", b"u70"))


ANNA = EVENT | {"user": "anna-7"}
INSIDE = json.dumps(ANNA)
BASE64 = base64.b64encode(INSIDE.encode()).decode()
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}


LETTER = re.compile(r"[^\W\d_]")


def plain(text: str) -> str:
    """JSON with no more escapes than it needs."""
    return json.dumps(json.loads(text), ensure_ascii=False)


def names(user: str, value: bytes, market: str | None = None, **record: object) -> bool:
    """Whether a record is found as one of a user."""
    return Erase(load_settings(), user, market, lambda *_: None)._is_by(
        SimpleNamespace(**vars(record_of(value, None)) | record)
    )


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(ENVELOPE | {"data_base64": BASE64}).encode(),
        json.dumps(ENVELOPE | {"data": INSIDE}).encode(),
        json.dumps({"@timestamp": "x", "message": INSIDE}).encode(),
        json.dumps({"message": json.dumps({"message": INSIDE})}).encode(),
        json.dumps({"op": "c", "after": ANNA, "source": {}}).encode(),
        json.dumps({"events": [ANNA]}).encode(),
    ],
    ids=["base64", "JSON in a text", "Fluentd", "text in a text", "Debezium", "wrapped"],
)
def test_a_user_is_found_inside_of_what_can_be_read(value: bytes) -> None:
    """In the market beside it; another user is not."""
    assert names("anna-7", value)
    assert names("anna-7", value, "BR")
    assert not names("anna-7", value, "DE")
    assert not names("anna", value, "BR")
    assert not names("bert-8", value)


@pytest.mark.parametrize(
    "user", ["anna-7", "josé ☕ \U0001f600", 'a/b"c\\d', "0b6cd4a6-66f0-4ae6-a7a4-2d45a4f5a7d1", "u7"]
)
@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: b"\0" + text.encode("utf-16-be"),
        lambda text: text.encode()[:-1],
        lambda text: json.dumps({"message": json.dumps(text)}).encode()[:-1],
        lambda text: plain(text).encode()[:-1],
        lambda text: LETTER.sub(lambda one: f"\\u{ord(one[0]):04x}", plain(text)).encode()[:-1],
        lambda text: text.replace("/", "\\/").encode()[:-1],
        lambda text: json.dumps({"data_base64": base64.b64encode(text.encode()).decode()}).encode()[:-1],
        lambda text: b"--x\r\n" + base64.encodebytes(b"." * 50 + text.encode()),
        lambda text: base64.b64encode(b"[" + base64.urlsafe_b64encode(text.encode()) + b"]"),
        lambda text: base64.b64encode(text.encode("utf-16")),
        lambda text: urllib.parse.urlencode({"payload": text}).encode(),
        lambda text: urllib.parse.quote(urllib.parse.quote_plus(text)).encode(),
        lambda text: b"https://shop.example/t/" + base64.urlsafe_b64encode(text.encode()),
        lambda text: b"in token_" + base64.urlsafe_b64encode(text.encode()).rstrip(b"="),
        lambda text: b"xy-" + base64.b64encode(b"s3://a/b/" + base64.b64encode(text.encode())),
    ],
    ids=[
        "UTF-16", "UTF-16 without a mark", "UTF-16 at odd bytes", "cut", "cut text in a text", "cut without escapes",
        "escapes", "escaped slash", "cut base64", "lines of base64", "base64 in base64", "UTF-16 in base64", "form",
        "form in a form", "base64 in a path", "base64 behind a name", "base64 behind names",
    ],
)  # fmt: skip
def test_a_user_is_found_in_every_form_of_bytes(form: Callable[[str], bytes], user: str) -> None:
    """That nothing reads; another id is not found in it."""
    value = form(json.dumps(EVENT | {"user": user}))
    assert names(user, value)
    assert not names("bert-8", value)


@pytest.mark.parametrize(
    ("user", "value"),
    [
        ("anna-7", b"{'id': '1', 'user': 'anna-7'}"),
        ("u7", b"{'id': '1', 'user': 'u7'}"),
        ("u7", b"user_id=u7&text=bom"),
        ("josé", "user;josé".encode("latin-1")),
        ("josé.almeida", b"user=jos%E9.almeida"),
        ("anna smith", b"user=anna%2520smith"),
        ("anna-7", b"\x00\x00\x00\x00\x05\x0canna-7H"),
        ("0b6cd4a6-66f0-4ae6-a7a4-2d45a4f5a7d1", b"\x00H0b6cd4a6-66f0-4ae6-a7a4-2d45a4f5a7d1H"),
        ("anna@example.org", b'{"owner": {"mail": "anna@example.org"}}'),
    ],
    ids=[
        "quoted", "quoted and short", "form", "Latin-1", "Latin-1 in a form", "form in a form",
        "Avro", "Avro of a UUID", "another name",
    ],
)  # fmt: skip
def test_a_user_is_found_in_other_formats(user: str, value: bytes) -> None:
    """Also under a name that is not ours."""
    assert names(user, value)


@pytest.mark.parametrize("value", [written(rating=7, text=""), b"7 of 10, or 2.7", b"user17: x", b'{"user": "77"}'])
def test_a_short_id_is_no_number_of_somebody_else(value: bytes) -> None:
    """Which would be found in nearly every record, and cut topics for nothing."""
    assert not names("7", value)


@pytest.mark.parametrize(
    "value", [b'"\\ud800\\udc00\\ud83d', b'{"data_base64": "\xc3\xa9"}', b"\0" * 9 + b"AAAAA====", b"%%4"]
)
def test_broken_forms_name_nobody(value: bytes) -> None:
    """And end nothing."""
    assert not names("anna-7", value)


@pytest.mark.parametrize("key", [b'{"user": "anna-7"}', b'"anna-7"', "anna-7".encode("utf-16")])
def test_a_key_of_a_rejected_record_is_read_in_every_form_too(key: bytes) -> None:
    """And headers, but for those that say why it was rejected."""
    assert names("anna-7", b"no json", key=key)
    assert names("anna-7", b"no json", headers=(("ce_subject", key),))
    assert not names("anna-7", b"no json", headers=(("__streams.errors.message", key),))
    assert names("anna-7", b"no json", headers=(("__streams.errors.message", key),), topic="marketpulse.feedback")


def test_a_headers_name_is_read_too() -> None:
    """A producer may write whatever it likes into it."""
    assert names("anna-7", b"no json", headers=(("by anna-7", None),))


@pytest.mark.parametrize("form", ["utf-16-le", "utf-16-be"])
def test_an_id_without_a_zero_byte_in_utf_16_is_found(form: str) -> None:
    """Where every character has two bytes, and where both are ASCII."""
    for user in ("张伟王芳", "中中中中"):
        assert names(user, b"no json", key=user.encode(form))
        assert not names(user[::-1] + "芳", b"no json", key=user.encode(form))


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
