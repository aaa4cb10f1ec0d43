"""Feedback files (text, sheets, Parquet, packed, standard input) as Kafka keys and values, read record by record."""

import contextlib
import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from marketpulse.contract.decode import Rejected, decode
from marketpulse.contract.words import count_of
from streams.errors import BadInput
from streams.kafka.publish import Record
from streams.sources import csv_rows, tables
from streams.sources.content import SAMPLE_BYTES, Kind, kind_of, reading, unpacked
from streams.sources.encodings import Encoding, as_utf8, encoding_of
from streams.sources.events import Form, Rows, listed_names
from streams.sources.json_values import line_records, objects, value_records, written
from streams.sources.lines import MAX_LINE, MAX_RECORD, OnBroken
from streams.sources.mapped import MappedForm
from streams.sources.mapping import FileForm
from streams.sources.tables import no_sheets, opened_table, table_kind


class Feed:
    """A file of feedback, which is read record by record, as often as it is asked for; standard input too.

    Args:
        source: path of JSON (an object a line, an array, or objects one after the other), or of CSV, a spreadsheet or
            Parquet (columns = contract fields, others become attributes); text packed by gzip or zip too; which is
            which by the content; `-` = standard input. That, and what else can be read once only, is kept in a
            temporary file.
        raw: every line's bytes as they are, broken ones too, whatever they are.
        form: how the file differs from the contract.
        keep_broken: lines of JSON that are no object are records too.

    Raises:
        BadInput: the file cannot be read, or an option does nothing for it.
    """

    def __init__(self, source: str, raw: bool, form: Form | None = None, keep_broken: bool = False) -> None:
        self._source = source
        self._raw = raw
        self._form = form or Form()
        self._keep_broken = keep_broken
        self._path = Path(source)
        self._files = contextlib.ExitStack()
        self._encoding = Encoding("utf-8-sig")
        self._table: Rows | None = None
        self._notes: list[str] = []
        self.kind: Kind = "json lines"
        with reading(source):
            if source == "-":
                self._keep(sys.stdin.buffer)
            elif not self._path.is_file():
                with self._path.open("rb") as content:
                    self._keep(content)
            self._look()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def records(self, on_broken: OnBroken = lambda number, why: None) -> Iterator[Record]:
        """All records from the first.

        Args:
            on_broken: without `raw`, called with line number and reason for a line that is not usable; it is skipped.

        Raises:
            BadInput: the file cannot be read further.
        """
        self._notes = []
        if self.kind in ("sheet", "parquet"):
            with reading(self._source), opened_table(self._source, self._path, self.kind, self._form.sheet) as table:
                found = tables.events(table, self._form, on_broken, self._see, self._notes.append)
                yield from map(written, found)
            return
        with reading(self._source), unpacked(self._source, self._path) as content:
            if self._raw:
                yield from line_records(content, self._form, on_broken, raw=True)
                return
            text = as_utf8(content, self._encoding.name)
            if self.kind == "csv":
                yield from map(written, csv_rows.events(text, self._form, on_broken, self._see, self._notes.append))
            elif isinstance(self._form, MappedForm):
                limit = MAX_RECORD if self._form.mapping.file.records is None else MAX_LINE
                numbered = objects(text, self.kind == "json lines", on_broken, limit)
                yield from map(written, self._form.events(numbered, on_broken))
            elif self.kind == "json":
                yield from value_records(text, self._form, on_broken)
            else:
                yield from line_records(text, self._form, on_broken, keep_broken=self._keep_broken)

    @property
    def unit(self) -> str:
        """What the numbers of `on_broken` count."""
        return "row" if self.kind in ("sheet", "parquet") else "line"

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes."""
        with reading(self._source), self._path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    def notes(self) -> list[str]:
        """What a person should know of the last reading: sheets, titles and columns that were left out, guesses."""
        notes = list(self._notes)
        if self._encoding.guessed:
            notes.append(f"read as {self._encoding.name}, by its bytes; if that is wrong, give --encoding")
        if self._table is not None and self._table.left_out:
            names = ", ".join(list(self._table.left_out)[:10])
            more = max(0, len(self._table.left_out) - 10)
            notes.append(
                f"an event has at most 32 attributes; left out: {names}{f' and {more} more' if more else ''}; "
                "choose them with --attribute"
            )
        if self._table is not None:
            if self._table.unread:
                notes.append(f"the mapping reads nothing from {listed_names(self._table.unread)}")
            if self._table.absent:
                notes.append(f"the file has no column for {' and '.join(self._table.absent)}: its events have none")
            cut = self._table.cut.most_common(10)
            notes.extend(f"{name}: cut to 256 characters in {count_of(events, 'event')}" for name, events in cut)
        return notes

    def _see(self, table: Rows) -> None:
        self._table = table

    def _keep(self, content: IO[bytes]) -> None:
        folder = self._files.enter_context(tempfile.TemporaryDirectory(prefix="marketpulse-feed-"))
        self._path = Path(folder) / "feed"
        with self._path.open("wb") as kept:
            shutil.copyfileobj(content, kept)

    def _look(self) -> None:
        """Find encoding and kind."""
        form = self._form
        table = table_kind(self._path)
        if self._raw:
            if table is not None:
                raise BadInput(
                    f"{self._source} is a {table} file, without lines that --raw could send as they are. Operator "
                    "action: leave out --raw."
                )
            if form != Form():
                raise BadInput(
                    "--raw sends bytes as they are. Operator action: leave out --raw, or the mapping, "
                    "and the options for columns, times and encoding."
                )
            return
        if form.sheet is not None and table != "sheet":
            raise no_sheets(self._source)
        if table is not None:
            self.kind = table
            mapped = form.mapping.file if isinstance(form, MappedForm) else FileForm()
            if form.delimiter != mapped.delimiter or (form.encoding is not None and mapped.encoding is None):
                raise BadInput(
                    f"{self._source} is a {table} file, for which --delimiter and --encoding do nothing. Operator "
                    "action: leave them out."
                )
            return
        if form.encoding is not None:
            self._encoding = Encoding(form.encoding)
        else:
            with unpacked(self._source, self._path) as content:
                self._encoding = encoding_of(content)
        with unpacked(self._source, self._path) as content:
            self.kind = kind_of(as_utf8(content, self._encoding.name).read(SAMPLE_BYTES))
        if self.kind != "csv" and (form.delimiter is not None or form.attributes is not None):
            raise BadInput(
                f"{self._source} is JSON, for which --delimiter and --attribute do nothing. Operator action: leave "
                "them out."
            )


@dataclass(frozen=True)
class Forecast:
    """How many records there are, and how many of them will be dead letters, by code and reason."""

    records: int
    refused: Counter[str]


def forecast(records: Iterable[Record], now_ms: int) -> Forecast:
    """What will become of the records if they are published now (epoch ms)."""
    seen = 0
    refused: Counter[str] = Counter()
    for record in records:
        seen += 1
        try:
            decode(record.value, now_ms)
        except Rejected as why:
            refused[f"{why.code}: {why}"] += 1
    return Forecast(seen, refused)
