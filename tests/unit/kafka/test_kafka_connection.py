"""How Kafka clients are made, and what their refusals become."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from aiokafka import errors

from marketpulse.client.kafka_servers import KafkaServers, client_options
from marketpulse.errors import KafkaUnavailable, OperatorNeeded
from streams.kafka.errors import check_connection, error_of, kafka_errors

SERVERS = KafkaServers("127.0.0.1:1", "SASL_PLAINTEXT", "SCRAM-SHA-256", "ann", "secret-word")


def test_servers_alone_are_plain() -> None:
    """A string is a bootstrap server and nothing else."""
    assert {"bootstrap_servers": "a:1,b:2"} == client_options("a:1,b:2")


def test_a_login_is_given_with_sasl_only() -> None:
    """Mechanism, user and password; none of them without SASL."""
    options = client_options(SERVERS)
    assert ("SCRAM-SHA-256", "ann", "secret-word", None) == (
        options["sasl_mechanism"],
        options["sasl_plain_username"],
        options["sasl_plain_password"],
        options["ssl_context"],
    )
    assert not any(name.startswith("sasl") for name in client_options(KafkaServers("a:1")))


def test_tls_verifies_certificate_and_name(tmp_path: Path) -> None:
    """With the authority given, and this client's own certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = authority.issue_cert("client.example")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mine.pem"))
    context = KafkaServers("a:1", "SSL", ca=tmp_path / "ca.pem", certificate=tmp_path / "mine.pem").tls
    assert context is not None
    assert (True, ssl.CERT_REQUIRED) == (context.check_hostname, context.verify_mode)
    assert 1 == len(context.get_ca_certs())


def test_a_password_is_not_shown() -> None:
    """Neither as text nor in a representation."""
    assert "secret-word" not in f"{SERVERS} {SERVERS!r}"


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (errors.TopicAuthorizationFailedError("p.feedback"), OperatorNeeded, "user ann to read (topic: p.feedback)"),
        (errors.GroupAuthorizationFailedError("p.classify"), OperatorNeeded, "(consumer group: p.classify)"),
        (errors.ClusterAuthorizationFailedError(), OperatorNeeded, "(cluster: not named)"),
        (errors.TransactionalIdAuthorizationFailed("t"), OperatorNeeded, "(transactional id: t)"),
        (errors.SaslAuthenticationFailed(), OperatorNeeded, "refuses the login of user ann"),
        (errors.UnsupportedSaslMechanismError(), OperatorNeeded, "no login by SCRAM-SHA-256"),
        (ssl.SSLCertVerificationError("untrusted"), OperatorNeeded, "not trusted"),
        (errors.KafkaTimeoutError(), KafkaUnavailable, "does not read"),
        (errors.NotLeaderForPartitionError(), KafkaUnavailable, "does not read"),
        (errors.KafkaConnectionError("nobody"), KafkaUnavailable, "does not read"),
        (ConnectionResetError("reset"), KafkaUnavailable, "does not read"),
    ],
)
async def test_every_refusal_has_its_error(error: Exception, expected: type[Exception], said: str) -> None:
    """What may pass is tried again, what an operator must mend is not; each says where and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    found = await error_of(error, SERVERS, "read")
    assert expected is type(found)
    assert said in str(found)
    assert "127.0.0.1:1" in str(found)
    assert "Operator action: " in str(found)
    assert "secret-word" not in str(found)


async def test_what_is_no_refusal_of_kafka_stays_as_it_is() -> None:
    """A defect is not dressed up as a server that is away."""
    with pytest.raises(ZeroDivisionError):
        async with kafka_errors(SERVERS, "read"):
            raise ZeroDivisionError


async def test_nobody_at_the_port_may_pass() -> None:
    """A server that is not there is away, whatever the protocol; a restart of it mends that."""
    for protocol in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        with pytest.raises(KafkaUnavailable, match="does not answer"):
            await check_connection(KafkaServers("127.0.0.1:1", protocol, username="ann", password="x"))


async def test_a_server_that_hangs_up_may_pass() -> None:
    """A connection that is ended at once proves no wrong protocol: a balancer without servers does that too."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for protocol in ("PLAINTEXT", "SSL"):
            with pytest.raises(KafkaUnavailable):
                await check_connection(KafkaServers(f"127.0.0.1:{port}", protocol))
