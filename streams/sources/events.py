"""Rows of a table, and objects of somebody else's names, as events of the contract."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

from marketpulse.contract.decode import Rejected, time_ms, utc
from marketpulse.contract.feedback import MAX_ATTRIBUTES, DeadLetterCode
from marketpulse.contract.wire import MAX_SHORT_CHARACTERS
from streams.errors import BadInput
from streams.sources.encodings import given_encoding
from streams.sources.times import written_ms

MAX_COLUMNS = 1_000
MAX_DIGITS = 19
NEEDED = ("id", "market", "text", "occurred_at")
OPTIONAL = ("user", "lang", "rating", "channel", "v")
FIELDS = frozenset((*NEEDED, *OPTIONAL))
_INTEGER = re.compile(rf"[+]?(\d{{1,{MAX_DIGITS}}})(?:[.,]0*)?", re.ASCII)
MAX_LISTED = 40
MAX_NAME = 40
MAX_NAME_WORDS = 5
MIN_DIGITS, DIGITS_SHARE = 3, 0.25
"""A cell with as many digits, and as large a share of them, is a time or a number rather than a name."""
_SENTENCE = re.compile(r"[.!?…。！？](?:\s|$)")
_NOTHING = frozenset(("null", r"\n", "nan", "none", "n/a", "#n/a", "<na>", "-", "--", "\N{EN DASH}", "\N{EM DASH}"))
_NO_TEXT = frozenset(("", "NULL", "null", r"\N", "nan", "NaN", "#N/A", "<NA>"))
"""What databases, spreadsheets and data frames write for nothing; in `text` only what no user types."""


class NotUsable(ValueError):
    """A record cannot become an event: the reason names the field, without any value; `code` as of a dead letter."""

    def __init__(self, reason: str, code: DeadLetterCode = "bad_value") -> None:
        super().__init__(reason)
        self.code: DeadLetterCode = code


@dataclass(frozen=True)
class Form:
    """How a file differs from the contract.

    `columns`: field -> the file's own name. `delimiter`, `encoding` None = found in the file. `zone`: of times without
    an offset; None = they are refused. `time_format`: as strptime takes it. `attributes`: the columns that become
    attributes; None = all others. `skip_rows`: rows below the header that hold no record. `sheet`: the name of one;
    None = the first that has rows.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    zone: ZoneInfo | None = None
    encoding: str | None = None
    time_format: str | None = None
    attributes: tuple[str, ...] | None = None
    skip_rows: int = 0
    sheet: str | None = None

    def wanted(self) -> set[str]:
        """Names of columns, in lower case, by which a header is known."""
        names = {name.strip().casefold() for name in self.columns.values()}
        return names | {name for name in NEEDED if name not in self.columns}

    def table(self, header: Sequence[str]) -> "Rows":
        """The reader of rows below this header. Raises BadInput."""
        return Table(header, self)


def form_of(
    columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    timezone: str | None = None,
    encoding: str | None = None,
    time_format: str | None = None,
    attributes: Sequence[str] | None = None,
    sheet: str | None = None,
) -> Form:
    """From a command's options: `field=column` each, a character, an IANA name, ... Raises BadInput."""
    pairs: dict[str, str] = {}
    for given in columns or ():
        ours, _, theirs = given.partition("=")
        if not ours or not theirs:
            raise BadInput("--column takes field=column. Operator action: write it as in --column market=country.")
        if ours not in FIELDS:
            raise BadInput(
                f"--column {given}: there is no field {ours}. Operator action: use {', '.join((*NEEDED, *OPTIONAL))}."
            )
        if ours in pairs:
            raise BadInput(f"--column names {ours} twice. Operator action: give a field one column.")
        if theirs in pairs.values():
            raise BadInput(f"--column gives {theirs} to two fields. Operator action: give a column one field.")
        pairs[ours] = theirs
    if delimiter is not None and not is_delimiter(delimiter):
        raise BadInput(
            f"--delimiter {delimiter!r} is not one character, or a quote or an end of line. Operator action: give it "
            "as in --delimiter ';'."
        )
    try:
        zone = None if timezone is None else ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{timezone!r} is no time zone. Operator action: give one as in --timezone Europe/Berlin, or UTC."
        ) from error
    python_name = None if encoding is None else given_encoding(encoding).name
    chosen = None if not attributes else tuple(attributes)
    return Form(pairs, delimiter, zone, python_name, time_format, chosen, sheet=sheet)


def is_delimiter(text: str) -> bool:
    """Whether cells can be delimited by it: one character, neither a quote nor an end of line."""
    return len(text) == 1 and text not in '"\r\n'


class Rows(Protocol):
    """The rows of a table as events; what was left out or cut is counted by column.

    `unread`: columns that nothing is read from. `absent`: fields that no column of the file is for.
    """

    width: int
    left_out: Counter[str]
    cut: Counter[str]
    unread: list[str]
    absent: list[str]

    def event(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row of the header's width, of texts or of values of JSON and dates, as the contract's fields.

        Raises:
            NotUsable: it cannot become an event.
        """

    def has_time(self, row: Sequence[str]) -> bool:
        """Whether a row has a time in its place."""


class Table:
    """The columns of a table: which is which field, which become attributes; what was left out is counted.

    Raises:
        BadInput: a needed column is missing or there twice, or there are too many.
    """

    def __init__(self, header: Sequence[str], form: Form) -> None:
        self._form = form
        self.width = len(header)
        self.left_out: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.unread: list[str] = []
        self.absent: list[str] = []
        names = names_of(header)
        self._fields = self._fields_of(names)
        taken = set(self._fields.values())
        if missing := [name for name in form.attributes or () if name not in names]:
            raise BadInput(f"the file has no column {', '.join(missing)}. Operator action: correct --attribute.")
        self._attributes = {
            place: name
            for place, name in enumerate(_unique(names, form.columns))
            if place not in taken and (form.attributes is None or names[place] in form.attributes)
        }

    def event(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row of the header's width as the contract's fields."""
        at = row[self._fields["occurred_at"]]
        row = list(map(cell_text, row))
        given = {name: row[place] for name, place in self._fields.items()}
        fields: dict[str, Any] = {
            name: text for name, text in given.items() if not (text in _NO_TEXT if name == "text" else is_nothing(text))
        }
        attributes: dict[str, str] = {}
        for place, name in self._attributes.items():
            if is_nothing(row[place]):
                continue
            if len(attributes) == MAX_ATTRIBUTES:
                self.left_out[name] += 1
                continue
            if len(row[place]) > MAX_SHORT_CHARACTERS:
                self.cut[name] += 1
            attributes[name] = short(row[place])
        if attributes:
            fields["attributes"] = attributes
        for name in ("rating", "v"):
            if name in fields:
                fields[name] = _number(fields[name])
        if "occurred_at" in fields:
            fields["occurred_at"] = readable_time(at if isinstance(at, date) else fields["occurred_at"], self._form)
        return fields

    def has_time(self, row: Sequence[str]) -> bool:
        """Whether a row has a time in its place."""
        return written_ms(row[self._fields["occurred_at"]], self._form.zone, self._form.time_format) is not None

    def _fields_of(self, names: list[str]) -> dict[str, int]:
        """Field -> place of its column."""
        columns = self._form.columns
        places: dict[str, int] = {}
        for ours in (*NEEDED, *OPTIONAL):
            wanted = columns.get(ours, ours)
            found = [place for place, name in enumerate(names) if name == wanted.strip()] or [
                place for place, name in enumerate(names) if name.casefold() == wanted.strip().casefold()
            ]
            if ours not in columns:
                found = [place for place in found if names[place] not in columns.values()]
            if len(found) > 1:
                listed = " and ".join(str(place + 1) for place in found)
                raise BadInput(
                    f"the file has column {wanted} {len(found)} times, at {listed}. Operator action: rename "
                    "those that are not meant."
                )
            if found:
                places[ours] = found[0]
            elif ours in columns:
                raise BadInput(
                    f"the file has no column {wanted}, but {header_words(names)}. Operator action: correct --column."
                )
        if missing := [name for name in NEEDED if name not in places]:
            raise BadInput(
                f"the file has no column {', '.join(missing)}, but {header_words(names)}. Operator action: name the "
                "columns, as in --column market=country; the contract has id, market, text, occurred_at, and "
                "optionally user, lang, rating, channel. If the file is not CSV: it has no line that is a JSON object."
            )
        return places


def names_of(header: Sequence[str]) -> list[str]:
    """The names of columns without blanks around them. Raises BadInput for too many."""
    if len(header) > MAX_COLUMNS:
        raise BadInput(
            f"the file has {len(header):,} columns, at most {MAX_COLUMNS:,} are read. Operator action: leave "
            "out those that are neither fields nor attributes of the contract."
        )
    return [name.strip() for name in header]


def renamed(content: dict[str, Any], form: Form) -> dict[str, Any]:
    """An object of JSON with the contract's names and a time that the contract reads; the same object if it had."""
    fields = content
    if form.columns:
        theirs = set(form.columns.values())
        fields = {name: value for name, value in content.items() if name not in theirs and name not in form.columns}
        fields |= {ours: content[column] for ours, column in form.columns.items() if column in content}
    at = fields.get("occurred_at")
    if at is None or (read := readable_time(at, form)) == at:
        return fields
    return fields | {"occurred_at": read}


def readable_time(written: Any, form: Form) -> Any:
    """A time as the contract reads it; as it is where the contract does, or where it is no time."""
    if isinstance(written, str) and form.time_format is None and not written.strip().isdecimal():
        try:
            time_ms(written)
        except Rejected:
            pass
        else:
            return written
    at = written_ms(written, form.zone, form.time_format)
    if at is None:
        return written
    return utc(at) if isinstance(written, str) and not written.strip().isdecimal() else at


def cell_text(cell: Any) -> str:
    """A cell as CSV writes it: nothing is empty, truths are words, dates ISO 8601, what has parts is JSON."""
    match cell:
        case str():
            return cell
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case date():
            return cell.isoformat()
        case dict() | list():
            return msgspec.json.encode(cell).decode()
        case _:
            return str(cell)


def is_nothing(text: str) -> bool:
    """Whether a cell is empty or a word for nothing; `NA` is Namibia."""
    return text == "" or text.isspace() or (len(text) < 8 and text.strip().casefold() in _NOTHING)


def _number(text: str) -> int | str:
    """A whole number, `4.0` and `4,0` too; what is none stays text, which the contract refuses."""
    found = _INTEGER.fullmatch(text.strip())
    return int(found[1]) if found else text


def short(text: str) -> str:
    """Cut to what an attribute holds."""
    return text if len(text) <= MAX_SHORT_CHARACTERS else text[: MAX_SHORT_CHARACTERS - 1] + "…"


def _unique(names: list[str], columns: Mapping[str, str]) -> list[str]:
    """Names of attributes: within bounds, none empty, none twice, none that a field has."""
    seen: set[str] = set()
    unique = []
    for place, given in enumerate(names, 1):
        base = short(f"their {given}" if given in columns else given or f"column {place}")
        name, number = base, place
        while name in seen:
            name, number = f"{base[:240]} ({number})", number + 1
        seen.add(name)
        unique.append(name)
    return unique


def one_line(text: str) -> str:
    """Without ends of lines and what else cannot be seen: a file's own words must not look like ours."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def listed_names(names: Sequence[str]) -> str:
    """Names of columns or sheets within what fits on a screen."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(short(one_line(name)) for name in names[:MAX_LISTED]) + more


def header_words(cells: Sequence[str]) -> str:
    """The names in a row that was taken for a header, and lengths in place of what is no name.

    Of a row with times, numbers or addresses there are lengths alone: it is a record, of a file without a header.
    """
    lengths = [f"({len(cell)} characters)" for cell in cells]
    if any(map(_is_value, cells)):
        return f"a first row that looks like a record, not like a header: {listed_names(lengths)}"
    return listed_names([cell if _is_name(cell) else length for cell, length in zip(cells, lengths, strict=True)])


def _is_value(cell: str) -> bool:
    text = "".join(cell.split())
    digits = sum(map(str.isdecimal, text))
    return "@" in text or text.isdecimal() or (digits >= MIN_DIGITS and digits >= DIGITS_SHARE * len(text))


def _is_name(cell: str) -> bool:
    return len(cell) <= MAX_NAME and len(cell.split()) <= MAX_NAME_WORDS and _SENTENCE.search(cell) is None
