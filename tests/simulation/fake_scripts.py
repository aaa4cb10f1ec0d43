"""The ledger's Lua scripts once more in Python, statement by statement; the contract suite holds them to the Lua."""

from collections.abc import Callable, Mapping
from typing import Any

import msgpack

Script = Callable[[Any, list[bytes], list[bytes]], list[Any]]


def init(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/init.lua`."""
    if redis.call("HEXISTS", keys[0], "id"):
        return [b"EXISTS"]
    writing = redis.call("HGET", keys[0], "writing")
    if writing and writing != b"init":
        return [b"BROKEN", writing]
    redis.call("HSET", keys[0], "writing", "init")
    for number, first in enumerate(argv[3:]):
        redis.call("HSET", b"%spartition:%d" % (argv[0], number), "claim", 0, "next", first, "began", first)
        redis.call("HSET", argv[0] + b"positions", number, first)
    redis.call(
        "HSET", keys[0], "id", argv[1], "generation", argv[1], "format", argv[2], "open", 1, "published", 0,
        "partitions", len(argv) - 3, "writing", "",
    )  # fmt: skip
    return [b"OK"]


def claim(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/claim.lua`."""
    ledger_id, generation, written, writing, known = redis.call(
        "HMGET", keys[0], "id", "generation", "format", "writing", "partitions"
    )
    held, at, *mark = redis.call(
        "HMGET", keys[1], "claim", "next", "last_offset", "last_timestamp", "last_checksum",
        "newest", "rose", "seen", "recent",
    )  # fmt: skip
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id or not generation or not at:
        return [b"LOST", (ledger_id and known) or b""]
    if int(written or 1) != int(argv[1]):
        return [b"NEWER" if int(written or 1) > int(argv[1]) else b"OLDER", int(written or 1)]
    number = b"%d" % max(int(held or 0) + 1, redis.now_ms())
    redis.call("HSET", keys[1], "claim", number, "claim_nonce", argv[0])
    redis.call("HSET", argv[2] + b"positions", argv[3], at)
    return [b"OK", number, at, generation, *mark, b"%d" % redis.now_ms()]


def grow(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/grow.lua`."""
    ledger_id, partitions, writing = redis.call("HMGET", keys[0], "id", "partitions", "writing")
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id:
        return [b"LOST"]
    known, wanted = int(partitions), int(argv[1])
    if wanted <= known:
        return [b"KNOWN"]
    # ------------------------------------------------------------------------------------------------------------
    redis.call("HSET", keys[0], "writing", "grow")
    for number in range(known, wanted):
        redis.call("HSET", b"%spartition:%d" % (argv[0], number), "claim", 0, "next", 0, "began", 0)
        redis.call("HSET", argv[0] + b"positions", number, 0)
    redis.call("HSET", keys[0], "partitions", wanted, "writing", "")
    return [b"OK"]


def commit(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/commit.lua`."""
    generation, claimed, first, last, prefix, most, packed, nonce, number = argv
    ledger_id, current, opened, measured, writing, known = redis.call(
        "HMGET", keys[0], "id", "generation", "open", "open_cells", "writing", "partitions"
    )
    holder, at, held = redis.call("HMGET", keys[1], "claim", "next", "claim_nonce")
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id or not opened or not at:
        return [b"LOST", (ledger_id and known) or b""]
    if current != generation or holder != claimed or held != nonce:
        return [b"FENCED"]
    if int(at) == int(last):
        return [b"ALREADY"]
    if int(at) < int(first):
        return [b"REWOUND", at]
    if int(at) > int(first):
        return [b"AHEAD", at]
    step = prefix + b"step:" + opened
    if redis.call("HLEN", step + b":counts") > min(int(most), int(measured or most)):
        return [b"FULL", b"open step"]
    payload = _unpacked(packed)
    # ------------------------------------------------------------------------------------------------------------
    redis.call("HSET", keys[0], "writing", "commit")
    for field, delta in payload[b"counts"].items():
        redis.call("HINCRBY", step + b":counts", field, delta)
    for bucket, hashes in payload[b"users"].items():
        redis.call("PFADD", step + b":users:" + bucket, *hashes)
        redis.call("SADD", step + b":users", bucket)
    for market, rows in payload[b"excerpts"].items():
        known = redis.call("HGET", step + b":excerpts", market)
        best: dict[Any, Any] = {}
        for at, row in enumerate(sorted(rows + (_unpacked(known) if known else []))):
            best.setdefault((row[0] >= 2**51 and row[0] % 2**24) or f"nobody {at}", row)
        chosen = list(best.values())[:3]
        redis.call("HSET", step + b":excerpts", market, msgpack.packb(chosen, use_bin_type=False))
    for field, delta in payload[b"totals"].items():
        redis.call("HINCRBY", keys[3], field, delta)
    if payload[b"forget"] > 0:
        redis.call("LTRIM", keys[2], payload[b"forget"], -1)
    if payload[b"ids"]:
        redis.call("RPUSH", keys[2], payload[b"ids"])
    fields: list[Any] = ["next", last]
    for name in ("newest", "rose", "seen"):
        if name.encode() in payload:
            fields += [name, min(payload[name.encode()], redis.now_ms())]
    for name in ("last_offset", "last_timestamp", "last_checksum", "recent"):
        if name.encode() in payload:
            fields += [name, payload[name.encode()]]
    redis.call("HSET", keys[1], *fields)
    redis.call("HSET", prefix + b"positions", number, last)
    redis.call("HSET", keys[0], "writing", "")
    return [b"OK"]


def lease(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/lease.lua`."""
    ledger_id, holder, until, number, published, generation, nonce, written, partitions, writing = redis.call(
        "HMGET", keys[0], "id", "lease_holder", "lease_until", "lease_number", "published", "generation", "lease_nonce",
        "format", "partitions", "writing",
    )  # fmt: skip
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id or not generation:
        return [b"LOST"]
    if int(written or 1) != int(argv[3]):
        return [b"NEWER" if int(written or 1) > int(argv[3]) else b"OLDER", int(written or 1)]
    now = redis.now_ms()
    held = holder and int(until or 0) > now
    if held and (holder, nonce) != (argv[0], argv[2]):
        return [b"HELD", generation]
    number = number or b"0"
    if not held:
        number = b"%d" % max(int(number) + 1, now)
    redis.call(
        "HSET", keys[0], "lease_holder", argv[0], "lease_until", now + int(argv[1]), "lease_number", number,
        "lease_nonce", argv[2],
    )  # fmt: skip
    return [b"OK", generation, number, published, partitions, b"%d" % now]


def cut(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/cut.lua`."""
    ledger_id, number, opened, published, partitions, nonce, writing = redis.call(
        "HMGET", keys[0], "id", "lease_number", "open", "published", "partitions", "lease_nonce", "writing"
    )
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id:
        return [b"LOST"]
    if number != argv[1] or nonce != argv[3]:
        return [b"FENCED"]
    step = int(published) + 1
    base = argv[0] + b"step:%d" % step
    if int(opened) == step:
        if argv[2] != b"1" and not redis.call("EXISTS", base + b":counts"):
            return [b"NOTHING"]
        redis.call("HSET", keys[0], "writing", "cut")
        rows, ends = [], _unpacked(argv[5])
        for at in range(int(partitions)):
            key = argv[0] + b"partition:%d" % at
            row = redis.call(
                "HMGET", key, "next", "newest", "rose", "seen", "last_offset", "last_timestamp", "last_checksum",
                "began",
            )  # fmt: skip
            row = [value or b"" for value in row]
            end = ends[at] if at < len(ends) else -1
            if 0 <= end <= int(row[0]):
                row[3] = b"%d" % max(int(row[3] or 0), int(argv[4]))
                redis.call("HSET", key, "seen", row[3])
            rows.append([*row, b"%d" % end if end >= 0 else b""])
        content = {
            "format": 2,
            "now": b"%d" % redis.now_ms(),
            "partitions": rows,
            "totals": redis.call("HGETALL", argv[0] + b"totals"),
        }
        packed = msgpack.packb(content, use_bin_type=False)
        redis.call("SET", base + b":cut", packed)
        redis.call("HSET", keys[0], "open", step + 1, "writing", "")
    buckets = redis.call("SMEMBERS", base + b":users")
    users = [redis.call("GET", base + b":users:" + bucket) for bucket in buckets]
    counts, excerpts = redis.call("HGETALL", base + b":counts"), redis.call("HGETALL", base + b":excerpts")
    return [b"OK", step, redis.call("GET", base + b":cut"), counts, buckets, users, excerpts]


def publish(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/publish.lua`."""
    ledger_id, number, opened, published, nonce, writing, merged = redis.call(
        "HMGET", keys[0], "id", "lease_number", "open", "published", "lease_nonce", "writing", "merged"
    )
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id:
        return [b"LOST"]
    if number != argv[1] or nonce != argv[4]:
        return [b"FENCED"]
    step = int(argv[2])
    if int(published) >= step:
        return [b"ALREADY"]
    if int(published) + 1 != step or int(opened) != step + 1:
        return [b"FENCED"]
    payload = _unpacked(argv[3])
    if payload[b"users"] and merged != argv[2]:
        return [b"UNMERGED"]
    # ------------------------------------------------------------------------------------------------------------
    redis.call("HSET", keys[0], "writing", "publish")
    for command, *args in payload[b"writes"]:
        redis.call(command.decode(), *args)
    base = argv[0] + b"step:" + argv[2]
    for bucket in payload[b"users"]:
        redis.call("UNLINK", base + b":users:" + bucket)
    redis.call("UNLINK", base + b":counts", base + b":users", base + b":excerpts", base + b":cut")
    redis.call("HSET", keys[0], "published", step, "writing", "")
    return [b"OK"]


def allocate(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/allocate.lua`."""
    ledger_id, writing = redis.call("HMGET", keys[0], "id", "writing")
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id:
        return [b"LOST"]
    stored = redis.call("GET", keys[1])
    if stored and int(stored) >= int(argv[0]):
        return [b"STALE", stored]
    # ------------------------------------------------------------------------------------------------------------
    redis.call("HSET", keys[0], "writing", "allocate")
    for command, *args in _unpacked(argv[1]):
        redis.call(command.decode(), *args)
    redis.call("SET", keys[1], argv[0])
    redis.call("HSET", keys[0], "writing", "")
    return [b"OK"]


def swap(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/swap.lua`."""
    ledger_id, number, opened, published = redis.call("HMGET", keys[0], "id", "lease_number", "open", "published")
    if ((number or b"0") if ledger_id else b"") != argv[1]:
        return [b"MOVED"]
    payload = _unpacked(argv[2])
    if not all(redis.call("EXISTS", staged) for staged, _, _ in payload[b"renames"]):
        return [b"GONE"]
    # ------------------------------------------------------------------------------------------------------------
    redis.call("HSET", keys[0], "writing", "swap")
    if ledger_id:
        for step in range(int(published) + 1, int(opened) + 1):
            base = argv[0] + b"step:%d" % step
            for bucket in redis.call("SMEMBERS", base + b":users"):
                redis.call("UNLINK", base + b":users:" + bucket)
            redis.call("UNLINK", base + b":counts", base + b":users", base + b":excerpts", base + b":cut")
    for key in payload[b"old"]:
        redis.call("UNLINK", key)
    for staged, key, life_s in payload[b"renames"]:
        redis.call("RENAME", staged, key)
        if life_s == 0:
            redis.call("PERSIST", key)
        elif life_s is not None:
            redis.call("EXPIRE", key, life_s)
        if key == keys[0]:
            redis.call("HSET", keys[0], "writing", "swap")
    for command, *args in payload[b"commands"]:
        redis.call(command.decode(), *args)
    redis.call("HSET", keys[0], "writing", "")
    return [b"OK"]


def migrate(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    """`lua/migrate.lua`."""
    ledger_id, written, partitions, writing = redis.call("HMGET", keys[0], "id", "format", "partitions", "writing")
    if writing:
        return [b"BROKEN", writing]
    if not ledger_id:
        return [b"LOST"]
    if written:
        return [b"OK"]
    # ------------------------------------------------------------------------------------------------------------
    redis.call("HSET", keys[0], "writing", "migrate")
    for number in range(int(partitions)):
        key = argv[0] + b"partition:%d" % number
        committed = redis.call("HGET", key, "committed_at")
        if committed:
            redis.call("HSET", key, "rose", committed, "seen", committed)
            redis.call("HDEL", key, "committed_at")
    redis.call("HSET", keys[0], "format", 2, "writing", "")
    return [b"OK"]


SCRIPTS: Mapping[str, Script] = {
    one.__name__: one for one in (init, claim, commit, lease, cut, publish, allocate, swap, migrate, grow)
}


def _unpacked(content: bytes) -> Any:
    return msgpack.unpackb(content, raw=True)
