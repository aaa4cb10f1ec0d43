"""How far a file has been published, in a small file beside it, so that an interrupted publication continues there."""

import hashlib
import os
from pathlib import Path
from typing import Self

import msgspec

from marketpulse.files import Unreadable, read_json
from streams.errors import BadInput
from streams.sources.shift import Shift


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in the file: SHA-256 of what is published where, records that Kafka acknowledged, shift of times (ms)."""

    publication: str
    acknowledged: int
    shifted_by_ms: int = 0
    last_event_at: int | None = None


class Position:
    """Records of a publication that Kafka has acknowledged, from the first; None as path: nothing is kept.

    The file is replaced after each slice that is acknowledged whole. After a kill a slice can be sent a second time,
    with the same ids and times.
    """

    def __init__(self, path: Path | None, publication: str, kept: _Kept | None) -> None:
        self._path = path
        self._publication = publication
        self.begun = kept is not None
        self.before = 0 if kept is None else kept.acknowledged
        self.acknowledged = self.before
        self.shift = Shift() if kept is None else Shift(kept.shifted_by_ms, kept.last_event_at)

    @classmethod
    def of(cls, path: Path | None, publication: str) -> Self:
        """Read what is kept. `publication` names file, options, topic and cluster.

        Raises:
            BadInput: what is there is of another publication, or cannot be read.
        """
        name = hashlib.sha256(publication.encode()).hexdigest()
        if path is None or not path.exists():
            return cls(path, name, None)
        try:
            kept = read_json(path.read_bytes(), _Kept)
        except (OSError, Unreadable) as error:
            raise BadInput(f"{path} holds no position: {error}. Operator action: name another file.") from error
        if kept.publication != name:
            raise BadInput(
                f"{path} holds the position of another file, of other options, or on another Kafka cluster. "
                "Operator action: give what it was begun with, or name another file for the position."
            )
        return cls(path, name, kept)

    def begin(self, shift: Shift) -> None:
        """Keep the shift before anything is sent, so that it stays the same."""
        self.shift = shift
        self.keep(0)

    def keep(self, sent: int) -> None:
        """Keep how many records are acknowledged, beside those from before. Raises BadInput where it cannot."""
        self.acknowledged = self.before + sent
        if self._path is None:
            return
        kept = _Kept(self._publication, self.acknowledged, self.shift.by_ms, self.shift.last_event_at)
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.unlink(missing_ok=True)
            with new.open("xb") as file:  # never through a link that somebody else put there
                file.write(msgspec.json.encode(kept))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise BadInput(f"{self._path} cannot be written: {error}. Operator action: name another file.") from error

    def end(self) -> None:
        """All of it is published: nothing is left to continue."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
