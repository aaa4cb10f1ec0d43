"""What is in force: published profiles over the workers' table, and what Redis shows of workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.topics import topic_name
from marketpulse.errors import MarketpulseError
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.cli import output
from streams.cli.settings import run_async
from streams.clock import epoch_ms
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.operators.published import PLAN_KEY
from streams.pipeline.operators.spenders import Row, origin_of, rows_of

if TYPE_CHECKING:
    from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Held:
    """What is in force: profiles over the workers' file, whether that is their own, what Redis shows of workers."""

    profiles: Profiles
    own: bool
    seen: Snapshot | None
    answers: list[AllocationRecord]
    changed_ms: int | None
    differs: str = ""

    @property
    def spend(self) -> dict[str, float]:
        """Market -> money of the allocation in force; empty where that is in another currency than the plan's."""
        if self.seen is None or self.seen.allocation is None or self.seen.portfolio is None:
            return {}
        same = self.seen.allocation.allocation.currency in ("", self.seen.portfolio.plan.currency)
        return dict(self.seen.allocation.spend) if same else {}

    @property
    def refused(self) -> str:
        """In words, where the newest answer is no plan: spend is that of an earlier table."""
        newest = max(self.answers, key=lambda one: one.seq, default=None)
        if newest is None or newest.status not in ("infeasible", "failed"):
            return ""
        why = newest.why if newest.why.startswith(newest.status) else f"{newest.status}: {newest.why}"
        return f"The spend is that of an earlier answer; the newest is {why}"

    def origin(self, name: str) -> str:
        """Where the entry of a market (or `_plan`) comes from, in words."""
        return origin_of(self.profiles, name, self.own)

    @property
    def origins(self) -> dict[str, str]:
        """Market -> where its entry comes from."""
        return {code: self.origin(code) for code in self.profiles.now.markets}

    @property
    def rows(self) -> dict[str, Row]:
        """Market -> who may get how much, from which table."""
        return rows_of(self.profiles.now, self.origins)


def held_now(settings: "Settings") -> Held:
    """What was published, over the workers' file: over the shipped example, where Redis shows that they have that."""
    records = _read(settings, "market.profiles")
    profiles, own = _over(load_portfolio(settings.portfolio), records), settings.portfolio is not None
    seen, answers = _in_redis(settings)
    in_redis = None if seen is None else seen.portfolio
    changed_ms = max((record.timestamp_ms for record in records), default=None)
    if in_redis is None or in_redis == profiles.now:
        return Held(profiles, own, seen, answers, changed_ms)
    shipped = _over(load_portfolio(), records)
    if own and in_redis == shipped.now:
        return Held(
            shipped, False, seen, answers, changed_ms,
            f"Workers have the shipped example, not {settings.portfolio}, which MARKETPULSE_PORTFOLIO of this command "
            "names: shown is what they have. Operator action: set it for workers too, or for neither.",
        )  # fmt: skip
    here, there = profiles.now.markets, in_redis.markets
    names = [code for code in sorted(here.keys() | there.keys()) if here.get(code) != there.get(code)]
    names += [PLAN_KEY] if in_redis.plan != profiles.now.plan else []
    return Held(
        profiles, own, seen, answers, changed_ms,
        f"Workers have another table in force: {', '.join(names)} differ. Operator action: none for a change of the "
        "last seconds; else set MARKETPULSE_PORTFOLIO for commands as for workers.",
    )  # fmt: skip


def _in_redis(settings: "Settings") -> tuple[Snapshot | None, list[AllocationRecord]]:
    """What workers have in force (None = not known), and the allocator's answers, oldest first."""
    from marketpulse.client.reader import Reader

    try:
        with Reader(settings.redis, prefix=settings.prefix) as reader:
            return reader.snapshot(), reader.allocations()
    except MarketpulseError as error:
        output.note(f"What workers have in force is not known: {error}")
        return None, []


def _over(base: Portfolio, records: Sequence[CompactedRecord]) -> Profiles:
    profiles = Profiles(base)
    for record in records:
        profiles.take(record)
        newest_ms = record.timestamp_ms
    if profiles.read_offset:  # as a reader has it who was there when the newest record came
        profiles.settle(newest_ms)
        profiles.settle(epoch_ms())
    return profiles


def _read(settings: "Settings", topic: str) -> list[CompactedRecord]:
    from streams.kafka.compacted import read_all

    return run_async(read_all(settings.kafka_servers, topic_name(settings.prefix, topic)))
