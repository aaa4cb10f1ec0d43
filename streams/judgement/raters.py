"""The rater's own error: its rate from texts shown twice, and what the truth is behind answers that have it."""

import math

import numpy as np

from streams.judgement.estimate import KNOWN, Array, Judged, judged

MAX_RATE = 0.4
"""Beyond it answers tell so little that nothing is corrected."""


def error_rate(shown_twice: int, agreed: int) -> tuple[float, float]:
    """Share of wrong answers, each wrong label as likely, and its standard error, from texts shown twice.

    Two answers agree with (1 - r)^2 + r^2/2. Errors must be independent: the second showing comes later, or to somebody
    else. What a person gets wrong both times, out of conviction, is not seen. Half a text is added to either side.

    Args:
        shown_twice: texts that have two answers.
        agreed: of them, those with the same answer twice.

    Raises:
        ValueError: fewer than one text, or more agreed than were shown.
    """
    if not 0 <= agreed <= shown_twice or shown_twice < 1:
        raise ValueError(f"{agreed} of {shown_twice} texts cannot agree")
    agreement = (agreed + 0.5) / (shown_twice + 1)
    root = math.sqrt(max(4 - 6 * (1 - agreement), 0.0))
    slope = 1 / max(root, 0.5)  # d rate / d agreement, but where answers agree as chance does
    return (2 - root) / 3, slope * math.sqrt(agreement * (1 - agreement) / (shown_twice + 1))


def without_error(
    found: Judged, worth: Array, events: Array, rate: float | Array, rate_error: float | Array = 0.0
) -> Judged:
    """The mean of the true labels behind a mean of answers of which a share of `rate` is wrong, each wrong label alike.

    An answer's mean is drawn towards that of an even label, b: `answers = b + (1 - 1.5 rate)(truth - b)`. So value and
    error are stretched from there; the error also holds that of the rate, and that even the answers about all events
    would differ from their mean by chance.

    Args:
        found: means of answers.
        worth: (3,) what a label counted in it.
        events: (b,) of the populations.
        rate: of wrong answers, in [0, MAX_RATE]; one for all or (b,).
        rate_error: its standard error; 0 = the rate is known.

    Raises:
        ValueError: the rate is outside.
    """
    if np.any(rate < 0) or np.any(rate > MAX_RATE):
        raise ValueError(f"a rate of {rate} of wrong answers cannot be corrected: it must be from 0 to {MAX_RATE}")
    even, kept = float(worth.mean()), 1 - 1.5 * rate
    noise = rate * max(np.mean((worth - each) ** 2) * 1.5 for each in worth)  # of one answer, at most
    sampling = found.error**2
    variance = sampling + (1.5 * (found.value - even) / kept * rate_error) ** 2 + noise / np.maximum(events, 1)
    freedom = found.freedom * (variance / np.maximum(sampling, 1e-12)) ** 2  # only the sampling's variance is estimated
    return judged(
        np.clip(even + (found.value - even) / kept, 0.0, 1.0),
        np.sqrt(variance) / kept,
        np.minimum(freedom, KNOWN),
        found.tuning,
    )
