"""Errors that nobody handles end the process, whatever class they are of."""

import asyncio

import pytest

from streams.errors import EXIT_RESTART
from streams.serving.ending import Ending


class Panic(BaseException):
    """As a library in Rust raises it: no Exception."""


@pytest.mark.parametrize("error", [Panic("at src/lib.rs"), ValueError("x")])
async def test_whatever_is_raised_ends_the_process(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the code after which it is started anew."""
    ended: list[int] = []
    monkeypatch.setattr("streams.serving.ending.end_process", lambda code, *_: ended.append(code))

    async def work() -> None:
        raise error

    await Ending()(work)()
    assert [EXIT_RESTART] == ended


async def test_work_that_is_cancelled_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stops cancels what is left."""
    monkeypatch.setattr("streams.serving.ending.end_process", lambda *_: pytest.fail("the process ended"))
    work = asyncio.ensure_future(Ending()(lambda: asyncio.sleep(60))())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
