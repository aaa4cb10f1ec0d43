"""The reference page of the command line: every command, argument, option and example, from the program itself."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from textwrap import indent
from typing import Any, Literal, get_args, get_origin

import typer

from streams.cli.main import EXIT_CODES, app

_TYPES = {int: "integer", float: "number", str: "text", Path: "path", bool: ""}


def every_command() -> Iterator[tuple[str, Any]]:
    """(words after `marketpulse`, command), in the order of their names."""
    yield from sorted(_below(typer.main.get_command(app), ()))


def _below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield " ".join(words), command
        return
    if command.invoke_without_command and words:
        yield " ".join(words), command
    for name, one in command.commands.items():
        yield from _below(one, (*words, name))


def commands(generated: str) -> str:
    """docs/reference/commands.md."""
    return (
        f"# Commands\n\n`marketpulse COMMAND --help` says the same. Settings come from the environment:\n"
        f"[configuration.md](../configuration.md). {EXIT_CODES}\n{generated}\n\n"
        + "\n".join(_section(name, command) for name, command in every_command())
    )


def _section(name: str, command: Any) -> str:
    text, examples = said(command)
    arguments = " ".join(one.name.upper() for one in command.params if one.param_type_name == "argument")
    title = f"## {name}\n\n`marketpulse {' '.join(filter(None, (name, arguments)))}`: {text}\n"
    shown = indent(examples, "    ")
    rows = "".join(f"| {' | '.join(_row(one))} |\n" for one in command.params)
    return title + f"\n{shown}" + (f"\n| option | takes | default | what |\n|---|---|---|---|\n{rows}" if rows else "")


def said(command: Any) -> tuple[str, str]:
    """What a command's help says, and its examples, a line each."""
    text, _, examples = (command.help or "").partition("```\n")
    return " ".join(text.split()), examples.removesuffix("```")


def _row(parameter: Any) -> tuple[str, str, str, str]:
    given = parameter.param_type_name == "argument"
    names = [parameter.name.upper()] if given else [*parameter.opts, *parameter.secondary_opts]
    what = parameter.help or ""
    return ", ".join(f"`{name}`" for name in names), _takes(parameter), _default(parameter), what.replace("|", "\\|")


def _takes(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is list:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        kind = ", ".join(get_args(annotation))
    elif issubclass(annotation, StrEnum):
        kind = ", ".join(annotation)
    else:
        kind = _TYPES[annotation]
    low, high = parameter.min, parameter.max
    if low is not None:
        kind += f", {low:,} to {high:,}" if high is not None else f", at least {low:,}"
    again = " (again for more)" if parameter.multiple else ""
    return kind + again


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    if getattr(parameter, "is_flag", False):
        return f"`{parameter.opts[0]}`" if parameter.default and parameter.secondary_opts else ""
    return "" if parameter.default in (None, "") else f"`{parameter.default}`"
