"""Alerts and answers in fact beside those of a replay with other rules."""

from collections.abc import Iterable, Iterator

import msgspec

from marketpulse.contract.records import AlertRecord, AllocationRecord


class Episode(msgspec.Struct, frozen=True):
    """One alert from firing to its end, in epoch ms; None = it was still firing."""

    id: str
    kind: str
    market: str
    topic: str | None
    fired_at: int
    ended_at: int | None

    @property
    def about(self) -> tuple[str, str, str]:
        """What it is about."""
        return self.kind, self.market, self.topic or ""

    def overlaps(self, other: "Episode") -> bool:
        """Whether both were firing at some time."""
        return all(
            one.ended_at is None or later.fired_at <= one.ended_at
            for one, later in ((self, other), (other, self))
        )  # fmt: skip


class AlertRow(msgspec.Struct, frozen=True):
    """An alert in fact and the one with the rules that fired about the same at the same time; None = none did."""

    kind: str
    market: str
    topic: str | None
    in_fact: Episode | None
    with_rules: Episode | None


class Answered(msgspec.Struct, frozen=True):
    """The allocator's answer to one shift; `moved` is the money that markets gained by it."""

    status: str
    adopted: bool
    moved: float


class AllocationRow(msgspec.Struct, frozen=True):
    """An answer in fact and with the rules, to a shift of the same step and market; None = nothing was asked."""

    id: str
    stream_time: int
    cause: str
    market: str | None
    in_fact: Answered | None
    with_rules: Answered | None


def episodes(alerts: Iterable[AlertRecord]) -> list[Episode]:
    """Alerts that fired, each once, from all their states."""
    newest: dict[str, AlertRecord] = {}
    for alert in sorted(alerts, key=lambda one: one.seq):
        newest[alert.id] = alert
    return [
        Episode(one.id, one.kind, one.market, one.topic, one.fired_at, one.ended_at)
        for one in newest.values()
        if one.fired_at is not None
    ]


def paired(in_fact: Iterable[Episode], with_rules: Iterable[Episode]) -> list[AlertRow]:
    """Episodes about the same whose times overlap side by side, the others alone; by time."""
    about: dict[tuple[str, str, str], tuple[list[Episode], list[Episode]]] = {}
    for side, found in enumerate((in_fact, with_rules)):
        for one in sorted(found, key=lambda one: one.fired_at):
            about.setdefault(one.about, ([], []))[side].append(one)
    return sorted((row for sides in about.values() for row in _merged(*sides)), key=_fired)


def _merged(left: list[Episode], right: list[Episode]) -> Iterator[AlertRow]:
    while left or right:
        if left and right and left[0].overlaps(right[0]):
            yield _row(left.pop(0), right.pop(0))
        elif not right or (left and left[0].fired_at < right[0].fired_at):
            yield _row(left.pop(0), None)
        else:
            yield _row(None, right.pop(0))


def _row(in_fact: Episode | None, with_rules: Episode | None) -> AlertRow:
    one = in_fact or with_rules
    assert one is not None
    return AlertRow(one.kind, one.market, one.topic, in_fact, with_rules)


def _fired(row: AlertRow) -> int:
    return min(one.fired_at for one in (row.in_fact, row.with_rules) if one is not None)


def answered(in_fact: list[AllocationRecord], with_rules: list[AllocationRecord]) -> list[AllocationRow]:
    """Answers to the same shift side by side, the others alone; in order."""
    left, right = ({one.id: one for one in side} for side in (in_fact, with_rules))
    rows = []
    for name, one in sorted((right | left).items(), key=lambda pair: (pair[1].seq, pair[0])):
        answers = [_answer(side.get(name)) for side in (left, right)]
        rows.append(AllocationRow(name, one.stream_time, one.cause, one.market, *answers))
    return rows


def _answer(one: AllocationRecord | None) -> Answered | None:
    if one is None:
        return None
    return Answered(one.status, one.adopted, round(sum(move for move in one.moves.values() if move > 0), 6))


def spends(in_fact: AllocationRecord | None, with_rules: AllocationRecord | None) -> dict[str, tuple[float, float]]:
    """Market -> its spend in the one plan and in the other."""
    left, right = ({} if one is None else one.spend for one in (in_fact, with_rules))
    return {market: (left.get(market, 0.0), right.get(market, 0.0)) for market in sorted({*left, *right})}
