"""`marketpulse alerts test`: a canary through feedback topic, worker, alert topic and notifier to every sink."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.dev.embedded.servers import EmbeddedStack
from tests.support.job import Job
from tests.support.notifiers import HOOK, Shop
from tests.support.receiver import Receiver
from tests.support.waiting import until

OTHER = HOOK.replace("[sink.desk]", "[sink.other]").replace(
    'timeout = "1s"', 'timeout = "1s"\nretry_for = "2s"\nkinds = ["drop"]'
)


@pytest.fixture
def job(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """One worker, a few events counted."""
    one = Job(stack, prefix, tmp_path / "workers")
    one.workers(1)
    one.publish(one.feed[:50])
    one.until(one.settled)
    yield one
    one.supervisor.stop()
    one.reader.close()


@pytest.mark.timeout(200)
def test_a_canary_reaches_every_sink_and_is_counted_as_nothing(
    job: Job, stack: EmbeddedStack, prefix: str, tmp_path: Path
) -> None:
    """Also one that a silence or the sink's own choice of kinds would keep from it; a sink that refuses is named."""
    before = job.reader.snapshot().status.totals
    shop = Shop(stack, prefix, tmp_path)
    with Receiver() as desk, Receiver() as other:
        shop.write(HOOK.format(port=desk.port), OTHER.format(port=other.port))
        shop.start()
        assert 0 == shop("mute", "add", "--market", "*", "--hours", "1").returncode
        done = shop("alerts", "test", "--patience", "30", "--json")
        places = json.loads(done.stdout)
        assert (0, ["alert topic", "desk", "other"]) == (done.returncode, [one["place"] for one in places]), done
        assert all(0 < one["seconds"] < 30 and not one["why"] for one in places)
        assert {"test"} == {json.loads(one.body)["kind"] for one in [*desk.taken, *other.taken]}
        other.script = [500] * 50  # a canary waits for its turn: at most one becomes an alert in ten seconds
        done = shop("alerts", "test", "--patience", "30", "--json")
        failed = [one["place"] for one in json.loads(done.stdout) if one["why"]]
        assert (1, ["other"]) == (done.returncode, failed), done
        until(lambda: "resolved" in {json.loads(one.body)["state"] for one in desk.taken})
    shop.end()
    assert before | {"canaries": 2} == job.reader.snapshot().status.totals
    verified = job.cli("ledger", "verify")
    assert 0 == verified.returncode, verified.stdout


def test_without_a_worker_the_alert_topic_is_named(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """Exit code 1, and where it stopped; no sink was tested."""
    shop = Shop(stack, prefix, tmp_path)
    done = shop("alerts", "test", "--patience", "2")
    assert (1, "alert topic: not within 2 s\n") == (done.returncode, done.stdout), done
    assert "no sink was tested" in done.stderr
