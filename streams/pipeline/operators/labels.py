"""What people answered about single texts: the newest answer about each event, and its sums per market-week."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from marketpulse.contract.operators import LABELS, BadLabel, LabelRecord, decode_label
from streams.batches import CompactedRecord
from streams.contract.journal import JudgedWeek

MAX_LABELS = 50_000
"""Answers that are kept at most, of all markets: 50 of a week in 20 markets, for a year."""
MAX_WEEKS = 60
"""Market-weeks of a market that count at most, the newest: by then a label has lost nearly all of its weight."""
Refused = Callable[[str, int, str], object]
Row = tuple[int, int, int]
Table = tuple[Row, Row, Row]


class Labels:
    """What is in `market.labels` so far; a record that breaks the contract is passed over.

    At most `most` answers are kept: beyond, a twentieth goes, those of the oldest weeks. `refused` is called with a
    code, the offset of a record, and why: `bad_label` for each that was passed over, `labels_full` for the first that
    others made room for.
    """

    def __init__(self, refused: Refused = lambda code, offset, why: None, most: int = MAX_LABELS) -> None:
        self._refused = refused
        self._most = most
        self._by_key: dict[bytes, LabelRecord] = {}
        self._full = False
        self._weeks: Mapping[str, tuple[JudgedWeek, ...]] | None = MappingProxyType({})
        self.next_offset = 0

    def take(self, record: CompactedRecord) -> None:
        """Take one record; a tombstone takes back the answer of that key."""
        if record.offset < self.next_offset:
            return
        self.next_offset = (record.offset if record.last_offset is None else record.last_offset) + 1
        if record.unreadable:
            return
        key = record.key or b""
        if record.value is None:
            if self._by_key.pop(key, None) is not None:
                self._weeks = None
            return
        try:
            label = decode_label(key, record.value)
        except BadLabel as error:
            self._refused("bad_label", record.offset, f"{error.why}: {error}")
            return
        self._by_key.pop(key, None)  # the newest is last, so that its counts of the week hold
        self._by_key[key] = label
        self._weeks = None
        if len(self._by_key) > self._most:
            self._make_room(record.offset)

    def _make_room(self, offset: int) -> None:
        oldest = sorted(self._by_key, key=lambda key: self._by_key[key].week)
        for key in oldest[: self._most // 20 + 1]:
            del self._by_key[key]
        if not self._full:
            self._full = True
            self._refused("labels_full", offset, f"{self._most} answers are kept: those of the oldest weeks go")

    def of_week(self, market: str, week: int) -> dict[str, LabelRecord]:
        """The answers about events of one market-week, by the events' ids."""
        return {label.id: label for label in self._by_key.values() if (label.market, label.week) == (market, week)}

    def weeks(self) -> Mapping[str, tuple[JudgedWeek, ...]]:
        """Market -> its weeks with a label, by number and model; answers that say `unclear` are none."""
        if self._weeks is None:
            self._weeks = _summed(self._by_key.values())
        return self._weeks


def _summed(labels: Iterable[LabelRecord]) -> Mapping[str, tuple[JudgedWeek, ...]]:
    """Sums of answers, the newest last: of a week the counts of the newest hold."""
    counts: dict[tuple[str, int, str], tuple[int, int, int]] = {}
    tables: dict[tuple[str, int, str], dict[str, list[list[int]]]] = {}
    for label in labels:
        if label.label == "unclear":
            continue
        key = label.market, label.week, label.model
        counts[key] = label.counts
        table = tables.setdefault(key, {}).setdefault(label.language, [[0, 0, 0] for _ in LABELS])
        table[LABELS.index(label.label)][LABELS.index(label.predicted)] += 1
    found: dict[str, list[JudgedWeek]] = {}
    for market, week, model in sorted(counts):
        of_languages = tables[market, week, model]
        kept = {language: _frozen(of_languages[language]) for language in sorted(of_languages)}
        found.setdefault(market, []).append(JudgedWeek(week, model, counts[market, week, model], kept))
    return {market: tuple(weeks[-MAX_WEEKS:]) for market, weeks in found.items()}


def _frozen(table: list[list[int]]) -> Table:
    one, two, three = ((row[0], row[1], row[2]) for row in table)
    return one, two, three
