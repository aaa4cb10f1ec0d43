"""Work on what producers sent, kept from holding up heartbeats, leases and probes."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


async def off_loop(large: bool, work: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """The result of work that touches nothing but what it is given; large work is done in a thread.

    Python lets the event loop run every 5 ms beside it. Only a single call of C holds it up for longer: of a parser on
    one value, or of a rule on one text; those are bounded by themselves. Small work takes no longer than a thread's
    start would be worth.
    """
    if not large:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
