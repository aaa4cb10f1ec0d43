"""What other programs wrap records in, recognised by content; pure."""

import base64
import binascii
import itertools
from collections.abc import Iterator
from typing import Any

from marketpulse.contract.decode import Rejected, parse_object

DEEPEST = 4
"""Envelopes inside of one another that are opened."""
MOST_OPENED = 10_000
_CHANGES = frozenset("crudtm")
_CONTRACT = frozenset(("id", "market", "text", "occurred_at"))


def opened(content: Any) -> Iterator[Any]:
    """The records inside of a value of JSON, in their order; the value itself where it is no envelope.

    - a list, as of a batch of CloudEvents or of Fluentd: each of its values;
    - JSON of Kafka Connect's converter (`schema`, `payload`): the payload;
    - a change of Debezium (`op`, `after`): the row as it is afterwards; a delete gives nothing;
    - a CloudEvent in structured mode (`specversion`, `data` or `data_base64`): the data;
    - a line that Fluentd or Logstash carries (`@timestamp`, `message` that is an object of JSON): the object.

    Raises Rejected: there are more than `MOST_OPENED` values, with those that hold nothing.
    """
    yield from _opened(content, DEEPEST, itertools.count(1))


def _opened(content: Any, deepest: int, number: Iterator[int]) -> Iterator[Any]:
    if next(number) > MOST_OPENED:
        raise Rejected("too_large", f"a record holds at most {MOST_OPENED:,} envelopes and values")
    inside = None if deepest == 0 else _inside(content)
    if inside is None:
        yield content
        return
    for value in inside:
        yield from _opened(value, deepest - 1, number)


def _inside(content: Any) -> list[Any] | None:
    """What an envelope holds; None where it is none."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict) or content.keys() >= _CONTRACT:
        return None
    if content.keys() == {"schema", "payload"}:
        return _filled(content["payload"])
    operation = content.get("op")
    if (
        isinstance(operation, str)
        and operation in _CHANGES
        and "after" in content
        and content.keys() & {"before", "source", "ts_ms"}
    ):
        return _filled(content["after"])
    if isinstance(content.get("specversion"), str) and content.keys() & {"data", "data_base64"}:
        return _filled(content["data"] if "data" in content else _decoded(content["data_base64"]))
    message = content.get("message")
    if "@timestamp" in content and isinstance(message, str):
        found = parse_object(message.encode("utf-8", "replace"))
        return None if found is None else [found]
    return None


def _filled(value: Any) -> list[Any]:
    return [] if value is None else [value]


def _decoded(text: Any) -> Any:
    """The object of JSON in a text of base64; the text itself where there is none."""
    try:
        return parse_object(base64.b64decode(text, validate=True)) or text
    except (binascii.Error, ValueError, TypeError):
        return text
