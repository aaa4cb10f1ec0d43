"""Values in Schema Registry's framing: how they are made by hand, and what becomes of them."""

import json
from typing import Any

import pytest

from marketpulse.contract.decode import Rejected
from streams.bridge.schemas import Schemas


async def read(schemas: Schemas, value: bytes | None) -> Any:
    """What a framed value becomes."""
    assert value is not None
    return json.loads(await schemas.json_of(value))


async def refusal(schemas: Schemas, value: bytes) -> tuple[str, str]:
    """Code and reason of its dead letter."""
    with pytest.raises(Rejected) as caught:
        await read(schemas, value)
    return caught.value.code, str(caught.value)


def framed(number: int, value: bytes) -> bytes:
    """A value behind the number of its schema."""
    return b"\0" + number.to_bytes(4, "big") + value
