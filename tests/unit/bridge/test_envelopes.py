"""What other programs wrap records in."""

import base64
from typing import Any

import pytest

from streams.bridge.envelopes import opened

ROW = {"id": 7, "body": "lento"}
EVENT = {"id": "a", "market": "BR", "text": "x", "occurred_at": 1, "specversion": "1.0", "data": {"other": 1}}
CHANGE = {"before": None, "after": ROW, "source": {"table": "reviews"}, "op": "c", "ts_ms": 1}
CLOUD = {"specversion": "1.0", "id": "e1", "source": "/crm", "type": "review.written"}
LINE = {"@timestamp": "2026-01-01T00:00:00Z", "message": "lento"}
ENCODED = base64.b64encode(b'{"id": 7, "body": "lento"}').decode()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (ROW, [ROW]),
        (EVENT, [EVENT]),
        ("text", ["text"]),
        ([ROW, ROW], [ROW, ROW]),
        ([], []),
        ({"schema": {"type": "struct"}, "payload": ROW}, [ROW]),
        ({"schema": None, "payload": None}, []),
        ({"schema": 1, "payload": ROW, "id": 3}, [{"schema": 1, "payload": ROW, "id": 3}]),
        (CHANGE, [ROW]),
        (CHANGE | {"op": "d", "before": ROW, "after": None}, []),
        ({"schema": {}, "payload": CHANGE}, [ROW]),
        ({"op": "sum", "after": 3}, [{"op": "sum", "after": 3}]),
        ({"op": [], "after": 3, "ts_ms": 1}, [{"op": [], "after": 3, "ts_ms": 1}]),
        (CLOUD | {"data": ROW}, [ROW]),
        (CLOUD | {"data_base64": ENCODED}, [ROW]),
        (CLOUD | {"data_base64": "?"}, ["?"]),
        ([CLOUD | {"data": ROW}, CLOUD | {"data": None}], [ROW]),
        (CLOUD, [CLOUD]),
        (LINE | {"message": ' {"id": 7, "body": "lento"}'}, [ROW]),
        (LINE, [LINE]),
        ([[[[[ROW]]]]], [[ROW]]),
    ],
)
def test_records_are_taken_out_of_their_envelopes(content: Any, found: list[Any]) -> None:
    """Of every kind, of several at once, and of none: what only looks alike stays as it is."""
    assert found == list(opened(content))
