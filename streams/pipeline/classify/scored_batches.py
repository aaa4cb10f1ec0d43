"""The batch type between model and ledger; alone, so that processes without a model do not load NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.batches import DecodedBatch


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """A decoded batch and what the model said: probabilities (n, 3) and (n, topics), rows as in `batch.events`.

    `shadow` (n,) are label numbers that a candidate model gave the same events; None without one.
    `unknown` (n,): share of pieces unknown to the model; None where it cannot tell.
    `languages` (n,): primary language by which each event was calibrated and is counted, "" = not known; `detected`
    (n,): the one found in the text, "" = none is plain. `unmeasured` (n,): texts with more unknown pieces than
    those that the model was measured on; None = none is.
    """

    batch: DecodedBatch
    sentiment: NDArray[np.float32]
    topic: NDArray[np.float32]
    shadow: NDArray[np.int64] | None = None
    unknown: NDArray[np.float32] | None = None
    languages: Sequence[str] = ()
    detected: Sequence[str] = ()
    unmeasured: NDArray[np.bool_] | None = None
