"""What others wrote, made safe to show: nothing in it acts on a terminal or turns a line around."""

import unicodedata
from collections.abc import Sequence

INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that are shown escaped: control characters, half surrogates, separators of lines."""
TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the direction of what is written after them."""


def visible(value: object, keep: str = "") -> str:
    """A value that others wrote, on one line: control characters escaped, but those in `keep`."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in keep and (character in TURNS or unicodedata.category(character) in INVISIBLE)
        else character
        for character in text
    )


MOST_PROBLEMS, LONGEST_PROBLEM = 50, 400
"""Of a file: how many are named, and characters of one."""


def problem_lines(problems: Sequence[str]) -> str:
    """What is wrong with a file that others wrote, one line each, two spaces before it; of many the first."""
    shown = [
        text if len(text) <= LONGEST_PROBLEM else text[:LONGEST_PROBLEM] + "…"
        for text in map(visible, problems[:MOST_PROBLEMS])
    ]
    if len(problems) > MOST_PROBLEMS:
        shown.append(f"and {len(problems) - MOST_PROBLEMS:,} more")
    return "".join(f"\n  {text}" for text in shown)


def visible_lines(text: str) -> str:
    """The same for a text of several lines: they stay."""
    return visible(text, "\n\t")
