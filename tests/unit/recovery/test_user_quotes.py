"""What is one user's of excerpts, quotes and words goes, also in doubt; what is others' stays."""

import zlib
from typing import Any

import msgspec
import pytest

from marketpulse.contract.decode import Decoded
from marketpulse.contract.keys import EXCERPTS_LIVE_MS
from marketpulse.contract.records import AlertRecord, Excerpt
from streams.pipeline.detect.market_state import MarketState
from streams.privacy.excerpt_order import KEYED, ExcerptOrder, without_speaker
from streams.recovery.fold import Fold
from streams.recovery.user_quotes import UserQuotes
from tests.support.alerts import alert

NOW_MS = 1_800_000_000_000
NEW, OLD = ExcerptOrder(b"the key in force"), ExcerptOrder(b"the key before")
TEXT = "Sabine Kowalczyk hier, mein Kind Leonie hat Asthma"


def event(text: str = TEXT, name: str = "e-1", market: str = "DE") -> Decoded:
    return Decoded(name, market, text, NOW_MS, "u7", None, None)


def quoted(order: int, text: str) -> Excerpt:
    return Excerpt(order, text, "negative", "service", NOW_MS)


def ledger(rows: list[Excerpt], **evidence: list[str]) -> Fold:
    """A market with excerpts in the state, in the table that readers see, and in an alert with this evidence."""
    fold = Fold("")
    state = msgspec.msgpack.encode(MarketState(excerpts=rows))
    one = alert("one", market="DE", started_at=NOW_MS, evidence={"n": 9} | evidence)
    fold.hashes = {"state": {b"market:DE": state}, "alerts": {b"one": msgspec.json.encode(one)}}
    table = [msgspec.structs.replace(row, order=without_speaker(row.order)) for row in rows]
    fold.strings["excerpts:DE"] = msgspec.json.encode(table)
    return fold


def left(fold: Fold) -> dict[str, Any]:
    """What is there afterwards."""
    one = msgspec.json.decode(fold.hashes["alerts"][b"one"], type=AlertRecord)
    table = msgspec.json.decode(fold.strings["excerpts:DE"], type=list[Excerpt])
    state = msgspec.msgpack.decode(fold.hashes["state"][b"market:DE"], type=MarketState)
    assert [row.text for row in state.excerpts] == [row.text for row in table]
    return {"said": [row.text for row in table]} | one.evidence


def quotes(market: str | None = None) -> UserQuotes:
    return UserQuotes([NEW, OLD], "u7", market)


PARTITION, OFFSET = 3, 17
OTHERS = quoted(NEW.of("DE", "u8", PARTITION, 99, True), "nie wieder")


@pytest.mark.parametrize("key", [NEW, OLD])
def test_an_excerpt_is_known_by_its_order_whatever_its_text(key: ExcerptOrder) -> None:
    """No topic holds the event any more, and it was redacted by other rules: under both keys it is the user's."""
    fold = ledger([quoted(key.of("DE", "u7", PARTITION, OFFSET, True), "[name] hier"), OTHERS])
    assert 2 == quotes().forget(fold)
    assert {"n": 9, "said": ["nie wieder"]} == left(fold)


@pytest.mark.parametrize(
    "order",
    [
        NEW.of("DE", None, PARTITION, OFFSET, True),
        OLD.of("DE", None, PARTITION, OFFSET, False),
        KEYED | NEW.place_of_id("e-1"),
        KEYED | OLD.place_of_id("e-1"),
        zlib.crc32(b"e-1"),
        (1 << 32) + zlib.crc32(b"e-1"),
    ],
)
def test_an_excerpt_that_names_nobody_is_known_by_its_event(order: int) -> None:
    """One of an event that has the user as its key alone; older ones, which drew by the event's id."""
    work, fold = quotes(), ledger([quoted(order, "redacted otherwise"), OTHERS])
    assert 0 == work.forget(fold)
    work.take_event(event(), PARTITION, OFFSET)
    assert (2, ["nie wieder"]) == (work.forget(fold), left(fold)["said"])


def test_quotes_and_words_of_an_alert_go() -> None:
    """Its words where one is the user's; what is surely somebody else's stays, and so do numbers."""
    work = quotes()
    work.take_event(event(), PARTITION, OFFSET)
    fold = ledger([OTHERS], excerpts=[TEXT, "nie wieder"], words=["kowalczyk", "sabine"])
    assert 2 == work.forget(fold)
    assert {"n": 9, "said": ["nie wieder"], "excerpts": ["nie wieder"], "words": []} == left(fold)
    assert 0 == work.forget(ledger([OTHERS], excerpts=["nie wieder"], words=["wieder"]))


def test_what_an_alert_quotes_of_nobody_knows_whom_goes_in_doubt() -> None:
    """Where the user spoke, and in alerts of before the journal begins; not where neither is so, nor on a topic."""
    work, evidence = quotes(), {"excerpts": ["[name] hier"], "words": ["hier"]}
    assert 0 == work.forget(ledger([OTHERS], **evidence))
    work.markets.add("DE")
    assert 0 == work.forget(ledger([OTHERS], **evidence), in_doubt=False)
    assert 1 == work.forget(ledger([OTHERS], **evidence))
    work = quotes()
    work.known_since_ms = NOW_MS - EXCERPTS_LIVE_MS
    assert 0 == work.forget(ledger([OTHERS], **evidence))
    work.known_since_ms += 1
    assert 2 == work.forget(ledger([OTHERS], **evidence))


def test_a_quote_seen_in_the_journal_is_somebody_elses() -> None:
    """It left the market's last excerpts long ago."""
    work, fold = quotes(), ledger([], excerpts=["nie wieder"])
    work.markets.add("DE")
    work.watch(fold)
    assert not work.owns("DE", OTHERS)
    assert 0 == work.forget(fold)


def test_one_market_alone() -> None:
    """What was said elsewhere is left."""
    rows = [quoted(NEW.of("DE", "u7", PARTITION, OFFSET, True), TEXT)]
    assert 0 == quotes("BR").forget(ledger(rows, excerpts=[TEXT], words=["sabine"]))
    assert 4 == quotes("DE").forget(ledger(rows, excerpts=[TEXT], words=["sabine"]))
