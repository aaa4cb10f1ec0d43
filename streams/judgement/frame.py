"""The events of one market-week as `feedback.classified` has them: how many of each cell, and which texts are drawn."""

import heapq
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from marketpulse.contract.operators import LABELS, Answer
from marketpulse.contract.records import ClassifiedRecord
from streams.judgement.draw import MAX_TICKETS, Lottery, order_of_cells, week_of
from streams.judgement.estimate import Numbers, Sample

MAX_FRAME_EVENTS = 5_000_000
"""Of one market-week, at some 40 bytes each while it is read."""
_PARTITION_BITS = 20
_OFFSETS = 1 << (63 - _PARTITION_BITS)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A text to show: where its event is, its cell (the number of the predicted label), what else its label needs."""

    id: str
    partition: int
    offset: int
    cell: int
    score: float
    language: str
    model: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One market-week: events of each cell, their mean score, the drawn of each cell in the order of their places.

    `by_model`: the same counts of each model alone.
    """

    market: str
    week: int
    counts: tuple[int, int, int]
    mean_score: float
    drawn: tuple[tuple[Drawn, ...], ...]
    by_model: Mapping[str, tuple[int, int, int]]

    @property
    def events(self) -> int:
        """All of the week."""
        return sum(self.counts)


class Census:
    """Takes the classified records of a topic, in any order and however often; the frame is of one market and week.

    Of the records with one id the one with the highest claim counts, the later of two with the same.

    Raises:
        OverflowError: the market-week has more than MAX_FRAME_EVENTS records.
    """

    def __init__(self, market: str, week: int) -> None:
        self._market, self._week = market, week
        self._topic = ""
        self._numbers, self._claims = array("q"), array("q")  # of partition and offset; of the claim
        self._cells, self._names = array("b"), array("i")
        self._scores = array("d")
        self._known: dict[tuple[str, str], int] = {}  # language and model -> their number

    def take(self, record: ClassifiedRecord) -> None:
        """Count one record if it is of the market and the week."""
        if record.market != self._market or week_of(record.occurred_at) != self._week or record.label not in LABELS:
            return
        if len(self._numbers) >= MAX_FRAME_EVENTS:
            raise OverflowError(f"more than {MAX_FRAME_EVENTS:,} events")
        self._topic, partition, offset = record.id.rsplit("-", 2)
        language = (record.lang or "").partition("-")[0] or record.lang_found or ""
        self._numbers.append(int(partition) * _OFFSETS + int(offset))
        self._claims.append(record.claim)
        self._cells.append(LABELS.index(record.label))
        self._names.append(self._known.setdefault((language, record.model), len(self._known)))
        self._scores.append(record.score)

    def frame(self, lottery: Lottery) -> Frame:
        """What was taken so far, and the draw from it."""
        numbers, cells = np.array(self._numbers), np.array(self._cells, np.int64)
        order = np.lexsort((np.array(self._claims), numbers))
        sorted_numbers = numbers[order]
        last = np.append(sorted_numbers[1:] != sorted_numbers[:-1], True)[: len(order)]
        kept = order[last]
        names, known = np.array(self._names, np.int64), [*self._known]
        models = np.array([model for _, model in known], object)
        of_model = models[names[kept]] if known else models
        return Frame(
            self._market,
            self._week,
            _counts(cells[kept]),
            float(np.array(self._scores)[kept].mean()) if len(kept) else 0.0,
            tuple(self._drawn(lottery, kept[cells[kept] == cell].tolist(), known) for cell in range(len(LABELS))),
            {model: _counts(cells[kept[of_model == model]]) for model in sorted({model for _, model in known})},
        )

    def _drawn(self, lottery: Lottery, rows: Sequence[int], known: Sequence[tuple[str, str]]) -> tuple[Drawn, ...]:
        places = ((lottery.place(self._market, self._week, self._id(row)), row) for row in rows)
        found = []
        for _, row in heapq.nsmallest(MAX_TICKETS, places):  # as draw.smallest, without all of them in memory
            language, model = known[self._names[row]]
            partition, offset = divmod(self._numbers[row], _OFFSETS)
            found.append(Drawn(self._id(row), partition, offset, self._cells[row], self._scores[row], language, model))
        return tuple(found)

    def _id(self, row: int) -> str:
        partition, offset = divmod(self._numbers[row], _OFFSETS)
        return f"{self._topic}-{partition}-{offset}"


def _counts(cells: Numbers) -> tuple[int, int, int]:
    negative, neutral, positive = np.bincount(cells, minlength=len(LABELS)).tolist()
    return negative, neutral, positive


def sample_of(frame: Frame, answered: Mapping[str, Answer]) -> Sample:
    """What `estimate` takes, of one population: the texts among the drawn that people labelled (one at least)."""
    texts = [
        (LABELS.index(answer), drawn.cell, drawn.score)
        for rows in frame.drawn
        for drawn in rows
        if (answer := answered.get(drawn.id)) is not None and answer != "unclear"
    ]
    labels, cells, scores = zip(*texts, strict=True)
    return Sample(
        np.array([labels]),
        np.array([cells]),
        np.array([scores]),
        np.array([frame.counts]),
        np.array([frame.mean_score]),
    )


class Round:
    """The texts to show, one after the other: those that were answered before are left out.

    Args:
        frame: that they are drawn from.
        spreads: (3,) of the true score within each cell.
        texts: how many are to be answered, beside those that were.
        answered: id -> answer about this market-week's events so far.
    """

    def __init__(self, frame: Frame, spreads: Sequence[float], texts: int, answered: Mapping[str, Answer]) -> None:
        self._answered = answered
        self._waiting = [iter(drawn) for drawn in frame.drawn]
        before = sum(answered.get(drawn.id, "unclear") != "unclear" for rows in frame.drawn for drawn in rows)
        self._cells = deque(order_of_cells(frame.counts, spreads, before + texts))
        self._left = texts
        self._last = 0

    def next(self) -> Drawn | None:
        """The next text to show; None after the last."""
        while self._left and self._cells:
            cell = self._cells.popleft()
            for drawn in self._waiting[cell]:
                known = self._answered.get(drawn.id)
                if known is None:
                    self._left, self._last = self._left - 1, cell
                    return drawn
                if known != "unclear":
                    break
        return None

    def replace(self) -> None:
        """The text shown last is gone or cannot be judged: the next of its cell comes in its place."""
        self._left += 1
        self._cells.appendleft(self._last)
