"""Redis clients with the project's settings: one place for time-outs, retries and error translation.

redis-py is loaded with the first connection, not with this module: it takes some .2 s, half of what all the names of
the client would take to import.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from marketpulse.client.redis_url import check_url, shown_url
from marketpulse.errors import LedgerFull, OperatorNeeded, Unavailable

if TYPE_CHECKING:
    from redis.exceptions import ResponseError


def connect_async(url: str, timeout_s: float = 10.0) -> Any:
    """An asyncio client that does not retry: the ledger decides what may be tried again.

    Any: redis-py types every reply as text or bytes, while these clients always answer in bytes.
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    _check(url)
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )


def connect(url: str, timeout_s: float = 10.0) -> Any:
    """A synchronous client for commands and readers."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    _check(url)
    return Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0))


def _check(url: str) -> None:
    try:
        check_url(url)
    except ValueError as error:
        raise OperatorNeeded(f"The Redis URL {error}. Operator action: correct MARKETPULSE_REDIS_URL.") from None


_REFUSED_FOR_NOW = re.compile(r"(?:^|\s-|')(OOM|READONLY|MISCONF|BUSY|NOREPLICAS|MASTERDOWN) ")
"""Codes that redis-py has no type for, or that Redis 6 has in the middle of a script's error: `...: 39: -OOM ...`."""


def _of_a_cluster() -> tuple[type[Exception], ...]:
    """What only a Redis Cluster answers."""
    from redis.exceptions import AskError, ClusterCrossSlotError, ClusterError, TryAgainError

    return AskError, ClusterError, ClusterCrossSlotError, TryAgainError  # MOVED is an AskError too


def refused_before_writing(error: "ResponseError") -> bool:
    """Whether nothing was written, so that the same command may be tried again.

    Redis refuses so before a script's first write, and never after it. A missing right is not among them: Redis looks
    at each command of a script when its turn comes.
    """
    from redis.exceptions import OutOfMemoryError, ReadOnlyError

    return isinstance(error, (OutOfMemoryError, ReadOnlyError, *_of_a_cluster())) or bool(_code(error))


def _code(error: "ResponseError") -> str:
    """`OOM`, `MISCONF` and so on, where Redis refuses for now; else empty."""
    found = _REFUSED_FOR_NOW.search(str(error))
    return "" if found is None else found.group(1)


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Turn redis-py's errors into the project's: retriable ones, bounds, and what an operator must fix."""
    from redis import exceptions

    try:
        yield
    except exceptions.AuthenticationError as error:
        raise OperatorNeeded(
            f"Redis at {shown_url(url)} refuses these credentials: {error}. Operator action: fix user and password in "
            "MARKETPULSE_REDIS_URL, or MARKETPULSE_REDIS_USERNAME and MARKETPULSE_REDIS_PASSWORD, or the ACL."
        ) from error
    except exceptions.NoPermissionError as error:
        raise OperatorNeeded(
            f"Redis at {shown_url(url)} does not allow this user so much: {error}. Operator action: grant what "
            "`marketpulse acls show redis` lists for this part, or give this process its own user."
        ) from error
    except exceptions.MasterDownError as error:  # a replica's answer, though redis-py has it with a cluster's
        raise _unavailable_for_now(error, url) from error
    except _of_a_cluster() as error:
        raise OperatorNeeded(
            f"Redis at {shown_url(url)} is a Redis Cluster: {error}. A ledger needs one primary, since one script must "
            "reach all of its keys. Operator action: point MARKETPULSE_REDIS_URL at a Redis or Valkey without Cluster "
            "(`cluster-enabled no`), with replicas as you like."
        ) from error
    except exceptions.ResponseError as error:
        if isinstance(error, exceptions.OutOfMemoryError) or _code(error) == "OOM":
            raise LedgerFull(
                "Redis is out of memory. Operator action: raise maxmemory; commits wait meanwhile."
            ) from error
        if isinstance(error, exceptions.ReadOnlyError) or _code(error) == "READONLY":
            raise Unavailable(
                f"Redis at {shown_url(url)} is a read-only replica. Operator action: point the worker at the primary."
            ) from error
        if not _code(error):
            raise
        raise _unavailable_for_now(error, url) from error
    except (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        OSError,
    ) as error:
        if (refused := _tls_refusal(error, url)) is not None:
            raise refused from error
        other = "redis://" if url.startswith("rediss://") else "rediss://"
        raise Unavailable(
            f"Redis at {shown_url(url)} does not answer: {error or type(error).__name__}. Operator action: none if it "
            f"is restarting, it is tried again. If it never answers, the port may want {other} (MARKETPULSE_REDIS_URL)."
        ) from error


def _unavailable_for_now(error: "ResponseError", url: str) -> Unavailable:
    return Unavailable(
        f"Redis at {shown_url(url)} takes no commands at present: {error}. "
        "Operator action: as it says; it is tried again."
    )


def _tls_refusal(error: BaseException, url: str) -> OperatorNeeded | None:
    """What an operator must mend where TLS fails for good; redis-py keeps the reason behind its own error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OperatorNeeded(
                f"Redis at {shown_url(url)} shows a certificate that is not trusted: {cause.verify_message}. Operator "
                "action: set MARKETPULSE_REDIS_CA to the authority that signed it, or fix the certificate's names or "
                "dates."
            )
        if isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause):
            return OperatorNeeded(
                f"Redis at {shown_url(url)} does not speak TLS. Operator action: use redis:// in "
                "MARKETPULSE_REDIS_URL, or its TLS port."
            )
        cause = cause.__cause__ or cause.__context__
    return None
