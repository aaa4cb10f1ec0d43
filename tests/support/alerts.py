"""Alerts for tests, which name what matters to them."""

import msgspec

from marketpulse.contract.records import AlertRecord


def alert(name: str | None = None, **fields: object) -> AlertRecord:
    """A surge that fires in BR from its begin on, but for the given fields.

    Its id is `name`, or made of kind, market and topic.
    """
    given = {"kind": "surge", "market": "BR", "topic": None, "started_at": 5} | fields
    usual = {
        "id": name or "-".join(str(given[part]) for part in ("kind", "market", "topic") if given[part]),
        "seq": 1, "state": "firing", "fired_at": given["started_at"],
    }  # fmt: skip
    return msgspec.convert(usual | given, AlertRecord)
