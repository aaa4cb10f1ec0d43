"""A bounded Faust channel that Faust's own rebalances leave alone."""

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
