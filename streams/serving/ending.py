"""How a worker ends: errors that nobody handles end the process, so that nothing stalled looks alive."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from marketpulse.errors import MarketpulseError
from streams.errors import EXIT_RESTART
from streams.telemetry.logs import get_logger

log = get_logger("ending")


class Ending:
    """Wraps work so that an error it does not handle ends the process: a stalled worker must not look alive.

    Once `stopping` is set, errors only mean that work is abandoned: whoever claims the partition next does it again.
    """

    def __init__(self) -> None:
        self.stopping = False

    def __call__(self, work: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """The same work, guarded."""

        async def guarded(*args: AsyncIterable[Any]) -> None:
            try:
                await work(*args)
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException as error:  # a panic of a library in Rust is no Exception
                if self.stopping:
                    log.info("work_abandoned", work=guarded.__name__, error=str(error))
                    return
                if isinstance(error, MarketpulseError):
                    end_process(error.exit_code if error.exit_code != 1 else EXIT_RESTART, str(error), error.code)
                log.exception("unexpected")
                end_process(EXIT_RESTART, f"{type(error).__name__}: {error}")

        guarded.__name__ = getattr(work, "__name__", "work")
        return guarded


def end_process(exit_code: int, why: str, code: str = "error") -> None:
    """Flush what was logged and end at once: 75 = start anew, 78 = an operator is needed; `code` names the kind."""
    log.error("process_ends", exit_code=exit_code, code=code, why=why)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(exit_code)
