"""Versions of Redis and Valkey with known holes, and that each right a worker needs is tried."""

import re
from importlib.resources import files

import pytest

from streams.access.rights import redis_rules
from streams.ledger.server import PROBES, known_holes, version_of

SCRIPTS = ("claim", "commit", "cut", "grow", "lease", "publish", "allocate")


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"redis_version": "6.2.14"}, "6.2.23 or later"),
        ({"redis_version": "6.2.23"}, ""),
        ({"redis_version": "7.0.15"}, "7.2.15 or later"),
        ({"redis_version": "7.2.15"}, ""),
        ({"redis_version": "7.4.9"}, "7.4.10 or later"),
        ({"redis_version": "8.0.6"}, "8.2.8 or later"),
        ({"redis_version": "8.2.8"}, ""),
        ({"redis_version": "8.10.1"}, ""),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.9"}, "8.0.10 or later"),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.9"}, ""),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.2.0"}, ""),
        ({"redis_version": "255.255.255"}, ""),
        ({"redis_version": "unstable"}, ""),
        ({}, ""),
    ],
)
def test_versions_with_known_holes_are_named(info: dict[str, str], said: str) -> None:
    """The least version without them is of the same series, or of the next where a series gets no more corrections."""
    found = known_holes(version_of(info))
    assert (found is None) == (said == "")
    assert said in (found or "")


def test_every_right_that_a_worker_needs_is_tried() -> None:
    """Commands of the scripts that workers run, also of those that come as data; the ready-made rules allow all."""
    folder = files("streams.ledger") / "lua"
    texts = [(folder / f"{name}.lua").read_text("utf-8") for name in SCRIPTS]
    used = {command.lower() for text in texts for command in re.findall(r"redis\.call\('(\w+)'", text)}
    as_data = {"set", "hset", "hdel", "hincrby", "sadd", "rpush", "ltrim", "xadd", "expire"}  # see recovery/fold.py
    allowed = {rule[1:] for rule in redis_rules("p")["worker"] if rule.startswith("+")}
    assert set() == (used | as_data) - set(PROBES)
    assert set() == set(PROBES) - allowed
