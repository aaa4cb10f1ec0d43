"""What every command needs, loaded when a command asks for it: the program's help does without."""

import getpass
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from streams.cli import output

if TYPE_CHECKING:
    from streams.settings import Settings

_Result = TypeVar("_Result")


def load_settings() -> "Settings":
    """Settings from the environment. Raises SettingsError naming every problem at once."""
    from streams.environment import ENV_FILE
    from streams.settings import load_settings as load

    if ENV_FILE not in os.environ and _names_settings(Path(".env")):
        output.note(f"The file .env of the working directory is not read. Operator action: name it in {ENV_FILE}.")
    return load()


def _names_settings(path: Path) -> bool:
    try:
        return "MARKETPULSE_" in path.read_text("utf-8", "replace")
    except OSError:
        return False


def login_name() -> str:
    """Of this machine; empty where the system knows none, as in a container with a user id alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine, awaited on an event loop of its own."""
    import asyncio

    return asyncio.run(work)
