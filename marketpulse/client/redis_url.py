"""One URL that says all of how Redis is reached: what settings give apart from it is folded in."""

import re
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit


def folded_url(
    url: str,
    username: str | None = None,
    password: str | None = None,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> str:
    """A URL with login and PEM files in it, as redis-py's clients, blocking and asyncio, take it.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        username: user of the ACL; the default user when not given.
        password: of that user.
        ca: authorities that may have signed the server's certificate; the system's when not given.
        certificate: of this client.
        key: of that certificate.
    """
    parts = urlsplit(url)
    location = parts.netloc
    if password is not None:
        location = f"{quote(username or '', safe='')}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    files = {"ssl_ca_certs": ca, "ssl_certfile": certificate, "ssl_keyfile": key}
    given = urlencode({name: str(path) for name, path in files.items() if path is not None})
    query = "&".join(part for part in (parts.query, given) if part)
    return urlunsplit((parts.scheme, location, parts.path, query, parts.fragment))


def shown_url(url: str) -> str:
    """A URL without what is secret or long: scheme, host, port and database alone."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0].partition('#')[0]}"


def check_url(url: str) -> None:
    """Raises ValueError, without quoting it, where a URL has no host and port that can be read.

    So has one whose password holds `/`, `?` or `#` as they are: what follows is taken for the path.
    """
    parts = urlsplit(url)
    try:
        sound = parts.scheme == "unix" or bool(parts.hostname and (parts.port is None or parts.port > 0))
    except ValueError:
        sound = False
    if re.search(r"[?&]ssl_(?:cert_reqs|check_hostname)=", url):
        raise ValueError("turns the check of certificates off: name the authority in MARKETPULSE_REDIS_CA instead")
    if not sound or ("@" in url.partition("://")[2] and "@" not in parts.netloc and parts.scheme != "unix"):
        raise ValueError("has no host and port that can be read: write / ? # @ % of a password as %2F %3F %23 %40 %25")


def has_login(url: str) -> bool:
    """Whether a URL names a user or a password."""
    return "@" in urlsplit(url).netloc
