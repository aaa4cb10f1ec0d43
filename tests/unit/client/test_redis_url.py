"""URLs of Redis: which can be read, and what of them is shown."""

import pytest

from marketpulse.client.redis_server import connect
from marketpulse.client.redis_url import check_url, shown_url
from marketpulse.errors import OperatorNeeded
from streams.errors import SettingsError
from streams.settings import load_settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:/Secret@127.0.0.1:6379/0", "redis://u:123/Secret@host:6379/0", "redis://:Sec/Secret@redis:6379",
        "redis://u:Sec?Secret@redis:6379/0", "redis://u:Sec#Secret@redis:6379/0", "redis://:p@host:Secret/0", "redis:///0",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_read_is_refused_without_being_quoted(url: str) -> None:
    """By settings and clients; a password with `/` as it is makes one."""
    with pytest.raises(ValueError, match="no host and port") as refused:
        check_url(url)
    with pytest.raises(OperatorNeeded, match="no host and port") as of_client:
        connect(url)
    with pytest.raises(SettingsError, match="no host and port") as of_settings:
        load_settings(redis_url=url)
    for said in (refused, of_client, of_settings):
        assert "Secret" not in str(said.value)
    assert "Sec" not in shown_url(url.replace("host:Secret", "host:1"))


@pytest.mark.parametrize("option", ["ssl_cert_reqs=none", "ssl_check_hostname=False"])
def test_no_url_turns_the_check_of_certificates_off(option: str) -> None:
    """By whatever is after the question mark."""
    with pytest.raises(SettingsError, match="turns the check of certificates off"):
        load_settings(redis_url=f"rediss://redis:6379/0?socket_timeout=1&{option}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://user:p%2Fw%40d@redis.example:6380/2?ssl_ca_certs=/ca.pem", "rediss://redis.example:6380/2"),
        ("redis://:pw@[::1]:6379", "redis://[::1]:6379"),
        ("redis://redis", "redis://redis"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_of_others_host_port_and_database_are_shown(url: str, shown: str) -> None:
    """No login, no query."""
    check_url(url)
    assert shown == shown_url(url)
