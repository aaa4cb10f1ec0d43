"""Settings for commands: what parses them is loaded when a command asks for them, not when the program shows help."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.settings import Settings


def load_settings() -> "Settings":
    """Settings from the environment. Raises SettingsError naming every problem at once."""
    from streams.settings import load_settings as load

    return load()
