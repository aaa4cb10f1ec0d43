"""Work that is tried again until a server answers."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from marketpulse.errors import Unavailable
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import Progress

log = get_logger("worker")
Result = TypeVar("Result")


class NotWanted(Exception):
    """What was tried again is not wanted any more: somebody else does it."""


def always() -> bool:
    """Work that nobody else can take over is wanted to its end."""
    return True


async def patiently(
    work: Callable[[], Awaitable[Result]],
    what: str,
    progress: Progress,
    wanted: Callable[[], bool] = always,
) -> Result:
    """Try retriable work until it is done, with growing pauses; whoever cancels the task ends the trying.

    Args:
        work: what is tried.
        what: its name in the log and in what a worker waits for.
        progress: is informed while it waits.
        wanted: asked before every try.

    Raises:
        NotWanted: `wanted` gave False.
    """

    async def once() -> Result:
        if not wanted():
            raise NotWanted(what)
        return await work()

    def say(state: tenacity.RetryCallState) -> None:
        progress.waits(what)
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Unavailable):
            progress.failed(error.server)
        if state.attempt_number in (1, 5) or state.attempt_number % 30 == 0:
            log.warning("waiting", what=what, attempt=state.attempt_number, error=str(error))

    retrying = tenacity.AsyncRetrying(
        wait=tenacity.wait_exponential_jitter(multiplier=0.05, max=2.0),
        retry=tenacity.retry_if_exception_type(Unavailable),
        before_sleep=say,
    )
    try:
        async for attempt in retrying:
            with attempt:
                return await once()
    finally:
        progress.goes_on(what)
    raise AssertionError("retries never end")
