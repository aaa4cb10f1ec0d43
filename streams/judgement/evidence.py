"""What labelled texts tell about the classifier's confusion: the evidence that corrects windows nobody labelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from streams.judgement.confusion import Confusion
from streams.judgement.estimate import Array, Numbers

HALF_LIFE_WEEKS = 13.0
"""After so long a label counts half: what users write about changes."""
DEVELOPMENT_TEXTS = 60.0
"""Weight of a row of the confusion measured on the development set, whose texts are not those of the stream."""
ALIKE = tuple(float(texts) for texts in np.geomspace(10, 300, 12))
"""How alike the markets' confusions may be: the weight, in texts a row, of what other markets tell."""
INDISTINCT = 2.0
"""Log-likelihoods that are nearer cannot be distinguished: about the 95 % of Wilks' theorem."""
ALIKE_UNKNOWN = 60.0
"""The same while fewer than two markets have labels."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Labels of one market and language, by [true][answered]: weighted counts (3, 3), and their squared weights."""

    counts: Array
    squares: Array

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(self.counts + other.counts, self.squares + other.squares)

    def __sub__(self, other: "Evidence") -> "Evidence":
        return Evidence(np.maximum(self.counts - other.counts, 0.0), np.maximum(self.squares - other.squares, 0.0))

    def rows(self, rater_error: float = 0.0) -> Array:
        """Pseudo-counts (3, 3) by [true][answered], each row as large as its weighted texts are worth (Kish).

        Args:
            rater_error: share of wrong answers of the raters, each wrong label alike; what it moved is moved back.
        """
        kept = 1 - 1.5 * rater_error
        true = np.maximum(self.counts - rater_error / 2 * self.counts.sum(axis=0), 0.0) / kept
        texts = self.counts.sum(axis=1) ** 2 / np.maximum(self.squares.sum(axis=1), 1e-12) * kept**2
        shares = true / np.maximum(true.sum(axis=1, keepdims=True), 1e-12)
        pseudo: Array = shares * texts[:, None]
        return pseudo


NOTHING = Evidence(np.zeros((3, 3)), np.zeros((3, 3)))


def evidence(labels: Numbers, drawn: Numbers, counts: Numbers, age_weeks: float) -> Evidence:
    """Evidence of one market-week.

    Texts are drawn by predicted label, so that plain counts would show as many of each as were drawn. Each counts for
    N_cell/n_cell events; weights are scaled to a mean of 1, then decayed.

    Args:
        labels: (3, 3) texts by [what people answered][predicted label], all of the week or those of one language.
        drawn: (3,) all texts of the week that people labelled, by predicted label.
        counts: (3,) events of the market-week by predicted label.
        age_weeks: since the week; not below 0.
    """
    share = counts / max(int(counts.sum()), 1)
    weight = share * drawn.sum() / np.maximum(drawn, 1)
    decay = 0.5 ** (age_weeks / HALF_LIFE_WEEKS)
    return Evidence(decay * labels * weight, decay * labels * weight**2)


def confusions(
    development: Array,
    of_markets: Mapping[str, Sequence[Evidence]],
    markets: Sequence[str],
    rater_error: float = 0.0,
    texts: Array | float = DEVELOPMENT_TEXTS,
) -> Confusion:
    """The confusion of each market in one language, from its labels, those of others, and the development set.

    A row of a market is Dirichlet with `alike` texts of the mean of the level above, plus its own labels; the level
    above is Dirichlet with `texts` of the measured confusion plus the labels of all other markets. `alike`
    comes from the labels (empirical Bayes, see `_alike`). A market without labels has what others tell, and the
    uncertainty of how unlike they are.

    Args:
        development: (3, 3) rows P(answered | true), as measured on the development set.
        of_markets: market -> evidence of its weeks in this language, labelled under the model in force.
        markets: those asked for, in this order.
        rater_error: as in `Evidence.rows`.
        texts: weight of the development set's rows, one or (3,).
    """
    measured = np.reshape(texts, (-1, 1)) * development
    own = {market: sum(weeks, NOTHING) for market, weeks in of_markets.items() if weeks}
    pooled = sum(own.values(), NOTHING)
    above = measured + pooled.rows(rater_error)
    alike = (
        _alike(np.array([each.rows(rater_error) for each in own.values()]), above) if len(own) > 1 else ALIKE_UNKNOWN
    )
    rows = []
    for market in markets:
        mine = own.get(market, NOTHING)
        others = measured + (pooled - mine).rows(rater_error)
        rows.append(alike * others / others.sum(axis=1, keepdims=True) + mine.rows(rater_error))
    table = np.array(rows).reshape(-1, 3, 3)
    weight = table.sum(axis=2)
    return Confusion(table / weight[..., None], weight)


def confusions_by_market(
    measured: Confusion, labels: Mapping[str, Mapping[int, Sequence[Evidence]]], rater_error: float = 0.0
) -> dict[str, Confusion]:
    """For each market with labels, its confusion in every language: what `compute_metrics` takes.

    Args:
        measured: of the layout's languages, as the model's development set says; exact where it was measured.
        labels: market -> number of the language -> evidence of the weeks.
        rater_error: as in `Evidence.rows`.
    """
    markets = sorted(labels)
    if not markets:
        return {}
    known = []
    for language, mean in enumerate(measured.mean):
        weeks = {market: labels[market].get(language, ()) for market in markets}
        texts = np.minimum(measured.weight[language], DEVELOPMENT_TEXTS)
        if any(weeks.values()):
            known.append(confusions(mean, weeks, markets, rater_error, texts))
        else:  # nobody labelled any: it stays as unsure as it is
            known.append(Confusion(np.stack([mean] * len(markets)), np.stack([texts] * len(markets))))
    means, weights = (np.stack([getattr(each, part) for each in known], axis=1) for part in ("mean", "weight"))
    return {market: Confusion(means[row], weights[row]) for row, market in enumerate(markets)}


def _alike(labels: Array, above: Array) -> float:
    """The least of ALIKE that labels (m, 3, 3) do not speak against: within 2 of the highest log-likelihood.

    Rows are Dirichlet-multinomial around the mean above. The most probable value itself takes markets for more alike
    than they are: labels drawn by cells scatter less than that distribution says, and the mean above is theirs too.
    """
    mean = above / above.sum(axis=1, keepdims=True)
    texts = labels.sum(axis=2)

    def likelihood(alike: float) -> float:
        prior = alike * mean
        rows = gammaln(alike) - gammaln(alike + texts)
        cells = gammaln(prior + labels) - gammaln(prior)
        return float(rows.sum() + cells.sum())

    found = {alike: likelihood(alike) for alike in ALIKE}
    return min(alike for alike, value in found.items() if value >= max(found.values()) - INDISTINCT)
