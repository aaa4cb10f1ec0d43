"""Profiles of one apply come into force together, single ones once no more come; what does not fit is refused."""

import random
from collections.abc import Iterable

import msgspec
import pytest

from marketpulse.contract.operators import ApplyMark, apply_headers, apply_of
from marketpulse.contract.portfolio import Portfolio
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.pipeline.operators.changes import INCOMPLETE_MS, SINGLE_MS
from streams.pipeline.operators.profiles import Profiles, apply_records, profile_records
from streams.pipeline.operators.published import PLAN_KEY

BASE = load_portfolio()
ROWS = dict(profile_records(BASE))
LATER = 10**9
Row = tuple[str, bytes | None]


def row(key: str, **fields: object) -> Row:
    """A profile as the file has it, with other fields."""
    return key, msgspec.json.encode(msgspec.json.decode(ROWS[key]) | fields)


def plan(**fields: object) -> Row:
    return row(PLAN_KEY, **fields)


def br(income: float) -> Row:
    return row("BR", income=income)


class Log:
    """A topic and one reader of it; `income` is BR's as it is in force."""

    def __init__(self) -> None:
        self.records: list[CompactedRecord] = []
        self.profiles = Profiles(BASE)

    def write(self, one: Row, mark: ApplyMark | None = None, at_ms: int = 0) -> None:
        key, value = one
        headers = () if mark is None else tuple(apply_headers(mark))
        self.records.append(CompactedRecord(len(self.records), key.encode(), value, headers, at_ms))
        self.profiles.take(self.records[-1])

    def apply(self, *rows: Row, name: str = "a", at_ms: int = 0, numbers: Iterable[int] = ()) -> None:
        """Rows of one apply; only those of `numbers` where there are any."""
        for number, one in enumerate(rows, start=1):
            if not numbers or number in numbers:
                self.write(one, ApplyMark(name, number, len(rows)), at_ms)

    @property
    def income(self) -> float:
        return self.profiles.now.markets["BR"].income

    @property
    def shown(self) -> int:
        return self.profiles.next_offset

    def why(self) -> list[str]:
        return [letter.message for letter in self.profiles.bad]


def test_headers_are_read_as_they_are_written() -> None:
    """What is no mark makes a single record."""
    mark = ApplyMark("1f-a_b.c", 2, 3)
    assert mark == apply_of(apply_headers(mark))
    broken = [ApplyMark("", 1, 1), ApplyMark("a b", 1, 1), ApplyMark("a", 0, 1), ApplyMark("a", 3, 2)]
    assert [None] * 5 == [apply_of([]), *(apply_of(apply_headers(one)) for one in broken)]


def test_an_apply_is_in_force_with_its_last_record() -> None:
    """Not before, however long it takes less than 10 s; then at once, whatever the clock says."""
    log = Log()
    for number, one in enumerate((plan(budget=9.0), br(1.0), row("DE", income=2.0)), start=1):
        assert (0, BASE) == (log.shown, log.profiles.now)
        log.write(one, ApplyMark("a", number, 3), at_ms=number * (INCOMPLETE_MS - 1))
    assert (3, 9.0, 1.0) == (log.shown, log.profiles.now.plan.budget, log.income)
    assert not log.profiles.settle(LATER)


def test_single_records_settle_after_a_second_without_another() -> None:
    """A burst is one change; the next one begins where a second lies between two records, or ten in all."""
    log = Log()
    for number in range(3):
        log.write(br(number + 1.0), at_ms=number * (SINGLE_MS - 1))
    assert 0 == log.shown
    log.write(br(7.0), at_ms=3 * SINGLE_MS)
    assert (3, 3.0) == (log.shown, log.income)
    for number in range(1, 12):
        log.write(br(10.0), at_ms=3 * SINGLE_MS + number * (SINGLE_MS - 1))
    assert 3 + 11 == log.shown


def test_single_records_settle_by_the_readers_clock() -> None:
    """A second after they were seen, not after their own time; what is old already is not waited for."""
    log = Log()
    log.write(br(1.0), at_ms=5_000)
    moved = [log.profiles.settle(now_ms) for now_ms in (5_100, 5_100 + SINGLE_MS - 1, 5_100 + SINGLE_MS, LATER)]
    assert ([False, False, True, False], 1, 1.0) == (moved, log.shown, log.income)
    log.write(br(2.0), at_ms=5_000)
    assert log.profiles.settle(5_000 + INCOMPLETE_MS)
    assert 2.0 == log.income


def test_an_incomplete_apply_waits_ten_seconds_and_is_named() -> None:
    """By the reader's clock where nothing comes; a complete apply takes the name away."""
    log = Log()
    log.apply(br(1.0), row("DE", income=2.0), numbers=[1])
    moved = [log.profiles.settle(now_ms) for now_ms in (-20_000, -20_000 + INCOMPLETE_MS - 1, -20_000 + INCOMPLETE_MS)]
    assert ([False, False, True], 1.0) == (moved, log.income)
    [named] = log.profiles.incomplete
    assert ("a", 1, 2) == (named.apply, named.came, named.count)
    assert "1 of 2 records came" in str(named)
    log.apply(br(3.0), name="b", at_ms=INCOMPLETE_MS)
    assert ((), 3.0) == (log.profiles.incomplete, log.income)


def test_a_later_record_ends_an_incomplete_apply() -> None:
    """Ten seconds of record time later what came of it is in force."""
    log = Log()
    log.apply(br(1.0), row("DE", income=2.0), numbers=[1])
    log.write(br(3.0), at_ms=INCOMPLETE_MS)
    assert (1, 1.0, 1) == (log.shown, log.income, len(log.profiles.incomplete))


def test_records_of_others_in_between_wait_with_the_apply() -> None:
    """They are one change with it, single ones and another apply alike."""
    log = Log()
    log.write(br(1.0), ApplyMark("a", 1, 2))
    log.write(row("DE", income=5.0), at_ms=10)
    log.write(row("FR", income=6.0), ApplyMark("b", 1, 1), at_ms=20)
    assert 0 == log.shown
    log.write(row("GB", income=7.0), ApplyMark("a", 2, 2), at_ms=INCOMPLETE_MS - 1)
    markets = log.profiles.now.markets
    assert (4, [1.0, 5.0, 6.0, 7.0]) == (log.shown, [markets[code].income for code in ("BR", "DE", "FR", "GB")])


def test_what_compaction_left_of_an_apply_is_in_force() -> None:
    """Its last record says that it was complete; without that, the next records or the clock do."""
    rows = (plan(budget=9.0), br(1.0), row("DE", income=2.0))
    log = Log()
    log.apply(*rows, numbers=[3])
    assert (1, 2.0) == (log.shown, log.profiles.now.markets["DE"].income)
    log.apply(*rows, name="b", at_ms=20_000, numbers=[1, 2])
    log.apply(row("DE", income=4.0), name="c", at_ms=20_000 + INCOMPLETE_MS)
    assert (4, 4.0, 9.0) == (log.shown, log.profiles.now.markets["DE"].income, log.profiles.now.plan.budget)
    assert () == log.profiles.incomplete


def test_an_unreadable_record_changes_nothing_and_ends_no_apply() -> None:
    """It is named; the apply around it is complete with its last record."""
    log = Log()
    log.profiles.take(CompactedRecord(0, None, None, last_offset=2, unreadable="checksum"))
    assert (3, True) == (log.shown, "offsets 0 to 2 cannot be read: checksum" in log.why()[0])
    log.records = [CompactedRecord(0, None, None)] * 3
    log.write(br(1.0), ApplyMark("a", 1, 3), at_ms=50_000)
    log.profiles.take(CompactedRecord(4, None, None, last_offset=4, unreadable="checksum"))
    assert 3 == log.shown
    log.records.append(log.records[0])
    log.write(row("DE", income=2.0), ApplyMark("a", 3, 3), at_ms=50_000)
    assert (6, 1.0, 2) == (log.shown, log.income, len(log.why()))


def test_a_broken_record_of_an_apply_costs_itself() -> None:
    """The rest of the apply is in force, if it fits together."""
    log = Log()
    log.apply(plan(budget=9.0), ("BR", b"{"), row("DE", income=2.0))
    now = log.profiles.now
    assert (9.0, BASE.markets["BR"], 2.0) == (now.plan.budget, now.markets["BR"], now.markets["DE"].income)
    assert 1 == len(log.why())


@pytest.mark.parametrize("seed", range(20))
def test_what_holds_at_an_offset_is_the_same_whenever_it_was_read(seed: int) -> None:
    """Any applies and bursts, settled at any time or never: each offset gives each reader one portfolio."""
    chance = random.Random(seed)
    log, now_ms = Log(), 0
    for number in range(60):
        now_ms += chance.choice([0, 10, 900, 1_100, 9_000, 12_000])
        one = chance.choice(
            [plan(regions={"latam": 5.0}), plan(), br(number + 1.0), row("BR", region="latam"), ("BR", None),
             (PLAN_KEY, None), row("DE", currency="EUR"), ("DE", b"{")]
        )  # fmt: skip
        count = chance.randint(1, 3)
        mark = chance.choice([None, ApplyMark(chance.choice("ab"), chance.randint(1, count), count)])
        log.write(one, mark, now_ms)
        if chance.random() < 0.5:
            log.profiles.settle(now_ms + chance.choice([0, 1_000, 20_000]))
    again = Profiles(BASE)
    for record in log.records:
        again.take(record)
    offsets = range(len(log.records) + 1)
    assert [log.profiles.at(offset) for offset in offsets] == [again.at(offset) for offset in offsets]
    for offset in offsets:
        portfolio = log.profiles.at(offset)
        named = {market.region for market in portfolio.markets.values() if market.region}
        assert named <= portfolio.plan.regions.keys()


def test_a_new_holder_goes_on_from_what_was_in_force() -> None:
    """It knows the offset of the step before, and does not go back where its own clock has settled less."""
    log = Log()
    log.write(br(1.0))
    assert (0, 1, 1) == tuple(log.profiles.in_force(known) for known in (0, 1, 9))
    assert 1.0 == log.profiles.at(1).markets["BR"].income


@pytest.mark.parametrize(
    ("field", "why"), [({"region": "latam"}, "region = 'latam'"), ({"currency": "EUR"}, "currency = 'EUR'")]
)
def test_a_market_that_names_what_the_plan_lacks_is_refused(field: dict[str, str], why: str) -> None:
    """Its money would have no cap, or no rate; it is in force as soon as the plan has it."""
    log = Log()
    log.apply(row("BR", income=1.0, **field))
    [message] = log.why()
    assert (BASE, True, True) == (log.profiles.now, why in message, "Operator action: " in message)
    assert [0] == [letter.offset for letter in log.profiles.refused(0, 1)]
    assert [] == log.profiles.refused(1, 1)
    log.apply(plan(regions={"latam": 9.0}, currencies={"EUR": 2.0}))
    assert (1.0, []) == (log.income, log.why())


def test_a_plan_that_drops_what_markets_name_is_refused() -> None:
    """All such markets are named; plan and markets changed together are judged together."""
    log = Log()
    log.apply(plan(regions={"latam": 9.0}), row("BR", region="latam"), row("DE", region="latam"))
    assert [] == log.why()
    before = log.profiles.now
    log.apply(plan(budget=1.0))
    [message] = log.why()
    assert before == log.profiles.now
    assert "BR (region = 'latam'" in message
    assert "DE (region = 'latam'" in message
    log.apply(plan(budget=3.0), row("BR"), row("DE"))
    assert (3.0, []) == (log.profiles.now.plan.budget, log.why())


def test_an_apply_loses_what_does_not_fit_or_all_of_it() -> None:
    """One market without a cap costs itself; a plan that cannot be costs also what only it would have allowed."""
    log = Log()
    log.apply(plan(budget=3.0), row("BR", region="apac"), row("DE", income=2.0))
    now = log.profiles.now
    assert (3.0, "", 2.0) == (now.plan.budget, now.markets["BR"].region, now.markets["DE"].income)
    log.apply(plan(regions={"latam": 9.0}), row("BR", region="latam"))
    before = log.profiles.now
    log.apply(plan(regions={"eu": 9.0}), row("DE", region="eu"), row("FR", income=4.0))
    assert before == log.profiles.now
    assert 3 == len(log.why())
    assert "refused together with _plan" in log.why()[2]


def test_a_tombstone_that_takes_a_name_away_is_refused() -> None:
    """Of the plan, while a market lives in its region."""
    log = Log()
    log.apply(plan(regions={"latam": 9.0}), row("BR", region="latam"))
    log.apply((PLAN_KEY, None))
    assert {"latam": 9.0} == log.profiles.now.plan.regions
    log.apply((PLAN_KEY, None), ("BR", None))
    assert (BASE, []) == (log.profiles.now, log.why())


def test_compaction_of_a_good_history_refuses_nothing() -> None:
    """The plan gave a region up together with its market, which changed again later: the newest of each is left."""
    log = Log()
    log.apply(plan(regions={"latam": 9.0}), row("BR", region="latam"))
    log.apply(plan(budget=3.0), row("BR"), name="b", at_ms=20_000)
    log.apply(row("BR", income=5.0), name="c", at_ms=40_000)
    again = Profiles(BASE)
    for offset in (2, 4):
        again.take(log.records[offset])
    again.settle(LATER)
    assert (log.profiles.now, []) == (again.now, again.bad)


def test_amounts_of_the_file_keep_their_currency() -> None:
    """A published plan in another one is refused while the file's markets count, unless it has a rate for them."""
    log = Log()
    log.apply(plan(currency="EUR thousand"))
    [message] = log.why()
    assert BASE == log.profiles.now
    assert f"US (currency = {BASE.plan.currency!r} has no rate in [currencies])" in message
    log.apply(plan(currency="EUR thousand", currencies={BASE.plan.currency: 1.28}))
    assert ([], {BASE.plan.currency}) == (log.why(), {one.currency for one in log.profiles.now.markets.values()})
    log.apply(plan(currency="EUR thousand", replaces=True))
    assert ([], {}) == (log.why(), log.profiles.now.markets)


def test_what_an_apply_publishes_names_its_currency() -> None:
    """So that no plan of another currency can come under it."""
    own = Portfolio(msgspec.structs.replace(BASE.plan, currency="EUR thousand"), {"BR": BASE.markets["BR"]})
    log = Log()
    log.apply(*apply_records(own, log.profiles))
    assert "EUR thousand" == log.profiles.now.markets["BR"].currency
    before = log.profiles.now
    log.apply(plan(currency="GBP", replaces=True))
    assert (before, 1) == (log.profiles.now, len(log.why()))
    log.apply((PLAN_KEY, None))
    assert before == log.profiles.now
