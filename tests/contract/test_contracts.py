"""The generated documents are those of the code, and contracts evolve without breaking readers."""

from pathlib import Path

import msgspec
import pytest

from docs.generate.contracts import CONTRACTS, asyncapi, documents
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.records import AlertRecord, MetricsRecord
from marketpulse.contract.topics import TOPICS

FOLDER = Path(__file__).parents[2] / "docs" / "contracts"


def test_the_documents_are_up_to_date() -> None:
    """`python -m docs.generate.contracts docs/contracts` changes nothing."""
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == documents()


def test_every_topic_has_its_contract() -> None:
    """Topics that are created and topics that are documented are the same."""
    assert {spec.name for spec in TOPICS} == set(asyncapi()["channels"])


@pytest.mark.parametrize("topic", CONTRACTS)
def test_unknown_fields_are_ignored(topic: str) -> None:
    """A newer producer's extra field does not break an older reader."""
    contract = CONTRACTS[topic][0]
    examples = {
        "market.alerts": AlertRecord("a", 1, "surge", "BR", "firing", 1, 1),
        "market.metrics": MetricsRecord("BR", 1, 1, 1, None, MarketMetrics({}, None, None, {}), "m", "0"),
    }
    if topic not in examples:
        assert not msgspec.inspect.type_info(contract).forbid_unknown_fields  # type: ignore[union-attr]
        return
    content = msgspec.to_builtins(examples[topic]) | {"surprise": 1}
    assert examples[topic] == msgspec.convert(content, contract)


def test_an_absent_version_means_one() -> None:
    """Older writers did not say."""
    content = msgspec.to_builtins(AlertRecord("a", 1, "surge", "BR", "firing", 1, 1))
    del content["v"]
    assert 1 == msgspec.convert(content, AlertRecord).v
