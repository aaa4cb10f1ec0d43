"""`dead-letters` of market profiles: more may write a dead letter than a profile, so it is shown and asked."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from typer.testing import CliRunner, Result

from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.cli.main import app
from streams.cli.markets import in_force, replayed
from streams.errors import BadInput
from streams.kafka import dead_letters
from streams.kafka.dead_letters import NOT_SHOWN, RejectedRecord, Selection
from streams.pipeline.operators.profiles import profile_records

SHIPPED = load_portfolio()
PROFILES, FEEDBACK = "marketpulse.market.profiles", "marketpulse.feedback"
PLANTED = dict(profile_records(SHIPPED))["BR"].replace(b'"spend_low":0.0', b'"spend_low":900.0')


def letter(offset: int, topic: str = PROFILES, value: bytes | None = PLANTED, key: bytes = b"BR") -> RejectedRecord:
    """As a bridge's login can write it."""
    return RejectedRecord(offset, "bad_profile", "v is 2", topic, 0, offset, 1, None, key, value, ())


class Kafka:
    """Dead letters, to which others write between two readings, and what is sent again."""

    def __init__(self) -> None:
        self.letters = [letter(3)]
        self.later: list[RejectedRecord] = []
        self.sent: list[tuple[str, bytes | None]] = []

    async def read(
        self, _servers: object, _prefix: str, selection: Selection, **_: object
    ) -> AsyncIterator[RejectedRecord]:
        """As `read_dead_letters`."""
        for one in filter(selection.takes, self.letters):
            yield one
        self.letters, self.later = [*self.letters, *self.later], []

    async def send(self, _sender: object, one: RejectedRecord, topic: str) -> str:
        """As `_sent`."""
        self.sent.append((topic, one.value))
        return ""


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """In place of Kafka; the shipped table is in force."""
    kafka = Kafka()
    monkeypatch.setattr(dead_letters, "read_dead_letters", kafka.read)
    monkeypatch.setattr(dead_letters, "_sent", kafka.send)
    published = [
        CompactedRecord(offset, key.encode(), value) for offset, (key, value) in enumerate(profile_records(SHIPPED))
    ]
    monkeypatch.setattr(in_force, "_read", lambda _settings, _topic: published)
    monkeypatch.setattr(in_force, "_in_redis", lambda _settings: (None, []))
    return kafka


def replays(*arguments: str) -> Result:
    """The command on what has the code `bad_profile`."""
    return CliRunner().invoke(app, ["dead-letters", "replay", "--code", "bad_profile", *arguments])


def test_what_a_profile_changes_is_shown_and_asked(kafka: Kafka) -> None:
    """Nothing is sent without an answer."""
    done = replays()
    assert isinstance(done.exception, BadInput)
    assert "Confirmation required" in str(done.exception)
    assert f"Sends 1 market profile to {PROFILES}" in done.stderr
    assert "BR spend_low" in done.stderr
    assert "900" in done.stderr
    assert [] == kafka.sent


def test_with_yes_it_is_sent(kafka: Kafka) -> None:
    """And shown still."""
    done = replays("--yes", "--json")
    assert {"replayed": 1, "selected": 1, "left": []} == json.loads(done.stdout)
    assert "BR spend_low" in done.stderr
    assert [(PROFILES, PLANTED)] == kafka.sent


def test_a_dry_run_shows_it_for_machines_too(kafka: Kafka) -> None:
    """With whoever would get no more money, and nothing sent."""
    kafka.letters.append(letter(4, value=None, key=b"DE"))
    kafka.letters.append(letter(5, value=b"{", key=b"FR"))
    profiles = json.loads(replays("--dry-run", "--json").stdout)["profiles"]
    assert (3, True) == (profiles["profiles"], any("900" in one for one in profiles["changed"]))
    assert ["FR"] == [one.partition(":")[0] for one in profiles["refused"]]
    assert [] == kafka.sent


def test_one_that_came_after_the_answer_is_left(kafka: Kafka) -> None:
    """It was not shown; exit code 1 says that something is left."""
    kafka.later = [letter(9)]
    done = replays("--yes", "--json")
    assert (1, [{"offset": 9, "why": NOT_SHOWN}]) == (done.exit_code, json.loads(done.stdout)["left"])
    assert [(PROFILES, PLANTED)] == kafka.sent


def test_letters_of_feedback_are_sent_without_a_question(kafka: Kafka) -> None:
    """Whatever their code says."""
    kafka.letters = [letter(3, FEEDBACK)]
    assert 0 == replays().exit_code
    assert [(FEEDBACK, PLANTED)] == kafka.sent


def test_more_than_can_be_looked_at_are_refused(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setattr(replayed, "MOST_PROFILES", 1)
    kafka.letters.append(letter(4))
    assert "choose with --offset or --hours" in str(replays("--yes").exception)
    assert [] == kafka.sent


def test_lists_name_the_topic(kafka: Kafka) -> None:
    """For people without the prefix, redacted; for machines whole."""
    kafka.letters = [letter(3), letter(4, FEEDBACK), letter(5, "ana@example.org")]
    listed = CliRunner().invoke(app, ["dead-letters", "ls"]).stdout
    for words in ("market.profiles 0@3", "feedback 0@4", "[email] 0@5"):
        assert words in listed
    shown = [msgspec.json.decode(CliRunner().invoke(app, ["dead-letters", "show", "3"]).stdout)]
    shown += map(msgspec.json.decode, CliRunner().invoke(app, ["dead-letters", "ls", "--json"]).stdout.splitlines())
    assert [PROFILES, PROFILES, FEEDBACK, "[email]"] == [one["source"]["topic"] for one in shown]
