"""Settings of TLS and logins: what does not fit is said at once, all of it, and nothing secret with it."""

from pathlib import Path

import pytest
import trustme

from streams.errors import SettingsError
from streams.settings import load_settings


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A folder with an authority, a certificate, its key, another key, and a file that is no PEM."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("mine", "other"):
        one = authority.issue_cert(f"{name}.example")
        one.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        one.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    (tmp_path / "text").write_text("no PEM")
    return tmp_path


def problems(**given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    return str(caught.value)


def test_every_problem_is_reported_at_once(pem: Path) -> None:
    """A login without a user, files that are not there or no PEM, files for a plain connection."""
    said = problems(
        kafka_security_protocol="SASL_SSL",
        kafka_password="secret-word",
        kafka_ca=pem / "nowhere.pem",
        kafka_certificate=pem / "text",
        redis_ca=pem / "ca.pem",
        redis_username="ann",
        threads=-1,
    )
    assert ["KAFKA_PASSWORD", "KAFKA_CA", "KAFKA_CERTIFICATE", "REDIS_PASSWORD", "REDIS_CA", "THREADS"] == [
        line.strip().removeprefix("MARKETPULSE_").partition(":")[0] for line in said.splitlines()[1:-1]
    ]
    assert "nowhere.pem cannot be read: No such file or directory" in said
    assert "rediss://" in said
    assert "secret-word" not in said


@pytest.mark.parametrize(
    "given",
    [
        {"kafka_username": "ann", "kafka_password": "x"},
        {"kafka_security_protocol": "SASL_SSL"},
        {"kafka_security_protocol": "SASL_SSL", "kafka_username": "ann"},
        {"kafka_security_protocol": "SSL", "kafka_username": "ann"},
    ],
)
def test_a_kafka_login_goes_with_sasl(given: dict[str, object]) -> None:
    """Both or none, and only with a protocol that takes them."""
    assert "MARKETPULSE_KAFKA_PASSWORD: " in problems(**given)


def test_a_key_fits_its_certificate(pem: Path) -> None:
    """Its own one, in a file beside it or in the same; another one, or none, is said."""
    tls = {"kafka_security_protocol": "SSL", "kafka_certificate": pem / "mine.pem"}
    assert pem / "mine.key" == load_settings(**tls, kafka_key=pem / "mine.key").kafka_servers.key
    assert "is not the key of" in problems(**tls, kafka_key=pem / "other.key")
    assert "holds no PEM block of a key" in problems(**tls)
    assert "a key goes with a certificate" in problems(kafka_security_protocol="SSL", kafka_key=pem / "mine.key")
    (pem / "both.pem").write_bytes((pem / "mine.key").read_bytes() + (pem / "mine.pem").read_bytes())
    assert load_settings(kafka_security_protocol="SSL", kafka_certificate=pem / "both.pem").kafka_key is None


def test_a_redis_login_is_given_once() -> None:
    """In the URL or apart from it."""
    assert "given twice" in problems(redis_url="redis://ann:x@h/0", redis_password="secret-word")


def test_redis_settings_are_folded_into_one_url(pem: Path) -> None:
    """User and password are quoted, PEM files become what redis-py calls them, the database stays."""
    settings = load_settings(
        redis_url="rediss://host:6380/2", redis_username="a@b", redis_password="p/:?@#", redis_ca=pem / "ca.pem"
    )
    ca = str(pem / "ca.pem").replace("/", "%2F")
    assert f"rediss://a%40b:p%2F%3A%3F%40%23@host:6380/2?ssl_ca_certs={ca}" == settings.redis
    assert "p/:" not in f"{settings!r} {settings}"


def test_a_password_alone_is_the_default_users() -> None:
    """As Redis has it without an ACL."""
    assert "redis://:word@127.0.0.1:6379/0" == load_settings(redis_password="word").redis
