"""The rater's error: found from texts shown twice, taken out of what is covered."""

import numpy as np
import pytest

from streams.judgement.estimate import WORTH, judged
from streams.judgement.raters import error_rate, without_error

ONE = np.ones(1)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_the_rate_is_found_from_texts_shown_twice(rate: float) -> None:
    """Where answers agree as often as a rate makes them agree."""
    agreed = round(100_000 * ((1 - rate) ** 2 + rate**2 / 2))
    found, error = error_rate(100_000, agreed)
    assert found == pytest.approx(rate, abs=1e-3)
    assert 0 < error < 0.003


def test_its_error_is_that_of_simulated_raters() -> None:
    """The spread of 2,000 estimates from 100 texts each."""
    agreed = np.random.default_rng(3).binomial(100, 0.9**2 + 0.1**2 / 2, 2_000)
    found = np.array([error_rate(100, int(count)) for count in agreed])
    assert found[:, 0].mean() == pytest.approx(0.1, abs=0.005)
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.1)


@pytest.mark.parametrize(("shown", "agreed"), [(0, 0), (5, 6), (5, -1)])
def test_texts_that_cannot_agree_are_refused(shown: int, agreed: int) -> None:
    """No texts, or more of them than were shown."""
    with pytest.raises(ValueError, match="cannot agree"):
        error_rate(shown, agreed)


@pytest.mark.parametrize("name", ["u", "negative"])
def test_what_errors_did_to_a_mean_is_undone(name: str) -> None:
    """The mean of answers that a known rate makes of known shares leads back to them."""
    worth, shares, rate = WORTH[name], np.array([0.5, 0.2, 0.3]), 0.1
    answered = (1 - 1.5 * rate) * shares + rate / 2
    found = judged(ONE * (answered @ worth), ONE * 0.05, ONE * 12, ONE)
    true = without_error(found, worth, ONE * 1e9, rate)
    assert true.value[0] == pytest.approx(shares @ worth)
    assert true.error[0] == pytest.approx(0.05 / 0.85)


def test_the_error_of_the_rate_and_of_few_events_widens() -> None:
    """Even answers about all events are not the truth."""
    found = judged(ONE * 0.3, ONE * 0.0, ONE * 12, ONE)
    assert without_error(found, WORTH["u"], ONE * 1e12, 0.1).error[0] == pytest.approx(0, abs=1e-5)
    few = without_error(found, WORTH["u"], ONE * 100, 0.1).error[0]
    assert 0.02 < few < without_error(found, WORTH["u"], ONE * 100, 0.1, 0.05).error[0] < 0.05


def test_what_is_added_is_not_estimated_from_the_texts() -> None:
    """Where the population was read whole, bounds are those of a normal error."""
    whole = judged(ONE * 0.3, ONE * 0.0, ONE * 2, ONE)
    found = without_error(whole, WORTH["u"], ONE * 400, 0.1)
    assert found.high[0] - found.value[0] == pytest.approx(1.96 * found.error[0], rel=1e-4)


def test_a_rate_beyond_all_use_is_refused() -> None:
    """At two thirds answers tell nothing, and short of it next to nothing."""
    with pytest.raises(ValueError, match="cannot be corrected"):
        without_error(judged(ONE, ONE, ONE, ONE), WORTH["u"], ONE, 0.5)
