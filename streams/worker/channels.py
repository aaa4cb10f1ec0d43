"""What Faust does otherwise: a bounded channel that its rebalances leave alone, and acknowledging what is done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from faust.channels import Channel
from mode.utils.queues import FlowControlEvent, ThrowableQueue


class SteadyChannel(Channel):  # type: ignore[misc]
    """`put` waits while the channel is full.

    Faust's stock channel takes part in flow control: whenever Faust's consumer rebalances, it is emptied and waiting
    senders are cancelled. Batches of our own source must outlive that: their partitions are fenced by the ledger.
    """

    _queue: Any

    @property
    def queue(self) -> Any:
        """The queue behind this (cloned) channel."""
        if self._queue is None:
            never_suspended = FlowControlEvent(initially_suspended=False)
            self._queue = ThrowableQueue(maxsize=self.maxsize or 1, flow_control=never_suspended)
        return self._queue


def acknowledging(work: Callable[[AsyncIterator[Any]], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """The same work on a Faust stream, each value acknowledged when the work asks for the next.

    Faust acknowledges also the value whose work was cut off by the worker's end: nobody would do it again.
    """

    async def acknowledged(stream: Any) -> None:
        await work(_in_hand(stream))

    acknowledged.__name__ = getattr(work, "__name__", "work")
    return acknowledged


async def _in_hand(stream: Any) -> AsyncIterator[Any]:
    async for event in stream.noack().events():
        yield event.value
        event.ack()
