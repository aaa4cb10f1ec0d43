"""JSON Schemas and the AsyncAPI 3 document of every topic, generated from the wire types.

`python -m docs.generate.contracts docs/contracts` writes them; a test holds them against the code.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from marketpulse.contract.allocation import Allocation
from marketpulse.contract.canary import ReceiptRecord
from marketpulse.contract.feedback import FeedbackEvent
from marketpulse.contract.operators import (
    APPLY_HEADER,
    COUNT_HEADER,
    NUMBER_HEADER,
    LabelRecord,
    MarketProfile,
    MuteRecord,
    PlanProfile,
)
from marketpulse.contract.records import AlertRecord, AllocationRecord, ClassifiedRecord, MetricsRecord, ShiftRecord
from strategy.scenarios import Metrics, PlanAnswer
from streams.contract.bridge import PositionRecord
from streams.contract.journal import CheckpointRecord, StepRecord
from streams.intake.openapi import openapi

CONTRACTS: dict[str, tuple[type[msgspec.Struct], str, str]] = {
    "feedback": (FeedbackEvent, "receive", "any; the user recommended"),
    "feedback.classified": (ClassifiedRecord, "send", "market"),
    "feedback.bridge": (PositionRecord, "send", "source, topic and partition"),
    "market.steps": (StepRecord, "send", "step"),
    "market.steps#checkpoint": (CheckpointRecord, "send", "checkpoint"),
    "market.metrics": (MetricsRecord, "send", "market"),
    "market.shifts": (ShiftRecord, "send", "market"),
    "market.alerts": (AlertRecord, "send", "alert id"),
    "market.allocations": (AllocationRecord, "send", "allocation id"),
    "market.profiles": (MarketProfile, "receive", "market"),
    "market.profiles#plan": (PlanProfile, "receive", "_plan"),
    "market.mutes": (MuteRecord, "receive", "mute id"),
    "market.labels": (LabelRecord, "receive", "market, a blank, id of the event"),
    "market.receipts": (ReceiptRecord, "send", "sink"),
}
"""Topic, `#` and a name where a topic has several -> (wire type, what Marketpulse does with it, Kafka key)."""

PLAN: dict[str, type[msgspec.Struct]] = {
    "plan.metrics": Metrics,
    "plan.allocation": Allocation,
    "plan.answer": PlanAnswer,
}
"""Name -> what `marketpulse plan` reads and prints; no topics."""


HEADERS = {
    "market.profiles": {
        APPLY_HEADER: "Id of the apply that the record belongs to; all of it is in force with its last record.",
        NUMBER_HEADER: "Number of the record in its apply, 1 first; the last one has the number of the count.",
        COUNT_HEADER: "Number of records of the apply.",
    }
}
"""Topic -> optional headers of its records, ASCII text, and what they mean; without them a record is single."""


def _file(entry: str) -> str:
    return f"{entry.replace('#', '.')}.schema.json"


def schema_of(contract: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema 2020-12 of one contract; unknown fields are allowed and ignored."""
    schema = msgspec.json.schema(contract, ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3 document: a channel, a message and an operation per topic."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for entry, (contract, action, key) in CONTRACTS.items():
        name, topic = contract.__name__, entry.partition("#")[0]
        channel = channels.setdefault(topic, {"address": f"{{prefix}}.{topic}", "messages": {}})
        channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}
        channel["parameters"] = {"prefix": {"description": "One product or tenant.", "default": "marketpulse"}}
        operations[f"{action}-{topic}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic.replace('/', '~1')}"},
            "summary": (contract.__doc__ or "").partition("\n")[0],
        }
        messages[name] = {
            "contentType": "application/json",
            "description": f"Kafka key: {key}.",
            "payload": {"$ref": f"./{_file(entry)}"},
        }
        if topic in HEADERS:
            known = {header: {"type": "string", "description": text} for header, text in HEADERS[topic].items()}
            messages[name]["headers"] = {"type": "object", "properties": known}
    channels["feedback.dead-letter"] = {
        "address": "{prefix}.feedback.dead-letter",
        "description": "Original bytes, key and headers; `__streams.errors.*` headers say what was wrong.",
        "parameters": {"prefix": {"description": "One product or tenant.", "default": "marketpulse"}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Marketpulse",
            "version": "1",
            "description": "Values are UTF-8 JSON; `v` absent "
            "means 1. Workers send in the codec of MARKETPULSE_COMPRESSION, zstd if it is not set.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def documents() -> dict[str, bytes]:
    """File name -> content of every generated document."""
    found = {_file(entry): schema_of(contract) for entry, (contract, _, _) in CONTRACTS.items()}
    found |= {_file(name): schema_of(contract) for name, contract in PLAN.items()}
    return {
        name: msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
        for name, content in (found | {"asyncapi.json": asyncapi(), "intake.openapi.json": openapi()}).items()
    }


def write(folder: Path) -> None:
    """Write all documents into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
