"""`ledger reset`: an empty ledger in the place of the one that is there or was lost; step numbers go on."""

import uuid
from collections.abc import Callable
from typing import Literal

import msgspec

from marketpulse.contract.topics import topic_name
from streams.clock import epoch_ms
from streams.contract.journal import PartitionMark
from streams.kafka.admin import topic_offsets
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.ledger.content import LedgerContent, Name
from streams.ledger.server import REPAIRS, require_rights
from streams.ledger.staged import RESET, remove_staged
from streams.ledger.types import Entry
from streams.recovery.aftermath import look
from streams.recovery.fold import Fold
from streams.recovery.source_starts import PartitionStart
from streams.recovery.succession import Beginning, Succession, alert_entry, resolved
from streams.settings import Settings

HOLDER = "ledger reset"
WHY = "the ledger was reset"
KEPT_ENTRIES: tuple[Name, ...] = (("allocation", "string"), ("allocations", "list"), ("portfolio", "string"))
From = Literal["earliest", "latest"]


class ResetPlan(msgspec.Struct, frozen=True):
    """What a reset will do, and did: `accepted` events are forgotten, `to_count` records counted from now on.

    `live`: there is a ledger, which will be replaced. `next_step` is the first of the new one.
    """

    live: bool
    accepted: int
    to_count: int
    next_step: int
    alerts_resolved: int
    offsets: dict[int, int]


async def reset(settings: Settings, begin: From, agree: Callable[[ResetPlan], bool]) -> ResetPlan | None:
    """Begin anew with nothing counted, if whoever is asked agrees (else None).

    The allocation in force stays, alerts that are open end.

    Args:
        settings: which prefix, on which servers.
        begin: count what the topic holds (`earliest`), or only what comes from now on.
        agree: asked with the plan.

    Raises:
        Unavailable, Overtaken: nothing was changed.
    """
    live = Ledger(settings.redis, settings.prefix)
    staged = Ledger(settings.redis, f"{settings.prefix}~{RESET}-{uuid.uuid4().hex[:8]}")
    outbound = Outbound(settings.kafka_servers, settings.prefix, settings.codec)
    succession = Succession(live, staged, outbound)
    try:
        await require_rights(live, REPAIRS)
        offsets = await topic_offsets(settings.kafka_servers, topic_name(settings.prefix, "feedback"), patience=10)
        first = {number: ends[0 if begin == "earliest" else 1] for number, ends in offsets.items()}
        standing = await live.standing()
        after = await look(settings.kafka_servers, settings.prefix, None)
        plan = ResetPlan(
            live=standing is not None,
            accepted=await live.total("accepted"),
            to_count=sum(end - first[number] for number, (_, end) in offsets.items()),
            next_step=max(after.highest, 0 if standing is None else standing[1]) + 2,
            alerts_resolved=len(after.open_alerts),
            offsets=first,
        )
        if not agree(plan):
            return None
        await remove_staged(live)
        lease_number = None
        if standing is not None:
            lease_number = await succession.freeze(HOLDER)
            after = await look(settings.kafka_servers, settings.prefix, None)
            standing = await live.standing()
        step = max(after.highest, 0 if standing is None else standing[1]) + 1
        ends = [resolved(alert, step, alert.started_at, WHY) for _, alert in sorted(after.open_alerts.items())]
        fold = Fold(staged.keys.namespace)
        standing_step = Entry("step", "hash", [b"step", str(step).encode()])
        for entry in [standing_step, *await LedgerContent(live).read(KEPT_ENTRIES), *map(alert_entry, ends)]:
            fold.take(entry)
        starts = {number: PartitionStart(at, PartitionMark(began=at)) for number, at in first.items()}
        begins = Beginning(step, starts, {}, epoch_ms())
        await succession.stage(begins, fold)
        await succession.announce(begins, "reset", ends)
        await succession.swap(lease_number, step)
        await succession.settle(HOLDER)
        return msgspec.structs.replace(plan, next_step=step + 1, alerts_resolved=len(ends))
    finally:
        try:
            await succession.clean()
            await live.release_lease(HOLDER)
        finally:
            await outbound.stop()
            await live.close()
            await staged.close()
