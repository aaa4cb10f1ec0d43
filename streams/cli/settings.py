"""What every command needs, loaded when a command asks for it: the program's help does without."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from streams.settings import Settings

_Result = TypeVar("_Result")


def load_settings() -> "Settings":
    """Settings from the environment. Raises SettingsError naming every problem at once."""
    from streams.settings import load_settings as load

    return load()


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine, awaited on an event loop of its own."""
    import asyncio

    return asyncio.run(work)
