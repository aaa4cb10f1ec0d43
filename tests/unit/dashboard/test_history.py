"""A bucket of the past as the page shows it."""

import pytest

from streams.dashboard.history import _moment
from streams.pipeline.count.cells import Sums


@pytest.mark.parametrize(("with_user", "counted", "shown"), [(3, 2, 2), (3, 0, None), (0, 0, 0)])
def test_users_that_are_not_kept_any_more_are_not_none(with_user: int, counted: int, shown: int | None) -> None:
    """Events are kept for 8 days, who wrote them for 60 hours: an hour with events of users had some."""
    moment = _moment(0, Sums(4, {"negative": 4}, 1.0, 0.5, with_user), counted, 0.5)
    assert (4, shown) == (moment.n, moment.users)
