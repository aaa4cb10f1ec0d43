"""The TOML file of a mapping: read with every problem at once, written; the mappings that are shipped."""

import functools
import re
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketpulse.contract.feedback import MAX_ATTRIBUTES
from marketpulse.contract.markets import MARKETS
from marketpulse.contract.wire import MAX_SHORT_CHARACTERS
from marketpulse.files import Unreadable, read_toml
from streams.errors import BadInput
from streams.privacy.visible import problem_lines
from streams.sources.events import NEEDED, is_delimiter, short
from streams.sources.mapping import (
    SCALES,
    FileForm,
    Identity,
    Mapping,
    Market,
    Plain,
    Rating,
    Rule,
    Text,
    Time,
    listed,
)
from streams.sources.paths import parsed_path

_TABLES: dict[str, Any] = {
    "id": Identity, "market": Market, "text": Text, "occurred_at": Time, "user": Plain, "lang": Plain,
    "channel": Plain, "rating": Rating, "file": FileForm,
}  # fmt: skip
_REMARKS = {"zone": "  # a guess: the times have no offset", "format": "  # a guess: check day and month"}
_REMARKS_OF_KAFKA = {
    "kafka.timestamp": "  # a guess: no time is in the values; when the record was written",
    "kafka.key": "  # a guess: no id is in the values; records with the same key count once",
}


def ready_mappings() -> list[str]:
    """The names of the mappings that are shipped."""
    return sorted(item.name.removesuffix(".toml") for item in _folder().iterdir() if item.name.endswith(".toml"))


def ready_text(name: str) -> str:
    """The TOML of a shipped mapping."""
    return str((_folder() / f"{name}.toml").read_text("utf-8"))


def load_mapping(given: str) -> Mapping:
    """A mapping by the name of a shipped one, or by the path of its file.

    Raises:
        BadInput: it cannot be read, or something in it cannot be used: every problem is named with its key.
    """
    try:
        content = ready_text(given).encode() if given in ready_mappings() else Path(given).read_bytes()
        tables = read_toml(content, dict[str, Any])
    except FileNotFoundError as error:
        raise BadInput(
            f"There is no mapping {given}. Operator action: name a TOML file, or one of {', '.join(ready_mappings())}."
        ) from error
    except (OSError, Unreadable) as error:
        raise BadInput(f"{given} cannot be read: {error}. Operator action: correct the file.") from error
    return mapping_of(tables, given)


def mapping_of(tables: dict[str, Any], name: str) -> Mapping:
    """A mapping by its tables. Raises BadInput with every problem."""
    problems = [f"{key}: there is no such key" for key in tables if key not in {*_TABLES, "about", "attributes"}]
    problems += [f"{key}: is missing" for key in NEEDED if key not in tables]
    rules: dict[str, Any] = {"about": str(tables.get("about", ""))}
    for key, struct in _TABLES.items():
        if key in tables and (rule := _converted(key, tables[key], struct, problems)) is not None:
            rules[key] = rule
    attributes = tables.get("attributes", {})
    if not isinstance(attributes, dict) or not all(isinstance(path, str) for path in attributes.values()):
        problems.append("attributes: must be a table of paths")
    else:
        rules["attributes"] = attributes
        problems += [problem for path in attributes.values() for problem in _path_problems("attributes", path)]
        if len(attributes) > MAX_ATTRIBUTES:
            problems.append(f"attributes: {len(attributes)}, an event has at most {MAX_ATTRIBUTES}")
        problems += [f"attributes.{key}: longer than {MAX_SHORT_CHARACTERS}" for key in attributes if key != short(key)]
    if problems:
        raise BadInput(
            f"The mapping {name} cannot be used:{problem_lines(problems)}\nOperator action: correct what is named."
        )
    return Mapping(**rules)


def _converted(key: str, value: Any, struct: Any, problems: list[str]) -> Any:
    """A table as its rule, None with its problems; a path or a list of paths alone is its `from`."""
    table = {"from": value} if isinstance(value, str | list) and struct is not FileForm else value
    if not isinstance(table, dict):
        problems.append(f"{key}: must be a path, a list of paths or a table")
        return None
    before = len(problems)
    given: dict[str, Any] = {}
    types = {field.encode_name: (field.name, field.type) for field in msgspec.structs.fields(struct)}
    for name, written in table.items():
        if name not in types:
            problems.append(f"{key}.{name}: there is no such key, but {', '.join(types)}")
            continue
        ours, expected = types[name]
        try:
            given[ours] = msgspec.convert(written, expected)
        except msgspec.ValidationError as error:
            problems.append(f"{key}.{name}: {error}")
            continue
        if name in ("from", "hash", "join", "locale", "records") and written:
            problems += [found for path in listed(written) for found in _path_problems(f"{key}.{name}", path)]
    if len(problems) > before:
        return None
    rule = struct(**given)
    problems += [f"{key}{problem}" for problem in _rule_problems(rule)]
    return rule


def _path_problems(place: str, path: str) -> list[str]:
    try:
        parsed_path(path)
    except ValueError as error:
        return [f"{place}: {error}"]
    return []


def _rule_problems(rule: Any) -> list[str]:
    """What a rule cannot mean, each with its key."""
    problems = []
    if isinstance(rule, Market):
        named = ((".is", rule.constant), (".otherwise", rule.otherwise))
        codes = [(place, code) for place, code in named if code is not None]
        codes += [(f".words.{word}", code) for word, code in rule.words.items()]
        problems += [f"{place}: {code} is no market" for place, code in codes if code not in MARKETS]
        if rule.constant is not None and (rule.paths or rule.locale or rule.file or rule.otherwise):
            problems.append(".is: a constant leaves no use for from, locale, file and otherwise")
        if rule.file is not None and not _has_group(rule.file):
            problems.append(".file: must be a regular expression with a group, as in -([a-z]{2})[.]")
    if isinstance(rule, Time) and rule.zone is not None and not _is_zone(rule.zone):
        problems.append(f".zone: {rule.zone} is no time zone")
    if isinstance(rule, Rating):
        if isinstance(rule.scale, str) and rule.scale not in {*SCALES, "thumbs"}:
            problems.append(f".scale: {rule.scale} is none of {', '.join(SCALES)}, thumbs, [lowest, highest]")
        if isinstance(rule.scale, tuple) and not rule.scale[0] < rule.scale[1]:
            problems.append(".scale: the first must be below the second")
        problems += [
            f".words.{word}: must be 1 to 5, or 0 for no rating"
            for word, stars in rule.words.items()
            if not 0 <= stars <= 5
        ]
    sources = ("paths", "hash", "join", "locale", "file", "constant", "otherwise")
    if isinstance(rule, Rule) and not any(getattr(rule, name, None) for name in sources):
        problems.append(": says nowhere where it comes from")
    if isinstance(rule, FileForm) and rule.delimiter is not None and not is_delimiter(rule.delimiter):
        problems.append(".delimiter: must be one character, neither a quote nor an end of line")
    return problems


def _has_group(pattern: str) -> bool:
    try:
        return re.compile(pattern).groups > 0
    except re.error:
        return False


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        return False


def _folder() -> Any:
    return files("streams.sources") / "mappings"


def _remark(key: str, value: Any) -> str:
    return _REMARKS.get(key) or _REMARKS_OF_KAFKA.get(str(value), "")


@functools.cache
def country_words() -> dict[str, str]:
    """Names of countries that shipped mappings know, in lower case -> code."""
    known = (load_mapping(name).market.words for name in ready_mappings())
    return {word.casefold(): code for words in known for word, code in words.items()}


def toml_of(tables: dict[str, Any]) -> str:
    """TOML of a mapping's tables, of strings, lists and tables of them; what is missing or guessed as a remark."""
    parts = []
    for field in NEEDED:
        if field not in tables:
            parts.append(f"# [{field}]: found nowhere; write where it comes from\n")
    for field, table in tables.items():
        lines = [f"{key} = {_written(value)}{_remark(key, value)}" for key, value in table.items()]
        parts.append("\n".join([f"[{field}]", *lines, ""]))
    return "\n".join(parts)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_written(key)} = {_written(inner)}' for key, inner in value.items())} }}"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
