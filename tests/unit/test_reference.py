"""The generated pages are those of the code, and leave nothing out."""

import inspect
from pathlib import Path
from typing import get_args

import pytest

from docs.generate.commands import every_command, said
from docs.generate.pages import DEAD_LETTERS, documents
from docs.generate.redis_keys import FOR_READERS, KEYS, KeySpec, spec_of
from marketpulse.contract.alert_kinds import ALERTS, AlertKind
from marketpulse.contract.feedback import DeadLetterCode
from marketpulse.contract.keys import TableKeys
from streams.contract.rules import ConditionRule, WatchRules
from streams.ledger.content import common_names, market_names
from streams.ledger.keys import Keys
from streams.pipeline.rollup.step import EXCERPTS_KEPT

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = list(every_command())


@pytest.mark.parametrize("name", documents())
def test_the_page_is_up_to_date(name: str) -> None:
    """`make reference` changes nothing."""
    assert documents()[name] == (DOCS / name).read_text("utf-8")


def test_every_page_of_reference_is_generated() -> None:
    """Nothing else lies in its folder."""
    assert {path.name for path in (DOCS / "reference").iterdir()} == {
        name.removeprefix("reference/") for name in documents() if name.startswith("reference/")
    }


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_says_what_it_does(name: str, command: object) -> None:
    """A sentence, an example that can be copied from a terminal of 80 columns, and a word on every option."""
    text, examples = said(command)
    assert text.endswith((".", "?"))
    assert f"marketpulse {name}" in examples
    assert [] == [line for line in examples.splitlines() if len(line) > 78], "wider than help in a terminal"
    assert [] == [one.name for one in command.params if not one.help]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("names", "specs"), [(TableKeys, FOR_READERS), (Keys, tuple(KEYS.values()))])
def test_every_key_that_the_code_names_is_described(names: type[TableKeys], specs: tuple[KeySpec, ...]) -> None:
    """Plain names and families alike; the public ones among those for readers."""
    keys = names("p")
    found = [value for name, value in vars(keys).items() if name not in ("prefix", "namespace")]
    for name, method in inspect.getmembers(keys, inspect.ismethod):
        if not name.startswith("_"):
            found.append(method(*[1] * len(inspect.signature(method).parameters)))
    assert len(found) > 10
    assert [] == [key for key in found if not any(spec.matches(key.removeprefix("p:")) for spec in specs)]


def test_every_key_of_a_checkpoint_is_described() -> None:
    """With the same type."""
    names = [*common_names(), *market_names("BR")]
    assert dict(names) == {name: spec.kind for name, _ in names if (spec := spec_of(name)) is not None}


def test_a_key_is_of_one_family() -> None:
    """No pattern takes another's keys."""
    examples = [pattern.replace("<", "").replace(">", "") for pattern in KEYS]
    assert [1] * len(KEYS) == [sum(spec.matches(name) for spec in KEYS.values()) for name in examples]


def test_every_code_and_kind_has_its_meaning() -> None:
    """Dead letters and alerts (the surge, and each condition that has a rule), and none that does not exist."""
    assert set(get_args(DeadLetterCode)) == set(DEAD_LETTERS)
    conditions = [name for name, kind in inspect.get_annotations(WatchRules).items() if kind is ConditionRule]
    assert get_args(AlertKind) == tuple(ALERTS) == ("surge", *conditions)


def test_privacy_says_how_many_excerpts_are_kept() -> None:
    """The number is the code's."""
    assert f"a market's last {EXCERPTS_KEPT} excerpts" in (DOCS / "privacy.md").read_text("utf-8")
