"""Tokens of page and intake: their names, the mappings of these, and which are too easy to guess."""

import re
from collections.abc import Collection
from typing import NamedTuple
from zoneinfo import ZoneInfo

from marketpulse.contract.markets import market_code

PUBLIC_TOKENS = ("only-for-a-trial",)
"""Examples that everybody can read."""
THIS_MACHINE = "this-machine"
"""The name of whoever posts to an intake without tokens."""
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,31}):(.*)", re.DOTALL)
_MAPPING = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,31})=(.+?)((?:\s+[a-z]+=\S+)*)", re.DOTALL)


class TokenMapping(NamedTuple):
    """The mapping of a token's name: a shipped one or the path of a file, and what it leaves open."""

    token: str
    mapping: str
    market: str | None = None
    timezone: str | None = None


def named_tokens(text: str) -> list[tuple[str, str]]:
    """(name, token) of each; one without a name is called by its place, `token-1`. RFC 6750 has no colon in a token."""
    found = []
    for number, part in enumerate(text.split(","), 1):
        named = _NAMED.fullmatch(part.strip())
        found.append((named[1], named[2]) if named else (f"token-{number}", part.strip()))
    return found


def token_mappings(text: str, tokens: Collection[str] | None = None) -> list[TokenMapping]:
    """Each `name=mapping`, with ` market=BR` and ` timezone=UTC` behind it; commas are between them.

    Args:
        text: the setting.
        tokens: names that there are; None: any.

    Raises:
        ValueError: it has another form, or names what there is not; every problem is named.
    """
    found: list[TokenMapping] = []
    problems = []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        written = _MAPPING.fullmatch(part)
        if written is None:
            problems.append(f"entry {number}: write name=mapping, as in helpdesk=zendesk")
            continue
        name, mapping, options = written.groups()
        if tokens is not None and name not in tokens:  # and is not shown: it may be a token itself
            problems.append(f"entry {number}: no token has its name, but {', '.join(dict.fromkeys(tokens))}")
            continue
        more = dict(option.split("=", 1) for option in options.split())
        market, timezone = more.pop("market", None), more.pop("timezone", None)
        problems += [f"{name}: there is no {key}, but market, timezone" for key in more]
        if market is not None and market_code(market) is None:
            problems.append(f"{name}: {market} is no market")
        if timezone is not None and not _is_zone(timezone):
            problems.append(f"{name}: {timezone} is no time zone")
        if any(name == other.token for other in found):
            problems.append(f"{name}: is there twice")
        found.append(TokenMapping(name, mapping, market, timezone))
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        return False


def check_token(token: str) -> None:
    """Raises ValueError where a token is short, or one that everybody can read."""
    if len(token) < 16:
        raise ValueError("each token must have at least 16 characters")
    if token in PUBLIC_TOKENS:
        raise ValueError("is an example that everybody can read: make one of your own with `openssl rand -hex 16`")
