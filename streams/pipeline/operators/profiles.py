"""The portfolio in force: the file's markets and plan, with what operators published to `market.profiles`."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from marketpulse.contract.markets import market_code
from marketpulse.contract.operators import MarketProfile, PlanProfile
from marketpulse.contract.portfolio import Market, Plan, Portfolio
from marketpulse.contract.wire import CONTRACT_VERSION, UNREADABLE
from strategy.errors import BadPortfolio
from strategy.portfolio import checked_market, checked_plan
from streams.batches import CompactedRecord, DeadLetter

PLAN_KEY = "_plan"
HISTORY = 1_000
MOST_BAD = 100

_Kind = TypeVar("_Kind", Market, Plan)
_PUBLISHED: dict[type, tuple[type[MarketProfile | PlanProfile], Callable[[Any], Any]]] = {
    Market: (MarketProfile, checked_market),
    Plan: (PlanProfile, checked_plan),
}


class Profiles:
    """What the topic said so far, and the portfolio that it makes of the file's."""

    def __init__(self, base: Portfolio) -> None:
        self._base = base
        self._markets: dict[str, Market] = {}
        self._plan: Plan | None = None
        self._history: list[tuple[int, Portfolio]] = [(0, base)]
        self.next_offset = 0
        self.bad: list[DeadLetter] = []

    @property
    def now(self) -> Portfolio:
        """The portfolio in force."""
        return self._history[-1][1]

    def at(self, offset: int) -> Portfolio:
        """The portfolio as it was when records below `offset` had been taken (or the oldest still remembered)."""
        return self._history[max(0, bisect_right(self._history, offset, key=lambda pair: pair[0]) - 1)][1]

    def take(self, record: CompactedRecord) -> None:
        """Take one record; one that breaks the contract is put on `bad` and changes nothing else."""
        if record.offset < self.next_offset:
            return
        last = record.offset if record.last_offset is None else record.last_offset
        self.next_offset = last + 1
        try:
            if record.unreadable:
                raise BadPortfolio(f"offsets {record.offset} to {last} cannot be read: {record.unreadable}")
            self._apply(record.key, record.value)
        except BadPortfolio as error:
            letter = DeadLetter(
                "bad_profile", str(error), 0, record.offset, record.key, record.value, record.headers,
                record.timestamp_ms, record.last_offset,
            )  # fmt: skip
            self.bad = [*self.bad, letter][-MOST_BAD:]
            return
        markets = dict(sorted((self._base.markets | self._markets).items()))
        self._history.append((self.next_offset, Portfolio(self._plan or self._base.plan, markets)))
        del self._history[:-HISTORY]

    def origin(self, market: str) -> Literal["topic", "file"]:
        """Where a market's profile comes from (`_plan`: the plan's)."""
        return "topic" if market in self._markets or (market == PLAN_KEY and self._plan) else "file"

    def _apply(self, key: bytes | None, value: bytes | None) -> None:
        name = profile_key(key)
        if value is None:
            if name == PLAN_KEY:
                self._plan = None
            else:
                self._markets.pop(name, None)
        elif name == PLAN_KEY:
            self._plan = profile_of(value, Plan)
        else:
            self._markets[name] = profile_of(value, Market)


def profile_key(key: bytes | None) -> str:
    """`_plan` or an assigned market code; raises BadPortfolio."""
    name = (key or b"").decode("utf-8", "replace")
    code = PLAN_KEY if name == PLAN_KEY else market_code(name)
    if code is not None:
        return code
    raise BadPortfolio(f"the key {name!r:.40} is neither {PLAN_KEY} nor an assigned ISO 3166-1 alpha-2 code")


def profile_of(value: bytes, kind: type[_Kind]) -> _Kind:
    """The market or the plan of a record's value, checked; raises BadPortfolio."""
    published, checked = _PUBLISHED[kind]
    try:
        profile = msgspec.json.decode(value, type=published)
        if profile.v != CONTRACT_VERSION:
            raise BadPortfolio(f"v is {profile.v}, this reader knows {CONTRACT_VERSION}")
        fields = {name: getattr(profile, name) for name in kind.__struct_fields__}
        found: _Kind = checked(msgspec.convert(fields, kind))
        return found
    except UNREADABLE as error:
        raise BadPortfolio(str(error)) from error


def profile_records(portfolio: Portfolio) -> list[tuple[str, bytes]]:
    """(key, value) of the plan and of every market, as they are published."""
    rows: list[tuple[str, msgspec.Struct]] = [(PLAN_KEY, portfolio.plan), *portfolio.markets.items()]
    return [(key, msgspec.json.encode({"v": CONTRACT_VERSION} | msgspec.structs.asdict(one))) for key, one in rows]
