"""A rendered view as named parts of HTML, and what a client that has an earlier one is sent."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec


class ViewKey(NamedTuple):
    """Which view: its name, and a market with the window of its charts where it is a market's."""

    name: str
    market: str = ""
    window: str = ""


@dataclass(frozen=True)
class Rendered:
    """A view's live parts.

    Args:
        parts: element id -> HTML of that element.
        rows: element id of a table's body -> element id of a row -> HTML of that row.
        figures: element id -> Plotly figure.
    """

    parts: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def body(self, name: str) -> str:
        """A table's body as HTML."""
        return f'<tbody id="{name}">{"".join(self.rows[name].values())}</tbody>'

    def whole(self) -> "Rendered":
        """The same with tables in one piece."""
        return Rendered(self.parts | {name: self.body(name) for name in self.rows}, {}, self.figures)

    def since(self, before: "Rendered") -> "Rendered":
        """Only what differs; a table whose rows are others comes in one piece."""
        parts = {name: html for name, html in self.parts.items() if before.parts.get(name) != html}
        for name, rows in self.rows.items():
            known = before.rows.get(name, {})
            if list(known) == list(rows):
                parts |= {row: html for row, html in rows.items() if known[row] != html}
            else:
                parts[name] = self.body(name)
        figures = {name: one for name, one in self.figures.items() if before.figures.get(name) != one}
        return Rendered(parts, {}, figures)

    @staticmethod
    def message(what: "Rendered", change: str) -> bytes:
        """One message of an event stream, its id that of the newest change in it."""
        data = msgspec.json.encode({"parts": what.parts, "figures": what.figures})
        return b"id: " + change.encode() + b"\r\nevent: view\r\ndata: " + data + b"\r\n\r\n"
