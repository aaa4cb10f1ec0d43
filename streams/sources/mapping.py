"""A mapping: how another program's records become events of the contract, field by field; pure."""

import contextlib
import html
import re
from datetime import date
from hashlib import sha256
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from marketpulse.contract.decode import utc
from marketpulse.contract.feedback import MAX_TEXT_CHARACTERS
from marketpulse.contract.wire import MAX_ID_CHARACTERS
from streams.contract.ids import bounded
from streams.sources.countries import country_code, region_of
from streams.sources.events import NotUsable, is_nothing, short
from streams.sources.paths import value_at
from streams.sources.times import written_ms

Paths = str | list[str]
"""A path, or several of which the first that holds something counts."""
SCALES = {"stars": (1.0, 5.0), "nps": (0.0, 10.0), "percent": (0.0, 100.0)}
THUMBS = {
    "up": 5, "down": 1, "thumbs up": 5, "thumbs down": 1, "good": 5, "bad": 1, "positive": 5, "negative": 1,
    "true": 5, "false": 1, "\N{THUMBS UP SIGN}": 5, "\N{THUMBS DOWN SIGN}": 1,
}  # fmt: skip
_TAG = re.compile(
    r"""<(/?)([a-z][a-z0-9]*+)(?:(?:[^<>"']|"[^"<]*"|'[^'<]*')*+|[^<>]*+)>|<[!?][^<>]*+>""", re.IGNORECASE
)
"""A tag, or a comment: none goes on behind the next `<`, so that text which only looks like tags is read once."""
_HUGE_NUMBER = re.compile("&#[0-9]{1000,};?")
"""Of no character; Python refuses to read a number of some thousand digits."""
_ENDS_LINE = {("", "br"), ("/", "p"), ("/", "div"), ("/", "li")}
MAX_CHANNEL_CHARACTERS = 64
MAX_LANG_CHARACTERS = 35


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a field comes from."""

    paths: Paths = msgspec.field(default_factory=list, name="from")

    def first(self, record: dict[str, Any]) -> Any:
        """The first value that is there; None: none."""
        return next((value for path in listed(self.paths) if (value := _filled(value_at(record, path)))), None)


class Identity(Rule, frozen=True):
    """`hash`: paths whose values together are the identity, where records have none."""

    hash: list[str] = []


class Market(Rule, frozen=True):
    """`is`: a constant. `locale`: paths of tags such as pt-BR. `file`: a pattern whose group is found in its name.

    `otherwise`: the market of records that name none.
    """

    constant: str | None = msgspec.field(default=None, name="is")
    locale: Paths = []
    file: str | None = None
    words: dict[str, str] = {}
    otherwise: str | None = None

    @property
    def sets_all(self) -> bool:
        """Whether no record is left without a market."""
        return self.constant is not None or self.otherwise is not None


class Text(Rule, frozen=True):
    """`join`: paths whose values make the text together. `html`: tags are taken out."""

    join: list[str] = []
    separator: str = "\n"
    html: bool = False


class Time(Rule, frozen=True):
    """`format`: as strptime takes it, or several. `zone`: of times without an offset."""

    format: Paths = []
    zone: str | None = None

    def first(self, record: dict[str, Any]) -> Any:
        """The first value that is there, a date as it is: no format is of it."""
        values = (value_at(record, path) for path in listed(self.paths))
        return next(filter(None, (value if isinstance(value, date) else _filled(value) for value in values)), None)


class Rating(Rule, frozen=True):
    """`scale`: stars, nps, percent, thumbs, or [lowest, highest].

    `words`: word -> stars, looked up before the scale; 0: no rating.
    """

    scale: str | tuple[float, float] = "stars"
    words: dict[str, int] = {}


class Plain(Rule, frozen=True):
    """A field that is taken as it is, or a constant."""

    constant: str | None = msgspec.field(default=None, name="is")


class FileForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`records`: path of a list of records inside a JSON value. `skip`: rows below the header that hold none."""

    records: str | None = None
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    delimiter: str | None = None
    encoding: str | None = None


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping as its file writes it; `attributes`: name -> path."""

    id: Identity
    market: Market
    text: Text
    occurred_at: Time
    about: str = ""
    user: Plain | None = None
    lang: Plain | None = None
    channel: Plain | None = None
    rating: Rating | None = None
    attributes: dict[str, str] = {}
    file: FileForm = FileForm()

    def event(self, record: dict[str, Any], file_name: str = "") -> dict[str, Any]:
        """A record as the contract's fields.

        Args:
            record: a row by its columns, or an object of JSON.
            file_name: the name of its file, without folders.

        Raises:
            NotUsable: a field that an event needs is not there or cannot be read; the reason names it, quoting nothing.
        """
        event: dict[str, Any] = {}
        with Refusing("id"):
            event["id"] = _identity(self.id, record)
        with Refusing("market"):
            event["market"] = _market(self.market, record, file_name)
        with Refusing("text"):
            event["text"] = _text(self.text, record)
        with Refusing("occurred_at"):
            event["occurred_at"] = _time(self.occurred_at, record)
        for name, rule, limit in (
            ("user", self.user, MAX_ID_CHARACTERS),
            ("lang", self.lang, MAX_LANG_CHARACTERS),
            ("channel", self.channel, MAX_CHANNEL_CHARACTERS),
        ):
            with Refusing(name):
                if rule is not None and (value := rule.first(record) or rule.constant):
                    event[name] = bounded(str(value), limit) if name == "user" else str(value)[:limit]
        with Refusing("rating"):
            if self.rating is not None and (value := self.rating.first(record)) is not None:
                event |= {"rating": stars} if (stars := _stars(self.rating, str(value))) else {}
        with Refusing("attributes"):
            attributes = {name: str(value) for name, path in self.attributes.items() if (value := _at(record, path))}
            if attributes:
                event["attributes"] = {name: short(value) for name, value in attributes.items()}
        return event

    def has_time(self, record: dict[str, Any]) -> bool:
        """Whether a record has a time that can be read."""
        with contextlib.suppress(NotUsable), Refusing("occurred_at"):
            return bool(_time(self.occurred_at, record))
        return False

    def columns(self) -> dict[str, list[str]]:
        """Field -> the paths that it is read from."""
        rules: dict[str, list[str]] = {
            "id": [*listed(self.id.paths), *self.id.hash],
            "market": [*listed(self.market.paths), *listed(self.market.locale)],
            "text": [*listed(self.text.paths), *self.text.join],
            "occurred_at": listed(self.occurred_at.paths),
        }
        for name, rule in (
            ("user", self.user),
            ("lang", self.lang),
            ("channel", self.channel),
            ("rating", self.rating),
        ):
            rules[name] = [] if rule is None else listed(rule.paths)
        return rules


def listed(paths: Paths) -> list[str]:
    """A path alone as a list."""
    return [paths] if isinstance(paths, str) else paths


def _filled(value: Any) -> Any:
    """A text, a number, a truth or a date as text that means something; else None."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return value if isinstance(value, str) and not is_nothing(value) else None


def _at(record: dict[str, Any], path: str) -> Any:
    return _filled(value_at(record, path))


def with_market(mapping: Mapping, market: str) -> Mapping:
    """The mapping with a market for records that name none."""
    return msgspec.structs.replace(mapping, market=msgspec.structs.replace(mapping.market, otherwise=market))


def _identity(rule: Identity, record: dict[str, Any]) -> str:
    parts = [_at(record, path) or "" for path in rule.hash]
    given = rule.first(record) or (_hashed("\0".join(parts)) if any(parts) else None)
    if given is None:
        raise NotUsable("id: nothing is there", "missing_field")
    return bounded(given, MAX_ID_CHARACTERS)


def _hashed(text: str) -> str:
    return f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _market(rule: Market, record: dict[str, Any], file_name: str) -> str:
    if rule.constant is not None:
        return rule.constant
    given = [value for path in listed(rule.paths) if (value := _at(record, path))]
    tags = [value for path in listed(rule.locale) if (value := _at(record, path))]
    words = {word.casefold(): code for word, code in rule.words.items()}
    named = re.search(rule.file, file_name) if rule.file else None
    found = [
        *(words.get(value.strip().casefold()) or country_code(value) for value in given),
        *(region_of(tag) for tag in tags),
        *([country_code(named[1])] if named and named[1] else []),
    ]
    code = next(filter(None, found), None)
    if code is None:
        if rule.otherwise is not None and not given:
            return rule.otherwise
        if given or tags:
            raise NotUsable("market: no country that is known", "unknown_market")
        raise NotUsable("market: nothing is there", "missing_field")
    return code


def _text(rule: Text, record: dict[str, Any]) -> str:
    parts = [value for path in rule.join if (value := _at(record, path))]
    text = rule.separator.join(parts) or rule.first(record) or ""
    if rule.html:
        text = html.unescape(_HUGE_NUMBER.sub("\N{REPLACEMENT CHARACTER}", _TAG.sub(_in_place, text)))
    if not text.strip():
        raise NotUsable("text: nothing is there; a rating alone is no event", "text_empty")
    return text.strip()[:MAX_TEXT_CHARACTERS]


def _in_place(tag: re.Match[str]) -> str:
    """The end of a paragraph is a new line."""
    return "\n" if (tag[1], (tag[2] or "").lower()) in _ENDS_LINE else ""


def _time(rule: Time, record: dict[str, Any]) -> str:
    written = rule.first(record)
    if written is None:
        raise NotUsable("occurred_at: nothing is there", "missing_field")
    zone = None if rule.zone is None else ZoneInfo(rule.zone)
    formats: list[str | None] = [*listed(rule.format)] or [None]
    at = [written_ms(written, zone, form) for form in formats]
    found = next((ms for ms in at if ms is not None), None)
    if found is None:
        raise NotUsable("occurred_at: no time of its form and zone", "bad_time")
    return utc(found)


def _stars(rule: Rating, written: str) -> int:
    """1 to 5, 0 where a word says that there is none; the scale's ends are 1 and 5, half a star goes up."""
    words = {word.casefold(): stars for word, stars in rule.words.items()}
    if rule.scale == "thumbs":
        words = THUMBS | words
    if (stars := words.get(written.strip().casefold())) is not None:
        return stars
    low, high = SCALES.get(rule.scale, (0.0, 0.0)) if isinstance(rule.scale, str) else rule.scale
    try:
        number = float(written.strip().replace(",", "."))
    except ValueError:
        raise NotUsable("rating: neither a number nor a known word") from None
    if not low <= number <= high or low == high:
        raise NotUsable("rating: outside of its scale")
    return int(1 + 4 * (number - low) / (high - low) + 0.5)


class Refusing(contextlib.AbstractContextManager["Refusing"]):
    """Whatever a record's values raise within refuses that record alone: NotUsable, which quotes none of them."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, NotUsable):
            raise NotUsable(f"{self._field}: cannot be read ({type(error).__name__})") from None
