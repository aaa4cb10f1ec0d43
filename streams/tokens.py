"""Tokens of page and intake: names that stand before them, and which are too easy to guess."""

import re

PUBLIC_TOKENS = ("only-for-a-trial",)
"""Examples that everybody can read."""
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,31}):(.*)", re.DOTALL)


def named_tokens(text: str) -> list[tuple[str, str]]:
    """(name, token) of each; one without a name is called by its place, `token-1`. RFC 6750 has no colon in a token."""
    found = []
    for number, part in enumerate(text.split(","), 1):
        named = _NAMED.fullmatch(part.strip())
        found.append((named[1], named[2]) if named else (f"token-{number}", part.strip()))
    return found


def check_token(token: str) -> None:
    """Raises ValueError where a token is short, or one that everybody can read."""
    if len(token) < 16:
        raise ValueError("each token must have at least 16 characters")
    if token in PUBLIC_TOKENS:
        raise ValueError("is an example that everybody can read: make one of your own with `openssl rand -hex 16`")
