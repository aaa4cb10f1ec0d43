"""The whole of leave-one-family-out: folds of one data set, and the judgement on all answers that are kept so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from models.encoder.answers import ANSWERS, read_answers
from models.encoder.families import FAMILIES, MAX_ROWS, Fold, counted, fold_of
from models.encoder.judge import Answers, Judgement, judge
from models.rows import LabelledText


@dataclass(frozen=True)
class Protocol:
    """Rows of a data set, and how folds are drawn of them (see `fold_of`)."""

    train: Sequence[LabelledText]
    development: Sequence[LabelledText]
    max_rows: int = MAX_ROWS
    max_judged: int | None = None
    _folds: dict[str, Fold] = field(default_factory=dict)

    def fold(self, name: str) -> Fold:
        """The fold of a family, drawn once. Raises BadArtifact."""
        if name not in self._folds:
            self._folds[name] = fold_of(name, self.train, self.development, self.max_rows, self.max_judged)
        return self._folds[name]


def judgement(protocol: Protocol, work: Path) -> Judgement:
    """Scores of all methods that have answers in `work`, and their leads.

    Raises:
        BadArtifact: answers came of other rows than the protocol's.
    """
    answers: dict[str, dict[str, Answers]] = {}
    for family in FAMILIES:
        for file in sorted(work.glob(f"{family}/*/{ANSWERS}")):
            kept, _ = read_answers(file.parent, protocol.fold(family))
            answers.setdefault(file.parent.name, {})[family] = kept.argmax(axis=1)
    judged = [family for family in FAMILIES if any(family in given for given in answers.values())]
    folds = {family: protocol.fold(family) for family in judged}
    found = judge(folds, {method: answers[method] for method in sorted(answers)})
    return msgspec.structs.replace(found, training={name: counted(fold.training) for name, fold in folds.items()})
