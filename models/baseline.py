"""The baselines that models are measured beside: character 1-4-gram TF-IDF and a linear SVM, by language or pooled."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from models.labels import SENTIMENTS
from models.rows import LabelledText


def baseline_answers(training: Sequence[LabelledText], rows: Sequence[LabelledText]) -> NDArray[np.int64]:
    """Class numbers (n,) that machines fitted on `training` give `rows`; languages not in training are neutral."""
    answers = np.full(len(rows), SENTIMENTS.index("neutral"), np.int64)
    for language in sorted({row.lang for row in rows} & {row.lang for row in training}):
        known = [row for row in training if row.lang == language]
        asked = [at for at, row in enumerate(rows) if row.lang == language]
        answers[asked] = pooled_answers(known, [rows[at] for at in asked])
    return answers


def pooled_answers(training: Sequence[LabelledText], rows: Sequence[LabelledText]) -> NDArray[np.int64]:
    """Class numbers (n,) that one machine for all languages, fitted on `training`, gives `rows`."""
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, min_df=2)
    machine = LinearSVC(C=0.5, class_weight="balanced", random_state=0)
    known = features.fit_transform([row.text for row in training])
    machine.fit(known, [SENTIMENTS.index(row.label) for row in training])
    answers: NDArray[np.int64] = machine.predict(features.transform([row.text for row in rows]))
    return answers
