"""Who may post, and how much: bearer tokens with a quota each, or this machine alone."""

import hashlib
import hmac
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers

from marketpulse.client.async_producer import MAX_PENDING_BYTES
from streams.intake.bodies import Refusal
from streams.intake.mapped import forms_of
from streams.serving.access import asks_loopback, bearer_of
from streams.settings import Settings
from streams.sources.mapped import MappedForm
from streams.tokens import THIS_MACHINE, named_tokens

MAX_BYTES_ON_WAY = MAX_PENDING_BYTES // 2
"""Bytes on their way to Kafka above which nothing more is taken."""
BURST_S = 2.0
"""How long a client may save up what it did not send."""


def tokens_of(settings: Settings) -> list[str]:
    """The tokens that are set; several while one follows another."""
    return [token for _, token in _named(settings)]


def _named(settings: Settings) -> list[tuple[str, str]]:
    given = settings.intake_tokens
    return [] if given is None else named_tokens(given.get_secret_value())


class Client:
    """One token's quota: events by a token bucket, and requests at once; `name` is for metrics and logs.

    Args:
        name: of the token, never the token itself.
        per_second: events a second; 0 = no limit.
        burst: events at once.
        places: requests at once.
        now: seconds of a clock that never goes back.
        form: of the mapping through which its bodies are read; None = they are events.
    """

    def __init__(
        self, name: str, per_second: float, burst: int, places: int, now: Callable[[], float] = time.monotonic,
        form: MappedForm | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.form = form
        self._per_second = per_second
        self._burst = burst
        self._places = places
        self._now = now
        self._left = float(burst)
        self._at = now()
        self._working = 0
        self.bytes_on_way = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Within, one request of this client is worked on. Raises Refusal 429: it has all that it may have."""
        if self._working >= self._places:
            raise Refusal(429, "too_many_requests", f"{self._places} requests of this token are worked on already")
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def take(self, events: int) -> int:
        """Count events against the quota, none where it is less; how many were counted, at most what fits at once.

        Raises:
            Refusal: 429 with the time after which there is room for them.
        """
        if not self._per_second or events <= 0:
            return 0
        self._fill()
        events = min(events, self._burst)  # a request that is allowed has room at some time
        if events > self._left:
            wait_s = math.ceil((events - self._left) / self._per_second)
            raise Refusal(429, "over_quota", f"more than {self._per_second:g} events/s of this token", wait_s)
        self._left -= events
        return events

    def headers(self) -> dict[str, str]:
        """What is left of the quota, as the IETF's draft of RateLimit fields has it (httpapi-ratelimit-headers-10)."""
        if not self._per_second:
            return {}
        self._fill()
        full_s = math.ceil(self._burst / self._per_second)
        next_s = math.ceil((self._burst - self._left) / self._per_second)
        return {
            "RateLimit-Policy": f'"events";q={self._burst};w={full_s}',
            "RateLimit": f'"events";r={int(self._left)};t={next_s}',
        }

    def _fill(self) -> None:
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now


class Gate:
    """Lets in who has one of the tokens; without tokens who asks for a name of this machine.

    Raises:
        SettingsError: a token's mapping cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        named, forms = _named(settings), forms_of(settings)
        rate, requests = settings.intake_events_per_second, settings.intake_max_requests
        burst = max(int(rate * BURST_S), settings.intake_max_events)
        places = requests if len(named) < 2 else max(1, int(requests * settings.intake_client_share))
        self._share = 1.0 if len(named) < 2 else settings.intake_client_share
        self._digests = [
            (_digest(token), Client(name, rate, burst, places, form=forms.get(name))) for name, token in named
        ]
        self._nobody = Client(THIS_MACHINE, 0, 0, requests, form=forms.get(THIS_MACHINE))

    @property
    def names(self) -> list[str]:
        """Names of all clients that there can be."""
        return [client.name for _, client in self._digests] or [THIS_MACHINE]

    def client(self, headers: Headers) -> Client:
        """Who asks. Raises Refusal 401, or 400 for another site's name (that it must not lead here)."""
        if not self._digests:
            if not asks_loopback(headers):
                raise Refusal(400, "bad_host", "this intake serves this machine only")
            return self._nobody
        token = bearer_of(headers)
        if token is None:
            raise Refusal(401, "no_token", "send Authorization: Bearer")
        given = _digest(token)
        # All are compared, and digests have one length: the time tells nothing of any token.
        fitting = [client for one, client in self._digests if hmac.compare_digest(given, one)]
        if not fitting:
            raise Refusal(401, "wrong_token", "the token is not one of those that are set")
        return fitting[0]

    @contextmanager
    def on_way(self, client: Client, size: int) -> Iterator[None]:
        """Within, `size` bytes of this client are on their way to Kafka.

        Raises:
            Refusal: 429, a client that has bytes on their way would have more than its share of what others leave.
        """
        others = sum(one.bytes_on_way for _, one in self._digests if one is not client)
        share = self._share * (MAX_BYTES_ON_WAY - others)
        if self._share < 1 and client.bytes_on_way and client.bytes_on_way + size > share:
            raise Refusal(429, "busy", "too much of this token is on its way already; nothing was taken")
        client.bytes_on_way += size
        try:
            yield
        finally:
            client.bytes_on_way -= size


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
