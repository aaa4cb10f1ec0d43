"""Waiting, with a deadline, for what another thread, process or task does."""

import asyncio
import inspect
import time
from collections.abc import Callable


def until(
    reached: Callable[[], object],
    seconds: float = 30.0,
    what: str | Callable[[], object] = "",
    meanwhile: Callable[[], object] | None = None,
    every_s: float = 0.05,
) -> float:
    """Wait for a condition; the seconds it took. `meanwhile` is called after each look.

    `what`, a text or a function that tells the last state, is in the message. Raises AssertionError after `seconds`.
    """
    began = time.monotonic()
    while not reached():
        if meanwhile is not None:
            meanwhile()
        assert time.monotonic() - began < seconds, _late(reached, seconds, what)
        time.sleep(every_s)
    return time.monotonic() - began


async def until_async(
    reached: Callable[[], object], seconds: float = 30.0, what: str | Callable[[], object] = "", every_s: float = 0.01
) -> float:
    """The same for a condition, asynchronous or not, that other tasks of this loop bring about."""
    began = time.monotonic()
    while True:
        found = reached()
        if await found if inspect.isawaitable(found) else found:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, _late(reached, seconds, what)
        await asyncio.sleep(every_s)


def _late(reached: Callable[[], object], seconds: float, what: str | Callable[[], object]) -> str:
    said = what() if callable(what) else what
    return f"{getattr(reached, '__qualname__', reached)} not within {seconds:g} s: {said}"
