"""Times, numbers and an alert's evidence in words, for the page and the terminal."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from marketpulse.contract.records import AlertRecord

WRITTEN_BY_USERS = ("excerpts", "words")
"""Evidence of an alert that is users' own; `repeated` beside it is numbers alone."""


def without_excerpts(alert: AlertRecord) -> AlertRecord:
    """The same alert without what users wrote: neither their texts nor their words."""
    return replace(alert, evidence={name: one for name, one in alert.evidence.items() if name not in WRITTEN_BY_USERS})


def clock(ms: int | None) -> str:
    """A time of epoch ms in UTC, to the second."""
    return "–" if not ms else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands marked; a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def count_of(number: int, noun: str) -> str:
    """`1 line`, `2,000 lines`: a count with its noun, of which the singular is given; its plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def signed(value: float | None, digits: int = 1) -> str:
    """The same with its sign."""
    return "–" if value is None else f"{value:+,.{digits}f}".replace("-", "−")


def evidence_words(evidence: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of what an alert's evidence says; excerpts are shown apart."""
    return [
        (name.replace("_", " "), OWN_WORDS.get(name, said)(value))
        for name, value in evidence.items()
        if name != "excerpts"
    ]


def _topics(found: list[dict[str, Any]]) -> str:
    shown = (
        f"{one['topic']} {one['negatives']:,} of {one['events']:,} negative, usually {one['usual_share']:.0%}"
        for one in found
    )
    return "; ".join(shown) or "–"


OWN_WORDS: dict[str, Callable[[Any], str]] = {
    "topics": _topics,
    "repeated": lambda found: f"{found['share']:.0%} of {found['of']} texts",
    "began_interval": lambda times: " to ".join(map(clock, times)),
}


def said(value: Any) -> str:
    """A value of an alert's evidence in words: numbers rounded, epoch milliseconds as times, lists in a row."""
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int | float):
        return clock(int(value)) if value > 1e12 else number(value, 0 if isinstance(value, int) else 3)
    if isinstance(value, dict):
        return " ".join(f"{str(name).replace('_', ' ')} {said(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        tables = any(isinstance(one, dict) for one in value)
        return ("; " if tables else ", ").join(said(one) for one in value) or "–"
    return str(value)
