"""What the doctor says of settings alone."""

import pytest

from streams.recovery.doctor import WARNINGS, _connections
from streams.settings import Settings

LOGIN = {"kafka_username": "ann", "kafka_password": "secret-word", "kafka_security_protocol": "SASL_PLAINTEXT"}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, ""),
        ({"redis_url": "redis://:secret-word@cache:6379/0"}, "Redis's to cache"),
        ({"redis_url": "redis://cache:6379/0", "redis_password": "secret-word"}, "Redis's to cache"),
        ({"redis_url": "redis://cache:6379/0"}, ""),
        ({"redis_url": "rediss://:secret-word@cache:6379/0"}, ""),
        ({"redis_url": "redis://:secret-word@127.0.0.1:6379/0"}, ""),
        ({"redis_url": "redis://:secret-word@[::1]:6379/0"}, ""),
        ({"redis_url": "unix://:secret-word@/run/redis.sock"}, ""),
        (LOGIN | {"kafka_sasl_mechanism": "PLAIN", "kafka": "localhost:9092,b.example:9092"}, "Kafka's to b.example"),
        (LOGIN | {"kafka_sasl_mechanism": "PLAIN", "kafka": "127.0.0.1:9092"}, ""),
        (LOGIN | {"kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka": "b.example:9092"}, ""),
    ],
)
def test_passwords_in_the_clear_are_warned_of(given: dict[str, str], read: str) -> None:
    """Which server they go to; a warning, with what to set, and never the password itself."""
    found = _connections(Settings(**given))  # type: ignore[arg-type]
    assert (read == "", read in found.what) == (found.fine, True)
    assert bool(found.do) != found.fine
    assert "secret-word" not in str(found)
    assert found.part in WARNINGS
