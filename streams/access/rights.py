"""What each part of Marketpulse may do in Kafka and Redis, and nothing more: one table, as rules of both servers."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from marketpulse.contract.operators import profiles_transaction
from marketpulse.contract.topics import TOPICS, topic_name

Role = Literal["worker", "producer", "bridge", "reader", "analyst", "page", "notifier", "operator"]
Operation = Literal["read", "write", "create", "delete", "describe", "describe_configs"]
ROLES: tuple[Role, ...] = get_args(Role)

WORKER_READS = (
    "feedback", "market.profiles", "market.mutes", "market.labels", "market.shifts", "market.steps", "market.alerts",
)  # fmt: skip
WORKER_WRITES = (
    "feedback.classified", "feedback.dead-letter", "market.steps", "market.metrics", "market.shifts", "market.alerts",
    "market.allocations",
)  # fmt: skip
READER_READS = ("market.metrics", "market.shifts", "market.alerts", "market.allocations")
ANALYST_READS = ("feedback.classified",)
"""With users' hashes beside what the model said: whoever reads texts too, excerpts or quotes, joins both exactly."""
OPERATOR: tuple[Operation, ...] = ("read", "write", "create", "delete", "describe_configs")


_SCRIPT = """#!/bin/sh
# Kafka's ACLs of the prefix `marketpulse`, as `marketpulse acls show kafka` prints them. `marketpulse acls apply` does
# the same without Kafka's tools. KAFKA = host:port; admin.properties = the login of somebody who may alter the cluster.
set -eu
"""


@dataclass(frozen=True, slots=True)
class KafkaRule:
    """`role` may do `operation` with a topic, consumer group or transactional id; `prefixed`: all that begin so."""

    role: Role
    operation: Operation
    resource: Literal["topic", "group", "transactional_id"]
    name: str
    prefixed: bool = False


def kafka_rules(prefix: str) -> list[KafkaRule]:
    """The rules of one prefix. Reading, writing and deleting imply that the topic may be described."""

    def topics(role: Role, operation: Operation, names: tuple[str, ...]) -> Iterator[KafkaRule]:
        return (KafkaRule(role, operation, "topic", topic_name(prefix, name)) for name in names)

    every = tuple(spec.name for spec in TOPICS)
    return [
        *topics("worker", "read", WORKER_READS),
        *topics("worker", "write", WORKER_WRITES),
        *topics("worker", "describe_configs", ("feedback",)),
        *(KafkaRule("worker", "read", "group", f"{prefix}.{name}") for name in ("classify", "control")),
        *topics("producer", "write", ("feedback",)),
        *topics("bridge", "write", ("feedback", "feedback.dead-letter", "feedback.bridge")),
        *topics("bridge", "read", ("feedback.bridge",)),
        KafkaRule("bridge", "write", "transactional_id", f"{prefix}.bridge.", prefixed=True),
        *topics("reader", "read", READER_READS),
        *topics("analyst", "read", ANALYST_READS),
        *(rule for role in ("reader", "analyst") for rule in _own_groups(role, prefix)),
        *topics("page", "read", ("feedback.dead-letter",)),
        *topics("page", "write", ("market.mutes",)),
        *topics("notifier", "read", ("market.alerts", "market.mutes")),
        *topics("notifier", "describe", ("market.steps",)),  # how far it has grown, not what is in it
        *topics("notifier", "write", ("market.receipts",)),
        KafkaRule("notifier", "read", "group", f"{prefix}.notify.", prefixed=True),
        KafkaRule("operator", "read", "group", f"{prefix}.notify.", prefixed=True),
        KafkaRule("operator", "write", "transactional_id", profiles_transaction(prefix)),
        *(rule for operation in OPERATOR for rule in topics("operator", operation, every)),
    ]


def _own_groups(role: Role, prefix: str) -> Iterator[KafkaRule]:
    yield KafkaRule(role, "read", "group", f"{prefix}.{role}")
    yield KafkaRule(role, "read", "group", f"{prefix}.{role}.", prefixed=True)


_CONNECTION = ("ping", "select")
_TRANSACTION = ("exec", "multi")
"""Not for readers: Redis serves nobody else until all commands of a transaction are done, however many there are."""
_READING = (
    "exists", "get", "hget", "hgetall", "hlen", "hmget", "hvals", "lindex", "lrange", "smembers", "xlen", "xrange",
    "xread", "xrevrange",
)  # fmt: skip
_WRITING = (
    "evalsha", "expire", "hdel", "hexists", "hincrby", "hset", "ltrim", "pfadd", "pfcount", "pfmerge", "rpush", "sadd",
    "script|load", "set", "time", "unlink", "xadd", "xdel",
)  # fmt: skip
_REPAIRING = ("info", "persist", "rename", "scan", "ttl")
_READABLE = (
    "alerts", "allocation", "allocation:seq", "allocations", "changes", "excerpts:*", "ledger", "markets", "metrics:*",
    "model", "mutes", "portfolio", "positions", "shift:seq", "step", "table:*", "topics:*", "totals", "workers",
)  # fmt: skip
"""Keys that a reader sees. Not the roll-up's `state`: it has excerpts with their exact times and with a number of their
user. Not `partition:*`: checksums of whole records, by which ids could be tried, with their exact times. Not sums of
minutes, nor an open step's: a sum of one event's values tells the minute of its text."""


def redis_rules(prefix: str) -> dict[Role, list[str]]:
    """Rules of a Redis ACL (7.0 or later) per role, as `ACL SETUSER` takes them, without passwords.

    Selectors give one command on keys that are not readable: how many cells an open step has, whether one is cut, how
    many records wait. The page shows the past in minutes and hours, with users counted: Redis regards counting as
    writing, since it keeps the result.
    """
    everything = [f"~{prefix}:*"]
    readable = [f"%R~{prefix}:{pattern}" for pattern in _READABLE]
    looking = [
        f"(-@all +{command} ~{prefix}:{key})"
        for command, key in (("xlen", "outbox"), ("hlen", "step:*:counts"), ("exists", "step:*:cut"))
    ]
    allowed, counting = _allowed(*_CONNECTION, *_READING), f"(-@all +pfcount ~{prefix}:users:hour:*)"
    return {
        "worker": [*everything, *_allowed(*_CONNECTION, *_TRANSACTION, *_READING, *_WRITING)],
        "reader": [*readable, *allowed, *looking],
        "page": [*readable, f"%R~{prefix}:buckets:*", *allowed, *looking, counting],
        "operator": [
            *everything, f"~{prefix}~*", *_allowed(*_CONNECTION, *_TRANSACTION, *_READING, *_WRITING, *_REPAIRING),
        ],
    }  # fmt: skip


def _allowed(*commands: str) -> list[str]:
    return ["-@all", *(f"+{command}" for command in sorted(commands))]


def principal(prefix: str, role: Role) -> str:
    """Name of a role's user in both servers."""
    return f"{prefix}-{role}"


def kafka_commands(prefix: str, principals: Mapping[Role, str]) -> Iterator[str]:
    """The same rules as command lines of Kafka's own tool, for whoever may not use `marketpulse acls apply`.

    Args:
        prefix: of topics and groups.
        principals: role -> `User:...`.
    """
    for rule in kafka_rules(prefix):
        pattern = " --resource-pattern-type prefixed" if rule.prefixed else ""
        operation = "".join(word.title() for word in rule.operation.split("_"))
        yield (
            f'kafka-acls.sh --bootstrap-server "$KAFKA" --command-config admin.properties --add '
            f"--allow-principal '{principals[rule.role]}' --operation {operation} "
            f"--{rule.resource.replace('_', '-')} '{rule.name}'{pattern}"
        )


def redis_users(prefix: str, passwords: Mapping[Role, str] | None = None) -> Iterator[str]:
    """Lines of a Redis ACL file. A user without a password cannot log in: give each `>password` or `#sha256`.

    The first line closes Redis to clients without a login: its default user may otherwise do anything.
    """
    passwords = passwords or {}
    yield "user default off"
    for role, rules in redis_rules(prefix).items():
        secret = f" >{passwords[role]}" if role in passwords else ""
        yield f"user {principal(prefix, role)} on resetpass{secret} resetchannels {' '.join(rules)}"


def files() -> dict[str, str]:
    """Content of `deploy/security`, for the prefix `marketpulse`: file name -> text."""
    prefix = "marketpulse"
    principals: dict[Role, str] = {role: f"User:{principal(prefix, role)}" for role in ROLES}
    return {
        "users.acl": "".join(f"{line}\n" for line in redis_users(prefix)),
        "kafka-acls.sh": _SCRIPT + "".join(f"{line}\n" for line in kafka_commands(prefix, principals)),
    }


if __name__ == "__main__":
    for name, text in files().items():
        Path(sys.argv[1], name).write_text(text, "utf-8")
