"""A scored batch in, its additive delta for the ledger out: counts, fixed-point sums, distinct users."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.canary import CELL
from marketpulse.contract.records import Excerpt
from marketpulse.contract.totals import DEAD_LETTERS, SHADOW, latency_bucket
from marketpulse.contract.units import HOUR_MS, MICRO, MINUTE_MS
from streams.batches import Delta
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scores import ratings_of, scores_micro
from streams.pipeline.count.cells import CellLayout
from streams.privacy.excerpt_order import EXCERPTS_CHOSEN
from streams.privacy.redaction import excerpt
from streams.privacy.user_hashes import UserHashes

QUICK_CHARACTERS = 1_024
"""A batch with no more to redact is aggregated at once: of hostile texts, a character takes 60 µs at most."""


def characters(scored: ScoredBatch) -> int:
    """Characters that are redacted for a batch's excerpts, at most."""
    lengths = [len(event.text) for event in scored.batch.events]
    markets = len({event.market for event in scored.batch.events})
    return min(sum(lengths), EXCERPTS_CHOSEN * markets * max(lengths, default=0))


def aggregate(
    scored: ScoredBatch,
    layout: CellLayout,
    hashes: UserHashes,
    now_ms: int | None = None,
    excerpts: bool = True,
) -> Delta:
    """The delta of one batch.

    Keys of `counts` are `market:minute:cell` with the cells that `layout` has of a step (and
    `*:minute:dead_letter`, `*:minute:canary/id`); keys of `users` are `market:hour`.
    `now_ms` adds the batch's records to the latency histogram (record time to now; buckets 10 % wide). `excerpts`
    keeps up to 3 redacted texts per market, one per user.
    """
    batch = scored.batch
    events = batch.events
    totals: Counter[str] = Counter()
    for dead in batch.dead_letters:
        totals[f"dead_letter:{dead.code}"] += 1
    if batch.duplicates:
        totals["duplicates"] = batch.duplicates
    broken: dict[str, int] = {}
    if batch.dead_letters:
        broken[f"*:{batch.last_record_ms // MINUTE_MS}{DEAD_LETTERS}"] = len(batch.dead_letters)
    if batch.canaries:  # one cell, however many there are: anybody can send thousands
        broken[f"*:{batch.last_record_ms // MINUTE_MS}{CELL}{batch.canaries[0]}"] = len(batch.canaries)
        totals["canaries"] = len(batch.canaries)
    if not events:
        return Delta(broken, {}, dict(totals))
    totals["accepted"] = len(events)
    if scored.shadow is not None:
        totals.update(_agreement(scored.sentiment.argmax(axis=1), scored.shadow, layout.sentiments))
    if now_ms is not None:
        middle_ms = now_ms - (batch.first_record_ms + batch.last_record_ms) // 2
        totals[f"latency:{latency_bucket(middle_ms)}"] = len(events)
    _, markets, _, occurred, users, _, _ = zip(*events, strict=True)
    names = sorted(set(markets))
    index = {name: number for number, name in enumerate(names)}
    market = np.fromiter((index[name] for name in markets), np.int64, len(events))
    occurred_ms = np.array(occurred, np.int64)
    with_user = np.fromiter((user is not None for user in users), np.int64, len(events))
    language = layout.language_numbers(scored.languages, scored.unmeasured)
    counts = _counts(scored, layout, names, market, occurred_ms // MINUTE_MS, ratings_of(events), with_user, language)
    return Delta(
        counts=counts | broken,
        users=_users(markets, occurred, users, hashes),
        totals=dict(totals),
        excerpts=_excerpts(scored, layout, names, market, hashes) if excerpts else {},
    )


def _agreement(active: NDArray[np.int64], shadow: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, int]:
    """Events by what the model in use and the candidate answered: `shadow:negative>neutral` -> count."""
    pairs, counts = np.unique(np.stack([active, shadow]), axis=1, return_counts=True)
    return {
        f"{SHADOW}{names[one]}>{names[other]}": n
        for (one, other), n in zip(pairs.T.tolist(), counts.tolist(), strict=True)
    }


def _excerpts(
    scored: ScoredBatch, layout: CellLayout, names: list[str], market: NDArray[np.int64], hashes: UserHashes
) -> dict[str, list[Excerpt]]:
    """Up to 3 texts per market, one per user, negative ones first, then by lot: whichever batch they come in."""
    events, partition, order_of = scored.batch.events, scored.batch.position.partition, hashes.orders[0]
    offsets: list[int] = [record.offset for record in scored.batch.records]
    label, topic = scored.sentiment.argmax(axis=1), scored.topic.argmax(axis=1)
    place = np.fromiter((order_of.place(partition, offset) for offset in offsets), np.int64, len(events))
    shown: dict[str, str] = {}  # the same text is often written to all markets
    found: dict[str, dict[object, Excerpt]] = {}
    for at in np.lexsort((place, label != 0, market)).tolist():
        event, chosen = events[at], found.setdefault(names[market[at]], {})
        speaker = at if event.user is None else event.user
        if len(chosen) < EXCERPTS_CHOSEN and speaker not in chosen:
            order = order_of.of(event.market, event.user, partition, offsets[at], label[at] == 0)
            label_name, topic_name = layout.sentiments[label[at]], layout.topics[topic[at]]
            if event.text not in shown:
                shown[event.text] = excerpt(event.text)
            chosen[speaker] = Excerpt(order, shown[event.text], label_name, topic_name, event.occurred_ms)
    return {name: list(chosen.values()) for name, chosen in found.items()}


def _counts(
    scored: ScoredBatch,
    layout: CellLayout,
    names: list[str],
    market: NDArray[np.int64],
    minute: NDArray[np.int64],
    rating: NDArray[np.float64],
    with_user: NDArray[np.int64],
    language: NDArray[np.int64],
) -> dict[str, int]:
    """Sum every event into its (market, minute) bucket's cells."""
    slots, slot = np.unique(np.stack([market, minute], axis=1), axis=0, return_inverse=True)
    slot = slot.reshape(-1)
    topic, label = scored.topic.argmax(axis=1), scored.sentiment.argmax(axis=1)
    e, e2 = scores_micro(scored.sentiment, rating)
    cells = np.zeros((len(slots), len(layout.step_names)), np.int64)
    np.add.at(cells, (slot, layout.count_index[label, topic]), 1)
    if layout.languages:
        np.add.at(cells, (slot, layout.language_index[language, label]), 1)
    if scored.unmeasured is not None:
        rows = np.flatnonzero(scored.unmeasured)
        np.add.at(cells, (slot[rows], layout.unmeasured_index[label[rows], topic[rows]]), 1)
    np.add.at(cells, (slot, layout.score_index[topic]), e)
    np.add.at(cells[:, layout.index("e2")], slot, e2)
    np.add.at(cells[:, layout.index("with_user")], slot, with_user)
    confidence = np.rint(scored.sentiment.max(axis=1).astype(np.float64) * MICRO).astype(np.int64)
    np.add.at(cells[:, layout.index("confidence")], slot, confidence)
    if scored.unknown is not None:
        unknown = np.rint(scored.unknown.astype(np.float64) * MICRO).astype(np.int64)
        np.add.at(cells[:, layout.index("unknown")], slot, unknown)
    rows, columns = np.nonzero(cells)
    prefixes = [f"{names[at]}:{when}:" for at, when in slots.tolist()]
    cell_names = layout.step_names
    return {
        prefixes[row] + cell_names[column]: value
        for row, column, value in zip(rows.tolist(), columns.tolist(), cells[rows, columns].tolist(), strict=True)
    }


def _users(
    markets: tuple[str, ...],
    occurred: tuple[int, ...],
    users: tuple[str | None, ...],
    hashes: UserHashes,
) -> dict[str, list[bytes]]:
    """Distinct user hashes per `market:hour`, in a stable order."""
    hash_of = hashes.of
    distinct: dict[tuple[str, int], dict[bytes, None]] = {}
    for market, occurred_ms, user in zip(markets, occurred, users, strict=True):
        if user is not None:
            distinct.setdefault((market, occurred_ms // HOUR_MS), {})[hash_of(user, occurred_ms)] = None
    return {f"{market}:{hour}": list(hashes) for (market, hour), hashes in distinct.items()}
