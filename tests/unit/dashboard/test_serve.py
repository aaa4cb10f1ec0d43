"""Where the page listens, and how."""

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import structlog

from marketpulse.errors import OperatorNeeded
from streams.dashboard import serve as page
from streams.dashboard.serve import serve
from streams.errors import BadInput, Unprotected
from streams.intake import serve as intake
from streams.serving.listening import SILENT_MS, listen_on, server_config
from streams.settings import load_settings


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process configures for itself is as before after the test."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "raiseExceptions")):
        monkeypatch.setattr(module, name, getattr(module, name))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("service", [page, intake])
def test_the_servers_own_log_is_redacted(
    service: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As uvicorn logs an error that a request ended with."""

    def run(app: Any, _host: str, _port: int, _say: object, *serving: Any, **options: Any) -> None:
        server_config(app, *serving[:2], **options)
        try:
            raise ValueError("could not convert max@example.com")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")

    monkeypatch.setattr(service, "run_server", run)
    for name in ("create_page", "create_intake"):
        monkeypatch.setattr(service, name, lambda _: SimpleNamespace(state=SimpleNamespace(probes=None)), raising=False)
    service.serve(load_settings(), "127.0.0.1", 0, lambda _: None)
    logged = capsys.readouterr().err
    assert "could not convert [email]" in logged
    assert "max@" not in logged


def test_without_a_token_the_page_does_not_begin_to_listen_beyond_this_machine() -> None:
    """It ends before an address is told."""
    told: list[str] = []
    with pytest.raises(Unprotected) as refusal:
        serve(load_settings(), "0.0.0.0", 0, told.append)
    assert ("page_unprotected", 2, []) == (refusal.value.code, refusal.value.exit_code, told)


def test_probes_need_a_port_that_nobody_has() -> None:
    """Two processes with the same one, as a shared file of settings makes them: said before anything is served."""
    told: list[str] = []
    with listen_on("127.0.0.1", 0) as taken:
        settings = load_settings(health_port=taken.getsockname()[1])
        with pytest.raises(OperatorNeeded, match="a different MARKETPULSE_HEALTH_PORT"):
            serve(settings, "127.0.0.1", 0, told.append)
    assert [] == told


def test_connections_end_by_themselves_where_nothing_is_taken() -> None:
    """The option is on the listening socket, from which connections have it (Linux); asyncio sees that it is TCP."""
    with listen_on("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert socket.IPPROTO_TCP == connection.proto
            assert SILENT_MS == connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_an_address_that_is_taken_or_none_is_said() -> None:
    """BadInput with what to do."""
    with listen_on("127.0.0.1", 0) as listening:
        for host, port in (("127.0.0.1", listening.getsockname()[1]), ("300.0.0.1", 0)):
            with pytest.raises(BadInput, match="Operator action"):
                listen_on(host, port)
