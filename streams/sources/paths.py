"""Paths to a value inside a record: `a.b`, `a[0].b`, `a[type=text].b`, `"a name.with dots"`."""

import functools
import itertools
import re
from typing import Any

_PART = re.compile(r'(?:"([^"]+)"|([^."\[\]]+))((?:\[[^\[\]]+\])*)(?:\.|$)')
_CHOICE = re.compile(r"\[([^\[\]]+)\]")
_PLAIN = re.compile(r'[^\s."\[\]](?:[^."\[\]]*[^\s."\[\]])?')

MAX_SEARCHED = 1_000
"""Values of a list among which one by its key is looked for: a record of nothing but small ones would take long."""

Step = str | int | tuple[str, str]


@functools.lru_cache(4_096)
def parsed_path(text: str) -> tuple[Step, ...]:
    """The steps of a path: a key, a place in a list, or (path, value) of the first object in a list that has it.

    Raises:
        ValueError: it is no path.
    """
    steps: list[Step] = []
    place = 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            raise ValueError(f"no path: {text}; a name with dots or brackets is written in double quotes")
        steps.append(part[1] or part[2].strip())
        for choice in _CHOICE.findall(part[3]):
            key, equals, value = choice.partition("=")
            if not equals and not choice.isdecimal():
                raise ValueError(f"no path: [{choice}] is neither a place, as in [0], nor key=value")
            if equals:
                parsed_path(key)
            steps.append((key, value) if equals else int(choice))
        place = part.end()
    if not steps:
        raise ValueError("no path: it is empty")
    return tuple(steps)


def step_of(key: str) -> str | None:
    """A key as a step of a path, in double quotes where it must be; None where no path can name it."""
    if not key or '"' in key:
        return None
    return key if _PLAIN.fullmatch(key) else f'"{key}"'


def column_of(path: str) -> str:
    """The column of a table that a path leads to."""
    steps = parsed_path(path)
    return steps[0] if len(steps) == 1 and isinstance(steps[0], str) else path


def value_at(record: Any, path: str) -> Any:
    """The value at a path, None where there is none. A key that is written like the whole path goes first."""
    if isinstance(record, dict) and path in record:
        return record[path]
    for step in parsed_path(path):
        if isinstance(step, str):
            record = record.get(step) if isinstance(record, dict) else None
        elif not isinstance(record, list):
            return None
        elif isinstance(step, int):
            record = record[step] if step < len(record) else None
        else:
            key, wanted = step
            searched = itertools.islice(record, MAX_SEARCHED)
            record = next((item for item in searched if has_value(item, key, wanted)), None)
    return record


def has_value(record: Any, path: str, wanted: str) -> bool:
    """Whether the text or number at a path is written like this."""
    value = value_at(record, path)
    return isinstance(value, str | int | float) and str(value) == wanted
