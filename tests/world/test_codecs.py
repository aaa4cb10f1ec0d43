"""Every codec of Kafka, on every topic that is read, from the clients that others use."""

import json
from pathlib import Path

import pytest

from marketpulse.contract.topics import TOPICS, topic_name
from marketpulse.errors import Unavailable
from streams.batches import OutboxEntry
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.admin import create_topics
from streams.kafka.outbound import Outbound
from streams.settings import load_settings
from tests.support.clients import (
    CODECS,
    Sent,
    console_producer,
    events,
    kcat,
    librdkafka,
    needs_kcat,
    read_by_kcat,
    set_topic,
)
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("codec", CODECS)
def test_feedback_of_librdkafka_is_counted(world: World, codec: str) -> None:
    """Python, Go, Node, C# and Rust publish so."""
    world.send(*events(f"rd-{codec}"), compression_type=codec)
    world.counts(accepted=20)


@needs_kcat
@pytest.mark.parametrize("codec", CODECS)
def test_feedback_of_kcat_is_counted(world: World, codec: str) -> None:
    """What operators publish by hand."""
    kcat(world.servers, world.topic, [one.value or b"" for one in events(f"kcat-{codec}")], "-z", codec)
    world.counts(accepted=20)


def test_feedback_of_kafkas_console_producer_is_counted(world: World) -> None:
    """Java's own client and codec."""
    values = [one.value or b"" for one in events("console")]
    console_producer(world.servers, world.topic, values, "--compression-codec=snappy")
    world.counts(accepted=20)


@pytest.mark.parametrize("codec", CODECS)
def test_profiles_and_silences_are_read(world: World, codec: str) -> None:
    """Operators' topics, which every worker reads in full."""
    topics = {name: topic_name(world.job.settings.prefix, name) for name in ("market.profiles", "market.mutes")}
    mute = {"id": f"m-{codec}", "until": 4_000_000_000_000, "created_at": 0, "kind": "surge"}
    librdkafka(
        world.servers,
        topics["market.mutes"],
        [Sent(json.dumps(mute).encode(), f"m-{codec}".encode())],
        compression_type=codec,
    )
    librdkafka(world.servers, topics["market.profiles"], [Sent(b"{", b"BR")], compression_type=codec)
    world.counts(bad_profile=1)
    world.job.until(lambda: f"m-{codec}" in {one.id for one in world.job.reader.snapshot().mutes})


def test_topics_that_compress_by_themselves_are_read(own: World) -> None:
    """`compression.type=zstd` on every topic: the broker recompresses, and what it gives is what was counted."""
    for spec in TOPICS:
        set_topic(own.servers, topic_name(own.job.settings.prefix, spec.name), {"compression.type": "zstd"})
    own.job.workers(1)
    own.send(*events("topic"), compression_type="gzip")
    own.counts(accepted=20)
    own.job.until(lambda: 0 == own.job.cli("ledger", "verify").returncode)


def test_a_codec_without_its_library_ends_with_what_to_install(own: World, tmp_path: Path) -> None:
    """78 and not 75: nothing that starts again can read it, and nothing is given up."""
    (tmp_path / "cramjam.py").write_text("raise ImportError('not installed')")
    own.job.environment |= {"PYTHONPATH": str(tmp_path)}
    own.send(*events("missing"), compression_type="zstd")
    own.job.workers(1)
    why = own.job.ends_with("codec_missing")
    assert "zstd" in why
    assert "pip install cramjam" in why


@needs_kcat
@pytest.mark.parametrize("codec", ["none", *CODECS])
async def test_what_workers_send_is_read_by_others(codec: str, stack: EmbeddedStack, prefix: str) -> None:
    """In each codec that they can be told to send in."""
    await create_topics(stack.endpoints.kafka, prefix)
    outbound = Outbound(stack.endpoints.kafka, prefix, load_settings(compression=codec).codec)
    sent = [f"{number} {'x' * 2_000}".encode() for number in range(300)]  # more than a batch
    await outbound.classified([("BR", value) for value in sent])
    metrics = topic_name(prefix, "market.metrics")
    await outbound.relay([OutboxEntry(b"", metrics, b"BR", value) for value in sent])
    await outbound.stop()
    for topic in (topic_name(prefix, "feedback.classified"), metrics):
        assert sent == read_by_kcat(stack.endpoints.kafka, topic)


async def test_what_workers_send_is_compressed_as_they_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """zstd where nothing is said."""
    asked = []

    def producer(*_: object, compression_type: str | None, **__: object) -> object:
        asked.append(compression_type)
        raise Unavailable("no Kafka")

    monkeypatch.setattr("streams.kafka.outbound.idempotent_producer", producer)
    for settings in (load_settings(), load_settings(compression="none"), load_settings(compression="gzip")):
        with pytest.raises(Unavailable):
            await Outbound("localhost", "shop", settings.codec).start()
    assert ["zstd", None, "gzip"] == asked
