"""Where settings come from: variables, a file of them that is named, and files that hold one secret each."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

ENV_FILE = "MARKETPULSE_ENV_FILE"
"""Variable with the path of a file of further variables, `NAME=value` each."""
MAX_SECRET_CHARACTERS = 65_536


def environment_of(own: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment with what the file that MARKETPULSE_ENV_FILE names adds to it, and what is wrong with that.

    No other file is read: one of the working directory could be somebody else's, and move a password to their server.
    """
    name = own.get(ENV_FILE)
    if not name:
        return dict(own), []
    if not Path(name).is_file():
        return dict(own), [f"{ENV_FILE}: {name} is no file"]
    return {key: value for key, value in dotenv_values(name).items() if value is not None} | dict(own), []


def secret_of(environment: Mapping[str, str], name: str) -> str | None:
    """A secret from its variable, or from the file that the variable with `_FILE` behind its name names; None = unset.

    Raises:
        ValueError: both are set, or the file cannot be read.
    """
    value, path = environment.get(name), environment.get(f"{name}_FILE")
    if not path:
        return value
    if value is not None:
        raise ValueError(f"is given twice: here and in {name}_FILE; keep one of them")
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = file.read(MAX_SECRET_CHARACTERS + 1).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"{path}, which {name}_FILE names, cannot be read: {why}") from None
    if not 1 <= len(content) <= MAX_SECRET_CHARACTERS:
        raise ValueError(f"{path}, which {name}_FILE names, must hold 1 to {MAX_SECRET_CHARACTERS} characters")
    return content
