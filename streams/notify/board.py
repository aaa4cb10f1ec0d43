"""What one sink was told of each alert, and what it is to be told next: pure, one per sink."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from marketpulse.contract.mutes import mute_of
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord

MOST_KNOWN = 50_000
"""Alerts that are over and whose `seq` is remembered; the oldest go."""


class Due(NamedTuple):
    """A state that a sink is to be told; `offset` is that of the first record it does not know of that alert."""

    offset: int
    alert: AlertRecord


class Board:
    """Newest state per alert id: records come in the order of their offsets, some of them again.

    `wants` says whether the sink is interested in an alert at all. Pending states are never told. An alert that came
    and went before it could be told is told once, as resolved.
    """

    def __init__(self, wants: Callable[[AlertRecord], bool] = lambda alert: True, most: int = MOST_KNOWN) -> None:
        self._wants = wants
        self._most = most
        self._seqs: dict[str, int] = {}
        self._firing: dict[str, AlertRecord] = {}
        self._told: set[str] = set()  # firing alerts that the sink knows of
        self._due: dict[str, Due] = {}
        self.next_offset = 0

    def restore(self, offset: int, alert: AlertRecord, record_ms: int, mutes: Iterable[MuteRecord], told: bool) -> None:
        """Take a record from before this process: the sink was told of it already, or (`told` false) never will be.

        What fires and was told is known again. What fires under a silence that was set before the record was not told:
        it will be when the silence ends. Without `told` whatever still fires in the end is due.
        """
        self.take(offset, alert)
        due = self._due.pop(alert.id, None)
        if due is None:
            return
        held = mute_of(alert, (mute for mute in mutes if mute.created_at <= record_ms), record_ms)
        fires = due.alert.state == "firing"
        if fires and (held or not told):
            self._due[alert.id] = due
        elif fires:
            self._told.add(alert.id)
        else:
            self._over(alert.id)

    def take(self, offset: int, alert: AlertRecord) -> None:
        """Take one record; one whose `seq` is not higher than the known one changes nothing."""
        self.next_offset = max(self.next_offset, offset + 1)
        if alert.seq <= self._seqs.get(alert.id, -1) or not self._wants(alert):
            return
        self._seqs[alert.id] = alert.seq
        waiting = self._due.pop(alert.id, None)
        first = offset if waiting is None else waiting.offset
        if alert.state == "firing":
            self._firing[alert.id] = alert
            if alert.id not in self._told:
                self._due[alert.id] = Due(first, alert)
        elif alert.state == "resolved":
            self._firing.pop(alert.id, None)
            if alert.fired_at is None:
                self._over(alert.id)
            else:
                self._due[alert.id] = Due(first, alert)
        self._forget()

    def due(self, mutes: Iterable[MuteRecord], now_ms: int) -> list[Due]:
        """What is to be told now, oldest first: nothing that is silenced; what ends in silence is not told at all."""
        silences = list(mutes)
        found = []
        for name, one in list(self._due.items()):
            if mute_of(one.alert, silences, now_ms) is None:
                found.append(one)
            elif one.alert.state == "resolved":
                self._over(name)
        return sorted(found)

    def done(self, alerts: Iterable[AlertRecord]) -> None:
        """The sink has taken these states, or they are given up."""
        for alert in alerts:
            if (due := self._due.get(alert.id)) is None or due.alert.seq != alert.seq:
                continue
            del self._due[alert.id]
            if alert.state == "firing":
                self._told.add(alert.id)
            else:
                self._over(alert.id)

    def firing(self, mutes: Iterable[MuteRecord], now_ms: int) -> list[AlertRecord]:
        """What the sink knows to fire, without what is silenced."""
        silences = list(mutes)
        known = [alert for name, alert in self._firing.items() if name in self._told]
        return [alert for alert in known if mute_of(alert, silences, now_ms) is None]

    def settled(self, mutes: Iterable[MuteRecord], now_ms: int) -> int:
        """The offset before which everything was told, or need not be while silences hold."""
        return min((one.offset for one in self.due(mutes, now_ms)), default=self.next_offset)

    def _over(self, name: str) -> None:
        self._due.pop(name, None)
        self._told.discard(name)
        self._firing.pop(name, None)

    def _forget(self) -> None:
        if len(self._seqs) <= self._most + len(self._firing) + len(self._due):
            return
        name = next(one for one in self._seqs if one not in self._firing and one not in self._due)
        del self._seqs[name]
