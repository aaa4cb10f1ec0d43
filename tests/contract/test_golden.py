"""What any version wrote is read by this one: golden records of every topic, and the schemas that they keep."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from docs.generate.contracts import CONTRACTS, schema_of
from marketpulse.contract.decode import decode
from marketpulse.contract.topics import TOPICS
from tests.contract.golden import GOLDEN

RECORDS = [
    pytest.param(path.stem, json.loads(line), id=f"{path.parent.name}-{path.stem}-{number}")
    for path in sorted(GOLDEN.glob("*/*.jsonl"))
    for number, line in enumerate(path.read_text("utf-8").splitlines())
]


def contract_of(topic: str, record: dict[str, Any]) -> type[msgspec.Struct]:
    """The type of a record: a topic may have one for some keys."""
    special = {"checkpoint": "market.steps#checkpoint", "_plan": "market.profiles#plan"}
    key = str(record["key"]).partition(":")[0]
    return CONTRACTS[special[key] if special.get(key, "").startswith(topic) else topic][0]


@pytest.mark.parametrize(("topic", "record"), RECORDS)
def test_a_golden_record_is_read(topic: str, record: dict[str, Any]) -> None:
    """By the types, and as the published schema says; a topic of producers by its decoder."""
    value = msgspec.json.encode(record["value"])
    if topic == "feedback":
        decode(value, record["at"])
        return
    contract = contract_of(topic, record)
    msgspec.json.decode(value, type=contract)
    jsonschema.Draft202012Validator(schema_of(contract)).validate(record["value"])


def test_every_topic_has_golden_records() -> None:
    """Of each version all topics but the dead letters, whose bytes are anybody's."""
    names = {spec.name for spec in TOPICS} - {"feedback.dead-letter"}
    versions = [path for path in GOLDEN.iterdir() if path.is_dir()]
    assert versions
    for version in versions:
        assert names == {path.stem for path in version.glob("*.jsonl") if path.read_text("utf-8").strip()}
