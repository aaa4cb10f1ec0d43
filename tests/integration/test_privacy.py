"""`privacy erase` on a real Kafka and Redis, beside a running worker: what goes, what stays, exact counts."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from marketpulse.client.redis_server import connect
from marketpulse.contract.decode import parse_object
from marketpulse.contract.records import AlertRecord, Excerpt
from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import DAY_MS
from streams.batches import DecodedBatch, Delta, Position
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.admin import delete_before, lives_of, topic_offsets
from streams.kafka.compacted import read_all
from streams.kafka.publish import Record
from streams.ledger.commit import Ledger
from streams.pipeline.detect.evidence import words_of
from streams.privacy.redaction import excerpt
from tests.support.job import Job, complaining, counted_records

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]

USER, OTHER = "anna-7", "bert-8"


def event(number: int, user: str, text: str, market: str = "BR", age_s: int = 0) -> Record:
    """A record as a producer sends it."""
    content = {
        "id": f"p-{number}", "market": market, "text": text, "user": user,
        "occurred_at": time.time_ns() // 1_000_000 - 1_000 * age_s,
    }  # fmt: skip
    return Record(user.encode(), json.dumps(content).encode())


@pytest.fixture
def job(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """A worker that has counted two users, one of them also with a dead letter."""
    one = Job(stack, prefix, tmp_path)
    one.workers(1)
    try:
        one.publish([event(at, USER, f"meu segredo {at}") for at in range(3)])
        one.until(one.settled)  # a step keeps three excerpts a market
        one.publish([event(10 + at, OTHER, f"outra coisa {at}") for at in range(3)])
        one.publish([event(20, USER, "nowhere", market="Brazil"), event(21, USER, "im Ausland", market="DE")])
        one.until(one.settled)
        yield one
    finally:
        one.supervisor.stop()
        one.reader.close()


def erase(job: Job, *arguments: str, user: str = USER) -> dict[str, Any]:
    """The report, with places by name."""
    run = job.cli("privacy", "erase", "--user", user, "--json", *arguments)
    assert 0 == run.returncode, run.stderr
    assert user not in run.stdout
    report: dict[str, Any] = json.loads(run.stdout)
    return report | {"places": {place["where"]: place for place in report["places"]}}


def quoted(job: Job, market: str = "BR") -> set[str]:
    """Excerpts that readers see."""
    return {one.text for one in job.reader.excerpts(market)}


def counted(job: Job) -> dict[str, int]:
    """Totals of what was read."""
    return counted_records(job.reader.snapshot().status.totals)


def test_a_dry_run_finds_everything_and_changes_nothing(job: Job) -> None:
    """Raw records, hashed ones, dead letters, steps, excerpts; each with the day by which it is gone."""
    before = counted(job), quoted(job)
    report = erase(job)
    found = {where: place["found"] for where, place in report["places"].items()}
    assert (5, 4, 1, 0) == tuple(
        found[name] for name in ("feedback", "feedback.classified", "feedback.dead-letter", "market.alerts")
    )
    assert found["market.steps"] >= 1
    assert found["Redis, excerpts"] >= 4  # the table and the roll-up's own, one per market and step
    assert found["Redis, distinct users"] is None
    days = (report["places"]["feedback"]["gone_by"] - time.time() * 1000) / DAY_MS
    assert 16 == pytest.approx(days, abs=0.1)
    days = (report["places"]["Redis, distinct users"]["gone_by"] - time.time() * 1000) / DAY_MS
    assert 17 == pytest.approx(days, abs=0.1)
    assert not report["rebuilt"]
    assert before == (counted(job), quoted(job))


def test_an_excerpt_of_an_open_step_is_found(job: Job) -> None:
    """Counted and not published yet: no worker is there to do it, so the excerpt is left and reported."""
    job.supervisor.stop()
    order = job.settings.user_hashes.orders[0].of("BR", USER, 0, 999, True)

    async def commit() -> tuple[str, str]:
        ledger = Ledger(job.settings.redis, job.settings.prefix)
        claim = await ledger.claim(0)
        position = Position(0, claim.number, claim.generation, claim.next, claim.next + 1)
        batch = DecodedBatch(position, [], [], [], 0, b"", 0, claim.mark, 0, 0)
        kept = {"BR": [Excerpt(order, "noch nicht erschienen", "negative", "app", 5)]}
        try:
            return await ledger.commit(batch, Delta({}, {}, {}, kept))
        finally:
            await ledger.close()

    assert "OK" == asyncio.run(commit())[0]
    assert (1, 0) == tuple(erase(job)["places"]["Redis, open step"][name] for name in ("found", "erased"))


def test_what_a_killed_rebuild_left_is_found_and_removed(job: Job) -> None:
    """Under its own keys, for ever where an older version staged it: found in a dry run, gone with --yes."""
    space, left = f"{job.settings.prefix}:", f"{job.settings.prefix}~rebuild-01234567:"
    with connect(job.settings.redis) as client:
        for name in ("state", "excerpts:BR"):
            client.copy(f"{space}{name}", f"{left}{name}")
            client.persist(f"{left}{name}")
        found = erase(job)["places"]["Redis, broken-off rebuilds"]
        assert (True, 0, None) == (found["found"] >= 2, found["erased"], found["gone_by"])
        client.expire(f"{left}state", 86_400)
        client.expire(f"{left}excerpts:BR", 1_000)
        found = erase(job)["places"]["Redis, broken-off rebuilds"]
        assert 1 == pytest.approx((found["gone_by"] - time.time() * 1000) / DAY_MS, abs=0.01)
        report = erase(job, "--yes", user="nobody")
        assert ([], False) == (client.keys(f"{left}*"), report["rebuilt"])


def test_one_market_alone(job: Job) -> None:
    """What the user said elsewhere is not looked at."""
    found = {where: place["found"] for where, place in erase(job, "--market", "DE")["places"].items()}
    assert (1, 1, 0) == tuple(found[name] for name in ("feedback", "feedback.classified", "feedback.dead-letter"))


def test_an_id_that_is_too_long_is_found_where_it_was_rejected(job: Job) -> None:
    """With its text, in `feedback` and as a dead letter, and cut out of there."""
    long = "auth0|" + "x" * 140
    job.publish([event(40, long, "segredo")])
    job.until(job.settled)
    places = erase(job, "--yes", "--cut", user=long)["places"]
    assert (1, 1, 1) == (
        places["feedback"]["found"], places["feedback.dead-letter"]["found"], places["feedback.dead-letter"]["erased"]
    )  # fmt: skip
    letters = asyncio.run(read_all(job.settings.kafka, topic_name(job.settings.prefix, "feedback.dead-letter")))
    assert [] == [letter for letter in letters if long.encode() in (letter.value or b"")]


def test_what_cannot_be_read_may_be_the_users(job: Job) -> None:
    """More headers than are read: reported, and cut, though nobody can tell whose it is; one market leaves it out."""
    topics = [topic_name(job.settings.prefix, name) for name in ("feedback", "feedback.dead-letter")]

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=job.settings.kafka) as producer:
            for topic in topics:
                await producer.send_and_wait(topic, event(50, USER, "segredo").value, headers=[("h", b"")] * 501)

    asyncio.run(send())
    job.published += 1
    job.until(job.settled)
    unread = {where: place["unreadable"] for where, place in erase(job)["places"].items()}
    assert {"feedback", "feedback.dead-letter"} == {where for where, number in unread.items() if number == 1}
    places = erase(job, "--yes", "--cut", user="carla-9")["places"]
    assert (1, 0) == tuple(places[name]["unreadable"] for name in ("feedback", "feedback.dead-letter"))
    assert (0, True) == (places["feedback"]["found"], places["feedback"]["gone_by"] > time.time() * 1000)


def test_excerpts_go_for_good_and_counts_stay(job: Job) -> None:
    """The running worker starts anew with a memory that no longer holds them; journal and topics still agree."""
    before = counted(job)
    assert any("segredo" in text for text in quoted(job))
    report = erase(job, "--yes")
    excerpts = report["places"]["Redis, excerpts"]
    assert report["rebuilt"]
    assert excerpts["found"] == excerpts["erased"]
    job.publish([event(30, OTHER, "depois")])
    job.until(lambda: job.settled() and "depois" in quoted(job))
    assert {"outra coisa 0", "outra coisa 1", "outra coisa 2", "depois"} >= quoted(job)
    assert before | {"accepted": before["accepted"] + 1} == counted(job)
    verified = job.cli("ledger", "verify", "--json")
    assert (0, []) == (verified.returncode, json.loads(verified.stdout)["left_out"]), verified.stdout
    assert 0 == job.cli("replay").returncode
    assert 0 == erase(job)["places"]["Redis, excerpts"]["found"]


def test_a_reset_brings_excerpts_back_and_they_can_be_erased_again(job: Job) -> None:
    """As the page on privacy says: what feedback holds is counted again."""
    erase(job, "--yes")
    job.until(job.settled)
    assert not any("segredo" in text for text in quoted(job))
    done = job.cli("ledger", "reset", "--from", "earliest", "--yes")
    assert (0, True) == (done.returncode, "privacy erase" in done.stderr)
    job.until(lambda: job.settled() and any("segredo" in text for text in quoted(job)))
    excerpts = erase(job, "--yes")["places"]["Redis, excerpts"]
    assert excerpts["found"] == excerpts["erased"] > 0
    assert not any("segredo" in text for text in quoted(job))


def test_a_quote_and_words_of_an_alert_go_too(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """Of whoever an alert in Redis quotes; the record on the topic stays, and is reported."""
    one = Job(stack, prefix, tmp_path)
    one.workers(1)
    try:
        one.publish(one.feed[:2_000])
        one.until(one.settled)
        complaints = [Record(record.key, complaining(record.value)) for record in one.feed[2_000:]]
        one.publish(complaints)
        one.until(one.settled)
        alert, quote = next(
            (alert, text) for alert in one.reader.snapshot().alerts for text in alert.evidence.get("excerpts", [])
        )
        events = [parse_object(record.value) or {} for record in complaints]
        users = {
            str(event["user"]) for event in events if quote == excerpt(str(event.get("text", ""))) and "user" in event
        }
        for user in users:
            report = erase(one, "--yes", user=user)
            assert report["places"]["market.alerts"]["found"] >= 1
            assert report["places"]["market.alerts"]["gone_by"]
        left = next(each for each in one.reader.snapshot().alerts if each.id == alert.id)
        assert quote not in left.evidence["excerpts"]
        assert not words_of(quote) & set(left.evidence["words"])
    finally:
        one.supervisor.stop()
        one.reader.close()


@pytest.fixture
def rare(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """A worker whose newest checkpoint is older than all feedback, as within an hour by default."""
    one = Job(stack, prefix, tmp_path)
    one.environment["MARKETPULSE_CHECKPOINT_MINUTES"] = "60"
    one.workers(1)
    try:
        yield one
    finally:
        one.supervisor.stop()
        one.reader.close()


@pytest.mark.parametrize("second", ["privacy", "ledger"])
def test_what_follows_an_erasure_at_once_brings_nothing_back(rare: Job, second: str) -> None:
    """An erasure of somebody else, or a rebuild, before any worker was there again."""
    rare.publish([event(at, user, f"{user} schreibt") for at, user in enumerate((USER, OTHER))])
    rare.until(lambda: rare.settled() and len(quoted(rare)) == 2)
    rare.supervisor.stop()
    erase(rare, "--yes")
    assert {f"{OTHER} schreibt"} == quoted(rare)
    if second == "privacy":
        erase(rare, "--yes", user=OTHER)
    else:
        assert 0 == rare.cli("ledger", "rebuild", "--yes").returncode
    assert f"{USER} schreibt" not in quoted(rare)
    rare.workers(1)
    rare.publish([event(9, OTHER, "später")])
    rare.until(lambda: rare.settled() and "später" in quoted(rare))
    assert f"{USER} schreibt" not in quoted(rare)


def test_an_erasure_writes_no_quote_to_alerts_again(rare: Job) -> None:
    """Of records that were deleted there, as the page on privacy says, before or after the erasure."""
    rare.publish(rare.feed[:2_000])
    rare.until(rare.settled)
    complaints = [Record(record.key, complaining(record.value)) for record in rare.feed[2_000:]]
    rare.publish(complaints)
    rare.until(rare.settled)
    quote = next(text for alert in rare.reader.snapshot().alerts for text in alert.evidence.get("excerpts", []))
    events = [parse_object(record.value) or {} for record in complaints]
    user = next(
        str(event["user"]) for event in events if quote == excerpt(str(event.get("text", ""))) and "user" in event
    )
    topic = topic_name(rare.settings.prefix, "market.alerts")
    offsets = asyncio.run(topic_offsets(rare.settings.kafka_servers, topic))
    ends = {partition: end for partition, (_, end) in offsets.items()}
    asyncio.run(delete_before(rare.settings.kafka_servers, topic, ends))
    erase(rare, "--yes", user=user)
    rare.until(rare.settled)
    assert not any(quote in one.evidence.get("excerpts", []) for one in alerts_of(rare, topic))


def alerts_of(job: Job, topic: str) -> list[AlertRecord]:
    """Every record of the topic."""
    records = asyncio.run(read_all(job.settings.kafka, topic))
    return [msgspec.json.decode(one.value or b"", type=AlertRecord) for one in records]


def test_topics_can_be_cut_where_their_records_are_counted(job: Job) -> None:
    """Hashed records and dead letters go at once; young feedback stays for the horizon of event ids."""
    before = counted(job)
    places = erase(job, "--yes", "--cut")["places"]
    assert [(4, 4), (1, 1), (5, 0)] == [
        (places[name]["found"], places[name]["erased"])
        for name in ("feedback.classified", "feedback.dead-letter", "feedback")
    ]
    topic = topic_name(job.settings.prefix, "feedback.dead-letter")
    assert [] == asyncio.run(read_all(job.settings.kafka, topic))
    job.publish([event(40, OTHER, "weiter", market="DE")])
    job.until(job.settled)
    assert before | {"accepted": before["accepted"] + 1} == counted(job)
    assert 0 == job.cli("ledger", "verify").returncode


def test_feedback_past_the_horizon_is_cut_and_counting_goes_on(job: Job) -> None:
    """Without a horizon the user's newest record and all before it are gone; nothing is counted again."""
    job.supervisor.stop()
    job.environment["MARKETPULSE_DEDUPE_MINUTES"] = "0"
    before = counted(job)
    feedback = erase(job, "--yes", "--cut")["places"]["feedback"]
    assert (5, 5) == (feedback["found"], feedback["erased"])
    job.workers(1)
    job.publish([event(50, USER, "noch einmal", market="DE"), event(51, OTHER, "weiter", market="DE")])
    job.until(job.settled)
    assert before | {"accepted": before["accepted"] + 2} == counted(job)
    assert 0 == job.cli("ledger", "verify").returncode


def test_a_user_nobody_knows_and_a_market_that_is_none(job: Job) -> None:
    """Nothing found is an answer; a wrong market is bad input."""
    run = job.cli("privacy", "erase", "--user", "nobody", "--yes")
    assert (0, True) == (run.returncode, "feedback" in run.stdout)
    assert 2 == job.cli("privacy", "erase", "--user", USER, "--market", "XX").returncode


def test_every_topic_with_texts_or_users_forgets(job: Job) -> None:
    """As the broker has it: no record stays for longer than its retention and one day."""
    names = ("feedback", "feedback.classified", "feedback.dead-letter", "market.steps", "market.alerts", "market.mutes")
    lives = asyncio.run(lives_of(job.settings.kafka, [topic_name(job.settings.prefix, name) for name in names]))
    assert [16, 16, 16, 17, 91, None] == [None if life is None else life // DAY_MS for life in lives.values()]
