"""The roll-up lease while a step runs: a step may take longer than the lease lasts, and no other worker takes it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from marketpulse.errors import Unavailable
from streams.errors import StepTooLong

STEP_LIMIT_S = 60.0

_Result = TypeVar("_Result")


async def while_held(
    step: Coroutine[Any, Any, _Result],
    renew: Callable[[], Awaitable[bool]],
    lease_s: float,
    limit_s: float = STEP_LIMIT_S,
) -> _Result | None:
    """The result of a step, with its lease renewed every third of `lease_s` until it is done.

    `renew` answers whether the lease is still this worker's. Where it is not, the step is cancelled and the result is
    None. An `Unavailable` of `renew` is left to the step: it meets the same Redis.

    Raises:
        StepTooLong: after `limit_s`. The step is cancelled; without renewal another worker takes the lease.
        What the step raises.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + limit_s
    task = asyncio.create_task(step)
    try:
        while not (await asyncio.wait({task}, timeout=lease_s / 3))[0]:
            if clock() >= until:
                raise StepTooLong(f"a step of the roll-up took over {limit_s:g} s; another worker takes it up.")
            try:
                if not await renew():
                    return None
            except Unavailable:
                continue
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})
