"""One HTTP POST of a sink: allowed hosts only, no redirects, a time limit; what the answer means for a retry."""

import asyncio
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from streams.notify.addresses import Allowed, GuardedResolver
from streams.notify.errors import Away, Refused

ANSWER_BYTES = 65_536
"""Most bytes of an answer that are read."""
MAX_WAIT_S = 3_600.0
"""A receiver that asks for a longer pause by `Retry-After` gets this one, in seconds."""
REFUSED = (400, 406, 411, 413, 414, 415, 422)
"""Answers that say that the message itself cannot be taken; any other failure may be mended at the receiver."""


class Poster:
    """Posts JSON to one URL over connections of its own; a redirect is a failure, cookies and proxies are not used."""

    def __init__(self, url: str, allowed: Allowed, timeout_s: float) -> None:
        self._url = URL(url)
        self._allowed = allowed
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the receiver answered with 2xx. Raises Away, Refused."""
        host = self._url.host or ""
        try:
            allowed = not _is_address(host) or self._allowed.address(host, host)  # of addresses no resolver is asked
        except ValueError:  # `127.1`
            allowed = False
        if not allowed:
            raise Refused("its address is not allowed")
        try:
            async with self._opened().post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"} | dict(headers),
                allow_redirects=False,
            ) as answer:
                await answer.content.read(ANSWER_BYTES)
                status, wait = answer.status, answer.headers.get("Retry-After")
        except TimeoutError as error:
            raise Away(f"no answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # an address that is none
            raise Away(_why(error)) from error
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise Away(f"HTTP {status}: redirects are not followed")
        if status in REFUSED:
            raise Refused(f"HTTP {status}")
        raise Away(f"HTTP {status}", wait_of(wait, time.time()))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            await asyncio.sleep(0)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=2, resolver=GuardedResolver(self._allowed), use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # an answer of a few kilobytes could unpack to gigabytes
            )
        return self._session


def _is_address(host: str) -> bool:
    numbers = host.replace(".", "")
    return ":" in host or (numbers.isascii() and numbers.isdecimal())


def _why(error: BaseException) -> str:
    """What went wrong, without the URL that some errors quote."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        return str(cause) if isinstance(cause, PermissionError) else f"cannot connect: {cause.strerror or 'no address'}"
    if isinstance(error, PermissionError):
        return str(error)
    return type(error).__name__


def wait_of(retry_after: str | None, now_s: float) -> float | None:
    """Seconds to wait by `Retry-After`, a number or an HTTP date, from 0 to MAX_WAIT_S; None where it is neither."""
    text = (retry_after or "").strip()
    try:
        number = text.isascii() and text.isdecimal()  # other scripts have digits that float() does not read
        wait_s = float(text) if number else parsedate_to_datetime(text).timestamp() - now_s
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(0.0, wait_s), MAX_WAIT_S)
