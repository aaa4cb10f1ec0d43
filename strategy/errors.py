"""Errors of the allocator.

StrategyError
├── BadPortfolio   the market table cannot be used
└── BadMetrics     a metric is not a finite number in its range
"""

from collections.abc import Sequence


class StrategyError(Exception):
    """Root of the allocator's errors; none is retriable."""

    retriable = False


class BadPortfolio(StrategyError):
    """The market table cannot be used. Operator action: fix the field that is named.

    problems: each of them by itself, where there may be several.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class BadMetrics(StrategyError):
    """A metric is not finite or out of range. Operator action: the previous allocation stays; see the metrics."""
