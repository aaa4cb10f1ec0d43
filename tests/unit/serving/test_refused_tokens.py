"""Wrong bearer tokens in the log."""

from starlette.requests import HTTPConnection
from structlog.testing import capture_logs

from streams.serving.refused_tokens import CLIENTS, WITHIN_S, RefusedTokens
from streams.telemetry.logs import get_logger


def sent_by(address: str) -> HTTPConnection:
    return HTTPConnection({"type": "http", "client": (address, 1), "headers": []})


def test_a_line_for_each_client_and_minute() -> None:
    """A /64 of IPv6 is one client; after a minute there is a line again."""
    now = [0.0]
    refused = RefusedTokens(get_logger("test"), "refused", lambda: now[0])
    with capture_logs() as logs:
        for address in ("10.0.0.1", "10.0.0.1", "2001:db8::1", "2001:db8::2", "10.0.0.2"):
            refused(sent_by(address))
        now[0] = WITHIN_S
        refused(sent_by("10.0.0.1"))
    assert ["10.0.0.1", "2001:db8::1", "10.0.0.2", "10.0.0.1"] == [line["address"] for line in logs]


def test_many_addresses_fill_neither_memory_nor_log() -> None:
    """At most 1,000 lines a minute, whoever sends."""
    now = [0.0]
    refused = RefusedTokens(get_logger("test"), "refused", lambda: now[0])
    with capture_logs() as logs:
        for number in range(CLIENTS + 500):
            refused(sent_by(f"10.0.{number // 256}.{number % 256}"))
        assert CLIENTS == len(logs)
        now[0] = WITHIN_S
        refused(sent_by("10.1.0.1"))
    assert "10.1.0.1" == logs[-1]["address"]
