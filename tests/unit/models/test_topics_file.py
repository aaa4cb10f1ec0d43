"""`topics.toml` is read strictly: every problem at once, with its topic."""

from pathlib import Path

import pytest

from models.errors import BadTopics
from models.topics.file import MAX_CHARACTERS, MAX_EXAMPLES, MAX_TOPICS, OwnTopic, load_topics

GOOD = """
[[topic]]
name = "refunds"
sentence = "Money that is paid back."
examples = ["Where is my refund?", "write to jo@example.com"]

[[topic]]
name = "stores_2"
sentence = "Shops."
"""


def written(folder: Path, content: str) -> Path:
    file = folder / "topics.toml"
    file.write_text(content, "utf-8")
    return file


def problems(folder: Path, content: str) -> list[str]:
    """What is named as wrong, line by line."""
    with pytest.raises(BadTopics) as raised:
        load_topics(written(folder, content))
    return str(raised.value).replace("\nOperator action: correct what is named.", "").split("\n  ")[1:]


def test_topics_as_the_model_will_see_them(tmp_path: Path) -> None:
    """Texts are cleaned; a topic may have a sentence alone; `general` comes first."""
    found = load_topics(written(tmp_path, GOOD))
    refunds = OwnTopic("refunds", "Money that is paid back.", ("Where is my refund?", "write to <email>"))
    assert (refunds, OwnTopic("stores_2", "Shops.")) == found.topics
    assert ("general", "refunds", "stores_2") == found.names
    assert 64 == len(found.sha256)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    """A file is corrected once."""
    content = """
    colour = 1
    [[topic]]
    name = "Bad Name"
    sentence = 3
    examples = "text"
    [[topic]]
    name = "general"
    sentence = "Anything."
    weight = 2
    [[topic]]
    name = "price"
    examples = ["cheap", " cheap ", ""]
    [[topic]]
    name = "cost"
    sentence = "cheap"
    [[topic]]
    name = "cost"
    sentence = "Costs."
    """
    assert [
        "colour: there is no such key, but topic",
        "topic 1.name: must be 1 to 32 of a-z, 0-9 and _, beginning with a letter, not 'Bad Name'",
        "topic 1.sentence: must be a text that says what the topic is about",
        "topic 1.examples: must be a list of texts",
        "general.weight: there is no such key, but name, sentence, examples",
        "general.name: general is what is about none of the topics; it needs no table",
        "price.sentence: must be a text that says what the topic is about",
        "price.examples[3]: is empty",
        "price.examples: a text is there twice",
        "cost: is named 2 times",
        "cost: 'cheap' is an example of price too",
    ] == problems(tmp_path, content)


def test_what_is_too_much_is_named(tmp_path: Path) -> None:
    """Topics, examples and characters have bounds."""
    many = "".join(f'[[topic]]\nname = "t{at}"\nsentence = "About {at}."\n' for at in range(MAX_TOPICS + 1))
    assert [f"topic: {MAX_TOPICS + 1} topics, at most {MAX_TOPICS} are taken"] == problems(tmp_path, many)
    texts = [f"text {at}" for at in range(MAX_EXAMPLES)] + ["x y" * MAX_CHARACTERS]
    one = f'[[topic]]\nname = "one"\nsentence = "One."\nexamples = {texts}\n'
    assert [
        f"one.examples: {MAX_EXAMPLES + 1} texts, at most {MAX_EXAMPLES} are taken",
        f"one.examples[{MAX_EXAMPLES + 1}]: {3 * MAX_CHARACTERS} characters, at most {MAX_CHARACTERS} are taken",
    ] == problems(tmp_path, one)


@pytest.mark.parametrize("content", ["", "topic = 1", "topic = []", "topic = [1]"])
def test_a_file_without_topics_is_refused(content: str, tmp_path: Path) -> None:
    """There is nothing to learn."""
    assert ["topic: give each topic as a table [[topic]] with name, sentence and examples"] == problems(
        tmp_path, content
    )


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    """Or is not there."""
    for file in (written(tmp_path, "[[topic"), tmp_path / "missing.toml"):
        with pytest.raises(BadTopics, match="cannot be read"):
            load_topics(file)
