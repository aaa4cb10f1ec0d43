"""How well a classifier answers labelled texts: per language and source, with calibration and speed."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.classifier import Classifier, Predictions
from models.errors import BadArtifact
from models.rows import LabelledText, read_rows
from models.scores import abstention_curve, brier_score, calibration_error, confusion, macro_f1

FREQUENT_TOPIC = 100


class LanguageScores(msgspec.Struct, frozen=True):
    """Scores of one language's n rows; `confusion[true][answered]` counts rows, in the order of the sentiments.

    `unknown`: mean share of unknown pieces (see `Predictions`), `unmeasured`: share of rows with too many of them
    (see `Predictions`); None where the model cannot tell.
    """

    n: int
    accuracy: float
    macro_f1: float
    confusion: list[list[int]]
    ece: float = 0.0
    brier: float = 0.0
    unknown: float | None = None
    unmeasured: float | None = None


class SourceScores(msgspec.Struct, frozen=True):
    """Scores of the rows of one source."""

    n: int
    accuracy: float
    macro_f1: float


class Evaluation(msgspec.Struct, frozen=True):
    """`mean_macro_f1` over languages; `topic_macro_f1` over topics with at least 100 rows; the rest over all rows.

    `abstention`: (share of rows answered, accuracy on them) when the least sure are left out.
    """

    languages: dict[str, LanguageScores]
    mean_macro_f1: float
    topic_macro_f1: float
    ece: float = 0.0
    brier: float = 0.0
    sources: dict[str, SourceScores] = {}
    abstention: list[tuple[float, float]] = []
    texts_per_second: float | None = None


def labelled(file: Path) -> list[LabelledText]:
    """All rows of a JSONL(.gz) file. Raises BadArtifact where it cannot be read."""
    try:
        rows = list(read_rows(file))
    except (OSError, EOFError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadArtifact(
            f"{file} cannot be read: {error}. Operator action: give JSONL with `text`, `label` and `lang`."
        ) from error
    if not rows:
        raise BadArtifact(f"{file} holds no row. Operator action: give JSONL with `text`, `label` and `lang`.")
    return rows


def evaluate(classifier: Classifier, file: Path) -> Evaluation:
    """Classify a JSONL(.gz) file with `text`, `lang`, `label`, `topic?`, `source?` and compare. Raises BadArtifact."""
    rows = labelled(file)
    started = time.perf_counter()
    predicted = classifier.classify([row.text for row in rows], [row.lang for row in rows])
    seconds = time.perf_counter() - started
    scored = score(rows, predicted, classifier.info.sentiments, classifier.info.topics)
    return msgspec.structs.replace(scored, texts_per_second=round(len(rows) / seconds, 1))


def score(
    rows: Sequence[LabelledText], predicted: Predictions, sentiments: tuple[str, ...], topics: tuple[str, ...]
) -> Evaluation:
    """Scores of predictions, row by row those of `rows`. Raises BadArtifact for a label the model does not know."""
    truth = numbers([row.label for row in rows], sentiments)
    languages = np.array([row.lang for row in rows])
    sources = np.array([row.source for row in rows])
    answer = predicted.sentiment.argmax(axis=1)
    classes = range(len(sentiments))

    def of(chosen: NDArray[np.bool_]) -> SourceScores:
        right, answered = truth[chosen], answer[chosen]
        return SourceScores(int(chosen.sum()), float((right == answered).mean()), macro_f1(right, answered, classes))

    of_languages = {}
    for language in sorted(set(languages.tolist())):
        chosen = languages == language
        plain = of(chosen)
        of_languages[language] = LanguageScores(
            n=plain.n,
            accuracy=plain.accuracy,
            macro_f1=plain.macro_f1,
            confusion=confusion(truth[chosen], answer[chosen], len(sentiments)),
            ece=calibration_error(truth[chosen], predicted.sentiment[chosen]),
            brier=brier_score(truth[chosen], predicted.sentiment[chosen]),
            unknown=None if predicted.unknown is None else float(predicted.unknown[chosen].mean()),
            unmeasured=None if predicted.unknown is None else float(predicted.unmeasured[chosen].mean()),
        )
    topic = np.array([topics.index(row.topic) if row.topic in topics else -1 for row in rows])
    known = topic >= 0
    frequent = [one for one in range(len(topics)) if (topic == one).sum() >= FREQUENT_TOPIC]
    return Evaluation(
        languages=of_languages,
        mean_macro_f1=float(np.mean([one.macro_f1 for one in of_languages.values()])),
        topic_macro_f1=macro_f1(topic[known], predicted.topic.argmax(axis=1)[known], frequent),
        ece=calibration_error(truth, predicted.sentiment),
        brier=brier_score(truth, predicted.sentiment),
        sources={name: of(sources == name) for name in sorted(set(sources.tolist())) if name},
        abstention=abstention_curve(truth, predicted.sentiment),
    )


def numbers(labels: Sequence[str], known: tuple[str, ...]) -> NDArray[np.int64]:
    """Class numbers of labels. Raises BadArtifact for one that is not known."""
    if unknown := sorted(set(labels) - set(known)):
        raise BadArtifact(f"labels {unknown} are none of {list(known)}. Operator action: map them in the file.")
    return np.array([known.index(label) for label in labels], np.int64)
