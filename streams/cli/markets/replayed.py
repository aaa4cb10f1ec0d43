"""What refused market profiles would change if they were sent again, before they are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketpulse.contract.topics import topic_name
from marketpulse.contract.words import count_of
from marketpulse.errors import what_and_action
from streams.batches import CompactedRecord
from streams.cli import output
from streams.cli.markets.in_force import held_now
from streams.cli.settings import run_async
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.pipeline.operators.changes import INCOMPLETE_MS
from streams.pipeline.operators.preview import Preview

if TYPE_CHECKING:
    from streams.kafka.dead_letters import RejectedRecord, Selection
    from streams.settings import Settings

MOST_PROFILES = 1_000
MOST_BYTES = 64 * 1_048_576


@dataclass(frozen=True, slots=True)
class ProfilesAgain:
    """Market profiles among dead letters: their offsets there, and what they would change together."""

    offsets: frozenset[int]
    preview: Preview

    @property
    def change(self) -> dict[str, object]:
        """For machines."""
        seen = self.preview
        return {
            "profiles": len(self.offsets),
            "changed": seen.changed,
            "no_more_money": seen.lose,
            "money_again": seen.again,
            "refused": seen.problems,
        }

    def question(self, topic: str) -> str:
        """For people, with every value: somebody may have written it for this moment."""
        seen = self.preview
        lines = [f"Sends {count_of(len(self.offsets), 'market profile')} to {topic}, with your rights. Who may write "
                 "dead letters (workers, bridges) may have written them. In force with the next step:"]  # fmt: skip
        lines += [f"  {change}" for change in seen.changed or ["no change"]]
        lines += [f"  no more money for {', '.join(seen.lose)}"] if seen.lose else []
        lines += [f"  money again for {', '.join(seen.again)}"] if seen.again else []
        lines += [f"  refused again: {problem}" for problem in seen.problems]
        return "\n".join(map(output.visible, lines))


def profiles_again(settings: "Settings", selection: "Selection") -> ProfilesAgain | None:
    """The selected market profiles that can be sent again, in the order in which they would be; None without any.

    Raises:
        BadInput: they are too many to be looked at.
        Unavailable: Kafka does not answer.
    """
    letters = run_async(_selected(settings, selection))
    if not letters:
        return None
    held, now_ms = held_now(settings).profiles, epoch_ms()
    before, known = held.now, {bad.offset for bad in held.bad}
    for letter in letters:
        held.take(CompactedRecord(held.read_offset, letter.key, letter.value, letter.headers, now_ms))
    held.settle(now_ms)
    held.settle(now_ms + INCOMPLETE_MS)
    refused = tuple(
        f"{(bad.key or b'').decode('utf-8', 'replace')}: {what_and_action(bad.message)[0]}"
        for bad in held.bad
        if bad.offset not in known
    )
    return ProfilesAgain(frozenset(letter.offset for letter in letters), Preview(before, held.now, refused))


async def _selected(settings: "Settings", selection: "Selection") -> list["RejectedRecord"]:
    from streams.kafka.dead_letters import read_dead_letters, why_not

    found, size, topic = [], 0, topic_name(settings.prefix, "market.profiles")
    async for letter in read_dead_letters(settings.kafka_servers, settings.prefix, selection):
        if letter.source_topic != topic or why_not(letter, settings.prefix):
            continue
        found.append(letter)
        size += len(letter.value or b"")
        if len(found) > MOST_PROFILES or size > MOST_BYTES:
            raise BadInput(
                f"more than {MOST_PROFILES:,} market profiles, or {MOST_BYTES // 1_048_576} MiB of them, are selected. "
                "Nothing was sent. Operator action: choose with --offset or --hours, or `profiles apply` a file."
            )
    return found
