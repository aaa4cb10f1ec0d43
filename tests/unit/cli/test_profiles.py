"""`profiles` on a file and on what was published: who may get money, from which table, and every problem of a file."""

import json
import re
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from marketpulse.client.snapshot import Snapshot, Status
from marketpulse.contract.operators import ApplyMark, apply_headers
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, ShiftRecord
from marketpulse.contract.units import HOUR_MS
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.cli.main import app
from streams.cli.markets import in_force
from streams.cli.markets import profiles as commands
from streams.pipeline.operators.profiles import Profiles, profile_records
from streams.pipeline.reallocate.answer import answer_of

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
        self.in_redis: tuple[Snapshot | None, list[AllocationRecord]] = None, []

    def apply(self, _settings: object, records: list[tuple[str, bytes | None]]) -> None:
        """As `_apply`."""
        for number, (key, value) in enumerate(records, start=1):
            headers = tuple(apply_headers(ApplyMark("a", number, len(records))))
            self.records.append(CompactedRecord(len(self.records), key.encode(), value, headers))

    def read(self, _settings: object, _topic: str) -> list[CompactedRecord]:
        """As `_read`."""
        return self.records

    def workers(self, table: Portfolio, *answers: AllocationRecord) -> None:
        """What Redis shows of workers that have a table in force, with the allocator's answers, oldest first."""
        now_ms = answers[-1].stream_time if answers else None
        status = Status(1, now_ms, None, "", "", {}, {}, 0, 0, True)
        adopted = [one for one in answers if one.adopted]
        self.in_redis = Snapshot(status, {}, [], adopted[-1] if adopted else None, table), [*answers]

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
    monkeypatch.setattr(in_force, "_read", topic.read)
    monkeypatch.setattr(in_force, "_in_redis", lambda _settings: topic.in_redis)
    return topic


def answer(
    table: Portfolio, hour: int = 0, previous: AllocationRecord | None = None, u: float = 0.6
) -> AllocationRecord:
    """Of the allocator, at an hour of stream time."""
    values = dict.fromkeys(table.markets, u)
    shift = ShiftRecord(f"profile-{hour}", hour, "profile", None, hour * HOUR_MS, values, dict.fromkeys(values, 0.0))
    return answer_of(shift, table, previous)


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
    run("profiles", "rm", "BR", "ES", "_plan")
    assert "The shipped example is in force" in run("profiles", "ls")
    mine.write_text(mine.read_text().replace("EUR thousand", "10,000 CNY"))
    merged = json.loads(run("profiles", "apply", str(mine), "--merge", "--json"))
    assert ("published", "shipped example") == tuple(merged["markets"][code]["origin"] for code in ("ES", "CN"))


def test_apply_and_rm_say_what_changed_with_both_values(mine: Path, topic: Topic) -> None:
    """Of markets, plan and caps; a table that is in force already changes nothing."""
    first = run("profiles", "apply", str(mine))
    assert "changed: budget 2,000 to 1,200; currency 10,000 CNY to EUR thousand; " in first
    assert "more change" in first
    assert "changed: nothing" in run("profiles", "apply", str(mine))
    mine.write_text(mine.read_text().replace("pinned = 90", "pinned = 95").replace("1200", "1300"))
    again = json.loads(run("profiles", "apply", str(mine), "--json"))
    assert ["budget 1,200 to 1,300", "BR pinned 90 to 95"] == again["changed"]
    assert "changed: ES dropped\n" in run("profiles", "rm", "ES")


def test_an_own_table_replaces_what_was_published_before(mine: Path, topic: Topic) -> None:
    """A published market that the file lacks is deleted, not kept for ever."""
    nigeria = Portfolio(SHIPPED.plan, {"NG": SHIPPED.markets["BR"]})
    topic.apply(None, [*dict(profile_records(nigeria)).items()])
    assert "NG" in topic.now.markets
    assert "NG" in run("profiles", "apply", str(mine)).partition("no more money for")[2]
    assert ["BR", "ES"] == list(topic.now.markets)


def test_a_part_leaves_the_rest_alone(mine: Path, topic: Topic) -> None:
    """`--market` and `--no-plan` change what they name, after a whole table as before it."""
    mine.write_text(mine.read_text().replace("EUR thousand", "10,000 CNY"))
    assert "no more money" not in run("profiles", "apply", str(mine), "--market", "ES", "--no-plan")
    assert sorted([*SHIPPED.markets, "ES"]) == list(topic.now.markets)
    run("profiles", "apply", str(mine))
    run("profiles", "apply", str(mine), "--market", "es")
    assert ["BR", "ES"] == list(topic.now.markets)
    assert msgspec.json.decode(topic.records[-1].value or b"")["replaces"]


@pytest.mark.parametrize("part", [("--merge",), ("--market", "ES"), ("--market", "ES", "--no-plan"), ("--no-plan",)])
def test_no_part_reads_amounts_in_another_currency(mine: Path, topic: Topic, part: tuple[str, ...]) -> None:
    """The shipped example's amounts are no EUR, and the file's EUR are no CNY: nothing is published."""
    shown = run("profiles", "apply", str(mine), *part, code=2)
    assert "has no rate in [currencies]" in shown
    assert "Operator action: apply the whole file" in shown
    assert [] == topic.records
    problems = json.loads(run("profiles", "apply", str(mine), *part, "--json", code=2))["problems"]
    assert any("no rate" in problem for problem in problems)


def test_a_rate_lets_tables_of_two_currencies_stand_together(mine: Path, topic: Topic) -> None:
    """Amounts of the workers' file keep their unit, and are converted."""
    mine.write_text(mine.read_text() + '[currencies]\n"10,000 CNY" = 1.28\n')
    answer = json.loads(run("profiles", "apply", str(mine), "--merge", "--json"))
    assert ("EUR thousand", "10,000 CNY") == tuple(answer["markets"][code]["currency"] for code in ("ES", "US"))
    assert "10,000 CNY" == topic.now.markets["US"].currency


def test_rm_refuses_what_workers_would(mine: Path, topic: Topic) -> None:
    """The plan cannot go while markets in its currency stay, or in its regions; with them it can."""
    run("profiles", "apply", str(mine))
    for records in (2, 3):
        shown = run("profiles", "rm", "_plan", code=2)
        assert "Operator action: `profiles rm` the markets with it" in shown
        assert "removed" not in shown
        assert 3 * (records - 1) == len(topic.records)
        text = mine.read_text().replace("EUR thousand", "10,000 CNY") + "[regions.EU]\ncap = 400.0\n"
        mine.write_text(text.replace("[markets.ES]", '[markets.ES]\nregion = "EU"'))
        if records == 2:
            run("profiles", "apply", str(mine))
    run("profiles", "rm", "_plan", "BR", "ES")
    assert SHIPPED == topic.now


def test_rm_does_not_read_amounts_without_a_currency_anew(topic: Topic) -> None:
    """Records of other programs may have none: they count in the plan's, so the plan cannot go from under them."""
    plan = msgspec.structs.replace(SHIPPED.plan, currency="EUR thousand")
    rows = dict(profile_records(Portfolio(plan, {"ES": SHIPPED.markets["BR"]}), replaces=True))
    topic.apply(None, [*rows.items()])
    shown = run("profiles", "rm", "_plan", code=2)
    assert "ES: amounts in EUR thousand would be read as 10,000 CNY" in shown
    run("profiles", "rm", "_plan", "ES")


def test_rm_names_who_loses_and_who_gets_money(mine: Path, topic: Topic) -> None:
    """With the table that `apply` shows."""
    run("profiles", "apply", str(mine))
    shown = run("profiles", "rm", "ES")
    assert "no more money for ES" in shown
    assert "pinned at 90" in shown
    shown = run("profiles", "rm", "BR", "_plan")
    assert "money again for CN, DE, FR, GB, ID, IN, JP, RU, US" in shown
    assert "shipped example" in shown
    run("profiles", "apply", str(mine))
    answer = json.loads(run("profiles", "rm", "BR", "ES", "_plan", "--json"))
    assert (["BR", "ES", "_plan"], False, ["ES"]) == (answer["removed"], answer["replaces"], answer["no_more_money"])
    assert sorted(set(SHIPPED.markets) - {"BR"}) == answer["money_again"]


@pytest.mark.parametrize("field", ["budget", "cap", "weights", "c", "rate"])
def test_numbers_that_no_record_can_hold_are_refused(mine: Path, topic: Topic, field: str) -> None:
    """TOML has `inf` and `nan`; JSON, in which tables and answers are kept, has not."""
    text = mine.read_text()
    tables = {
        "budget": text.replace("1200.0", "inf"),
        "cap": f"{text}[regions.EU]\ncap = inf\n",
        "weights": text.replace("[markets", "weights = [nan, 0.5, 0.25, 0.25]\n[markets", 1),
        "c": text.replace("c = 1.0", "c = inf", 1),
        "rate": f"{text}[currencies]\nCNY = inf\n",
    }
    mine.write_text(tables[field])
    assert "is no finite number" in run("profiles", "apply", str(mine), code=2)
    assert [] == topic.records


@pytest.mark.parametrize("command", ["validate", "apply"])
def test_a_table_without_any_plan_is_refused(mine: Path, topic: Topic, command: str) -> None:
    """In the words of `plan`, with the nearest budget and cap."""
    mine.write_text(
        mine.read_text().replace("1200.0", "80.0").replace("pinned", 'region = "S"\npinned')
        + "[regions.S]\ncap = 70.0\n"
    )
    shown = run("profiles", command, str(mine), code=2)
    assert "the nearest feasible budget is 90.0" in shown
    assert "the nearest feasible cap is 90.0" in shown
    [problem] = json.loads(run("profiles", command, str(mine), "--json", code=2))["problems"]
    assert problem.startswith("infeasible: pinned of BR (90.0) need 90.0 of a budget of 80.0")
    assert [] == topic.records


def test_what_change_limits_forbid_now_is_not_published(tmp_path: Path, topic: Topic) -> None:
    """Measured from the spend of 24 h ago, as workers do; a table with a wider limit can be applied at once."""
    file = tmp_path / "mine.toml"

    def table(budget: float, share: float = 0.5) -> Portfolio:
        text = (files("strategy") / "markets.toml").read_text("utf-8")
        file.write_text(text.replace("2000.0 ", f"{budget} ").replace("share = 0.5", f"share = {share}"))
        return load_portfolio(file)

    whole, half, less = (table(budget) for budget in (2000.0, 1100.0, 700.0))
    first = answer(whole)
    topic.workers(whole, first)
    shown = run("profiles", "apply", str(file), code=2)
    assert "infeasible: the change limit's least of BR" in shown
    assert "raise change_limit_share or change_limit_floor" in shown
    assert [] == topic.records
    lower = answer(half, 1, first)
    topic.workers(half, first, lower)  # half of this spend is less than 700, half of that of a day ago is not
    run("profiles", "apply", str(file), code=2)
    topic.workers(half, first, lower, answer(half, 27, lower, u=0.9))
    run("profiles", "apply", str(file))
    topic.workers(whole, first)
    table(200.0, share=1.0)
    run("profiles", "apply", str(file))
    assert (700.0, 200.0) == (less.plan.budget, topic.now.plan.budget)


def test_ls_says_that_the_spend_is_of_an_earlier_table(topic: Topic) -> None:
    """Where the newest answer is no plan."""
    first = answer(SHIPPED)
    less = msgspec.structs.replace(SHIPPED.plan, budget=200.0)
    refused = answer(Portfolio(less, SHIPPED.markets), 1, first)
    topic.workers(SHIPPED, first, refused)
    shown = " ".join(run("profiles", "ls").split())
    assert "The spend is that of an earlier answer; the newest is infeasible: the change limit's least" in shown
    assert refused.why in json.loads(CliRunner().invoke(app, ["profiles", "ls", "--json"]).stdout)["newest_answer"]


def test_a_market_outside_the_regions_in_force_is_refused(mine: Path, topic: Topic) -> None:
    """Before anything is published."""
    run("profiles", "apply", str(mine))
    mine.write_text(mine.read_text() + 'region = "EU"\n[regions.EU]\ncap = 400.0\n')
    shown = run("profiles", "apply", str(mine), "--market", "ES", "--no-plan", code=2)
    assert "region = 'EU' has no cap" in shown
    assert 3 == len(topic.records)


def test_ls_shows_money_in_force_with_caps_and_their_use(mine: Path, topic: Topic) -> None:
    """Per period, in the plan's currency."""
    mine.write_text(mine.read_text() + 'region = "EU"\n[regions.EU]\ncap = 400.0\n')
    run("profiles", "apply", str(mine))
    in_force = answer(topic.now)
    spent = in_force.spend["ES"]
    topic.workers(topic.now, in_force)
    shown = run("profiles", "ls")
    assert "budget 1,200 (EUR thousand) per 30 days" in shown
    for row in (r"BR .*│ 90 ", rf"ES .*│ {spent:.1f} ", rf"EU +│ 400 +│ {spent:.1f} +│ ES"):
        assert re.search(row, shown), shown
    listed = json.loads(run("profiles", "ls", "--json"))
    used = listed["regions"]["EU"]
    assert (spent, 400.0, spent, "") == (listed["spend"]["ES"], used["cap"], used["used"], listed["newest_answer"])


def test_ls_shows_the_workers_table_whatever_the_callers_is(
    mine: Path, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers with the shipped example are seen by a caller with a file, and the other way round it is said."""
    monkeypatch.setenv("MARKETPULSE_PORTFOLIO", str(mine))
    assert "plan from: file" in run("profiles", "ls")
    topic.workers(SHIPPED)
    shown = run("profiles", "ls")
    assert "plan from: shipped example" in shown
    assert "MARKETPULSE_PORTFOLIO of this command" in shown
    assert "CN" in json.loads(CliRunner().invoke(app, ["profiles", "ls", "--json"]).stdout)["markets"]
    monkeypatch.delenv("MARKETPULSE_PORTFOLIO")
    topic.workers(load_portfolio(mine))
    shown = run("profiles", "ls")
    assert "Workers have another table in force: BR, CN, DE, ES" in shown
