"""The reference pages: configuration, Redis keys, topics, codes; generated from the code.

`python -m docs.generate.pages docs` writes them, with the page of commands; a test holds them against the code.
"""

import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AwareDatetime, SecretStr
from pydantic.fields import FieldInfo

from docs.generate.commands import commands
from docs.generate.contracts import CONTRACTS
from docs.generate.redis_keys import FOR_READERS, OF_THE_LEDGER, KeySpec
from marketpulse import errors as roots
from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.feedback import MAX_TEXT_CHARACTERS, MAX_VALUE_BYTES, DeadLetterCode
from marketpulse.contract.topics import TOPICS, TopicSpec
from marketpulse.contract.wire import CONTRACT_VERSION
from streams import errors
from streams.settings import Settings

GENERATED = "Generated from the code by `make reference`; a test holds it."
EXITS = {
    0: "done, or stopped by a signal",
    1: "not complete, a server is away, a difference, or a no",
    2: "bad input, settings, rules, model folder, market table or path",
    errors.EXIT_RESTART: "start it again; nothing is lost",
    roots.EXIT_OPERATOR: "a restart cannot help",
}
DEFAULTS = {
    "model_folder": "models/artifacts/marketpulse-small",
    "redis_url": "redis://127.0.0.1:6379/0",
    "user_hash_key": "(public; set your own)",
}
"""What stands for defaults that are secret or differ from machine to machine."""
NOT_IN_CONTRACTS = {
    "feedback.dead-letter": ("-", "What was rejected: bytes, key and headers untouched, why in headers.")
}

DEAD_LETTERS = {
    "not_json": "is not UTF-8 JSON",
    "not_an_object": "is JSON, but no object",
    "empty_value": "has no value: a tombstone",
    "too_large": f"is longer than {MAX_VALUE_BYTES:,} bytes",
    "unknown_version": f"has a `v` other than {CONTRACT_VERSION}, or is a CloudEvent of another version than 1.0",
    "missing_field": "lacks `id`, `market`, `text` or `occurred_at`",
    "bad_type": "has a field of another type than the contract's",
    "bad_value": "has a field outside its bounds",
    "unknown_market": "names no assigned ISO 3166-1 alpha-2 code",
    "text_empty": "has a text of white space",
    "text_too_long": f"has a text of more than {MAX_TEXT_CHARACTERS:,} characters",
    "bad_time": "has an `occurred_at` without offset, or that is no time",
    "too_late": "happened more than 7 days before its own Kafka time",
    "from_the_future": "happened more than 5 minutes after its own Kafka time",
    "model_failed": "is good, but the model fails on its text also when it stands alone",
    "bad_profile": "stands on `market.profiles` and breaks its contract",
    "unreadable_batch": "cannot be read from Kafka: a damaged batch; one dead letter for all of its offsets",
    "unknown_schema": "is of a schema that the Schema Registry of a bridge does not know, or that cannot be used",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    lines = [list(head), ["---"] * len(list(head)), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---").replace("|--- |", "|---|")


# --- configuration --------------------------------------------------------------------------------------------------


def configuration() -> str:
    """docs/configuration.md."""
    rows = (
        (f"`MARKETPULSE_{name.upper()}`", type_of(field.annotation), f"`{_default(name, field)}`", _range(field),
         field.description or "")
        for name, field in Settings.model_fields.items()
    )  # fmt: skip
    return (
        "# Configuration\n\nEvery setting is an environment variable `MARKETPULSE_<NAME>`, or a line `NAME=value` of "
        "the file that\n`MARKETPULSE_ENV_FILE` names; no `.env` is read unasked. A secret may also be in a file, as "
        "under\n`/run/secrets`: `MARKETPULSE_<NAME>_FILE` is its path; line breaks at its end do not count. All "
        "problems are\nreported at once, a name that begins with `MARKETPULSE_` and is not below too; `marketpulse "
        "config show`\nsays what is in force and where it comes from.\n"
        "The detectors' thresholds are no settings but a file: [Tune alerts](how-to/tune-alerts.md).\n"
        f"{GENERATED}\n\n" + table(("variable", "type", "default", "range", "what"), rows)
    )


def type_of(annotation: Any) -> str:
    """A type in words: `integer`, `path or none`, `cpu, cuda`."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(annotation))
    if isinstance(annotation, UnionType):
        return " or ".join(type_of(one) for one in get_args(annotation))
    names = {int: "integer", float: "number", bool: "true, false", str: "text", Path: "path", SecretStr: "secret",
             AwareDatetime: "time with offset"}  # fmt: skip
    return "none" if annotation is NoneType else names[annotation]


def _default(name: str, field: FieldInfo) -> str:
    default = field.default
    if default is None:
        return "-"
    return DEFAULTS.get(name, str(default).lower() if isinstance(default, bool) else str(default))


def _range(field: FieldInfo) -> str:
    words = []
    for one in field.metadata:
        match one:
            case Ge(ge=bound):
                words.append(f"at least {bound:,}")
            case Gt(gt=bound):
                words.append(f"more than {bound:,}")
            case Le(le=bound):
                words.append(f"at most {bound:,}")
            case Lt(lt=bound):
                words.append(f"less than {bound:,}")
            case MinLen(min_length=length):
                words.append(f"at least {length} characters")
            case _:
                words.append(f"`{one.pattern}`")
    return ", ".join(words)


# --- Redis and Kafka ------------------------------------------------------------------------------------------------


def redis_keys() -> str:
    """docs/reference/redis-keys.md."""
    head = ("key", "type", "lives", "what")
    return (
        f"# Redis keys\n\nAll stand under one prefix (`MARKETPULSE_PREFIX`). {GENERATED}\n\n## For readers\n\n"
        "Any program may read these; examples in [any-language.md](../any-language.md). All of\n"
        "one step is written at once.\n\n"
        + table(head, map(_key_row, FOR_READERS))
        + "\n## Of the ledger\n\nOnly workers and `marketpulse ledger` write these. A step or bucket that is gone by "
        "itself is removed\nby the publish script; the lives in hours and days of users are Redis expiries.\n\n"
        + table(head, map(_key_row, OF_THE_LEDGER))
        + "\nWhile `ledger rebuild`, `ledger reset`, `privacy erase` or `replay` works, its keys stand under "
        "`<prefix>~<what>-<number>:` and go with it.\n"
    )


def _key_row(spec: KeySpec) -> tuple[str, ...]:
    return f"`<prefix>:{spec.pattern}`", spec.kind, spec.life, spec.what


def topics() -> str:
    """docs/reference/topics.md."""
    head = ("topic", "partitions", "key", "kept", "schema", "what")
    return (
        f"# Kafka topics\n\n`marketpulse topics create` (or `ledger init`) makes what is missing.\n{GENERATED}\n\n"
        + table(head, map(_topic_row, TOPICS))
        + "\nA record goes with its segment, up to a day after its time (`segment.ms`). Names stand after the prefix.\n"
        "Values are UTF-8 JSON; all channels in one document: [asyncapi.json](../contracts/asyncapi.json).\n"
    )


def _topic_row(spec: TopicSpec) -> tuple[str, ...]:
    entries = [entry for entry in CONTRACTS if entry.partition("#")[0] == spec.name]
    key, what = NOT_IN_CONTRACTS.get(spec.name, ("", ""))
    for entry in entries[:1]:
        contract, _, key = CONTRACTS[entry]
        what = _first_sentence(contract)
    files = (f"{entry.replace('#', '.')}.schema.json" for entry in entries)
    kept = "newest per key" if spec.compact else f"{spec.retention_days} days"
    partitions = str(spec.partitions or "as asked for (8)")
    links = ", ".join(f"[{name.removesuffix('.schema.json')}](../contracts/{name})" for name in files)
    return f"`{spec.name}`", partitions, key, kept, links or "-", what


# --- codes ----------------------------------------------------------------------------------------------------------


def codes() -> str:
    """docs/reference/codes.md."""
    return (
        f"# Codes\n\nExit codes, error codes, dead-letter codes and kinds of alerts. What to do about each: "
        f"[operations.md](../operations.md).\n{GENERATED}\n\n## Exit codes\n\n"
        + table(("code", "meaning", "errors"), ((str(code), what, _errors(code)) for code, what in EXITS.items()))
        + "\n## Error codes\n\n`code` of the log line `process_ends`.\n\n"
        + table(("code", "exit code", "what"), map(_error_row, error_kinds()))
        + "\n## Dead-letter codes\n\nHeader `__streams.errors.code` of a record in `feedback.dead-letter`; the total "
        "`dead_letter:<code>` counts them.\n\n"
        + table(("code", "the record"), ((f"`{code}`", DEAD_LETTERS[code]) for code in get_args(DeadLetterCode)))
        + "\n## Kinds of alerts\n\nField `kind` of a record in `market.alerts`.\n\n"
        + table(("kind", "it means"), ((f"`{kind}`", meaning) for kind, meaning in ALERTS.items()))
    )  # fmt: skip


def error_kinds() -> list[type[roots.MarketpulseError]]:
    """Errors with a code of their own."""
    named = {**vars(roots), **vars(errors)}.values()
    found = [one for one in named if isinstance(one, type) and "code" in vars(one)]
    return [one for one in found if one is not roots.MarketpulseError]


def _error_row(one: type[roots.MarketpulseError]) -> tuple[str, str, str]:
    return f"`{one.code}`", str(one.exit_code), _first_sentence(one)


def _errors(code: int) -> str:
    return ", ".join(f"`{one.code}`" for one in error_kinds() if one.exit_code == code)


def _first_sentence(thing: type) -> str:
    """Of its docstring, without the line breaks."""
    return " ".join((inspect.getdoc(thing) or "").split()).partition(". ")[0].rstrip(".") + "."


def documents() -> dict[str, str]:
    """Path below docs/ -> content of every generated page."""
    return {
        "configuration.md": configuration(),
        "reference/commands.md": commands(GENERATED),
        "reference/redis-keys.md": redis_keys(),
        "reference/topics.md": topics(),
        "reference/codes.md": codes(),
    }


if __name__ == "__main__":
    for name, content in documents().items():
        path = Path(sys.argv[1]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
