"""The page's own metrics, read at a scrape."""

from collections.abc import Iterable
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from streams.telemetry import instruments as telemetry
from streams.telemetry.instruments import family


class Follower(Protocol):
    """What the page's collector asks of its hub."""

    number: int
    error: str | None

    @property
    def clients(self) -> int:
        """Streams that are open."""


class PageCollector(Collector):
    """The page: whether it can read, and how many views it has made."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def collect(self) -> Iterable[Metric]:
        """All that can be read now."""
        yield family(telemetry.PAGE_READY, self._follower.error is None)
        yield family(telemetry.PAGE_VIEWS, self._follower.number)
        yield family(telemetry.PAGE_STREAMS, self._follower.clients)
