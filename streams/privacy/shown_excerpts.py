"""What readers see of excerpts: neither who spoke nor when exactly, which `feedback.classified` has beside the user."""

from collections.abc import Iterable

from msgspec.structs import replace

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import HOUR_MS
from streams.privacy.excerpt_order import without_speaker

SHOWN_MS = HOUR_MS
"""Precision of the times that readers see."""


def shown(excerpts: Iterable[Excerpt]) -> list[Excerpt]:
    """The same for readers: times rounded down to the hour, without users' numbers.

    The oldest hour first; within an hour by lot, since an order of arrival would narrow the time down again.
    """
    found = [
        replace(kept, order=without_speaker(kept.order), occurred_at=kept.occurred_at // SHOWN_MS * SHOWN_MS)
        for kept in excerpts
    ]
    return sorted(found, key=lambda one: (one.occurred_at, one.order, one.text))
