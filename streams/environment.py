"""Where settings come from: variables, a file of them that is named, and files that hold one secret each."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

ENV_FILE = "MARKETPULSE_ENV_FILE"
"""Variable with the path of a file of further variables, `NAME=value` each."""
MAX_SECRET_CHARACTERS = 65_536
PREFIX = "MARKETPULSE_"
_OF_A_SERVICE = re.compile(r".+_SERVICE_(HOST|PORT(_.+)?)|.+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")


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


def unknown_names(environment: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """What is wrong with variables that begin as settings do and are none: misspelt, they would be ignored in silence.

    Kubernetes names each Service `marketpulse-...` in variables of every pod (`MARKETPULSE_PAGE_PORT=tcp://...`):
    those are nobody's mistake.
    """
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or _OF_A_SERVICE.fullmatch(name):
            continue
        if name.endswith("_PORT") and environment[name].startswith(("tcp://", "udp://", "sctp://")):
            continue
        near = get_close_matches(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], 1)
        yield f"{name}: there is no such setting" + (f"; do you mean {PREFIX}{near[0]}?" if near else "")


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
