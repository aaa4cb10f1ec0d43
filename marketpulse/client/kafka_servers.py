"""How every Kafka client connects: servers, TLS, login."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class KafkaServers:
    """Bootstrap servers (`host:port,host:port`), and how to talk to them.

    `ca`, `certificate` and `key` are PEM files: whom to trust (None = the system's authorities), and who this client is
    where servers ask for a certificate.
    """

    bootstrap: str
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        return self.bootstrap

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What verifies the servers' certificates and names; None without TLS. Raises OSError (ssl.SSLError is one)."""
        if not self.protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            load_pair(context, self.certificate, self.key)
        return context


Servers = KafkaServers | str
"""Bootstrap servers alone mean: no TLS, no login."""


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Give a context a client's certificate and key. Raises ssl.SSLError, also for an encrypted key."""
    context.load_cert_chain(certificate, key, password="")


def client_options(servers: Servers) -> dict[str, Any]:
    """What an aiokafka client is made with."""
    if isinstance(servers, str):
        return {"bootstrap_servers": servers}
    options: dict[str, Any] = {
        "bootstrap_servers": servers.bootstrap,
        "security_protocol": servers.protocol,
        "ssl_context": servers.tls,
    }
    if servers.protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": servers.mechanism,
            "sasl_plain_username": servers.username,
            "sasl_plain_password": servers.password,
        }
    return options
