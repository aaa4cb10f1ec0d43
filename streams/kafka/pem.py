"""PEM files of settings: looked at when settings are read, so that a wrong one is named at once."""

import ssl
from pathlib import Path

from marketpulse.client.kafka_servers import load_pair

CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
KEY = b"PRIVATE KEY-----"


def check_ca(path: Path) -> Path:
    """The same path. Raises ValueError: it cannot be read or holds no certificate."""
    _check_holds(path, CERTIFICATE, "a certificate")
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ValueError(f"{path} holds no certificate that can be read: {error.reason}") from error
    return path


def check_certificate(path: Path) -> Path:
    """The same path. Raises ValueError: it cannot be read or holds no certificate."""
    return _check_holds(path, CERTIFICATE, "a certificate")


def check_key(path: Path, certificate: Path | None) -> Path:
    """The same path. Raises ValueError: it cannot be read, holds no plain key, or is not the certificate's."""
    _check_holds(path, KEY, "a key")
    if certificate is None:
        raise ValueError("a key goes with a certificate, and none is set")
    try:
        load_pair(ssl.create_default_context(), certificate, path)
    except ssl.SSLError as error:
        reason = error.reason or "it is encrypted, and no password can be given"
        raise ValueError(f"{path} is not the key of {certificate}: {reason}") from error
    return path


def _check_holds(path: Path, mark: bytes, what: str) -> Path:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if mark not in content:
        raise ValueError(f"{path} ({len(content):,} bytes) holds no PEM block of {what}")
    return path
