"""Shifts into allocations."""

import asyncio
import time

import msgspec

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, ShiftRecord
from streams.pipeline.reallocate.answer import answer_of
from streams.pipeline.retry import patiently
from streams.pipeline.rollup.step_writes import allocation_writes
from streams.telemetry.logs import get_logger
from streams.worker.deps import Deps

log = get_logger("worker")
PROFILES_WAIT_S = 30.0


class Reallocator:
    """Answers one shift with one allocation, in its own thread; a failure keeps the previous one."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def reallocate(self, shift: ShiftRecord) -> AllocationRecord | None:
        """Solve for a shift and store the answer; None if this shift or a newer one was answered already."""
        previous = await patiently(self._previous, "previous allocation", self._deps.progress)
        portfolio = await self._portfolio(shift)
        with self._deps.telemetry.stage("allocate"):
            record = await asyncio.to_thread(answer_of, shift, portfolio, previous)
        if record.status == "failed":
            log.error("allocation_failed", shift=shift.id, error=record.why)
        writes = allocation_writes(self._deps.ledger, record)
        stored = await patiently(
            lambda: self._deps.ledger.store_allocation(shift.seq, writes), "allocation", self._deps.progress
        )
        log.info(
            "allocated", id=record.id, cause=record.cause, market=record.market, status=record.status, stored=stored
        )
        if stored:
            self._deps.telemetry.allocated(record.status)
        return record if stored else None

    async def _previous(self) -> AllocationRecord | None:
        content = await self._deps.ledger.get(self._deps.ledger.keys.allocation)
        return None if content is None else msgspec.json.decode(content, type=AllocationRecord)

    async def _portfolio(self, shift: ShiftRecord) -> Portfolio:
        """The profiles that were in force at the shift's step, once this worker has read so far."""
        profiles = self._deps.profiles
        deadline = time.monotonic() + PROFILES_WAIT_S
        while profiles.read_offset < shift.profiles and time.monotonic() < deadline:  # noqa: ASYNC110 - a pure class
            await asyncio.sleep(0.05)
        if profiles.read_offset < shift.profiles:
            log.error("profiles_behind", shift=shift.id, wanted=shift.profiles, read=profiles.read_offset)
        return profiles.at(shift.profiles)
