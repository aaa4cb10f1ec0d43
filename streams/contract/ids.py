"""Ids of other programs within the contract's bounds; pure."""

from hashlib import sha256


def bounded(text: str, limit: int) -> str:
    """The text, its SHA-256 where it is longer than the limit: cut, two could be the same."""
    return text if len(text) <= limit else f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()}"
