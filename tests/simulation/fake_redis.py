"""The part of Redis that the ledger uses, in memory: commands, scripts, snapshots, a clock that is handed in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgpack
from redis.exceptions import ResponseError

from tests.simulation.fake_scripts import SCRIPTS, Script

HYLL = b"HYLL"  # a HyperLogLog is a string; here it holds the exact set
WRITES = frozenset(
    (
        "HSET",
        "HDEL",
        "HINCRBY",
        "SET",
        "UNLINK",
        "RENAME",
        "SADD",
        "RPUSH",
        "LTRIM",
        "PFADD",
        "PFMERGE",
        "EXPIRE",
        "PERSIST",
        "XADD",
        "XDEL",
    )
)


class Stream:
    """A stream's entries (id -> flat fields) and the id given out last."""

    def __init__(self, entries: Mapping[tuple[int, int], list[bytes]] = {}, last: tuple[int, int] = (0, 0)) -> None:
        self.entries = dict(entries)
        self.last = last


class FakeRedis:
    """Commands answer as Redis does within a script: bytes, integers, None, flat lists.

    `scripts` and `before_write` (called with the command's name before each write of a script; may raise) are for
    mutants.
    """

    users_within = 0  # its HyperLogLogs are exact

    def __init__(
        self,
        now_ms: Callable[[], int],
        scripts: Mapping[str, Script] = SCRIPTS,
        before_write: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._now_ms = now_ms
        self._scripts = scripts
        self._before_write = before_write
        self._in_script = False
        self.keys: dict[bytes, Any] = {}

    # --- what a simulated connection calls ------------------------------------------------------------------------

    def request(self, method: str, *args: Any) -> Any:
        """One command by its name in redis-py, with redis-py's answer."""
        if method == "info":
            return {"maxmemory_policy": "noeviction"}
        answer = self.call(method.upper(), *args)
        if method == "hgetall":
            return dict(_pairs(answer))
        if method == "xrange":
            return [(entry, dict(_pairs(fields))) for entry, fields in answer]
        return answer

    def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> list[Any]:
        """Run a script at once; what it wrote before an error stays written, as in Redis."""
        self._in_script = True
        try:
            return self._scripts[name](self, [_bytes(key) for key in keys], [_bytes(one) for one in args])
        finally:
            self._in_script = False

    def snapshot(self) -> dict[bytes, Any]:
        """A copy of everything."""
        return {key: _copy(value) for key, value in self.keys.items()}

    def restore(self, snapshot: Mapping[bytes, Any]) -> None:
        """Go back to a snapshot."""
        self.keys = {key: _copy(value) for key, value in snapshot.items()}

    def close(self) -> None:
        """Nothing is open."""

    def content(self) -> dict[bytes, Any]:
        """Everything, comparable with the real Redis's: HyperLogLogs by their count, streams without ids."""
        return {key: _comparable(value) for key, value in self.keys.items()}

    # --- commands -------------------------------------------------------------------------------------------------

    def call(self, name: str, *args: Any) -> Any:
        """Run one command, as `redis.call` does in a script."""
        if self._in_script and name in WRITES:
            self._before_write(name)
        return getattr(self, f"_{name.lower()}")(*(_bytes(one) for one in args))

    def now_ms(self) -> int:
        """The time that scripts read."""
        return self._now_ms()

    def _value(self, key: bytes, kind: type, new: bool = False) -> Any:
        value = self.keys.get(key)
        if value is None:
            value = kind()
            if new:
                self.keys[key] = value
        elif type(value) is not kind:
            raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        return self._value(key, dict).get(field)

    def _hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        row = self._value(key, dict)
        return [row.get(field) for field in fields]

    def _hexists(self, key: bytes, field: bytes) -> int:
        return int(field in self._value(key, dict))

    def _hlen(self, key: bytes) -> int:
        return len(self._value(key, dict))

    def _hgetall(self, key: bytes) -> list[bytes]:
        return [part for pair in self._value(key, dict).items() for part in pair]

    def _hset(self, key: bytes, *flat: bytes) -> int:
        row = self._value(key, dict, new=True)
        before = len(row)
        row.update(_pairs(flat))
        return len(row) - before

    def _hdel(self, key: bytes, *fields: bytes) -> int:
        row = self._value(key, dict)
        gone = sum(row.pop(field, None) is not None for field in fields)
        self._drop_empty(key)
        return gone

    def _hincrby(self, key: bytes, field: bytes, delta: bytes) -> int:
        row = self._value(key, dict, new=True)
        try:
            value = int(row.get(field, 0)) + int(delta)
        except ValueError as error:
            raise ResponseError("ERR hash value is not an integer") from error
        row[field] = b"%d" % value
        return value

    def _get(self, key: bytes) -> bytes | None:
        return self._value(key, bytes) or None

    def _set(self, key: bytes, value: bytes) -> bytes:
        self.keys[key] = value
        return b"OK"

    def _exists(self, *keys: bytes) -> int:
        return sum(key in self.keys for key in keys)

    def _unlink(self, *keys: bytes) -> int:
        return sum(self.keys.pop(key, None) is not None for key in keys)

    def _rename(self, key: bytes, new: bytes) -> bytes:
        if key not in self.keys:
            raise ResponseError("ERR no such key")
        self.keys[new] = self.keys.pop(key)
        return b"OK"

    def _expire(self, key: bytes, seconds: bytes) -> int:
        return int(key in self.keys)  # what expires is beyond every window; a simulation does not live so long

    def _persist(self, key: bytes) -> int:
        return 0

    def _sadd(self, key: bytes, *members: bytes) -> int:
        held = self._value(key, set, new=True)
        before = len(held)
        held.update(members)
        return len(held) - before

    def _smembers(self, key: bytes) -> list[bytes]:
        return sorted(self._value(key, set))

    def _lrange(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        return self._value(key, list)[_slice(first, last)]

    def _lindex(self, key: bytes, at: bytes) -> bytes | None:
        held: list[bytes] = self._value(key, list)
        return held[int(at)] if -len(held) <= int(at) < len(held) else None

    def _rpush(self, key: bytes, *values: bytes) -> int:
        held = self._value(key, list, new=True)
        held.extend(values)
        return len(held)

    def _ltrim(self, key: bytes, first: bytes, last: bytes) -> bytes:
        held = self._value(key, list)
        held[:] = held[_slice(first, last)]
        self._drop_empty(key)
        return b"OK"

    def _pfadd(self, key: bytes, *members: bytes) -> int:
        before = self._members(key)
        self.keys[key] = HYLL + msgpack.packb(sorted(before | set(members)))
        return int(not before >= set(members))

    def _pfmerge(self, target: bytes, *sources: bytes) -> bytes:
        self.keys[target] = HYLL + msgpack.packb(sorted(set().union(*map(self._members, (target, *sources)))))
        return b"OK"

    def _pfcount(self, *keys: bytes) -> int:
        return len(set().union(*map(self._members, keys)))

    def _members(self, key: bytes) -> set[bytes]:
        return members(self._value(key, bytes))

    def _xadd(self, key: bytes, *args: bytes) -> bytes:
        """`XADD key [MAXLEN ~ count] * field value ...`; trimming by `~` may keep all, and does here."""
        stream = self._value(key, Stream, new=True)
        flat = list(args[args.index(b"*") + 1 :])
        at = max((self._now_ms(), 0), stream.last)
        stream.last = at if at > stream.last else (at[0], at[1] + 1)
        stream.entries[stream.last] = flat
        return b"%d-%d" % stream.last

    def _xrange(self, key: bytes, first: bytes, last: bytes, count: bytes) -> list[tuple[bytes, list[bytes]]]:
        assert (b"-", b"+") == (first, last)
        rows = list(self._value(key, Stream).entries.items())[: int(count)]
        return [(b"%d-%d" % entry, fields) for entry, fields in rows]

    def _xlen(self, key: bytes) -> int:
        return len(self._value(key, Stream).entries)

    def _xdel(self, key: bytes, *entries: bytes) -> int:
        held = self._value(key, Stream).entries
        parsed = [tuple(map(int, entry.split(b"-"))) for entry in entries]
        return sum(held.pop(entry, None) is not None for entry in parsed)  # type: ignore[call-overload]

    def _drop_empty(self, key: bytes) -> None:
        if key in self.keys and not self.keys[key]:
            del self.keys[key]


def members(value: bytes) -> set[bytes]:
    """The exact set in a fake HyperLogLog."""
    if value and not value.startswith(HYLL):
        raise ResponseError("WRONGTYPE Key is not a valid HyperLogLog string value.")
    return set(msgpack.unpackb(value[len(HYLL) :])) if value else set()


def _slice(first: bytes, last: bytes) -> slice:
    return slice(int(first), None if last == b"-1" else int(last) + 1)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (f"{value:.17g}" if isinstance(value, float) else str(value)).encode()


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _copy(value: Any) -> Any:
    return Stream(value.entries, value.last) if isinstance(value, Stream) else type(value)(value)


def _comparable(value: Any) -> Any:
    if isinstance(value, Stream):
        return [dict(_pairs(fields)) for fields in value.entries.values()]
    if isinstance(value, bytes) and value.startswith(HYLL):
        return ("users", len(members(value)))
    return value
