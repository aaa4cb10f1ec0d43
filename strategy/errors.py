"""Errors of the allocator.

StrategyError
├── BadPortfolio   the market table cannot be used
└── BadMetrics     a metric is not a finite number in its range
"""


class StrategyError(Exception):
    """Root of the allocator's errors; none is retriable."""

    retriable = False


class BadPortfolio(StrategyError):
    """The market table cannot be used. Operator action: mend the field that is named."""


class BadMetrics(StrategyError):
    """A metric is not finite or out of range. Operator action: the previous allocation stays; see the metrics."""
