"""Which prefixes keep their consumer groups to themselves."""

_FAMILIES = ("analyst", "bridge", "notify", "reader")
"""Groups and transactions of a prefix may be named `<prefix>.<one of these>.<name>`: `streams.access.rights`."""


def check_prefix(prefix: str) -> str:
    """A prefix, as it is. Raises ValueError where another one's rules of groups would cover its groups too."""
    for name in _FAMILIES:
        if name in prefix.split(".")[1:]:
            raise ValueError(
                f"a part of it is {name!r}, so another prefix's login could join its groups or take its transactions"
            )
    return prefix
