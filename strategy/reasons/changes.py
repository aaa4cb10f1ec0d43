"""What of the market table changed between two answers, as facts and in words.

Everything is a function of the two tables, so that a replay comes to the same words.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from marketpulse.contract.allocation import Basis
from marketpulse.contract.portfolio import Market, Plan, Portfolio

ONLY_RANKS = ("w", "spend")
"""Fields of a market that no allocation depends on; o counts only where a market enters."""
BOUNDS = ("spend_low", "spend_high", "spent", "pinned", "spend_minimum", "legal_ready")
"""Fields of a market that say how much it may get, not what its money does."""
MOST_FIELDS = 3  # named per market in its sentence

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Changes:
    """Fields that differ: name -> (before, now); None = not there, or without a value."""

    plan: Mapping[str, Pair]
    caps: Mapping[str, Pair]
    rates: Mapping[str, Pair]
    markets: Mapping[str, Mapping[str, Pair]]  # of markets that both tables have
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    regions: Mapping[str, str]  # of every market of both tables, as of now where it is still there
    currencies: Mapping[str, str | None]


def basis_of(portfolio: Portfolio) -> Basis:
    """The table of an answer, without what is as the defaults have it: the same after encoding and decoding."""
    markets = {code: _fields(one, Market) for code, one in portfolio.markets.items()}
    return Basis(_fields(portfolio.plan, Plan), markets)


def table_of(basis: Basis) -> Portfolio:
    """The table that a basis is of."""
    return msgspec.convert({"plan": basis.plan, "markets": basis.markets}, Portfolio)


def changes_between(before: Basis | None, now: Basis) -> Changes | None:
    """What differs; None = the table of before is not known."""
    if before is None:
        return None
    before, now = _in_words_of_a_file(before), _in_words_of_a_file(now)
    plan = _differing(before.plan, now.plan, Plan)
    caps, rates = plan.pop("regions", ({}, {})), plan.pop("currencies", ({}, {}))
    both = [code for code in now.markets if code in before.markets]
    markets = {code: _differing(before.markets[code], now.markets[code], Market) for code in both}
    known = before.markets | now.markets
    return Changes(
        plan=plan,
        caps=_pairs(*caps),
        rates=_pairs(*rates),
        markets={code: fields for code, fields in markets.items() if fields},
        added=tuple(code for code in now.markets if code not in before.markets),
        dropped=tuple(code for code in before.markets if code not in now.markets),
        regions={code: fields.get("region", "") for code, fields in known.items()},
        currencies={code: fields.get("currency") for code, fields in known.items()},
    )


def bounds_changed(changes: Changes) -> dict[str, Mapping[str, Pair]]:
    """Of the markets whose bounds differ, these fields."""
    found = {
        code: {name: fields[name] for name in BOUNDS if name in fields} for code, fields in changes.markets.items()
    }
    return {code: fields for code, fields in found.items() if fields}


def _in_words_of_a_file(basis: Basis) -> Basis:
    """Without currencies that are the plan's: published markets name it, and those of a file need not."""
    own = basis.plan.get("currency", _usual(Plan)["currency"])
    markets = {
        code: {name: value for name, value in fields.items() if (name, value) != ("currency", own)}
        for code, fields in basis.markets.items()
    }
    return Basis(basis.plan, markets)


def own_changes(changes: Changes, code: str, without: Collection[str] = (), rates: bool = True) -> str:
    """For example `its table changed (c 55 to 110)`; empty where nothing that an allocation depends on changed.

    `without`: fields that are not named. `rates`: whether the rate of its currency is.
    """
    fields = dict(changes.markets.get(code, {}))
    for name in (*ONLY_RANKS, *without):
        fields.pop(name, None)
    named = [f"{name} {from_to(*pair)}" for name, pair in fields.items()]
    currency = changes.currencies.get(code)
    if rates and currency is not None and currency in changes.rates:
        named.append(f"rate of {currency} {from_to(*changes.rates[currency])}")
    if not named:
        return ""
    more = f", {len(named) - MOST_FIELDS} more" if len(named) > MOST_FIELDS else ""
    return f"its table changed ({', '.join(named[:MOST_FIELDS])}{more})"


def fell_or_rose(what: str, pair: Pair) -> str:
    """For example `the budget fell from 800 to 650`."""
    before, now = pair
    if before is None:
        return f"{what} is new ({number(now)})"
    if now is None:
        return f"{what} is gone ({number(before)} before)"
    return f"{what} {'rose' if now > before else 'fell'} from {number(before)} to {number(now)}"


def all_changes(changes: Changes) -> list[str]:
    """For example `budget 800 to 650`, `cap of EU 420 to 340`, `PL c 40 to 55`, `AT dropped`: the plan's first."""
    words = [f"{name} {from_to(*pair)}" for name, pair in changes.plan.items()]
    words += [f"cap of {name} {from_to(*pair)}" for name, pair in changes.caps.items()]
    words += [f"rate of {name} {from_to(*pair)}" for name, pair in changes.rates.items()]
    words += [f"{code} added" for code in changes.added] + [f"{code} dropped" for code in changes.dropped]
    for code, fields in changes.markets.items():
        words.append(f"{code} {', '.join(f'{name} {from_to(*pair)}' for name, pair in fields.items())}")
    return words


def from_to(before: Any, now: Any) -> str:
    """For example `55 to 110`, `none to 400`."""
    return f"{number(before)} to {number(now)}"


def number(value: Any) -> str:
    """A value of the table as a person writes it: 420, 0.23, none, true."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "/".join(number(entry) for entry in value)
    if not isinstance(value, int | float):
        return str(value)
    if value and abs(value) < 0.001:
        return f"{value:.6g}"
    text = f"{value:,.6f}"
    return text.rstrip("0").rstrip(".")


def _fields(record: Market | Plan, kind: type[Market] | type[Plan]) -> dict[str, Any]:
    usual = _usual(kind)
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return {name: value for name, value in fields.items() if name not in usual or usual[name] != value}


def _usual(kind: type[Market] | type[Plan]) -> dict[str, Any]:
    """The defaults, in the form that JSON gives them."""
    found = {}
    for field in msgspec.structs.fields(kind):
        if not field.required:
            value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            found[field.name] = msgspec.json.decode(msgspec.json.encode(value))
    return found


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], kind: type[Market] | type[Plan]) -> dict[str, Pair]:
    """Fields that differ, in the order of the record's fields."""
    usual = _usual(kind)
    names = [field.name for field in msgspec.structs.fields(kind)]
    pairs = {name: (before.get(name, usual.get(name)), now.get(name, usual.get(name))) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _pairs(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, Pair]:
    names = sorted({*before, *now})
    return {name: (before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)}
