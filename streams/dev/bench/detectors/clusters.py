"""Events that hang together for longer than a minute: the detector's rho, of single minutes, does not see all of it."""

from typing import Literal

import numpy as np

from streams.dev.bench.detectors.arrays import Array, Counts

Kind = Literal["ten minutes", "replies", "five texts"]
KINDS: tuple[Kind, ...] = ("ten minutes", "replies", "five texts")

RHO = 0.02
BLOCK = 10  # minutes that share one mood
REPLIES = 0.3  # that an event draws on average (Hawkes 1971), as negative as it is
REPLY_MINUTES = 5.0
WRITERS, TEXTS = 0.01, 5  # share of users that write TEXTS texts within `BLOCK` minutes


def negatives(rng: np.random.Generator, kind: Kind, volume: Array, share: Array) -> tuple[Counts, Counts]:
    """Events and true negatives of every minute, around a volume and a share."""
    if kind == "ten minutes":
        return _moods(rng, volume, share)
    if kind == "replies":
        return _replies(rng, volume, share)
    return _writers(rng, volume, share)


def _moods(rng: np.random.Generator, volume: Array, share: Array) -> tuple[Counts, Counts]:
    middle = share[BLOCK // 2 :: BLOCK]
    drawn = rng.beta(middle * (1 / RHO - 1), (1 - middle) * (1 / RHO - 1)) / middle
    n = rng.poisson(volume)
    found: Counts = rng.binomial(n, np.minimum(share * np.repeat(drawn, BLOCK)[: len(share)], 1.0))
    return n, found


def _replies(rng: np.random.Generator, volume: Array, share: Array) -> tuple[Counts, Counts]:
    base = (1 - REPLIES) * np.stack([volume * share, volume * (1 - share)], axis=1)
    kept = np.exp(-1 / REPLY_MINUTES)
    counts, drawn = np.zeros(base.shape, np.int64), np.zeros(2)
    for minute, rate in enumerate(base):
        counts[minute] = rng.poisson(rate + drawn)
        drawn = kept * drawn + REPLIES * (1 - kept) * counts[minute]
    return counts.sum(axis=1), counts[:, 0]


def _writers(rng: np.random.Generator, volume: Array, share: Array) -> tuple[Counts, Counts]:
    users = volume / (1 + WRITERS * (TEXTS - 1))
    counts = []
    for of_label in (share, 1 - share):
        one = rng.poisson((1 - WRITERS) * users * of_label)
        spread = rng.multinomial(TEXTS * rng.poisson(WRITERS * users * of_label), np.full(BLOCK, 1 / BLOCK))
        for after in range(BLOCK):
            one[after:] += spread[: len(one) - after, after]
        counts.append(one)
    return counts[0] + counts[1], counts[0]
