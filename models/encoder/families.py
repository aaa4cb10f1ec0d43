"""Leave one family out: what a model knows of sources that it never saw, while nothing is asked of the test set."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.encoder.sampling import balanced_rows
from models.errors import BadArtifact
from models.labels import SENTIMENTS
from models.rows import LabelledText, translation_groups

FAMILIES: dict[str, str] = {
    "UMSAB": "umsab",
    "M-ABSA": "m-absa",
    "minibar": "minibar",
    "SmSA": "smsa",
    "RuSentiTweet": "rusentitweet",
}
"""Families that are left out in turn, and how their sources begin; all others are only trained on."""
CHOOSING = ("M-ABSA", "SmSA", "RuSentiTweet")
"""Plans are chosen by these; the others are reported once."""
MAX_ROWS = 24_000


@dataclass(frozen=True)
class Fold:
    """One family left out.

    `training`: balanced rows of all other families; `development`: the others' development rows; `judged`: the family's
    rows of both files whose label is no guess.
    """

    name: str
    training: list[LabelledText]
    development: list[LabelledText]
    judged: list[LabelledText]

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """Class numbers (n,) of the judged rows."""
        return np.array([SENTIMENTS.index(row.label) for row in self.judged], np.int64)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Numbers (n,) of the judged rows' parallel groups: an original and its translations are one observation."""
        named = [name or f" {row}" for row, name in enumerate(translation_groups(self.judged))]
        return np.unique(named, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def mark(self) -> str:
        """SHA-256 of the rows: what answers belong to."""
        found = hashlib.sha256()
        for part in (self.training, self.development, self.judged):
            found.update(msgspec.json.encode(part))
        return found.hexdigest()


def family_of(row: LabelledText) -> str:
    """What a row's source begins with: `m-absa` of `m-absa/hotel`."""
    return row.source.partition("/")[0]


def fold_of(
    name: str,
    train: Sequence[LabelledText],
    development: Sequence[LabelledText],
    max_rows: int = MAX_ROWS,
    max_judged: int | None = None,
    seed: int = 7,
) -> Fold:
    """The fold of a family, the same for the same seed.

    Args:
        name: of the family, a key of FAMILIES.
        train, development: all rows; none of the test set.
        max_rows: of training, balanced over family and language. Rows whose text is also judged are left out.
        max_judged: about how many rows are judged, whole parallel groups; None = all.
        seed: of both draws.

    Raises:
        BadArtifact: an unknown family, or one without rows, or nothing to train on.
    """
    if name not in FAMILIES:
        raise BadArtifact(f"no family is called {name}. Operator action: name one of {', '.join(FAMILIES)}.")
    left_out = [row for row in [*train, *development] if family_of(row) == FAMILIES[name] and not row.weak]
    judged = _some_groups(left_out, max_judged, seed)
    texts = {row.text for row in judged}
    others = [row for row in train if family_of(row) != FAMILIES[name] and row.text not in texts]
    if not judged or not others:
        raise BadArtifact(
            f"{name}: {len(judged)} rows to judge, {len(others)} to train on. "
            f"Operator action: give rows with `source`; the family's begin with {FAMILIES[name]}."
        )
    drawn = balanced_rows([(family_of(row), row.lang) for row in others], max_rows, seed)
    kept = [row for row in development if family_of(row) != FAMILIES[name] and row.text not in texts]
    return Fold(name, [others[row] for row in drawn], kept, judged)


def _some_groups(rows: list[LabelledText], at_most: int | None, seed: int) -> list[LabelledText]:
    """The rows of randomly drawn parallel groups, as many groups as fit."""
    if at_most is None or len(rows) <= at_most:
        return rows
    names = [name or f" {row}" for row, name in enumerate(translation_groups(rows))]
    sizes: dict[str, int] = dict.fromkeys(names, 0)
    for name in names:
        sizes[name] += 1
    order = np.random.default_rng(seed).permutation(sorted(sizes))
    fitting = np.cumsum([sizes[name] for name in order]) <= at_most
    kept = set(order[fitting].tolist())
    return [row for row, name in zip(rows, names, strict=True) if name in kept]


def counted(rows: Iterable[LabelledText]) -> dict[str, int]:
    """How many rows each family and language has, as `family/language`."""
    counts: dict[str, int] = {}
    for row in rows:
        name = f"{family_of(row)}/{row.lang}"
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
