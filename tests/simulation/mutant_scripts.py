"""Faults planted in the scripts, for mutants: each is the fake's script with one check or write changed."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from redis.exceptions import ResponseError

from tests.simulation import fake_scripts
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.fake_scripts import SCRIPTS, Script
from tests.simulation.simulation import MakeStore


def with_scripts(changed: Mapping[str, Script]) -> MakeStore:
    """A fake with some scripts replaced."""
    return lambda now_ms: FakeRedis(now_ms, {**SCRIPTS, **changed})


def commit_without_claim_check(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    claim, nonce = redis.call("HMGET", keys[1], "claim", "claim_nonce")
    return fake_scripts.commit(redis, keys, [argv[0], claim or b"", *argv[2:7], nonce, *argv[8:]])


def commit_without_start_check(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    at = redis.call("HGET", keys[1], "next")
    return fake_scripts.commit(redis, keys, argv if at == argv[3] else [*argv[:2], at, *argv[3:]])


def commit_that_counts_a_repeated_batch(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    if redis.call("HGET", keys[1], "next") == argv[3]:
        redis.call("HSET", keys[1], "next", argv[2])
    return fake_scripts.commit(redis, keys, argv)


def under_any_lease(script: Script) -> Script:
    def accepting(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
        number, nonce = redis.call("HMGET", keys[0], "lease_number", "lease_nonce")
        at = 3 if script is fake_scripts.cut else 4
        return script(redis, keys, [argv[0], number or b"", *argv[2:at], nonce or b"", *argv[at + 1 :]])

    return accepting


def cut_that_dates_the_ends(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    return fake_scripts.cut(redis, keys, [*argv[:4], b"%d" % redis.now_ms(), *argv[5:]])


def cut_that_leaves_the_step_open(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    opened = redis.call("HGET", keys[0], "open")
    answer = fake_scripts.cut(redis, keys, argv)
    redis.call("HSET", keys[0], "open", opened)
    return answer


def publish_of_an_open_step(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    redis.call("HSET", keys[0], "open", int(argv[2]) + 1)
    return fake_scripts.publish(redis, keys, argv)


def publish_without_step_check(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    redis.call("HSET", keys[0], "published", int(argv[2]) - 1, "open", int(argv[2]) + 1)
    return fake_scripts.publish(redis, keys, argv)


def claim_that_raises_no_number(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    held = redis.call("HGET", keys[1], "claim")
    answer = fake_scripts.claim(redis, keys, argv)
    if held != b"0":
        redis.call("HSET", keys[1], "claim", held)
        answer[1] = held
    return answer


def lease_without_nonce(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    return fake_scripts.lease(redis, keys, [*argv[:2], redis.call("HGET", keys[0], "lease_nonce") or argv[2], argv[3]])


def lease_that_counts_from_what_is_stored(redis: Any, keys: list[bytes], argv: list[bytes]) -> list[Any]:
    before = redis.call("HGET", keys[0], "lease_number") or b"0"
    answer = fake_scripts.lease(redis, keys, argv)
    if answer[0] == b"OK" and answer[2] != before:
        answer[2] = b"%d" % (int(before) + 1)
        redis.call("HSET", keys[0], "lease_number", answer[2])
    return answer


def fails_after_some_writes(now_ms: Callable[[], int]) -> FakeRedis:
    """Now and then a commit's script ends with an error after its n-th write."""
    rng = random.Random(1)

    def before_write(name: str) -> None:
        if name in ("RPUSH", "PFADD") and rng.random() < 0.05:
            raise ResponseError("OOM command not allowed")

    return FakeRedis(now_ms, before_write=before_write)


def leases(cut: Script = fake_scripts.cut, publish: Script = fake_scripts.publish) -> MakeStore:
    """A fake whose cut and publish are replaced."""
    return with_scripts({"cut": cut, "publish": publish})
