"""`plan` and `allocation` as a person reads them: which plan is shown, what stays unspent, who lost everything."""

import json
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from typer.testing import CliRunner

from marketpulse.contract.allocation import Allocation, Uncertainty
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import PREFIX, AllocationRecord, ShiftRecord
from marketpulse.contract.wire import encode
from strategy.portfolio import load_portfolio
from streams.cli.main import app
from streams.cli.views.plans import value_words
from streams.pipeline.reallocate.answer import answer_of

SHIPPED = load_portfolio()
U = dict.fromkeys(SHIPPED.markets, 0.66)
SHIFT = ShiftRecord("profile-9", 9, "profile", None, 1_000, U, dict.fromkeys(U, 0.02))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The first allocation of the shipped table at U."""
    (tmp_path / "m.json").write_text(json.dumps({"u": U, "r": dict.fromkeys(U, 0.02)}))
    file = tmp_path / "before.json"
    file.write_text(run("plan", "--metrics", str(tmp_path / "m.json"), "--json"))
    return file


def test_a_plan_within_the_dead_band_says_that_it_is_the_one_that_is_not_adopted(before: Path) -> None:
    """The table and sentences are those of the answer, not of the plan that stays."""
    metrics = before.parent / "n.json"
    metrics.write_text(json.dumps({"u": U | {"BR": 0.655}, "r": dict.fromkeys(U, 0.02)}))
    shown = run("plan", "--metrics", str(metrics), "--previous", str(before))
    assert "the previous plan stays. Shown: the plan that is not adopted" in " ".join(shown.split())


def test_optimal_with_money_left_says_how_much_and_why(before: Path) -> None:
    """Change limits keep a much larger budget from being spent."""
    printed = run("plan", "--metrics", str(before.parent / "m.json"), "--previous", str(before), "--budget", "4000")
    shown = " ".join(printed.split())
    assert "optimal within the limits; 2,989.3 of 4,000.0 (10,000 CNY per 30 days), 1,010.7 unspent" in shown
    limits = "change limits of BR, CN, DE, FR and 5 others, nothing more to buy in"
    assert f"1,010.7 of 4,000.0 unspent: {limits}" in shown


def test_with_a_record_of_before_reasons_name_what_changed_in_the_table(before: Path) -> None:
    """With plans alone nothing is known of the table that they were made with."""
    record = before.parent / "record.json"
    record.write_bytes(encode(answer_of(SHIFT, SHIPPED, None)))
    asked = ("plan", "--metrics", str(before.parent / "m.json"), "--budget", "1700", "--previous")
    known, unknown = (" ".join(run(*asked, str(file)).split()) for file in (record, before))
    assert "the budget fell from 2,000 to 1,700" in known
    assert "the budget fell" not in unknown


class FakeReader:
    """What the commands ask Redis for."""

    record: AllocationRecord
    answers: ClassVar[list[AllocationRecord]] = []
    allocation: AllocationRecord

    def __init__(self, *_: object, **__: object) -> None:
        self.allocation = self.record

    def __enter__(self) -> "FakeReader":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def snapshot(self) -> "FakeReader":
        return self

    def portfolio(self) -> Portfolio:
        return SHIPPED

    def allocations(self) -> list[AllocationRecord]:
        return self.answers


def test_markets_that_lost_everything_have_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the plan has no row for them."""
    rest = Portfolio(SHIPPED.plan, {code: one for code, one in SHIPPED.markets.items() if code in ("CN", "DE", "US")})
    FakeReader.record = answer_of(SHIFT, rest, answer_of(SHIFT, SHIPPED, None))
    monkeypatch.setattr("marketpulse.client.reader.Reader", FakeReader)
    lines = run("allocation").splitlines()
    for code in SHIPPED.markets.keys() - rest.markets.keys():
        assert any(line.startswith(f"{code} -") and line.endswith("to 0.0: no longer in the table") for line in lines)
    shown = msgspec.json.decode(run("allocation", "--json"), type=AllocationRecord)
    assert isinstance(shown.allocation, Allocation)
    assert 7 == len(shown.allocation.lost)


def test_since_when_a_plan_is_in_force_and_what_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the title; `--history` has a row per answer with what it was to and the largest moves."""
    first = answer_of(msgspec.structs.replace(SHIFT, cause="initial"), SHIPPED, None)
    angry = msgspec.structs.replace(SHIFT, id="shift-10-BR", seq=10, cause="shift", market="BR", u=U | {"BR": 0.3})
    FakeReader.record = answer_of(msgspec.structs.replace(angry, stream_time=3_600_000), SHIPPED, first)
    monkeypatch.setattr(FakeReader, "answers", [FakeReader.record, first])
    monkeypatch.setattr("marketpulse.client.reader.Reader", FakeReader)
    title = " ".join(run("allocation").split())
    assert "In force since 1970-01-01 01:00:00 UTC of stream time, after a shift of BR" in title
    shown = run("allocation", "--history", "2").splitlines()
    moves = max(FakeReader.record.moves.values(), key=abs)
    first_row, row = [line for line in shown if "│ the first one" in line or f"│ BR {moves:+,.1f}" in line]
    assert "none" in first_row
    assert "after a shift of BR" in row
    records = json.loads(run("allocation", "--history", "1", "--json"))
    assert FakeReader.record.id == records["in_force"]["id"]
    assert ["shift-10-BR"] == [one["id"].removeprefix(PREFIX) for one in records["answers"]]
    assert records["answers"][0]["allocation"]["markets"]["BR"]["reason"]


def test_a_value_of_0_is_said_in_words_where_markets_are_held_back() -> None:
    """Nobody knows then what more money would gain; where money is left, it gains nothing."""
    answer = answer_of(SHIFT, SHIPPED, None).allocation
    assert answer is not None
    held = msgspec.structs.replace(
        answer, marginal_value_of_budget=0.0, spent=answer.budget, uncertainty=Uncertainty(1.0, 0.5, 10, ("BR", "US"))
    )
    assert "not known while BR, US are too uncertain to move" == value_words(held, 5)
    left = msgspec.structs.replace(held, spent=answer.budget / 2)
    assert ["0.00000", f"{answer.marginal_value_of_budget:.4f}"] == [value_words(left, 5), value_words(answer, 4)]
