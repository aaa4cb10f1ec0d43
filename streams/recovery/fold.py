"""Redis writes folded in memory: what their keys would hold afterwards."""

from collections.abc import Iterable, Iterator, Mapping

from streams.ledger.types import Command, Entry


class Fold:
    """Keys by name without the prefix; knows the commands that steps and allocations write.

    >>> fold = Fold("p:")
    >>> fold.apply(["HSET", "p:alerts", "a", "1", "b", 2])
    >>> fold.apply(["HDEL", "p:alerts", "a"])
    >>> fold.hashes
    {'alerts': {b'b': b'2'}}
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.strings: dict[str, bytes] = {}
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.sets: dict[str, set[bytes]] = {}
        self.lists: dict[str, list[bytes]] = {}

    def take(self, entry: Entry) -> None:
        """Take a key, or a part of one, as it stands in a checkpoint."""
        rows = entry.rows
        if entry.kind == "string":
            self.strings[entry.name] = rows[0]
        elif entry.kind == "hash":
            self.hashes.setdefault(entry.name, {}).update(zip(rows[::2], rows[1::2], strict=True))
        elif entry.kind == "set":
            self.sets.setdefault(entry.name, set()).update(rows)
        else:
            self.lists.setdefault(entry.name, []).extend(rows)

    def apply(self, command: Command) -> None:
        """Apply one command; streams are not folded. ValueError for a command that no step writes."""
        verb, name = str(command[0]), str(command[1]).removeprefix(self._prefix)
        rows = [_bytes(part) for part in command[2:]]
        match verb:
            case "SET":
                self.strings[name] = rows[0]
            case "HSET":
                self.hashes.setdefault(name, {}).update(zip(rows[::2], rows[1::2], strict=True))
            case "HDEL":
                known = self.hashes.get(name, {})
                for field in rows:
                    known.pop(field, None)
            case "SADD":
                self.sets.setdefault(name, set()).update(rows)
            case "RPUSH":
                self.lists.setdefault(name, []).extend(rows)
            case "LTRIM":
                self.lists[name] = self.lists.get(name, [])[int(rows[0]) :]
            case "XADD" | "EXPIRE":
                pass
            case _:
                raise ValueError(f"no step writes {verb}")

    def buckets(self, market: str) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """Minute and hour buckets of a market, as `Windows.load` takes them."""
        minutes, hours = (self.hashes.get(f"buckets:{unit}:{market}", {}) for unit in ("minute", "hour"))
        return _numbered(minutes), _numbered(hours)

    def entries(self) -> Iterator[Entry]:
        """Every key that holds something."""
        for name, value in self.strings.items():
            yield Entry(name, "string", [value])
        for name, fields in self.hashes.items():
            if fields:
                yield Entry(name, "hash", _flat(fields))
        for name, members in self.sets.items():
            yield Entry(name, "set", sorted(members))
        for name, rows in self.lists.items():
            yield Entry(name, "list", rows)


def _numbered(fields: Mapping[bytes, bytes]) -> dict[int, bytes]:
    return {int(field): value for field, value in fields.items()}


def _flat(fields: Mapping[bytes, bytes]) -> list[bytes]:
    return [part for pair in fields.items() for part in pair]


def _bytes(part: str | int | float | bytes) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode()


def folded(prefix: str, entries: Iterable[Entry]) -> Fold:
    """A fold that begins with these entries."""
    fold = Fold(prefix)
    for entry in entries:
        fold.take(entry)
    return fold
