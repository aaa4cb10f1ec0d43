"""A Kafka and a Redis with TLS, logins and ACLs on; their certificates and passwords are made at test time."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import redis
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from streams.access.rights import ROLES, Role, principal, redis_users
from streams.dev.embedded.servers import EmbeddedKafka, EmbeddedRedis, EmbeddedStack, free_port
from streams.settings import Settings, load_settings

DEBIAN_REDIS = "/usr/bin/redis-server"
"""Built with TLS, and 7.0 or later, which knows key permissions; the one of the `embedded` extra is neither."""


@dataclass(frozen=True)
class Certificates:
    """PEM files in one folder: an authority, the servers' certificate, and another authority that signed nothing."""

    folder: Path
    ca: Path = field(init=False)
    server: Path = field(init=False)
    server_key: Path = field(init=False)
    other_ca: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("ca", "server", "server_key", "other_ca"):
            object.__setattr__(self, name, self.folder / f"{name}.pem")

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        """Make them anew."""
        made = cls(folder)
        authority = trustme.CA(key_type=trustme.KeyType.RSA)
        server = authority.issue_cert("127.0.0.1", "localhost", common_name="server", key_type=trustme.KeyType.RSA)
        key = load_pem_private_key(server.private_key_pem.bytes(), None)
        authority.cert_pem.write_to_path(str(made.ca))
        trustme.CA().cert_pem.write_to_path(str(made.other_ca))
        made.server.write_bytes(b"".join(part.bytes() for part in server.cert_chain_pems))
        # Kafka reads PKCS#8 alone.
        made.server_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def bundle(self) -> Path:
        """The servers' key and certificate in one file, as Kafka wants its key store."""
        path = self.folder / "bundle.pem"
        path.write_bytes(self.server_key.read_bytes() + self.server.read_bytes())
        return path


class SecuredKafka(EmbeddedKafka):
    """A broker whose one client listener is SASL_SSL with SCRAM, and that allows what an ACL allows, nothing else.

    `admin` is a super user. Broker and controller know each other by certificate.
    """

    def __init__(self, folder: Path, certificates: Certificates, passwords: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._certificates = certificates
        self._passwords = passwords

    def _format_options(self) -> list[str]:
        return [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]" for name, password in self._passwords.items()
        ]

    def _properties(self) -> str:
        kept = [
            line
            for line in super()._properties().splitlines()
            if not line.startswith(("listeners=", "advertised.", "listener.security", "inter.broker"))
        ]
        controller, inside = self._controller_port, self._inside_port
        name = "listener.name"
        return "\n".join(
            [
                *kept,
                f"listeners=CLIENTS://127.0.0.1:{self.port},INSIDE://127.0.0.1:{inside},"
                f"CONTROLLER://127.0.0.1:{controller}",
                f"advertised.listeners=CLIENTS://127.0.0.1:{self.port},INSIDE://127.0.0.1:{inside}",
                "listener.security.protocol.map=CLIENTS:SASL_SSL,INSIDE:SSL,CONTROLLER:SSL",
                "inter.broker.listener.name=INSIDE",
                f"{name}.inside.ssl.client.auth=required",
                f"{name}.controller.ssl.client.auth=required",
                "sasl.enabled.mechanisms=SCRAM-SHA-512",
                f"{name}.clients.scram-sha-512.sasl.jaas.config="
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={self._certificates.bundle()}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self._certificates.ca}",
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found=false",
                "ssl.principal.mapping.rules=RULE:^CN=([^,]+),.*$/$1/",
                "super.users=User:admin;User:server",
                "",
            ]
        )

    def choose_ports(self) -> None:
        """Pick the ports of clients, broker and controller."""
        super().choose_ports()
        self._inside_port = free_port()


class SecuredRedis(EmbeddedRedis):
    """Redis that speaks TLS alone, its users from an ACL file; `admin` may do anything, the default user nothing."""

    def __init__(self, folder: Path, certificates: Certificates, users: str) -> None:
        super().__init__(folder)
        self._certificates = certificates
        self._users = users

    @property
    def url(self) -> str:
        """Redis URL without login."""
        return f"rediss://127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the ACL file."""
        super().prepare()  # its password goes for nothing: the file's users count alone
        (self.folder / "users.acl").write_text(self._users, "utf-8")

    def command(self) -> list[str]:
        """The server's command line."""
        plain = super().command()[1:]
        plain[plain.index("--port") + 1] = "0"
        return [
            DEBIAN_REDIS, *plain, "--tls-port", str(self.port), "--tls-auth-clients", "no",
            "--tls-cert-file", str(self._certificates.server), "--tls-key-file", str(self._certificates.server_key),
            "--tls-ca-cert-file", str(self._certificates.ca), "--aclfile", str(self.folder / "users.acl"),
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it answers at all: a refusal for want of a login is an answer."""
        try:
            with redis.Redis(port=self.port, ssl=True, ssl_ca_certs=str(self._certificates.ca)) as client:
                client.ping()
        except redis.exceptions.AuthenticationError:
            return True
        except redis.exceptions.ConnectionError:
            return False
        return True


class Secured(EmbeddedStack):
    """Both servers with every role's user, under one prefix."""

    def __init__(self, folder: Path, prefix: str) -> None:
        super().__init__(folder)
        self.prefix = prefix
        self.certificates = Certificates.make(folder)
        self.passwords: dict[Role, str] = {role: secrets.token_urlsafe(12) for role in ROLES}
        self.admin = secrets.token_urlsafe(12)
        logins = {principal(prefix, role): password for role, password in self.passwords.items()}
        self.kafka = SecuredKafka(folder / "kafka", self.certificates, {"admin": self.admin, **logins})
        users = [f"user admin on >{self.admin} ~* &* +@all", *redis_users(prefix, self.passwords)]
        self.redis = SecuredRedis(folder / "redis", self.certificates, "\n".join(users) + "\n")

    def environment(self, role: Role | Literal["admin"]) -> dict[str, str]:
        """Settings of a process that is `role`, as environment variables."""
        name = role if role == "admin" else principal(self.prefix, role)
        password = self.admin if role == "admin" else self.passwords[role]
        values = {
            "prefix": self.prefix,
            "kafka": self.kafka.bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_username": name,
            "kafka_password": password,
            "kafka_ca": str(self.certificates.ca),
            "redis_url": self.redis.url,
            "redis_username": name,
            "redis_password": password,
            "redis_ca": str(self.certificates.ca),
        }
        return {f"MARKETPULSE_{key.upper()}": value for key, value in values.items()}

    @property
    def principals(self) -> dict[Role, str]:
        """Every role's user, as Kafka names it."""
        return {role: f"User:{principal(self.prefix, role)}" for role in ROLES}

    def settings(self, role: Role | Literal["admin"], **changes: object) -> Settings:
        """The same as settings."""
        given = {key.removeprefix("MARKETPULSE_").lower(): value for key, value in self.environment(role).items()}
        return load_settings(**(given | changes))
