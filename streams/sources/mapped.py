"""Files read by a mapping: rows by their columns, objects of JSON and lists of them inside of objects."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Known
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from streams.errors import BadInput
from streams.sources.countries import given_market
from streams.sources.encodings import given_encoding
from streams.sources.events import NEEDED, Form, NotUsable, Rows, form_of, header_words, names_of
from streams.sources.lines import OnBroken
from streams.sources.mapping import Mapping, Refusing, with_market
from streams.sources.paths import column_of, value_at


@dataclass(frozen=True, kw_only=True)
class MappedForm(Form):
    """A file whose records a mapping reads; `file_name`: where a market may be read from."""

    mapping: Mapping
    file_name: str = ""

    def wanted(self) -> set[str]:
        """Names of columns, in lower case, by which a header is known."""
        return {column_of(path).casefold() for paths in self.mapping.columns().values() for path in paths}

    def table(self, header: Sequence[str]) -> Rows:
        """The reader of rows below this header. Raises BadInput."""
        return MappedTable(header, self)

    def event(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record as an event. Raises NotUsable."""
        return self.mapping.event(record, self.file_name)

    def events(
        self,
        objects: Iterable[tuple[int, dict[str, Any]]],
        on_broken: OnBroken,
        most: int | None = None,
        known: Known[str, Any] = MappingProxyType({}),
    ) -> Iterator[dict[str, Any]]:
        """The events of numbered objects; what cannot become an event is reported with its number.

        Args:
            objects: as they were read.
            on_broken: takes number and reason.
            most: records of an object's list that are looked at; that there are more is reported.
            known: what a mapping reads beside a record's own values, and in place of those under the same names.
        """
        path = self.mapping.file.records
        for number, content in objects:
            try:
                with Refusing("records"):
                    records = [content] if path is None else value_at(content, path)
            except NotUsable as why:
                on_broken(number, str(why))
                continue
            if not isinstance(records, list):
                on_broken(number, f"no list at {path}")
                continue
            if most is not None and len(records) > most:
                on_broken(number, f"its list has more than {most:,} records; the others are left out")
            for place, record in enumerate(records[:most], 1):
                inside = "" if path is None else f"record {place}: "
                if not isinstance(record, dict):
                    on_broken(number, f"{inside}no JSON object")
                    continue
                try:
                    event = self.event(beside(record, known) if known else record)
                except NotUsable as why:
                    on_broken(number, f"{inside}{why}")
                else:
                    yield event


def beside(record: dict[str, Any], known: Known[str, Any]) -> dict[str, Any]:
    """A record with what is known beside it; paths begin with a name, so a name with a point counts as its begin."""
    return {name: value for name, value in record.items() if name.partition(".")[0] not in known} | {**known}


class MappedTable:
    """The columns of a table that a mapping reads.

    Raises:
        BadInput: a needed field has no column, or one that it is read from is there twice.
    """

    def __init__(self, header: Sequence[str], form: MappedForm) -> None:
        names = names_of(header)
        columns = {field: list(map(column_of, paths)) for field, paths in form.mapping.columns().items()}
        self._form = form
        self._mapping = form.mapping
        self.width = len(names)
        self.left_out: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        known = {path.casefold(): path for paths in columns.values() for path in paths}
        known |= {path.casefold(): path for path in map(column_of, form.mapping.attributes.values())}
        self._names = [known.get(name.casefold(), name) for name in names]
        self.unread = [name for name in names if name and name.casefold() not in known]
        self.absent = [
            field for field in ("user", "rating") if columns.get(field) and not {*columns[field]} & {*self._names}
        ]
        if twice := sorted({name for name in self._names if name in known.values() and self._names.count(name) > 1}):
            raise BadInput(
                f"the file has column {', '.join(twice)} twice. Operator action: rename those that are not meant."
            )
        for field in NEEDED:
            if (
                columns[field]
                and not set(columns[field]) & set(self._names)
                and not (field == "market" and (form.mapping.market.file or form.mapping.market.otherwise))
            ):
                raise BadInput(
                    f"the file has none of the columns that the mapping reads {field} from: "
                    f"{', '.join(columns[field])}; it has {header_words(names)}. "
                    "Operator action: correct the mapping."
                )

    def event(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row of the header's width as the contract's fields. Raises NotUsable."""
        return self._form.event(dict(zip(self._names, row, strict=True)))

    def has_time(self, row: Sequence[str]) -> bool:
        """Whether a row has a time in its place."""
        return self._mapping.has_time(dict(zip(self._names, row, strict=True)))


def mapped_form(
    mapping: Mapping,
    file: str,
    market: str | None = None,
    timezone: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> MappedForm:
    """The form of a file for a mapping, with what the mapping leaves open.

    Raises:
        BadInput: an option contradicts the mapping, or has no usable value.
    """
    ours = mapping.file
    fixed = {
        "--market": market is not None and mapping.market.sets_all,
        "--timezone": timezone is not None and mapping.occurred_at.zone is not None,
        "--delimiter": delimiter is not None and ours.delimiter is not None,
        "--encoding": encoding is not None and ours.encoding is not None,
    }
    if twice := [option for option, both in fixed.items() if both]:
        raise BadInput(f"The mapping sets what {', '.join(twice)} sets. Operator action: leave it out.")
    form = form_of(None, delimiter or ours.delimiter, timezone, encoding)
    if market is not None:
        mapping = with_market(mapping, given_market(market))
    if timezone is not None:
        mapping = msgspec.structs.replace(
            mapping, occurred_at=msgspec.structs.replace(mapping.occurred_at, zone=timezone)
        )
    return MappedForm(
        delimiter=form.delimiter,
        encoding=form.encoding or (given_encoding(ours.encoding).name if ours.encoding else None),
        skip_rows=ours.skip,
        sheet=sheet,
        mapping=mapping,
        file_name=Path(file).name,
    )
