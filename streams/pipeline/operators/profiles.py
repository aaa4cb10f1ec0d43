"""The portfolio in force: the file's markets and plan, with what operators published to `market.profiles`."""

from bisect import bisect_right
from collections.abc import Callable, Collection
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
        self._replaces = False
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
        base = {} if self._replaces else self._base.markets
        markets = dict(sorted((base | self._markets).items()))
        self._history.append((self.next_offset, Portfolio(self._plan or self._base.plan, markets)))
        del self._history[:-HISTORY]

    def origin(self, market: str) -> Literal["topic", "file"]:
        """Where a market's profile comes from (`_plan`: the plan's)."""
        return "topic" if market in self._markets or (market == PLAN_KEY and self._plan) else "file"

    @property
    def replaces(self) -> bool:
        """Whether only what was published counts: the file's markets get no money."""
        return self._replaces

    @property
    def of_file(self) -> list[str]:
        """Markets in force that the workers' file brings (the shipped example, if they have no own)."""
        return [code for code in self.now.markets if code not in self._markets]

    @property
    def published(self) -> Collection[str]:
        """Markets with a published profile."""
        return self._markets.keys()

    def _apply(self, key: bytes | None, value: bytes | None) -> None:
        name = profile_key(key)
        if value is None:
            if name == PLAN_KEY:
                self._plan, self._replaces = None, False
            else:
                self._markets.pop(name, None)
        elif name == PLAN_KEY:
            self._plan = profile_of(value, Plan)
            self._replaces = msgspec.json.decode(value, type=PlanProfile).replaces
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


def profile_records(portfolio: Portfolio, replaces: bool = False) -> list[tuple[str, bytes]]:
    """(key, value) of the plan and of every market, as they are published."""
    version = {"v": CONTRACT_VERSION}
    plan = version | {"replaces": replaces} | msgspec.structs.asdict(portfolio.plan)
    markets = {code: version | msgspec.structs.asdict(market) for code, market in portfolio.markets.items()}
    return [(key, msgspec.json.encode(fields)) for key, fields in ({PLAN_KEY: plan} | markets).items()]


def apply_records(
    portfolio: Portfolio, held: Profiles, only: Collection[str] = (), plan: bool = True, merge: bool = False
) -> list[tuple[str, bytes | None]]:
    """What an apply publishes: the whole table in place of all others, or parts of it.

    Args:
        portfolio: the table.
        held: what is published now.
        only: markets to publish; empty = all. Naming them, no `plan`, or `merge` makes it a change of parts: other
            markets keep what they have, and the plan keeps whether it replaces the workers' file.
        plan: whether the plan is published too.
        merge: keep published markets that the table lacks, and the workers' file where it counts now.
    """
    whole = plan and not only and not merge
    rows: dict[str, bytes | None] = dict(profile_records(portfolio, whole or held.replaces))
    last = {PLAN_KEY: rows.pop(PLAN_KEY)} if plan else {}  # last: nobody sees a plan that replaces without its markets
    wanted = set(only or portfolio.markets)
    gone = dict.fromkeys(sorted(set(held.published) - set(portfolio.markets))) if whole else {}
    return list(({code: value for code, value in rows.items() if code in wanted} | gone | last).items())
