"""`profiles` on a file and on what was published: who may get money, from which table, and every problem of a file."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from marketpulse.contract.operators import ApplyMark, apply_headers
from marketpulse.contract.portfolio import Portfolio
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.cli import profiles as commands
from streams.cli.main import app
from streams.pipeline.operators.profiles import Profiles, profile_records

SHIPPED = load_portfolio()
MARKET = """
[markets.{code}]
population = 1000
income = 9
culture = 0.9
w = 1
c = 1.0
d = 1.0
l = 1.0
f = 1.0
o = 1.0
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Two own markets in EUR, one pinned."""
    file = tmp_path / "mine.toml"
    head = '[plan]\nbudget = 1200.0\ncurrency = "EUR thousand"\n'
    file.write_text(head + MARKET.format(code="br") + "pinned = 90.0\n" + MARKET.format(code="ES"))
    return file


class Topic:
    """What `market.profiles` holds, without Kafka."""

    def __init__(self) -> None:
        self.records: list[CompactedRecord] = []

    def apply(self, _settings: object, records: list[tuple[str, bytes | None]]) -> None:
        """As `_apply`."""
        for number, (key, value) in enumerate(records, start=1):
            headers = tuple(apply_headers(ApplyMark("a", number, len(records))))
            self.records.append(CompactedRecord(len(self.records), key.encode(), value, headers))

    def read(self, _settings: object, _topic: str) -> list[CompactedRecord]:
        """As `_read`."""
        return self.records

    @property
    def now(self) -> Portfolio:
        """What is in force over the shipped example."""
        profiles = Profiles(SHIPPED)
        for record in self.records:
            profiles.take(record)
        return profiles.now


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    """In place of Kafka."""
    topic = Topic()
    monkeypatch.setattr(commands, "_apply", topic.apply)
    monkeypatch.setattr(commands, "_read", topic.read)
    return topic


def run(*arguments: str, code: int = 0) -> str:
    """Everything that a command prints."""
    done = CliRunner().invoke(app, list(arguments))
    assert code == done.exit_code, done.output
    return done.output


def test_validate_shows_who_may_get_money(mine: Path) -> None:
    """Bounds, pins and currency of each market, without servers."""
    shown = run("profiles", "validate", str(mine))
    for words in ("2 markets, budget 1,200 (EUR thousand)", "pinned at 90", "0 or more"):
        assert words in shown
    rows = json.loads(run("profiles", "validate", str(mine), "--json"))["rows"]
    assert {"BR": "pinned at 90", "ES": "0 or more"} == {code: row["spend"] for code, row in rows.items()}
    assert {"EUR thousand"} == {row["currency"] for row in rows.values()}


def test_validate_lists_every_problem(mine: Path) -> None:
    """With exit code 2, also as JSON."""
    mine.write_text(mine.read_text().replace("pinned", "pined") + 'region = "EU"\n')
    shown = run("profiles", "validate", str(mine), code=2)
    assert "[markets.br] pined is no field of it" in shown
    assert "[markets.ES] region = 'EU' has no cap" in shown
    assert 2 == len(json.loads(run("profiles", "validate", str(mine), "--json", code=2))["problems"])


def test_an_own_table_replaces_the_shipped_example(mine: Path, topic: Topic) -> None:
    """What it lacks gets no more money, and the command says so; `--merge` keeps it, by name and origin."""
    shown = run("profiles", "apply", str(mine))
    assert "no more money for CN, DE, FR, GB, ID, IN, JP, RU, US" in shown
    assert ["BR", "ES"] == list(topic.now.markets)
    answer = json.loads(run("profiles", "apply", str(mine), "--json"))
    assert ([], True) == (answer["no_more_money"], answer["replaces"])
    assert "shipped example" not in run("profiles", "ls")
    run("profiles", "rm", "_plan")
    assert "The shipped example is in force" in run("profiles", "ls")
    merged = json.loads(run("profiles", "apply", str(mine), "--merge", "--json"))
    assert ("published", "shipped example") == tuple(merged["markets"][code]["origin"] for code in ("ES", "CN"))


def test_an_own_table_replaces_what_was_published_before(mine: Path, topic: Topic) -> None:
    """A published market that the file lacks is deleted, not kept for ever."""
    nigeria = Portfolio(SHIPPED.plan, {"NG": SHIPPED.markets["BR"]})
    topic.apply(None, [*dict(profile_records(nigeria)).items()])
    assert "NG" in topic.now.markets
    assert "NG" in run("profiles", "apply", str(mine)).partition("no more money for")[2]
    assert ["BR", "ES"] == list(topic.now.markets)


def test_a_part_leaves_the_rest_alone(mine: Path, topic: Topic) -> None:
    """`--market` and `--no-plan` change what they name, after a whole table as before it."""
    assert "no more money" not in run("profiles", "apply", str(mine), "--market", "ES", "--no-plan")
    assert sorted([*SHIPPED.markets, "ES"]) == list(topic.now.markets)
    run("profiles", "apply", str(mine))
    run("profiles", "apply", str(mine), "--market", "es")
    assert ["BR", "ES"] == list(topic.now.markets)
    assert msgspec.json.decode(topic.records[-1].value or b"")["replaces"]
