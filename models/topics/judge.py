"""How well heads for topics that nobody trained on do: few examples of labelled rows, figures on others."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np

from models.clean import clean
from models.errors import BadArtifact
from models.labels import GENERAL
from models.scores import macro_f1
from models.topics.general import GENERAL_TEXTS
from models.topics.head import HELD_BACK, Floats, Numbers, fit_head

States = Callable[[Sequence[str]], Floats]

SENTENCES = {
    "app": "The app: it crashes, an update broke it, logging in, syncing with the phone.",
    "content": "What is taught: the lecture, the material, how it is explained, the depth.",
    "delivery": "Delivery: how fast it came, the courier, the packaging, something missing or damaged on the way.",
    "feature_request": "A wish for a new function: please add this, it should be able to do that.",
    "location_facilities": "The place: where it is, rooms, parking, pool, cleanliness, what is nearby.",
    "performance": "Performance: speed, battery, engine, power, heat, memory.",
    "price": "The price: cheap, expensive, worth the money, discounts, fees.",
    "quality": "Quality of the product: material, taste, build, it broke or it lasts.",
    "service_support": "Service and support: staff, seller, hotline, warranty, answers to questions.",
    "usability_design": "Design and use: looks, size, colours, easy or hard to use.",
}
"""The topics that are left out, five at a time, each with a sentence."""
AT_ONCE = 5
EXAMPLES = 20
POOL = 100
JUDGED = 150
GENERAL_POOL = 200
GENERAL_JUDGED = 500


class Row(msgspec.Struct):
    """A row with a topic; `topics` are all of a text."""

    text: str
    topic: str | None = None
    topics: tuple[str, ...] = ()


class Draw(msgspec.Struct, frozen=True):
    """Figures of five topics: mean F1, shares of `general` answered to general texts and to texts of other topics."""

    topics: tuple[str, ...]
    f1: float
    general_recall: float
    others_general: float


class Judgement(msgspec.Struct, frozen=True):
    """All draws, and their means."""

    draws: list[Draw]
    f1: float
    general_recall: float
    others_general: float


def judge_topics(
    states: States, pool: Sequence[Row], judged: Sequence[Row], own_general: bool, general_recall: float, draws: int
) -> Judgement:
    """Five topics at a time, 20 examples and a sentence each.

    Args:
        states: of texts, (n, width).
        pool: rows that examples and general texts are drawn from; each text has one topic.
        judged: other rows, each text with one topic.
        own_general: 200 general rows of the pool stand for what an operator gives; else the shipped texts.
        general_recall: as in `fit_head`.
        draws: how often topics and examples are drawn.

    Raises:
        BadArtifact: a topic has too few rows.
    """
    by_topic = {topic: [row.text for row in pool if row.topic == topic] for topic in (GENERAL, *SENTENCES)}
    if few := [topic for topic, texts in by_topic.items() if len(texts) < EXAMPLES]:
        raise BadArtifact(f"too few rows of the topics {few}. Operator action: give rows with `topic`.")
    asked = states([row.text for row in judged])
    held_back = 0.0 if own_general else HELD_BACK
    found = []
    for draw in range(draws):
        rng = np.random.default_rng([7, draw])
        five = tuple(sorted(rng.choice(sorted(SENTENCES), AT_ONCE, replace=False).tolist()))
        chosen = [rng.permutation(by_topic[topic])[:EXAMPLES].tolist() for topic in five]
        general = rng.permutation(by_topic[GENERAL])[:GENERAL_POOL].tolist() if own_general else list(GENERAL_TEXTS)
        texts = [*general, *(text for examples in chosen for text in examples), *(SENTENCES[topic] for topic in five)]
        classes = [0] * len(general) + [at for at in range(1, 1 + AT_ONCE) for _ in range(EXAMPLES)]
        numbers = np.array([*classes, *range(1, 1 + AT_ONCE)], np.int64)
        fit = fit_head(states(texts), numbers, np.arange(len(texts)) >= len(texts) - AT_ONCE, general_recall, held_back)
        found.append(_figures(five, [row.topic for row in judged], fit.head.answers(asked)))
    means = (fmean(getattr(draw, name) for draw in found) for name in ("f1", "general_recall", "others_general"))
    return Judgement(found, *means)


def _figures(topics: tuple[str, ...], truth: Sequence[str | None], answers: Numbers) -> Draw:
    names = (GENERAL, *topics)
    numbers = np.array([names.index(topic) if topic in names else -1 for topic in truth])
    known, general, others = numbers >= 0, numbers == 0, numbers < 0
    return Draw(
        topics,
        macro_f1(numbers[known], answers[known], range(1, len(names))),
        float((answers[general] == 0).mean()),
        float((answers[others] == 0).mean()),
    )


class Remembered:
    """States of texts, of which each is asked for once."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._rows: dict[str, Floats] = {}

    def __call__(self, texts: Sequence[str]) -> Floats:
        """States (n, width) of texts."""
        cleaned = [clean(text) for text in texts]
        missing = [text for text in dict.fromkeys(cleaned) if text not in self._rows]
        if missing:
            self._rows.update(zip(missing, self._states(missing), strict=True))
        return np.stack([self._rows[text] for text in cleaned])


def rows_of(file: Path, most: int, most_general: int) -> list[Row]:
    """Rows of a JSONL(.gz) file that are about one topic alone, the same random ones at every call.

    Args:
        file: rows with `text`, `topic` and, where a text has several, `topics`.
        most: rows of each topic.
        most_general: rows of `general`.
    """
    decoder = msgspec.json.Decoder(Row)
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        rows = [row for row in map(decoder.decode, lines) if row.topic and set(row.topics) <= {row.topic}]
    found: list[Row] = []
    for topic in (GENERAL, *SENTENCES):
        of_topic = [row for row in rows if row.topic == topic]
        order = np.random.default_rng(7).permutation(len(of_topic))
        found += [of_topic[at] for at in order[: most_general if topic == GENERAL else most]]
    return found
