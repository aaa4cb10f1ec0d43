"""What single settings must be: each function is a validator of fields of `Settings`, and raises ValueError."""

from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

from pydantic import SecretStr, ValidationInfo

from marketpulse.client.redis_url import check_url, has_login
from streams.kafka.pem import check_ca, check_certificate, check_key
from streams.tokens import THIS_MACHINE, check_token, named_tokens, token_mappings

PUBLIC_KEY = "marketpulse"
"""Key of user hashes where none is set: for trials, with servers on loopback alone."""
LEAST_KEY_BYTES = 16


def known_scheme(url: SecretStr) -> SecretStr:
    """A URL of Redis."""
    if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    check_url(url.get_secret_value())
    return url


def long_key(key: SecretStr) -> SecretStr:
    """Empty and short ones can be guessed; the public one, a default, is refused by `user_hashes`."""
    length = len(key.get_secret_value().encode())
    if length < LEAST_KEY_BYTES and key.get_secret_value() != PUBLIC_KEY:
        raise ValueError(
            f"must have at least {LEAST_KEY_BYTES} bytes, not {length}: openssl rand -hex 32 makes one. Change a "
            "key that is in use with MARKETPULSE_USER_HASH_KEY_BEFORE and _SINCE (docs/how-to/secure.md)"
        )
    return key


def some_key(key: SecretStr | None) -> SecretStr | None:
    """A short one is taken: otherwise nobody could change it for a better one."""
    if key is not None and not key.get_secret_value():
        raise ValueError("is empty: give the key so far, or unset it")
    return key


def change_of_key(since: datetime | None, info: ValidationInfo) -> datetime | None:
    """A whole hour, together with the key before."""
    if (since is None) != (info.data.get("user_hash_key_before") is None):
        raise ValueError("MARKETPULSE_USER_HASH_KEY_BEFORE and MARKETPULSE_USER_HASH_KEY_SINCE go together")
    if since is not None and since.timestamp() % 3_600:
        raise ValueError("must be a whole hour of UTC, as 2026-01-31T00:00:00Z")
    return since


def long_tokens(tokens: SecretStr | None) -> SecretStr | None:
    """Tokens of the intake, each of which cannot be guessed."""
    if tokens is not None:
        for _, token in named_tokens(tokens.get_secret_value()):
            check_token(token)
    return tokens


def mappings(text: str | None, info: ValidationInfo) -> str | None:
    """Mappings of the intake's tokens, by names that there are."""
    if text is not None and "intake_tokens" in info.data:  # else its own problem is reported already
        tokens = info.data["intake_tokens"]
        named = [] if tokens is None else named_tokens(tokens.get_secret_value())
        token_mappings(text, [name for name, _ in named] or [THIS_MACHINE])
    return text


def long_token(token: SecretStr | None) -> SecretStr | None:
    """The page's token, which cannot be guessed."""
    if token is not None:
        check_token(token.get_secret_value())
    return token


def proxies(text: str) -> str:
    """Addresses and networks with commas between them; not the whole of the internet."""
    for part in filter(None, (one.strip() for one in text.split(","))):
        try:
            network = ip_network(part, strict=False)
        except ValueError:
            raise ValueError(f"{part} is neither an address nor a CIDR; `*` would believe every client") from None
        if not network.prefixlen:
            raise ValueError(f"{part} would believe every client: name the proxies' own addresses")
    return text


def kafka_login(password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """User name and password, with a protocol that takes them."""
    protocol = info.data.get("kafka_security_protocol")
    login = info.data.get("kafka_username") is not None and password is not None
    none = info.data.get("kafka_username") is None and password is None
    if protocol is not None and not (login if protocol.startswith("SASL") else none):
        raise ValueError(
            "a user name and a password (MARKETPULSE_KAFKA_USERNAME, MARKETPULSE_KAFKA_PASSWORD) go with "
            "protocols that begin with SASL (MARKETPULSE_KAFKA_SECURITY_PROTOCOL), and those need both"
        )
    return password


def redis_login(password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """A password in one place, and for a user name."""
    url = info.data.get("redis_url")
    if info.data.get("redis_username") is not None and password is None:
        raise ValueError("is missing: MARKETPULSE_REDIS_USERNAME needs it")
    if password is not None and url is not None and has_login(url.get_secret_value()):
        raise ValueError("is given twice: here and in MARKETPULSE_REDIS_URL; keep one of them")
    return password


def registry_login(password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """User name and password of the Schema Registry, both or none."""
    user = info.data.get("schema_registry_username")
    if (user is None) != (password is None):
        raise ValueError("MARKETPULSE_SCHEMA_REGISTRY_USERNAME and MARKETPULSE_SCHEMA_REGISTRY_PASSWORD go together")
    if user is not None and ":" in user:
        raise ValueError("goes with a user name without a colon: basic authentication ends the name there")
    return password


def registry_authorities(path: Path | None) -> Path | None:
    """A PEM file of authorities."""
    return None if path is None else check_ca(path)


def authorities(path: Path | None, info: ValidationInfo) -> Path | None:
    """A PEM file of authorities, for a connection with TLS."""
    _needs_tls(path, info)
    return None if path is None else check_ca(path)


def certificate(path: Path | None, info: ValidationInfo) -> Path | None:
    """A PEM file of a certificate, for a connection with TLS."""
    _needs_tls(path, info)
    return None if path is None else check_certificate(path)


def certificate_key(path: Path | None, info: ValidationInfo) -> Path | None:
    """A PEM file of a key that belongs to the certificate, for a connection with TLS."""
    _needs_tls(path, info)
    name = f"{info.field_name}".replace("key", "certificate")
    if name not in info.data:  # the certificate's own problem is reported already
        return path
    given = info.data[name]
    if path is not None or given is not None:
        check_key(path or given, given)
    return path


def _needs_tls(path: Path | None, info: ValidationInfo) -> None:
    """Raises ValueError where a PEM file is set for a connection without TLS: it would be ignored in silence."""
    if path is None:
        return
    if f"{info.field_name}".startswith("redis"):
        url = info.data.get("redis_url")
        if url is not None and not url.get_secret_value().startswith("rediss://"):
            raise ValueError("goes with TLS: MARKETPULSE_REDIS_URL must begin with rediss://")
    elif not info.data.get("kafka_security_protocol", "SSL").endswith("SSL"):
        raise ValueError("goes with TLS: MARKETPULSE_KAFKA_SECURITY_PROTOCOL must be SSL or SASL_SSL")
