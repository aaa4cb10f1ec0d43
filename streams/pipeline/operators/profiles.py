"""The portfolio in force: the file's markets and plan, with what operators published to `market.profiles`."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec

from marketpulse.contract.markets import market_code
from marketpulse.contract.operators import MarketProfile, PlanProfile
from marketpulse.contract.portfolio import Market, Plan, Portfolio
from marketpulse.contract.wire import CONTRACT_VERSION, UNREADABLE
from strategy.errors import BadPortfolio
from strategy.portfolio import checked_market, checked_plan, with_currencies
from streams.batches import CompactedRecord, DeadLetter, fitting
from streams.pipeline.operators.changes import Change, Incomplete
from streams.pipeline.operators.published import PLAN_KEY, Published, PublishedPlan, accepted

HISTORY = 1_000
MOST_BAD = 100

_Kind = TypeVar("_Kind", Market, Plan)
_PUBLISHED: dict[type, tuple[type[MarketProfile | PlanProfile], Callable[[Any], Any]]] = {
    Market: (MarketProfile, checked_market),
    Plan: (PlanProfile, checked_plan),
}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record that does not fit to the others: it is in force as soon as it does, unless its key has another then."""

    record: CompactedRecord
    value: Market | PublishedPlan | None
    why: str


@dataclass(frozen=True, slots=True)
class _State:
    """What the records below an offset come to."""

    end: int
    published: Published
    portfolio: Portfolio
    waiting: Mapping[str, _Waiting] = field(default_factory=dict)
    broken: tuple[DeadLetter, ...] = ()

    @property
    def bad(self) -> list[DeadLetter]:
        found = [*self.broken, *(_letter(refused.record, refused.why) for refused in self.waiting.values())]
        return sorted(found, key=lambda letter: letter.offset)


class Profiles:
    """What the topic said so far, and the portfolio that it makes of the file's.

    `read_offset`: records below it were taken. `next_offset`: records below it are in force; it only moves on where a
    change ends, or where `settle` says that no more of it comes. What holds at an offset is a function of the records
    below it alone, so that every process that asks for it has the same.
    """

    def __init__(self, base: Portfolio) -> None:
        self._base = base
        self._history = [_State(0, Published(), base)]
        self._before = self._history[0]  # what the changes before this one came to
        self._change = Change()
        self._values: dict[str, tuple[CompactedRecord, Market | PublishedPlan | None]] = {}
        self._replaced: set[str] = set()
        self._broken: list[DeadLetter] = []
        self.read_offset = 0
        self.next_offset = 0
        self.incomplete: tuple[Incomplete, ...] = ()

    @property
    def now(self) -> Portfolio:
        """The portfolio in force."""
        return self.at(self.next_offset)

    @property
    def bad(self) -> list[DeadLetter]:
        """Records that are not in force: they break the contract, or do not fit to the other records."""
        return self._state(self.next_offset).bad

    def at(self, offset: int) -> Portfolio:
        """The portfolio that records below `offset` come to (or the oldest still remembered)."""
        return self._state(offset).portfolio

    def refused(self, since: int, offset: int) -> list[DeadLetter]:
        """What records below `offset` are refused which were not yet at `since`."""
        known = {letter.offset for letter in self._state(since).bad}
        return [letter for letter in self._state(offset).bad if letter.offset not in known]

    def in_force(self, known: int) -> int:
        """The offset in force, where another process may have had `known` in force before: never an older one."""
        return max(self.next_offset, min(known, self.read_offset))

    def take(self, record: CompactedRecord) -> None:
        """Take one record; `next_offset` moves on where a change is complete with it, or was before it."""
        if record.offset < self.read_offset:
            return
        if not self._change.takes(record):
            self._close()
        self._change.add(record)
        self.read_offset = (record.offset if record.last_offset is None else record.last_offset) + 1
        self._read(record)
        self._history.append(self._newest())
        del self._history[:-HISTORY]
        if self._change.ended:
            self._close()

    def settle(self, now_ms: int) -> bool:
        """With all records taken that there are: let a change be in force whose end does not come.

        Args:
            now_ms: of one clock, at every call.

        Returns:
            Whether `next_offset` moved on.
        """
        if self.next_offset == self.read_offset or not self._change.settled(now_ms):
            return False
        self._show()
        return True

    def origin(self, market: str) -> Literal["topic", "file"]:
        """Where a market's profile comes from (`_plan`: the plan's)."""
        published = self._state(self.next_offset).published
        return "topic" if market in published.markets or (market == PLAN_KEY and published.plan) else "file"

    @property
    def replaces(self) -> bool:
        """Whether only what was published counts: the file's markets get no money."""
        return self._state(self.next_offset).published.replaces

    @property
    def of_file(self) -> list[str]:
        """Markets in force that the workers' file brings (the shipped example, if they have no own)."""
        return [code for code in self.now.markets if self.origin(code) == "file"]

    @property
    def published(self) -> Collection[str]:
        """Markets with a published profile, also where it is refused and waits for a plan that it fits to."""
        state = self._state(self.next_offset)
        waiting = [key for key, one in state.waiting.items() if isinstance(one.value, Market)]
        return {*state.published.markets, *waiting}

    def _state(self, offset: int) -> _State:
        return self._history[max(0, bisect_right(self._history, offset, key=lambda state: state.end) - 1)]

    def _show(self) -> None:
        self.next_offset, self.incomplete = self.read_offset, self._change.incomplete

    def _close(self) -> None:
        self._show()
        self._before, self._change = self._history[-1], Change()
        self._values, self._replaced, self._broken = {}, set(), []

    def _read(self, record: CompactedRecord) -> None:
        try:
            if record.unreadable:
                last = self.read_offset - 1
                raise BadPortfolio(f"offsets {record.offset} to {last} cannot be read: {record.unreadable}")
            key = profile_key(record.key)
            self._replaced.add(key)
            self._values[key] = record, _value_of(key, record.value)
        except BadPortfolio as error:
            self._broken.append(_letter(record, str(error)))

    def _newest(self) -> _State:
        """The state with the change so far; what waited from earlier on is tried again."""
        before, values = self._before, {key: value for key, (_, value) in self._values.items()}
        published, why = accepted(self._base, before.published, values)
        waiting = {key: one for key, one in before.waiting.items() if key not in self._replaced}
        waiting |= {key: _Waiting(*self._values[key], why[key]) for key in why}
        if waiting:
            published, left = accepted(self._base, published, {key: one.value for key, one in waiting.items()})
            waiting = {key: waiting[key] for key in left}
        broken = (*before.broken, *self._broken)[-MOST_BAD:]
        return _State(self.read_offset, published, published.over(self._base), waiting, broken)


def _value_of(key: str, value: bytes | None) -> Market | PublishedPlan | None:
    if value is None:
        return None
    if key != PLAN_KEY:
        return profile_of(value, Market)
    return PublishedPlan(profile_of(value, Plan), msgspec.json.decode(value, type=PlanProfile).replaces)


def _letter(record: CompactedRecord, why: str) -> DeadLetter:
    letter = DeadLetter(
        "bad_profile", why, 0, record.offset, record.key, record.value, record.headers, record.timestamp_ms,
        record.last_offset,
    )  # fmt: skip
    return fitting(letter)


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

    Each market names its currency: a plan in another one without a rate for it does not fit to it any more.

    Args:
        portfolio: the table.
        held: what is published now.
        only: markets to publish; empty = all. Naming them, no `plan`, or `merge` makes it a change of parts: other
            markets keep what they have, and the plan keeps whether it replaces the workers' file.
        plan: whether the plan is published too.
        merge: keep published markets that the table lacks, and the workers' file where it counts now.
    """
    whole = plan and not only and not merge
    rows: dict[str, bytes | None] = dict(profile_records(with_currencies(portfolio), whole or held.replaces))
    last = {PLAN_KEY: rows.pop(PLAN_KEY)} if plan else {}  # last: nobody sees a plan that replaces without its markets
    wanted = set(only or portfolio.markets)
    gone = dict.fromkeys(sorted(set(held.published) - set(portfolio.markets))) if whole else {}
    return list(({code: value for code, value in rows.items() if code in wanted} | gone | last).items())
