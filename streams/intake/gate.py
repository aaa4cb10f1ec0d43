"""Who may post: bearer tokens, or this machine alone."""

import hashlib
import hmac

from starlette.datastructures import Headers

from streams.intake.bodies import Refusal
from streams.serving.access import asks_loopback, bearer_of
from streams.settings import Settings


def tokens_of(settings: Settings) -> list[str]:
    """The tokens that are set; several while one follows another."""
    given = settings.intake_tokens
    return [] if given is None else [one.strip() for one in given.get_secret_value().split(",")]


class Gate:
    """Lets in who has one of the tokens; without tokens who asks for a name of this machine."""

    def __init__(self, tokens: list[str]) -> None:
        self._digests = [_digest(token) for token in tokens]

    def check(self, headers: Headers) -> None:
        """Raises Refusal 401, or 400 for another site's name (that it must not lead here)."""
        if not self._digests:
            if not asks_loopback(headers):
                raise Refusal(400, "bad_host", "this intake serves this machine only")
            return
        token = bearer_of(headers)
        if token is None:
            raise Refusal(401, "no_token", "send Authorization: Bearer")
        given = _digest(token)
        # All are compared, and digests have one length: the time tells nothing of any token.
        if sum(hmac.compare_digest(given, one) for one in self._digests) == 0:
            raise Refusal(401, "wrong_token", "the token is not one of those that are set")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
