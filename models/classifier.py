"""The seam between the stream and any model: texts in, probabilities out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_UNKNOWN = 0.10
"""A text with a larger share of unknown pieces is unmeasured: what the model was measured on says nothing of it."""


@dataclass(frozen=True)
class LanguageQuality:
    """What a model's development set says of one language; `confusion[true][answered]` counts rows."""

    accuracy: float
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ModelInfo:
    """What a model is and where it runs; `provider` is ONNX Runtime's name of the execution provider in use.

    `fell_back`: the runtime was built for a GPU, but the model runs on the CPU. `detector`: what finds the language of
    texts, name and version.
    """

    id: str
    sha256: str
    device: str
    provider: str
    sentiments: tuple[str, ...]
    topics: tuple[str, ...]
    languages: Mapping[str, LanguageQuality] = field(default_factory=dict)
    fell_back: bool = False
    detector: str = ""


@dataclass(frozen=True)
class Predictions:
    """Probabilities per text: `sentiment` float32 (n, 3), `topic` float32 (n, topics); rows sum to 1.

    `unknown` float32 (n,): share of pieces that the vocabulary does not hold, or no training text had, of all but those
    that mark begin and end; None where the model cannot tell.
    `languages` (n,): primary language by which each text was calibrated, "" = not known; `detected` (n,): the one found
    in the text itself, "" = none is plain.
    """

    sentiment: NDArray[np.float32]
    topic: NDArray[np.float32]
    unknown: NDArray[np.float32] | None = None
    languages: Sequence[str] = ()
    detected: Sequence[str] = ()

    @property
    def unmeasured(self) -> NDArray[np.bool_]:
        """(n,): texts of which a share above MAX_UNKNOWN is unknown; none where the model cannot tell."""
        found: NDArray[np.bool_]
        found = np.zeros(len(self.sentiment), np.bool_) if self.unknown is None else self.unknown > MAX_UNKNOWN
        return found


class Classifier(Protocol):
    """Any model. Called from one thread at a time, off the event loop."""

    @property
    def info(self) -> ModelInfo:
        """What this model is."""

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        """Probabilities of each text, in the order given. Raises BadOutput."""

    def prefetch(self, texts: Sequence[str], languages: Sequence[str | None]) -> None:
        """Do ahead what can be done before `classify` is asked for these texts: a hint, from another thread."""
