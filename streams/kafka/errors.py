"""Kafka's refusals as the project's errors: what is tried again, and what an operator must mend."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiokafka import errors as kafka
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from marketpulse.client.kafka_servers import KafkaServers, Servers, client_options
from marketpulse.errors import KafkaUnavailable, MarketpulseError, OperatorNeeded
from streams.errors import CodecMissing, RecordTooLarge

_PROBE_MS = 3_000
_LOGIN = (kafka.SaslAuthenticationFailed, kafka.IllegalSaslStateError)
TOO_LARGE = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)
"""A record is too large for its topic, or for the client's own bound: trying again does not help."""
_RESOURCES = {
    kafka.TopicAuthorizationFailedError: "topic",
    kafka.GroupAuthorizationFailedError: "consumer group",
    kafka.ClusterAuthorizationFailedError: "cluster",
    kafka.TransactionalIdAuthorizationFailed: "transactional id",
}


@contextlib.asynccontextmanager
async def kafka_errors(servers: Servers, doing: str) -> AsyncIterator[None]:
    """Turn what aiokafka raises in the block into the project's errors.

    Args:
        servers: whom the block talks to.
        doing: what it asks Kafka for, `take records of p.feedback` say: the message's verb.

    Raises:
        KafkaUnavailable: Kafka is away or not ready.
        OperatorNeeded: it refuses the login or this principal, or its certificate is not trusted.
    """
    try:
        yield
    except (kafka.KafkaError, OSError) as error:
        raise await error_of(error, servers, doing) from error


Check = Callable[[Servers], Awaitable[None]]


async def error_of(error: Exception, servers: Servers, doing: str, check: Check | None = None) -> MarketpulseError:
    """The project's error for one of aiokafka's, with its cause where aiokafka only says that no server answered.

    `check` stands in for `check_connection`.
    """
    if (refused := refusal(error, servers, doing)) is not None:
        return refused
    if isinstance(error, (kafka.KafkaConnectionError, OSError)):
        try:
            await (check or check_connection)(servers)
        except OperatorNeeded as found:
            return found
        except KafkaUnavailable:
            doing = doing if doing == "answer" else f"answer, so it does not {doing}"
    return _away(servers, doing, error)


def refusal(error: BaseException, servers: Servers, doing: str) -> OperatorNeeded | None:
    """What an operator must mend, or None where the error may pass."""
    who = _principal(servers)
    for kind, resource in _RESOURCES.items():
        if isinstance(error, kind):
            named = ", ".join(map(str, error.args)) or "not named"
            return OperatorNeeded(
                f"Kafka at {servers} does not allow {who} to {doing} ({resource}: {named}). Operator action: grant "
                "what `marketpulse acls show` lists for this part, or give this process its own login."
            )
    if isinstance(error, _LOGIN):
        return OperatorNeeded(
            f"Kafka at {servers} refuses the login of {who}. Operator action: fix MARKETPULSE_KAFKA_USERNAME and "
            "MARKETPULSE_KAFKA_PASSWORD, or the user's SCRAM credentials in Kafka."
        )
    if isinstance(error, kafka.UnsupportedSaslMechanismError):
        return OperatorNeeded(
            f"Kafka at {servers} has no login by {_mechanism(servers)}. Operator action: set "
            "MARKETPULSE_KAFKA_SASL_MECHANISM to one that its listener has."
        )
    if isinstance(error, kafka.ProducerFenced):
        return OperatorNeeded(
            f"Kafka at {servers} does not {doing}: another process began the same at the same time, and nothing of "
            "this one was written. Operator action: see which of the two is to hold, then run that again."
        )
    if isinstance(error, TOO_LARGE):
        return RecordTooLarge(
            f"Kafka at {servers} does not {doing}: one is larger than its topic takes ({type(error).__name__}). "
            "Operator action: raise the topic's `max.message.bytes` (kafka-configs.sh --alter --entity-type topics) or "
            "shorten the record."
        )
    if isinstance(error, kafka.UnsupportedCodecError):
        codec = str(error.args[0]) if error.args else "an unknown codec"
        return CodecMissing(
            f"Kafka at {servers} holds records compressed with {codec}, which this installation cannot read (asked to "
            f"{doing}). Operator action: install the package cramjam, which this project's lock files name "
            "(pip install cramjam), then start again."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return OperatorNeeded(
            f"Kafka at {servers} shows a certificate that is not trusted: {error.verify_message}. Operator action: set "
            "MARKETPULSE_KAFKA_CA to the authority that signed it, or mend the certificate's names or dates."
        )
    return None


async def check_connection(servers: Servers) -> None:
    """Connect once to each bootstrap server until one answers.

    aiokafka logs why it could not connect and then says only that it could not: this finds the reason anew.

    Raises:
        OperatorNeeded: a server is there, but certificate, protocol or login do not fit.
        KafkaUnavailable: no server is there.
    """
    options = client_options(servers)
    trouble: Exception | None = None
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        trouble = await _trouble(host, port, options)
        if trouble is None:
            return
        if (refused := refusal(trouble, servers, "connect")) is not None:
            raise refused from trouble
        if (mismatch := await _mismatch(host, port, options)) is not None:
            raise OperatorNeeded(
                f"Kafka at {servers} {mismatch}. Operator action: set MARKETPULSE_KAFKA_SECURITY_PROTOCOL to what the "
                f"listener at {host}:{port} speaks; here it is {_protocol(servers)}."
            ) from trouble
    raise _away(servers, "answer", trouble) from trouble


async def _trouble(host: str, port: int, options: Mapping[str, Any], ask: bool = True) -> Exception | None:
    """What a connection to one server fails with, or its first question; None where both succeed."""
    connection = None
    try:
        connection = await create_conn(host, port, request_timeout_ms=_PROBE_MS, **options)
        if ask:
            await connection.send(MetadataRequest([]))
    except (kafka.KafkaError, OSError) as error:  # TimeoutError is an OSError
        return error
    finally:
        if connection is not None:
            connection.close()
    return None


async def _mismatch(host: str, port: int, options: Mapping[str, Any]) -> str | None:
    """How a server that is there differs from the protocol that is set; None where nothing proves that it does.

    A connection that is ended proves nothing: a server that starts or a balancer without servers does that too.
    """
    protocol = options.get("security_protocol", "PLAINTEXT")
    if not protocol.endswith("SSL") and await _speaks_tls(host, port):
        return "speaks TLS, this process does not"
    if protocol.endswith("SSL") and await _trouble(host, port, {"security_protocol": "PLAINTEXT"}, ask=False) is None:
        return "does not speak TLS, this process does"
    return None


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether a TLS handshake succeeds, whoever the server is."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PROBE_MS / 1000):
            _, writer = await asyncio.open_connection(host, port, ssl=anybody)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _away(servers: Servers, doing: str, error: BaseException | None) -> KafkaUnavailable:
    login = "" if _protocol(servers).startswith("SASL") else " Or it asks for a login, and none is set."
    return KafkaUnavailable(
        f"Kafka at {servers} does not {doing}: {error!r}. Operator action: start it, or mend MARKETPULSE_KAFKA.{login}"
    )


def _protocol(servers: Servers) -> str:
    return servers.protocol if isinstance(servers, KafkaServers) else "PLAINTEXT"


def _mechanism(servers: Servers) -> str:
    return servers.mechanism if isinstance(servers, KafkaServers) else "no mechanism"


def _principal(servers: Servers) -> str:
    if isinstance(servers, KafkaServers) and servers.protocol.startswith("SASL"):
        return f"user {servers.username}"
    return "this client"
