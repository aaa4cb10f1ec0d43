"""The file `topics.toml`: names, sentences and examples of own topics, read with every problem at once."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.clean import clean
from models.errors import BadTopics
from models.labels import GENERAL

MAX_TOPICS = 30
MAX_EXAMPLES = 20
MAX_CHARACTERS = 1_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""Names are parts of keys, alert ids and label values."""
_KEYS = ("name", "sentence", "examples")


@dataclass(frozen=True)
class OwnTopic:
    """A topic: what it is about in a sentence, and texts that are about it; both cleaned as in serving."""

    name: str
    sentence: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnTopics:
    """The topics of a file in its order, and the file's SHA-256 in hexadecimal."""

    topics: tuple[OwnTopic, ...]
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        """All topics that a model with them answers with: `general` first."""
        return (GENERAL, *(topic.name for topic in self.topics))


def load_topics(file: Path) -> OwnTopics:
    """The topics of a TOML file.

    Raises:
        BadTopics: it cannot be read, or something in it cannot be used: every problem is named with its topic.
    """
    try:
        content = file.read_bytes()
        tables = tomllib.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadTopics(f"{file} cannot be read: {error}. Operator action: correct the file.") from error
    found, problems = _topics_of(tables)
    if problems:
        lines = "\n  ".join(map(_one_line, problems))
        raise BadTopics(f"The topics of {file} cannot be used:\n  {lines}\nOperator action: correct what is named.")
    return OwnTopics(tuple(found), hashlib.sha256(content).hexdigest())


def _topics_of(tables: dict[str, Any]) -> tuple[list[OwnTopic], list[str]]:
    """What can be read of the topics, and every problem."""
    problems = [f"{key}: there is no such key, but topic" for key in tables if key != "topic"]
    written = tables.get("topic")
    if not isinstance(written, list) or not written or not all(isinstance(table, dict) for table in written):
        return [], [*problems, "topic: give each topic as a table [[topic]] with name, sentence and examples"]
    if len(written) > MAX_TOPICS:
        problems.append(f"topic: {len(written)} topics, at most {MAX_TOPICS} are taken")
    found = [_topic_of(number, table, problems) for number, table in enumerate(written, 1)]
    names = [topic.name for topic in found]
    problems += [
        f"{name}: is named {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    owner: dict[str, str] = {}
    for topic in found:
        for text in (topic.sentence, *topic.examples):
            if text and owner.setdefault(text, topic.name) != topic.name:
                problems.append(f"{topic.name}: {_short(text)!r} is an example of {owner[text]} too")
    return found, problems


def _topic_of(number: int, table: dict[str, Any], problems: list[str]) -> OwnTopic:
    name, sentence, examples = (table.get(key) for key in _KEYS)
    place = name if isinstance(name, str) and NAME.fullmatch(name) else f"topic {number}"
    problems += [f"{place}.{key}: there is no such key, but {', '.join(_KEYS)}" for key in table if key not in _KEYS]
    if place != name:
        problems.append(f"{place}.name: must be 1 to 32 of a-z, 0-9 and _, beginning with a letter, not {name!r}")
    elif name == GENERAL:
        problems.append(f"{place}.name: {GENERAL} is what is about none of the topics; it needs no table")
    if not isinstance(sentence, str):
        problems.append(f"{place}.sentence: must be a text that says what the topic is about")
        sentence = ""
    if examples is None:
        examples = []
    if not isinstance(examples, list) or not all(isinstance(text, str) for text in examples):
        problems.append(f"{place}.examples: must be a list of texts")
        examples = []
    if len(examples) > MAX_EXAMPLES:
        problems.append(f"{place}.examples: {len(examples)} texts, at most {MAX_EXAMPLES} are taken")
    cleaned = [_text(f"{place}.examples[{at}]", text, problems) for at, text in enumerate(examples, 1)]
    if len(set(cleaned)) < len(cleaned):
        problems.append(f"{place}.examples: a text is there twice")
    shown = _text(f"{place}.sentence", sentence, problems) if isinstance(table.get("sentence"), str) else ""
    return OwnTopic(str(place), shown, tuple(cleaned))


def _text(place: str, text: str, problems: list[str]) -> str:
    """A text as the model will see it."""
    if len(text) > MAX_CHARACTERS:
        problems.append(f"{place}: {len(text)} characters, at most {MAX_CHARACTERS} are taken")
    cleaned = clean(text)
    if not cleaned:
        problems.append(f"{place}: is empty")
    return cleaned


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
