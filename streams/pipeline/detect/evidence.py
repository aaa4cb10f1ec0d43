"""What an alert tells beside its state: topics by their excess of negatives, new words, share of repeated texts.

Words are users' own, as excerpts are: whoever leaves out one leaves out the other.
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from marketpulse.contract.records import AlertRecord, Excerpt
from marketpulse.contract.units import HOUR_MS, MINUTE_MS
from streams.pipeline.count.windows import MINUTES_KEPT, Windows
from streams.privacy.excerpt_order import speaker_of
from streams.privacy.user_hashes import Mixed, keys_in

EXCERPTS_SHOWN = 3
TOPICS_SHOWN = 3
WORDS_SHOWN = 5
WORD_USERS = 5
"""Users who must have written a word before an alert names it: fewer could be known by it."""
LEAST_TEXTS = 5
PRIOR_EVENTS = 40.0
_WORD = re.compile(r"[^\W\d_]{3,}")
_WITHOUT_SPACES = re.compile(r"[぀-ヿ㐀-鿿]{2,}")


def with_evidence(
    alert: AlertRecord, windows: Windows, excerpts: Sequence[Excerpt], mixed: Sequence[Mixed] = ()
) -> AlertRecord:
    """A firing surge or drop, with what users of the market say: topics, words, repetitions, excerpts.

    A market's surge brings its topics, from the minutes that fired it; a drop's are those of the windows.
    `excerpts` are those kept of the market, oldest first. Shown are negatives, of the alert's topic where it has one,
    the newest first. `mixed`: where a user may have a number under each of several keys.
    """
    kept = [one for one in excerpts if alert.topic in (None, one.topic)]
    began = alert.evidence.get("began_estimate", alert.started_at)
    topics = topics_since(windows, alert, began) if alert.topic is None and "topics" not in alert.evidence else None
    found = {
        "topics": topics,
        "words": driving_words(kept, began, keys_in(mixed, began // HOUR_MS, sys.maxsize)),
        "repeated": repeated_texts(kept, began),
        "excerpts": [one.text for one in reversed(kept) if one.label == "negative"][:EXCERPTS_SHOWN],
    }
    return replace(alert, evidence=alert.evidence | {name: one for name, one in found.items() if one is not None})


def newest_states(alerts: Iterable[AlertRecord]) -> list[AlertRecord]:
    """One record per alert: its last state, with the evidence of all.

    Readers know a record by (id, seq). A step that catches up may fire an alert and resolve it; of two records with
    one `seq` they would take the first and never learn that it ended.
    """
    newest: dict[str, AlertRecord] = {}
    for alert in alerts:
        before = newest.get(alert.id, alert)
        newest[alert.id] = replace(alert, evidence=before.evidence | alert.evidence)
    return list(newest.values())


def topics_since(windows: Windows, alert: AlertRecord, began_ms: int) -> list[dict[str, Any]]:
    """The topics that drive a market's alert, from when it began to when it fired; usual are the 24 hours before."""
    minute = (alert.fired_at or alert.started_at) // MINUTE_MS
    first = max(began_ms // MINUTE_MS, minute - MINUTES_KEPT + 1)
    hour = first // 60
    now = windows.between_minutes(alert.market, first, minute + 1)
    before = windows.between_hours(alert.market, hour - 24, hour)
    now_by, before_by = (
        {topic: (one.n, one.negative) for topic, one in windows.layout.by_topic(cells).items()}
        for cells in (now, before)
    )
    return driving_topics(now_by, before_by)


def driving_topics(
    now: Mapping[str, tuple[int, int]], before: Mapping[str, tuple[float, float]]
) -> list[dict[str, Any]]:
    """The topics with the most negatives beyond what was usual for them, at most three.

    Usual is the topic's share before, leaning on that of all with 40 events.

    Args:
        now, before: topic -> (events, negatives).
    """
    n = sum(events for events, _ in before.values())
    overall = (sum(negatives for _, negatives in before.values()) + 0.25 * PRIOR_EVENTS) / (n + PRIOR_EVENTS)
    found: list[tuple[float, dict[str, Any]]] = []
    for topic, (events, negatives) in sorted(now.items()):
        known_n, known_x = before.get(topic, (0, 0))
        usual = (known_x + PRIOR_EVENTS * overall) / (known_n + PRIOR_EVENTS)
        excess = negatives - events * usual
        shown = {"topic": topic, "events": events, "negatives": negatives, "usual_share": round(usual, 4)}
        found.append((excess, shown | {"excess": round(excess, 1)}))
    found.sort(key=lambda pair: -pair[0])
    return [shown for excess, shown in found[:TOPICS_SHOWN] if excess > 0]


def driving_words(excerpts: Sequence[Excerpt], began_ms: int, keys: int = 1) -> list[str]:
    """Words (pairs of characters where there are no spaces) in negative excerpts since then, and seldom before.

    None that fewer than five users wrote, each of whom may have as many numbers as there were `keys` since then;
    excerpts without a known user count for none. Ranked by count times the log
    ratio of the shares of texts that hold them, one half added to each count.
    """
    since = [kept for kept in excerpts if kept.occurred_at >= began_ms and kept.label == "negative"]
    now = [kept.text for kept in since]
    before = [one.text for one in excerpts if one.occurred_at < began_ms]
    counted, usual = (Counter(word for text in texts for word in words_of(text)) for texts in (now, before))
    written = {(word, speaker_of(kept.order)) for kept in since for word in words_of(kept.text)}
    users = Counter(word for word, speaker in written if speaker is not None)

    def weight(word: str) -> float:
        share, was = (counted[word] + 0.5) / (len(now) + 1), (usual[word] + 0.5) / (len(before) + 1)
        return counted[word] * math.log(share / was)

    often = [word for word in counted if users[word] >= WORD_USERS * keys and weight(word) > 0]
    return sorted(often, key=lambda word: (-weight(word), word))[:WORDS_SHOWN]


def repeated_texts(excerpts: Sequence[Excerpt], began_ms: int) -> dict[str, Any] | None:
    """Share of the texts kept since then that stand there more than once: floods by machines repeat themselves.

    None with fewer than five texts.
    """
    texts = [one.text.casefold() for one in excerpts if one.occurred_at >= began_ms]
    if len(texts) < LEAST_TEXTS:
        return None
    times = Counter(texts)
    return {"share": round(sum(n for n in times.values() if n > 1) / len(texts), 4), "of": len(texts)}


def words_of(text: str) -> set[str]:
    """What an alert could name of a text: words of three letters and more, pairs of characters without spaces."""
    folded = text.casefold()
    pairs = {run[at : at + 2] for run in _WITHOUT_SPACES.findall(folded) for at in range(len(run) - 1)}
    return pairs | set(_WORD.findall(_WITHOUT_SPACES.sub(" ", folded)))
