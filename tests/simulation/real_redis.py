"""A real Redis behind the same interface as the fake: the real Lua, on the simulation's clock."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import redis

from tests.simulation.fake_scripts import SCRIPTS

_TIME = "redis.call('TIME')"
_CLOCK = "simulation:clock"


class RealRedis:
    """Every script reads the time from a key instead of the server's clock; else its text is the product's."""

    users_within = 2  # of some 30 in an hour: a HyperLogLog's registers collide now and then

    def __init__(self, url: str, now_ms: Callable[[], int], texts: Mapping[str, str] = {}) -> None:
        self._client: Any = redis.Redis.from_url(url)
        self._client.flushdb()
        self._now_ms = now_ms
        folder = files("streams.ledger") / "lua"
        self._scripts = {
            name: self._client.script_load(
                texts.get(name, (folder / f"{name}.lua").read_text("utf-8")).replace(
                    _TIME, f"redis.call('LRANGE', '{_CLOCK}', 0, -1)"
                )
            )
            for name in SCRIPTS
        }

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def request(self, method: str, *args: Any) -> Any:
        """One command by its name in redis-py, with redis-py's answer."""
        if method == "xrange":
            key, first, last, count = args
            return self._client.xrange(key, first, last, count=count)
        return getattr(self._client, method)(*args)

    def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> list[Any]:
        """Run a script with the simulated time."""
        now_ms = self._now_ms()
        pipe = self._client.pipeline(transaction=False)
        pipe.delete(_CLOCK)
        pipe.rpush(_CLOCK, now_ms // 1000, now_ms % 1000 * 1000)
        pipe.evalsha(self._scripts[name], len(keys), *keys, *args)
        answer: list[Any] = pipe.execute()[-1]
        return answer

    def snapshot(self) -> dict[bytes, bytes]:
        """A copy of everything."""
        return {key: self._client.dump(key) for key in self._keys()}

    def restore(self, snapshot: Mapping[bytes, bytes]) -> None:
        """Go back to a snapshot."""
        self._client.flushdb()
        for key, content in snapshot.items():
            self._client.restore(key, 0, content)

    def content(self) -> dict[bytes, Any]:
        """Everything, comparable with the fake's: HyperLogLogs by their count, streams without ids."""
        return {key: self._comparable(key) for key in self._keys()}

    def _keys(self) -> list[bytes]:
        return sorted(key for key in self._client.keys("*") if key != _CLOCK.encode())

    def _comparable(self, key: bytes) -> Any:
        kind = self._client.type(key)
        if kind == b"string":
            value = self._client.get(key)
            return ("users", self._client.pfcount(key)) if value.startswith(b"HYLL") else value
        if kind == b"stream":
            return [fields for _, fields in self._client.xrange(key)]
        read = {b"hash": self._client.hgetall, b"set": self._client.smembers}.get(kind)
        return self._client.lrange(key, 0, -1) if read is None else read(key)
