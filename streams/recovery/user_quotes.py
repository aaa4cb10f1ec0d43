"""What of excerpts and alerts is one user's: known by its keyed order, by its record, by text; in doubt it is."""

import zlib
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from marketpulse.contract.decode import Decoded
from marketpulse.contract.keys import EXCERPTS_LIVE_MS
from marketpulse.contract.records import AlertRecord, Excerpt
from streams.pipeline.detect.evidence import words_of
from streams.pipeline.detect.market_state import MarketState
from streams.privacy.excerpt_order import KEYED, ExcerptOrder, speaker_of, ticket_of
from streams.privacy.redaction import excerpt
from streams.recovery.fold import Fold

_excerpts, _alert = msgspec.json.Decoder(list[Excerpt]), msgspec.json.Decoder(AlertRecord)
Quote = tuple[str, str]  # market, and a text or a word


class UserQuotes:
    """Learns what a user wrote from events and excerpts, and takes it out of a ledger's content.

    An excerpt is the user's if its order says so under one of the keys, if it is of an event of theirs (its order holds
    a hash of partition and offset, or of the id where a version before stored it), or if its text is one of theirs as
    it is redacted today: another user's same words go with them.

    Args:
        orders: what excerpts are chosen by, under every key.
        user: the raw id.
        market: only what the user wrote there; None = everywhere.
    """

    def __init__(self, orders: Sequence[ExcerptOrder], user: str, market: str | None) -> None:
        self._orders = orders
        self._user = user
        self._market = market
        self.markets: set[str] = set()
        """Where the user spoke, as far as it is known."""
        self.known_since_ms = 0
        """From when on all excerpts were looked at; 0 = from the first."""
        self._texts: set[Quote] = set()
        self._words: set[Quote] = set()
        self._tickets: set[tuple[str, int]] = set()
        self._watched: set[Quote] = set()
        self._of_others: set[Quote] = set()

    def take_event(self, event: Decoded, partition: int, offset: int) -> None:
        """An event of the user, and where its record is."""
        tickets = [KEYED | order.place(partition, offset) for order in self._orders]
        # What versions before stored: in Redis for 8 days, in its open and newest steps and in the journal for 25.
        tickets += [KEYED | order.place_of_id(event.id) for order in self._orders]
        tickets.append(zlib.crc32(event.id.encode("utf-8", "replace")))
        self._tickets.update((event.market, ticket) for ticket in tickets)
        self._take_text(event.market, excerpt(event.text))
        self._words.update((event.market, word) for word in words_of(event.text))

    def owns(self, market: str, one: Excerpt) -> bool:
        """Whether an excerpt is the user's; its text and words are then known to be."""
        if self._market not in (None, market):
            return False
        speaker, ticket = speaker_of(one.order), (market, ticket_of(one.order))
        theirs = (
            (speaker is not None and speaker in [order.speaker(market, self._user) for order in self._orders])
            or ticket in self._tickets
            or (market, one.text) in self._texts
        )
        if theirs:
            self._tickets.add(ticket)
            self._take_text(market, one.text)
        elif (market, one.text) in self._watched:
            self._of_others.add((market, one.text))
        return theirs

    def _take_text(self, market: str, text: str) -> None:
        self.markets.add(market)
        self._texts.add((market, text))
        self._words.update((market, word) for word in words_of(text))

    def watch(self, fold: Fold) -> None:
        """Note what alerts quote: whose it is will be seen when the excerpts are looked at."""
        for content in fold.hashes.get("alerts", {}).values():
            alert = _alert.decode(content)
            self._watched.update((alert.market, text) for text in alert.evidence.get("excerpts", []))

    def forget(self, fold: Fold, in_doubt: bool = True) -> int:
        """Take what is the user's out of roll-up state, tables and alerts; how many excerpts, quotes, lists of words.

        Args:
            fold: a ledger's content; changed.
            in_doubt: also what alerts quote of nobody knows whom, see `without`.
        """
        return self._forget_state(fold) + self._forget_tables(fold) + self._forget_alerts(fold, in_doubt)

    def _left(self, market: str, rows: Sequence[Excerpt]) -> list[Excerpt]:
        left = [row for row in rows if not self.owns(market, row)]
        self._of_others.update((market, row.text) for row in left)
        return left

    def _forget_state(self, fold: Fold) -> int:
        gone, state = 0, fold.hashes.get("state", {})
        for field, content in list(state.items()):
            kind, _, market = field.decode().partition(":")
            if kind == "market":
                one = msgspec.msgpack.decode(content, type=MarketState)
                left = self._left(market, one.excerpts)
                gone += len(one.excerpts) - len(left)
                one.excerpts = left
                state[field] = msgspec.msgpack.encode(one)
        return gone

    def _forget_tables(self, fold: Fold) -> int:
        """After the state: what readers see does not tell who spoke, and is known by the event's hash."""
        gone = 0
        for name, content in list(fold.strings.items()):
            kind, _, market = name.partition(":")
            if kind == "excerpts":
                rows = _excerpts.decode(content)
                left = self._left(market, rows)
                gone += len(rows) - len(left)
                fold.strings[name] = msgspec.json.encode(left)
        return gone

    def _forget_alerts(self, fold: Fold, in_doubt: bool) -> int:
        gone, alerts = 0, fold.hashes.get("alerts", {})
        for field, content in list(alerts.items()):
            left, found = self.without(_alert.decode(content), in_doubt)
            gone += found
            if found:
                alerts[field] = msgspec.json.encode(left)
        return gone

    def without(self, alert: AlertRecord, in_doubt: bool) -> tuple[AlertRecord, int]:
        """An alert without the user's quotes, and without its words where one is the user's; how much that is.

        In doubt is a quote that was not seen among others' excerpts, where the user spoke or the alert is older than
        what was looked at; so are the words of such an alert.
        """
        market, evidence = alert.market, dict(alert.evidence)
        if self._market not in (None, market):
            return alert, 0
        older = in_doubt and (alert.fired_at or alert.started_at) < self.known_since_ms + EXCERPTS_LIVE_MS
        older = older and self.known_since_ms > 0
        doubted = in_doubt and (older or market in self.markets)
        quotes, words = evidence.get("excerpts", []), evidence.get("words", [])
        left = [
            text
            for text in quotes
            if (market, text) not in self._texts and ((market, text) in self._of_others or not doubted)
        ]
        gone = len(quotes) - len(left)
        if gone:
            evidence["excerpts"] = left
        if words and (older or any((market, word) in self._words for word in words)):
            evidence["words"] = []
            gone += 1
        return replace(alert, evidence=evidence), gone
