"""A mapping proposed for a sample of another program's records: a shipped one that fits, or one by names and values."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from marketpulse.contract.words import count_of
from streams.errors import BadInput
from streams.sources import csv_rows, tables
from streams.sources.content import SAMPLE_BYTES, kind_of, reading, unpacked
from streams.sources.countries import country_code, given_market, region_of
from streams.sources.encodings import as_utf8, encoding_of
from streams.sources.events import NEEDED, NotUsable, is_nothing
from streams.sources.json_values import objects
from streams.sources.mapping import Mapping, Refusing, with_market
from streams.sources.mapping_file import country_words, load_mapping, mapping_of, ready_mappings, ready_text, toml_of
from streams.sources.paths import step_of, value_at
from streams.sources.tables import no_sheets, opened_table, table_kind
from streams.sources.times import written_ms

MAX_RECORDS = 200
MAX_CHARACTERS = 4 * 1_048_576
"""Of all records together, as Python writes them: one alone may have 16 MiB."""
MIN_KEYS = 20
"""Records of a topic that must have a key each, no two the same, before keys are proposed as ids."""
MIN_FIT = 0.5
"""Share of the sample that a shipped mapping must make events of."""
NAMES = {
    "id": "id nr lfdnr no number reviewid responseid ticketid uuid key número numéro 番号 编号 номер",
    "market": (
        "market country countrycode territory land pays país paese kraj ülke страна 国 国家 국가 locale language lang"
    ),
    "text": (
        "text comment comments review body content feedback message description reason verbatim kommentar "
        "commentaire comentario comentário commento testo отзыв コメント 评论 내용"
    ),
    "occurred_at": (
        "occurredat createdat created date datetime timestamp time submittedat updatedat at datum fecha data "
        "дата 日付 日期 날짜"
    ),
    "rating": "rating stars score starrating nps bewertung note nota valoración puntuación оценка 評価 评分 평점",
    "user": (
        "user userid customer customerid author username email requesterid kunde kundennr "
        "kundennummer client clientid cliente utente пользователь 顧客 用户"
    ),
}
"""Names of columns and keys by field, in lower case without blanks and signs; the first are the likeliest."""
FORMATS = (
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%d-%m-%Y %H:%M",
    "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
OF_KAFKA = tuple(f"kafka.{name}" for name in ("topic", "partition", "offset", "timestamp", "key"))
"""Beside the values of a topic: chosen where those have no time or no id."""
_SIGNS = re.compile(r"[\W_]+")
_UTC = ZoneInfo("UTC")
ANY_MARKET = "US"
"""In place of the one that a person would give."""
OnNote = Callable[[str], object]


@dataclass(frozen=True)
class Proposal:
    """A mapping as TOML, the name of the shipped one if it is one, and records of the sample: event or reason each.

    `notes`: what of the sample was left out. `mapping`: the same, read; None where a needed field is missing.
    `options`: of a command that reads by it.
    """

    toml: str
    ready: str | None
    rows: list[dict[str, Any] | str]
    notes: list[str]
    mapping: Mapping | None
    options: tuple[str, ...] = ("--mapping", "mine.toml")


def proposed(source: str, market: str | None = None, sheet: str | None = None) -> Proposal:
    """A mapping for a sample in a file.

    Args:
        source: path of a file, CSV or JSON, packed too, a spreadsheet or Parquet.
        market: country of all records, where the file has none.
        sheet: the name of one in a spreadsheet; None: the first that has rows.

    Raises:
        BadInput: the file cannot be read, or has no records.
    """
    notes: list[str] = []
    values = _bounded(_values(source, sheet, notes.append), notes.append)
    if not values:
        raise BadInput(f"{source} has no records. Operator action: give a file with a few of them.")
    return proposed_for(values, Path(source).name, "marketpulse publish FILE", market, notes)


def proposed_for(
    values: list[dict[str, Any]], name: str, command: str, market: str | None, notes: list[str]
) -> Proposal:
    """A mapping for records that were read.

    Args:
        values: one at least: rows by their columns, or objects of JSON; what is below `kafka` is the last choice.
        name: of their file, in which a market may be.
        command: reads such records by a shipped mapping; for a remark.
        market: country of all records, where they have none.
        notes: what of the sample was left out.

    Raises:
        BadInput: `market` is none.
    """
    constant = None if market is None else given_market(market)
    fits = [(_number_of_events(values, mapping, name), ready, mapping) for ready, mapping in _ready(constant)]
    number, ready, mapping = max(fits, key=lambda fit: fit[0])
    records = _read(values, mapping.file.records)
    if number >= max(1, MIN_FIT * len(records)):
        options = ("--mapping", ready, *(("--market", constant) if constant else ()))
        toml = f"# shipped: {command} {' '.join(options)}\n{ready_text(ready)}"
        return Proposal(toml, ready, _rows(records, mapping, name), notes, mapping, options)
    path = _list_path(values)
    records = _read(values, path)
    tables = _tables(records, constant)
    if path is not None:
        tables["file"] = {"records": path}
    whole = mapping_of(tables, "proposed") if set(NEEDED) <= tables.keys() else None
    rows = [] if whole is None else _rows(records, whole, name)
    if whole is None:
        notes += _nearest(values, fits, name, command)
    return Proposal(toml_of(tables), None, rows, notes, whole)


def _nearest(values: list[dict[str, Any]], fits: list[tuple[int, str, Mapping]], name: str, command: str) -> list[str]:
    """Which shipped mapping reads part of the sample, or would with a country for records that name none."""
    number, ready, mapping = max(fits, key=lambda fit: fit[0])
    found = []
    if number:
        found.append(f"{command} --mapping {ready} would read {number} of {len(_read(values, mapping.file.records))}")
    with_one = [
        (_number_of_events(values, with_market(mapping, ANY_MARKET), name), ready)
        for _, ready, mapping in fits if not mapping.market.sets_all
    ]  # fmt: skip
    more, other = max(with_one, default=(0, ""))
    if more > number:
        found.append(
            f"{command} --mapping {other} --market CODE would read {more}: CODE is for records without a country"
        )
    return found


def _ready(market: str | None) -> Iterator[tuple[str, Mapping]]:
    for ready in ready_mappings():
        mapping = load_mapping(ready)
        if market is not None and not mapping.market.sets_all:
            mapping = with_market(mapping, market)
        yield ready, mapping


def _bounded(values: Iterator[dict[str, Any]], on_note: OnNote) -> list[dict[str, Any]]:
    """The first values: at most `MAX_RECORDS`, and `MAX_CHARACTERS` together, but always the first."""
    kept: list[dict[str, Any]] = []
    left = MAX_CHARACTERS
    for value in itertools.islice(values, MAX_RECORDS):
        left -= len(str(value))
        if kept and left < 0:
            records = count_of(len(kept), "record")
            on_note(f"{records} read, the rest left out: together more than {MAX_CHARACTERS:,} characters")
            break
        kept.append(value)
    return kept


def _values(source: str, sheet: str | None, on_note: OnNote) -> Iterator[dict[str, Any]]:
    """Rows by their columns, or objects of JSON."""
    path = Path(source)
    with reading(source):
        table = table_kind(path)
        if sheet is not None and table != "sheet":
            raise no_sheets(source)
        if table is not None:
            with opened_table(source, path, table, sheet) as opened:
                yield from tables.plain_rows(opened, _wanted(), on_note)
            return
        with unpacked(source, path) as content:
            encoding = encoding_of(content).name
        with unpacked(source, path) as content:
            kind = kind_of(as_utf8(content, encoding).read(SAMPLE_BYTES))
        with unpacked(source, path) as content:
            text = as_utf8(content, encoding)
            if kind == "csv":
                yield from csv_rows.plain_rows(text, _wanted(), on_note)
            else:
                yield from (value for _, value in objects(text, kind == "json lines", lambda number, why: None))


def _wanted() -> set[str]:
    return {name for names in NAMES.values() for name in names.split()}


def _read(values: list[dict[str, Any]], path: str | None) -> list[dict[str, Any]]:
    """The records, which a list inside of the values may hold."""
    if path is None:
        return values
    inner = itertools.chain.from_iterable(_list_at(value, path) for value in values)
    return [record for record in itertools.islice(inner, MAX_RECORDS) if isinstance(record, dict)]


def _list_at(value: dict[str, Any], path: str) -> list[Any]:
    """The list at a path; empty where there is none that can be found."""
    with contextlib.suppress(NotUsable), Refusing("records"):
        return found if isinstance(found := value_at(value, path), list) else []
    return []


def _number_of_events(values: list[dict[str, Any]], mapping: Mapping, name: str) -> int:
    rows = _rows(_read(values, mapping.file.records), mapping, name)
    return sum(isinstance(row, dict) for row in rows)


def _rows(records: list[dict[str, Any]], mapping: Mapping, name: str) -> list[dict[str, Any] | str]:
    rows: list[dict[str, Any] | str] = []
    for record in records:
        try:
            rows.append(mapping.event(record, name))
        except NotUsable as why:
            rows.append(str(why))
    return rows


def _list_path(values: list[dict[str, Any]]) -> str | None:
    """Where a single value holds its records, one or two levels down."""
    if len(values) > 1:
        return None
    for key, value in values[0].items():
        if (step := step_of(key)) is None:
            continue
        within = value.items() if isinstance(value, dict) else ()
        inner = {f"{step}.{further}": found for name, found in within if (further := step_of(name)) is not None}
        for path, found in ({step: value} | inner).items():
            if isinstance(found, list) and found and isinstance(found[0], dict):
                return path
    return None


def _tables(records: list[dict[str, Any]], market: str | None) -> dict[str, Any]:
    """Field -> its table: of the paths with a fitting name, the first whose values fit."""
    values: dict[str, list[str]] = {}
    for record in records:
        for path, value in _leaves(record):
            values.setdefault(path, []).append(value)
    of_kafka = {path: values.pop(path) for path in OF_KAFKA if path in values}
    tables: dict[str, Any] = {}
    taken: set[str] = set()
    for field, fits in _FITS.items():
        candidates = [path for path in _by_name(values, field) if path not in taken]
        found = next((table for path in candidates if (table := fits(path, values[path])) is not None), None)
        if found is not None:
            tables[field] = found
            taken |= {found[key] for key in ("from", "locale") if key in found}
    if market is not None:
        tables["market"] = tables["market"] | {"otherwise": market} if "market" in tables else {"is": market}
    _complete(tables, values, of_kafka, len(records))
    return tables


def _complete(
    tables: dict[str, Any], values: dict[str, list[str]], of_kafka: dict[str, list[str]], records: int
) -> None:
    """Add a time and an id where the values have none: by what Kafka knows of a record, or by the content."""
    if "occurred_at" not in tables and (written := of_kafka.get("kafka.timestamp")):
        table = _time_table("kafka.timestamp", written)
        tables |= {} if table is None else {"occurred_at": table}
    if "id" in tables:
        return
    keys = of_kafka.get("kafka.key", [])
    if len(set(keys)) == records >= MIN_KEYS and all(map(str.isprintable, keys)) and keys not in values.values():
        tables["id"] = {"from": "kafka.key"}
    elif "occurred_at" in tables and "text" in tables:
        places = [path for path in ("kafka.partition", "kafka.offset") if path in of_kafka]
        tables["id"] = {"hash": [*places, *(tables[field]["from"] for field in ("occurred_at", "text"))]}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, value) of every text and number inside objects; none where no path can name a key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if (step := step_of(key)) is not None:
                yield from _leaves(inner, f"{path}.{step}" if path else step)
    elif isinstance(value, date):
        yield path, value.isoformat()
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and not is_nothing(str(value)):
        yield path, str(value)


def _by_name(values: dict[str, list[str]], field: str) -> list[str]:
    """Paths in the order of how well they are named for a field: whole, its last part, a word of it."""
    ranked = []
    for path in values:
        whole = _SIGNS.sub("", path.casefold())
        last = _SIGNS.sub("", path.rpartition(".")[2].casefold())
        words = _SIGNS.split(path.casefold())
        for place, name in enumerate(NAMES[field].split()):
            rank = 0 if name == whole else 1 if name == last else 2 if name in words else 3
            if rank < 3:
                ranked.append((rank, place, path))
    return list(dict.fromkeys(path for _, _, path in sorted(ranked)))


def _most(values: list[str], fits: Callable[[str], object]) -> bool:
    return sum(fits(value) is not None for value in values) * 10 >= len(values) * 8


def _time_table(path: str, values: list[str]) -> dict[str, Any] | None:
    for form in (None, *FORMATS):
        if _most(values, lambda value: written_ms(value, None, form)):  # noqa: B023 - called at once
            return {"from": path} | ({"format": form} if form else {})
        if _most(values, lambda value: written_ms(value, _UTC, form)):  # noqa: B023 - called at once
            return {"from": path} | ({"format": form} if form else {}) | {"zone": "UTC"}
    return None


def _market_table(path: str, values: list[str]) -> dict[str, Any] | None:
    if _most(values, region_of):
        return {"locale": path}
    words = country_words()
    if not _most(values, lambda value: country_code(value) or words.get(value.strip().casefold())):
        return None
    named = {value.strip(): words.get(value.strip().casefold()) for value in values if country_code(value) is None}
    meant = {word: code for word, code in sorted(named.items()) if code is not None}
    return {"from": path} | ({"words": meant} if meant else {})


def _rating_table(path: str, values: list[str]) -> dict[str, Any] | None:
    numbers = [float(value.replace(",", ".")) for value in values if re.fullmatch(r"\d+(?:[.,]\d+)?", value, re.ASCII)]
    if len(numbers) * 10 < len(values) * 8 or not numbers:
        return None
    top, nps = max(numbers), "nps" in path.casefold() or min(numbers) < 1
    scale = "nps" if (nps and top <= 10) or 5 < top <= 10 else "percent" if 10 < top <= 100 else "stars"
    return {"from": path, "scale": scale} if top <= 100 else None


def _id_table(path: str, values: list[str]) -> dict[str, Any] | None:
    return {"from": path} if len(set(values)) == len(values) else None


def _text_table(path: str, values: list[str]) -> dict[str, Any] | None:
    return {"from": path} if not all(value.isdecimal() for value in values) else None


_FITS: dict[str, Callable[[str, list[str]], dict[str, Any] | None]] = {
    "occurred_at": _time_table, "rating": _rating_table, "market": _market_table, "text": _text_table,
    "id": _id_table, "user": lambda path, values: {"from": path},
}  # fmt: skip
"""Field -> its table for a path and the values there, None where they do not fit; the surest fields first."""
