"""Transactions of other producers: what was taken back does not count, and their markers are no lag."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer

from marketpulse.contract.topics import topic_name
from tests.support.clients import Sent, event, events
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(120)


@contextmanager
def transaction(world: World, records: Sequence[Sent], topic: str = "feedback", keep: bool = True) -> Iterator[None]:
    """Records in a transaction that is open while the block runs, and committed or aborted at its end."""
    settings = {"bootstrap.servers": world.servers, "transactional.id": f"world-{id(records)}"}
    producer = Producer(settings)
    producer.init_transactions(20)
    producer.begin_transaction()
    for one in records:
        producer.produce(topic_name(world.job.settings.prefix, topic), one.value, one.key, one.partition)
    producer.flush(20)
    yield
    if keep:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


def send(world: World, records: Sequence[Sent], topic: str = "feedback", keep: bool = True) -> None:
    """A whole transaction."""
    with transaction(world, records, topic, keep):
        pass


def behind(world: World) -> tuple[int, int]:
    """Lag in records, and offsets in open transactions, as `status` shows them."""
    lag = world.job.reader.snapshot().lag
    return lag.records, lag.in_transaction


def test_what_was_taken_back_does_not_count(world: World) -> None:
    """And its ids are free: the same events in a later transaction count, with the text that was kept."""
    send(world, [Sent(event(f"twice-{n}", text="odeio isto"), b"k") for n in range(20)], keep=False)
    send(world, [Sent(event(f"twice-{n}"), b"k") for n in range(20)])
    world.counts(accepted=20)
    world.job.until(lambda: 0 == world.job.cli("ledger", "verify").returncode)


def test_a_topic_that_ends_with_a_marker_has_no_lag(own: World) -> None:
    """The offset moves past markers, nothing stalls, and the next worker finds the record that it compares."""
    own.job.workers(1)
    send(own, events("kept"))
    send(own, events("taken-back"), keep=False)
    own.counts(accepted=20)
    own.job.until(lambda: (0, 0) == behind(own) and 42 == own.job.reader.committed())
    own.job.supervisor.stop()
    own.job.workers(1)
    send(own, events("later"))
    own.counts(accepted=40)
    own.job.until(lambda: 63 == own.job.reader.committed())
    assert 0 == own.job.cli("ledger", "verify").returncode
    assert [] == [one for one in own.job.events if one.get("event") == "worker_died"]


def test_an_open_transaction_is_shown_and_waits(world: World) -> None:
    """It is no lag; what others sent behind it waits for it, as Kafka has it for every reader of committed records."""
    with transaction(world, events("open")):
        world.send(*events("behind"))
        world.job.until(lambda: 0 < behind(world)[1])
        assert (0, {}) == (behind(world)[0], world.counted())
    world.counts(accepted=40)
    world.job.until(lambda: (0, 0) == behind(world))


def test_a_profile_that_was_taken_back_is_not_in_force(world: World) -> None:
    """Money goes by what was committed."""
    send(world, [Sent(b"{", b"BR")], "market.profiles", keep=False)
    send(world, [Sent(b"{", b"DE")], "market.profiles")
    world.counts(bad_profile=1)
