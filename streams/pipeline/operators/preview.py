"""What a change of profiles would do, and what workers would refuse of it, before it is published."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from marketpulse.contract.operators import ApplyMark, apply_headers
from marketpulse.contract.portfolio import Market, Portfolio
from marketpulse.errors import what_and_action
from strategy.reasons.changes import all_changes, basis_of, changes_between
from streams.batches import CompactedRecord
from streams.pipeline.operators.changes import INCOMPLETE_MS
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.operators.spenders import may_spend


@dataclass(frozen=True, slots=True)
class Preview:
    """Both portfolios, and what workers would refuse; `lose` and `again`: markets that lose money, or may get it."""

    before: Portfolio
    after: Portfolio
    problems: tuple[str, ...]

    @property
    def lose(self) -> list[str]:
        """Markets that may spend before, and not after."""
        return [code for code, one in self.before.markets.items() if may_spend(one) and not _may(self.after, code)]

    @property
    def again(self) -> list[str]:
        """Markets that may spend after, and not before."""
        return [code for code, one in self.after.markets.items() if may_spend(one) and not _may(self.before, code)]

    @property
    def changed(self) -> list[str]:
        """What changed, with both values: `budget 800 to 650`, `PL c 40 to 55`, `AT dropped`."""
        between = changes_between(basis_of(self.before), basis_of(self.after))
        return [] if between is None else all_changes(between)


def preview(held: Profiles, records: Sequence[tuple[str, bytes | None]], now_ms: int) -> Preview:
    """Take (key, value) records into `held` as one apply, as every worker will; None = a tombstone."""
    before, known = held.now, {letter.offset for letter in held.bad}
    for number, (key, value) in enumerate(records, start=1):
        headers = tuple(apply_headers(ApplyMark("preview", number, len(records))))
        held.take(CompactedRecord(held.read_offset, key.encode(), value, headers, now_ms))
    held.settle(now_ms)
    held.settle(now_ms + INCOMPLETE_MS)
    refused = [
        f"{(letter.key or b'').decode()}: {what_and_action(letter.message)[0]}"
        for letter in held.bad
        if letter.offset not in known
    ]
    return Preview(before, held.now, (*refused, *_other_units(before, held.now, {key for key, _ in records})))


def _other_units(before: Portfolio, after: Portfolio, changed: Collection[str]) -> list[str]:
    """Markets without a currency of their own whose amounts would mean another one, though nobody changes them."""
    return [
        f"{code}: amounts in {_unit(before, before.markets[code])} would be read as {_unit(after, market)}"
        for code, market in after.markets.items()
        if code not in changed
        and code in before.markets
        and _unit(before, before.markets[code]) != _unit(after, market)
    ]


def _unit(portfolio: Portfolio, market: Market) -> str:
    return market.currency or portfolio.plan.currency


def _may(portfolio: Portfolio, code: str) -> bool:
    return code in portfolio.markets and may_spend(portfolio.markets[code])
