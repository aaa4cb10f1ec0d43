"""A rules file (TOML) read and checked: every problem at once, each with what is allowed there."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from marketpulse.contract.durations import duration_ms, duration_text
from marketpulse.contract.markets import market_code
from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS
from marketpulse.files import Unreadable, read_toml
from streams.contract.rules import MarketRules, Rules
from streams.errors import BadInput
from streams.privacy.visible import problem_lines

WEEK_MS = 7 * DAY_MS
EVENTS = 1_000_000


class Key(NamedTuple):
    """One key of the file: which field it sets, and from where to where its value may be; durations in ms."""

    field: str
    low: float
    high: float
    kind: Literal["number", "events", "duration"] = "number"

    @property
    def allowed(self) -> str:
        """What may stand there, in words."""
        if self.kind == "duration":
            return f'a duration in quotes from "{duration_text(self.low)}" to "{duration_text(self.high)}", as in "30m"'
        if self.kind == "events":
            return f"a whole number from {self.low:,.0f} to {self.high:,.0f}"
        return f"a number from {self.low} to {self.high}"


def _time(field: str, low: float = 0, high: float = WEEK_MS) -> Key:
    return Key(field, low, high, "duration")


def _events(field: str, low: float = 1) -> Key:
    return Key(field, low, EVENTS, "events")


KEYS: dict[str, dict[str, Key]] = {
    "minutes": {"grace": _time("minutes.grace_ms", 0, HOUR_MS)},
    "surge": {
        "threshold": Key("surge.threshold", 1, 1000),
        "rate_nats": Key("surge.rate_nats", 0, 10),
        "odds_ratio": Key("surge.odds_ratio", 1.05, 20),
        "large_odds_ratio": Key("surge.large_odds_ratio", 1.05, 100),
        "drift_sd": Key("surge.drift_sd", 0, 2),
        "drift": _time("surge.drift_minutes", MINUTE_MS),
        "follow": Key("surge.follow", 0, 1),
        "far_sds": Key("surge.far_sds", 0, 100),
        "season_events": Key("surge.season_events", 1, EVENTS),
        "season": _time("surge.season_minutes", MINUTE_MS, 13 * WEEK_MS),
        "adopt": _time("surge.adopt_minutes", MINUTE_MS),
        "resolve_at": Key("surge.resolve_at", 0, 0.95),
        "armed_events": _events("surge.armed_events", 0),
        "armed": _time("surge.armed_minutes"),
    },
    "shift": {
        "u_threshold": Key("shift.u_threshold", 0, 1),
        "r_threshold": Key("shift.r_threshold", 0, 5),
        "sigmas": Key("shift.sigmas", 0, 20),
        "cool_down": _time("shift.cool_down_ms"),
        "ready_events": _events("shift.ready_events"),
    },
    "drop": {
        "below": Key("watch.drop_below", 0.01, 0.99),
        "resolved_above": Key("watch.drop_resolved_above", 0.01, 0.99),
        "events": _events("watch.drop_events"),
        "for": _time("watch.drop.for_ms"),
        "clear": _time("watch.drop.clear_ms"),
    },
    "recovery": {"shown": _time("watch.recovery_shown_ms")},
    "no_data": {
        "events": _events("watch.no_data_events"),
        "silence": _time("watch.no_data_silence_ms", MINUTE_MS),
        "expected": Key("watch.no_data_expected", 1, 1000),
        "for": _time("watch.no_data.for_ms"),
        "clear": _time("watch.no_data.clear_ms"),
    },
    "bad_input": {
        "share": Key("watch.bad_input_share", 0.001, 1),
        "cleared": Key("watch.bad_input_cleared", 0, 1),
        "records": Key("watch.bad_input_records", 1, EVENTS),
        "half_life": _time("watch.bad_input_half_life_ms", 1_000, DAY_MS),
        "for": _time("watch.bad_input.for_ms"),
        "clear": _time("watch.bad_input.clear_ms"),
    },
    "blind": {
        "behind": _time("watch.blind_behind_ms", MINUTE_MS),
        "held": _time("watch.blind_held_ms", MINUTE_MS),
        "for": _time("watch.blind.for_ms"),
        "clear": _time("watch.blind.clear_ms"),
    },
    "model": {
        "confidence_fall": Key("watch.model_confidence_fall", 0.01, 1),
        "events": _events("watch.model_events"),
        "for": _time("watch.model.for_ms"),
        "clear": _time("watch.model.clear_ms"),
    },
    "allocation": {"for": _time("watch.allocation.for_ms"), "clear": _time("watch.allocation.clear_ms")},
}
"""Table of the file -> its keys."""

WHOLE_INTAKE = ("bad_input", "blind", "model")
LOWER_THAN = (("drop", "below", "resolved_above"), ("bad_input", "cleared", "share"))


def load_rules(path: Path | None) -> Rules:
    """The rules of a TOML file; the defaults without one.

    Raises:
        BadInput: the file cannot be read, or something in it cannot be used: every problem is named.
    """
    if path is None:
        return Rules()
    try:
        content = read_toml(path.read_bytes(), dict[str, Any])
    except (OSError, Unreadable) as error:
        raise BadInput(
            f"{path} cannot be read: {error}. Operator action: mend the file or MARKETPULSE_RULES."
        ) from error
    problems: list[str] = []
    rules = _rules_of(content, problems)
    if problems:
        raise BadInput(
            f"The rules of {path} cannot be used:{problem_lines(problems)}\nOperator action: correct what is named."
        )
    return rules


def _rules_of(content: dict[str, Any], problems: list[str]) -> Rules:
    markets = content.pop("market", {})
    common = _with_tables(MarketRules(), content, (), [*KEYS, "market"], problems)
    if not isinstance(markets, dict):
        problems.append("market: must be a table, as in [market.BR.surge] threshold = 16")
        markets = {}
    own: dict[str, MarketRules] = {}
    for name, tables in markets.items():
        code = market_code(name)
        if code is None:
            problems.append(f"[market.{name}]: {name} is no assigned ISO 3166-1 alpha-2 code")
        if isinstance(tables, dict):
            allowed = [table for table in KEYS if table not in WHOLE_INTAKE]
            own[code or name] = _with_tables(common, tables, ("market", name), allowed, problems)
        else:
            problems.append(f"market.{name}: must hold tables, as in [market.{name}.surge]")
    return Rules(common.surge, common.shift, common.watch, common.minutes, own)


def _with_tables(
    base: MarketRules, tables: dict[str, Any], where: tuple[str, ...], allowed: list[str], problems: list[str]
) -> MarketRules:
    """The base with what a file's tables say otherwise; problems are added, and their keys left as they are."""
    content = msgspec.to_builtins(base)
    for table, keys in tables.items():
        name = ".".join((*where, table))
        if table not in allowed:
            why = "holds for the whole intake, no market has its own" if table in WHOLE_INTAKE else "no such table"
            problems.append(f"[{name}]: {why}{near_and_known(table, allowed)}")
        elif not isinstance(keys, dict):
            problems.append(f"{name}: must be a table, [{name}]; its keys: {', '.join(KEYS[table])}")
        else:
            for key, value in keys.items():
                _set(content, name, table, key, value, problems)
    for table, lower, higher in LOWER_THAN:
        values = [_read(content, KEYS[table][key].field) for key in (lower, higher)]
        if table in tables and not values[0] < values[1]:
            name = ".".join((*where, table))
            problems.append(f"[{name}] {lower} = {values[0]:g}: must be lower than {higher}, which is {values[1]:g}")
    return msgspec.convert(content, MarketRules)


def _set(content: dict[str, Any], name: str, table: str, key: str, value: Any, problems: list[str]) -> None:
    known = KEYS[table].get(key)
    if known is None:
        problems.append(f"[{name}] {key}: no such key{near_and_known(key, KEYS[table])}")
        return
    number = _number(value, known)
    if number is None or not known.low <= number <= known.high:
        problems.append(f"[{name}] {key} = {_shown(value)}: must be {known.allowed}")
        return
    *path, field = known.field.split(".")
    for part in path:
        content = content[part]
    content[field] = number / MINUTE_MS if field.endswith("_minutes") else number


def _number(value: Any, key: Key) -> float | None:
    """A value as the number that it stands for; None where it is of another kind."""
    if key.kind == "duration":
        try:
            return duration_ms(value) if isinstance(value, str) else None
        except ValueError:
            return None
    kinds = int if key.kind == "events" else (int, float)
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{str(value).lower() if isinstance(value, bool) else value}"


def near_and_known(name: str, names: Iterable[str]) -> str:
    """The nearest of the known names where one is near, and all of them."""
    known = list(names)
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"


def _read(content: dict[str, Any], field: str) -> float:
    value: Any = content
    for part in field.split("."):
        value = value[part]
    number: float = value
    return number


def values_of(rules: Rules) -> dict[str, float | str]:
    """Every value under its name in the file, durations as text; of markets what differs from the common rules."""
    found = _values(rules)
    common = dict(found)
    for market, own in rules.markets.items():
        found |= {f"market.{market}.{name}": value for name, value in _values(own).items() if value != common[name]}
    return found


def _values(rules: MarketRules) -> dict[str, float | str]:
    content = msgspec.to_builtins(rules)
    found: dict[str, float | str] = {}
    for table, keys in KEYS.items():
        for name, key in keys.items():
            value = _read(content, key.field)
            if key.kind == "duration":
                minutes = key.field.endswith("_minutes")
                found[f"{table}.{name}"] = duration_text(value * MINUTE_MS if minutes else value)
            else:
                found[f"{table}.{name}"] = value
    return found


def changes(before: Rules, after: Rules) -> dict[str, tuple[float | str | None, float | str | None]]:
    """What differs between two sets of rules: name in the file -> (before, after); None = not set there."""
    one, other = values_of(before), values_of(after)
    names = [*one, *(name for name in other if name not in one)]
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
