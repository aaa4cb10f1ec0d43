"""The table of what each part may do: nothing too much, and files that are those of the table."""

from pathlib import Path

import pytest

from marketpulse.contract.topics import TOPICS
from streams.access.rights import KafkaRule, files, kafka_rules, redis_rules

FOLDER = Path(__file__).parents[3] / "deploy" / "security"


def test_the_files_are_those_of_the_table() -> None:
    """`make reference` changes nothing."""
    assert files() == {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}


def test_topics_are_named_in_full() -> None:
    """No rule covers a topic that another prefix may have; each topic that there is has somebody who writes it."""
    rules = [rule for rule in kafka_rules("p") if rule.resource == "topic"]
    topics = {f"p.{spec.name}" for spec in TOPICS}
    assert topics == {rule.name for rule in rules}
    assert not any(rule.prefixed for rule in rules)
    assert topics == {rule.name for rule in rules if rule.operation == "write"}


def test_only_the_operator_creates_and_deletes() -> None:
    """And nobody alters a cluster."""
    assert {"operator"} == {rule.role for rule in kafka_rules("p") if rule.operation in ("create", "delete")}
    assert {"topic", "group", "transactional_id"} == {rule.resource for rule in kafka_rules("p")}


def test_only_bridges_and_the_operator_have_transactions() -> None:
    """Under ids of this prefix, and who may use it may write the topic."""
    rules = [rule for rule in kafka_rules("p") if rule.resource == "transactional_id"]
    assert [("bridge", "write", "p.bridge.", True), ("operator", "write", "p.profiles", False)] == [
        (rule.role, rule.operation, rule.name, rule.prefixed) for rule in rules
    ]
    assert KafkaRule("operator", "write", "topic", "p.market.profiles") in kafka_rules("p")


def test_the_acl_file_closes_the_default_user_first() -> None:
    """Used alone as `aclfile`, it lets nobody in without a login; no user has a password in it."""
    lines = files()["users.acl"].splitlines()
    assert "user default off" == lines[0]
    assert len(lines) == 1 + len(redis_rules("p"))
    assert all(" resetpass resetchannels " in line for line in lines[1:])


@pytest.mark.parametrize("role", redis_rules("p"))
def test_no_role_administrates_redis(role: str) -> None:
    """Commands are listed one by one, keys are those of the prefix; CONFIG GET would show passwords of the server."""
    rules = redis_rules("p")[role]  # type: ignore[index]
    categories = {rule for rule in rules if rule.startswith(("+@", "allkeys", "allcommands", "~*"))}
    dangerous = {"flushall", "flushdb", "keys", "config", "acl", "shutdown", "eval", "debug"}
    assert set() == categories | {rule for rule in rules if rule[1:].partition("|")[0] in dangerous}
    assert all("p:" in rule or "p~" in rule for rule in rules if "~" in rule)


def test_no_rule_covers_names_that_only_begin_alike() -> None:
    """A prefix of names ends where a name ends: `p.readers` is not the group of a reader."""
    rules = kafka_rules("p")
    assert all(rule.name.endswith(".") for rule in rules if rule.prefixed)
    for role in ("reader", "analyst"):
        groups = {(rule.name, rule.prefixed) for rule in rules if (rule.role, rule.resource) == (role, "group")}
        assert {(f"p.{role}", False), (f"p.{role}.", True)} == groups


def test_only_the_operator_reads_texts_and_what_the_model_said_of_each_event() -> None:
    """The model is public: whoever reads both finds the hash of each excerpt's and each quote's user."""
    reads = [(rule.role, rule.name) for rule in kafka_rules("p") if rule.operation == "read"]
    classified = {role for role, name in reads if name == "p.feedback.classified"}
    texts = {role for role, name in reads if name in ("p.feedback", "p.market.alerts", "p.feedback.dead-letter")}
    texts |= {role for role, rules in redis_rules("p").items() if any("excerpts" in rule for rule in rules)}
    assert ({"analyst", "operator"}, {"operator"}) == (classified, classified & texts)
