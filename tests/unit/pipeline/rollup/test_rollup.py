"""Steps as a pure function: same decisions however the stream was cut, repeated steps change nothing."""

import random
from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, Excerpt, RefusedAnswer
from strategy.portfolio import load_portfolio
from streams.contract.rules import MarketRules, Rules, ShiftRule, SurgeRule
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.detect.watch import gaps_of
from streams.pipeline.reallocate.answer import answer_of
from streams.pipeline.rollup.state import CommonState
from streams.pipeline.rollup.step import MOST_ENDED, RollUp, StepContext, StepOutcome, drift_sums
from streams.pipeline.rollup.step_record import Spending

LAYOUT = CellLayout(("app", "price"))
START = 29_880_000  # a minute, at a full hour
CONTEXT = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")


def feed(seed: int, minutes: int, worse: tuple[float, float] = (0.8, 1.0)) -> list[dict[str, int]]:
    """Counts per minute: one market with three times the negatives in `worse`, fractions of the time."""
    rng = random.Random(seed)
    result = []
    for at in range(minutes):
        share = 0.6 if worse[0] <= at / minutes < worse[1] else 0.2
        negative = sum(rng.random() < share for _ in range(6))
        prefix = f"BR:{START + at}:"
        counts = {prefix + "negative/app": negative, prefix + "positive/app": 6 - negative}
        counts[prefix + "e/app"] = counts[prefix + "e2"] = (6 - negative) * 1_000_000
        result.append({name: n for name, n in counts.items() if n})
    return result


def steps(minutes: list[dict[str, int]], sizes: list[int]) -> list[CutStep]:
    """The feed cut into steps of so many minutes each (the sizes repeat)."""
    found, at = [], 0
    while at < len(minutes):
        size = sizes[len(found) % len(sizes)]
        counts = {name: n for minute in minutes[at : at + size] for name, n in minute.items()}
        at = min(at + size, len(minutes))
        newest = (START + at - 1) * 60_000 + 59_999
        number = len(found) + 1
        found.append(
            CutStep(
                number,
                number * 1_000,
                counts,
                {},
                {0: PartitionCut(at, newest, rose_ms=number * 1_000, seen_ms=number * 1_000)},
            )
        )
    return found


def play(cuts: list[CutStep]) -> tuple[RollUp, list[StepOutcome]]:
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    return rollup, [rollup.decide(step, rollup.take(step), CONTEXT) for step in cuts]


def test_what_users_said_is_forgotten_after_eight_days() -> None:
    """Also where the market itself says nothing new: another one moves stream time."""
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    said = Excerpt(1, "quebrado", "negative", "app", START * 60_000)
    for day, market, kept in ((0, "BR", 1), (8, "DE", 1), (9, "DE", 0)):
        minute = START + day * 24 * 60
        newest = PartitionCut(day, minute * 60_000, rose_ms=day, seen_ms=day)
        counts = {f"{market}:{minute}:negative/app": 1}
        step = CutStep(day + 1, minute * 60_000, counts, {}, {0: newest}, {"BR": [said]} if day == 0 else {})
        rollup.take(step)
        assert kept == len(rollup.markets["BR"].excerpts)


def test_tests_of_alerts_are_forgotten_after_an_hour() -> None:
    """Whoever publishes feedback may send them: they do not take the place of alerts that ended within 7 days."""
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    ended_ms = START * 60_000
    rollup.common.ended = {"surge-BR-1": ended_ms} | {f"test-{number}": ended_ms for number in range(MOST_ENDED)}
    minute = START + 61
    newest = PartitionCut(1, minute * 60_000, rose_ms=1, seen_ms=1)
    step = CutStep(1, minute * 60_000, {f"BR:{minute}:negative/app": 1}, {}, {0: newest}, {})
    forgotten = rollup.decide(step, rollup.take(step), CONTEXT).forgotten
    assert (MOST_ENDED, ["surge-BR-1"]) == (len(forgotten), list(rollup.common.ended))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 3))
def test_surges_do_not_depend_on_where_steps_are_cut(sizes: list[int], seed: int) -> None:
    """One step a minute or one an hour: the same alerts, which end in the same state."""
    minutes = feed(seed, 400, (0.3, 0.4))
    ends: list[list[tuple[str, str, int | None]]] = []
    for sized in ([1], sizes):
        alerts = [alert for outcome in play(steps(minutes, sized))[1] for alert in outcome.alerts]
        assert len(alerts) == len({(alert.id, alert.seq) for alert in alerts})
        ends.append([(one.id, one.state, one.ended_at) for one in {alert.id: alert for alert in alerts}.values()])
    assert ends[0] == ends[1]
    assert "resolved" in {state for _, state, _ in ends[0]}


def test_a_surge_that_comes_and_goes_within_one_step_is_one_record() -> None:
    """Resolved, with the evidence of firing too: readers take one record per id and seq."""
    [outcome] = play(steps(feed(1, 400, (0.3, 0.4)), [400]))[1]
    [alert] = [one for one in outcome.alerts if one.topic is None and one.kind == "surge"]
    assert "resolved" == alert.state
    assert {"began_estimate", "excerpts", "events", "share"} <= alert.evidence.keys()


def test_the_same_steps_give_the_same_outcome_bit_for_bit() -> None:
    """Two players of one journal publish equal metrics, alerts and shifts."""
    cuts = steps(feed(1, 300), [7, 3])
    assert play(cuts)[1] == play(cuts)[1]


def test_the_journal_carries_rules_when_they_change() -> None:
    """At the first step, and at one whose rules are others than those of the step before, also after a restart."""
    cuts = steps(feed(1, 400), [100])
    rollup, strict = RollUp(LAYOUT, idle_ms=30_000), Rules(shift=ShiftRule(sigmas=4.0))
    carried = []
    for at, cut in enumerate(cuts):
        rollup.rules = strict if at >= 2 else Rules()
        rollup.common = msgspec.msgpack.decode(msgspec.msgpack.encode(rollup.common), type=CommonState)
        carried.append(rollup.decide(cut, rollup.take(cut), CONTEXT).journal.rules)
    assert [Rules(), None, strict, None] == carried
    assert strict == msgspec.json.decode(msgspec.json.encode(strict), type=Rules)


def test_a_market_has_rules_of_its_own() -> None:
    """BR never fires where its threshold is out of reach; the rules of others do not touch it."""
    out_of_reach = MarketRules(surge=SurgeRule(threshold=1000.0))
    for market, fired in (("BR", False), ("DE", True)):
        rollup = RollUp(LAYOUT, idle_ms=30_000, rules=Rules(markets={market: out_of_reach}))
        outcomes = [rollup.decide(cut, rollup.take(cut), CONTEXT) for cut in steps(feed(1, 400), [20])]
        assert fired == any(alert.kind == "surge" for one in outcomes for alert in one.alerts)


def test_minutes_ahead_of_stream_time_wait() -> None:
    """A partition that runs ahead fills windows, but its events reach the detectors when stream time does."""
    cut = steps(feed(1, 60), [60])[0]
    slow = PartitionCut(1, START * 60_000, rose_ms=cut.now_ms, seen_ms=cut.now_ms)
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    rollup.take(CutStep(1, cut.now_ms, cut.counts, {}, {**cut.partitions, 1: slow}))
    rollup.decide(cut, ["BR"], CONTEXT)
    assert 60 == len(rollup.markets["BR"].waiting)
    assert 360 == LAYOUT.read(rollup.windows.window("BR", "24h", START)).n


def test_another_portfolio_is_answered_like_a_shift() -> None:
    """Cause `profile`, with the offset that the answer must have read; not before the first allocation."""
    cuts = steps(feed(1, 200), [60, 120, 180])
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    causes = []
    for number, cut in enumerate(cuts):
        context = replace(CONTEXT, profiles=number, profiles_changed=number != 1)
        causes.append([(one.cause, one.profiles) for one in rollup.decide(cut, rollup.take(cut), context).shifts])
    assert [("profile", 2)] == causes[2][:1]
    assert "profile" not in [cause for cause, _ in causes[0] + causes[1]]


def test_another_model_rebases_the_detectors() -> None:
    """The jump in negatives that a new model brings is no surge and no shift; an hour later all is as usual."""
    cuts = steps(feed(1, 420, (320 / 420, 1.0)), [20])
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    fired, warming = [], []
    for at, cut in enumerate(cuts):  # the share of negatives jumps at minute 320, in step 16
        context = replace(CONTEXT, model="new" if at >= 16 else "old")
        outcome = rollup.decide(cut, rollup.take(cut), context)
        fired += [alert.kind for alert in outcome.alerts if alert.state == "firing" and alert.kind == "surge"]
        fired += [one.cause for one in outcome.shifts if one.cause == "shift"]
        warming.append(rollup.markets["BR"].warming is not None)
    assert [] == fired
    assert [False] * 16 + [True] * 4 + [False] == warming
    assert play(steps(feed(1, 400), [20]))[1][-1].journal.model == "m"
    usual = [alert.kind for one in play(steps(feed(1, 400), [20]))[1] for alert in one.alerts]
    assert "surge" in usual


def test_a_firing_surge_is_resolved_when_the_model_changes() -> None:
    """Else it would fire for ever."""
    *before, last = steps(feed(1, 400), [20])
    rollup, outcomes = play(before)
    firing = [alert.id for one in outcomes for alert in one.alerts if alert.kind == "surge" and alert.state == "firing"]
    outcome = rollup.decide(last, rollup.take(last), replace(CONTEXT, model="new"))
    resolved = [alert for alert in outcome.alerts if alert.state == "resolved"]
    assert set(firing) == {alert.id for alert in resolved}
    assert {"cause": "the model changed"} == resolved[0].evidence


def test_seq_runs_ahead_of_steps_after_redis_went_back() -> None:
    """Alerts and shifts carry `step + ahead`, and the journal says by how much; nothing else differs."""
    cuts = steps(feed(1, 300), [7, 3])
    plain, ahead = RollUp(LAYOUT, idle_ms=30_000), RollUp(LAYOUT, idle_ms=30_000)
    for cut in cuts:
        one = plain.decide(cut, plain.take(cut), CONTEXT)
        other = ahead.decide(cut, ahead.take(cut), replace(CONTEXT, ahead=40))
        assert (cut.number, cut.number + 40) == (one.seq, other.seq)
        assert [alert.seq + 40 for alert in one.alerts] == [alert.seq for alert in other.alerts]
        assert [shift.seq + 40 for shift in one.shifts] == [shift.seq for shift in other.shifts]
        assert (one.step, 40, one.metrics) == (other.step, other.journal.ahead, other.metrics)


def test_a_refused_answer_is_in_the_journal_and_fires() -> None:
    """A replay takes it from the step's record; the alert ends with the first step that knows of none."""
    cuts = steps(feed(1, 40), [10])
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    refused = RefusedAnswer("shift-1-BR", "failed", "u of BR is missing")
    outcomes = [
        rollup.decide(cut, rollup.take(cut), replace(CONTEXT, refused=one))
        for cut, one in zip(cuts, [None, refused, refused, None], strict=True)
    ]
    assert [None, refused, refused, None] == [one.journal.refused for one in outcomes]
    told = [[alert.state for alert in one.alerts if alert.kind == "allocation"] for one in outcomes]
    assert [[], ["firing"], [], ["resolved"]] == told


def test_what_ended_is_shown_for_seven_days() -> None:
    """Then its id is taken out of what readers see, once; one that fires stays."""
    rollup, outcomes = play(steps(feed(1, 400, (0.3, 0.4)), [10]))
    ended = {alert.id for one in outcomes for alert in one.alerts if alert.state == "resolved"}
    assert ended
    assert {()} == {one.forgotten for one in outcomes}
    gone = []
    for day in range(1, 9):
        minute, number = START + 400 + day * 24 * 60, len(outcomes) + day
        newest = PartitionCut(number, minute * 60_000, rose_ms=number * 1_000, seen_ms=number * 1_000)
        step = CutStep(number, number * 1_000, {f"BR:{minute}:positive/app": 1}, {}, {0: newest})
        gone.append(set(rollup.decide(step, rollup.take(step), CONTEXT).forgotten))
    assert [set()] * 6 == gone[:6]
    assert ended <= gone[6] | gone[7]
    assert not gone[6] & gone[7]


def test_a_market_whose_feed_is_dead_does_not_shift_and_is_named() -> None:
    """BR is silent from the third hour on while DE speaks; DE's shift says that nobody hears BR."""
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    shifts, silent = [], False
    for number, hour in enumerate(range(12), start=1):
        counts: dict[str, int] = {}
        for market, until, worse in (("BR", 3, 99), ("DE", 99, 9)):
            if hour < until:
                name = "negative/app" if hour >= worse else "positive/app"
                counts |= {f"{market}:{START + hour * 60 + at}:{name}": 5 for at in range(60)}
        minute = START + hour * 60 + 59
        newest = PartitionCut(number, minute * 60_000, rose_ms=number * 1_000, seen_ms=number * 1_000)
        step = CutStep(number, number * 1_000, counts, {}, {0: newest})
        outcome = rollup.decide(step, rollup.take(step), CONTEXT)
        silent = silent or any(one.kind == "no_data" and one.market == "BR" for one in outcome.alerts)
        shifts += outcome.shifts if silent else []
    assert {"DE"} == {one.market for one in shifts}
    assert {("BR",)} == {one.unheard for one in shifts}
    assert [(START + 179) * 60_000] == [begin for begin, _ in gaps_of(rollup.markets["BR"].watch, 0)]


def test_many_answers_in_a_day_move_no_market_further_than_one_may() -> None:
    """20 shifts in three hours, each answered at once or a step later: within one change limit of the first plan."""
    portfolio = load_portfolio()
    u = dict.fromkeys(portfolio.markets, 0.66)
    for late in (False, True):
        rollup, answers = RollUp(LAYOUT, idle_ms=30_000), []
        known: AllocationRecord | None = None
        for number in range(1, 21):
            minute = START + number * 9
            newest = PartitionCut(number, minute * 60_000, rose_ms=number * 1_000, seen_ms=number * 1_000)
            step = CutStep(number, number * 1_000, {f"BR:{minute}:positive/app": 200}, {}, {0: newest})
            context = replace(CONTEXT, allocation=known, profiles_changed=True)
            [shift, *_] = rollup.decide(step, rollup.take(step), context).shifts
            if late and answers:
                known = answers[-1]
            r = dict.fromkeys(portfolio.markets, -0.5 if answers else 0.02) | {"BR": 0.5 if answers else 0.02}
            asked = msgspec.structs.replace(shift, u=u, r=r)
            record = answer_of(asked, portfolio, answers[-1] if answers else None)
            answers += [record] if record.adopted else []
            known = known if late else answers[-1]
        first, last = (one.allocation.markets for one in (answers[0], answers[-1]))
        assert last["BR"].spend > first["BR"].spend + 50
        for market in portfolio.markets:
            limit = max(portfolio.plan.change_limit_floor, portfolio.plan.change_limit_share * first[market].spend)
            assert abs(last[market].spend - first[market].spend) <= limit + 1e-6, market


def test_amounts_of_another_currency_are_forgotten() -> None:
    """What was in force in 10,000 CNY says nothing of change limits in EUR."""
    portfolio = load_portfolio()
    u = dict.fromkeys(portfolio.markets, 0.66)
    euro = Portfolio(msgspec.structs.replace(portfolio.plan, budget=20.0, currency="EUR million"), portfolio.markets)
    rollup = RollUp(LAYOUT, idle_ms=30_000)
    known: AllocationRecord | None = None
    asked = []
    for number, table in enumerate((portfolio, portfolio, euro, euro), start=1):
        minute = START + number * 60
        newest = PartitionCut(number, minute * 60_000, rose_ms=number * 1_000, seen_ms=number * 1_000)
        step = CutStep(number, number * 1_000, {f"BR:{minute}:positive/app": 200}, {}, {0: newest})
        context = replace(CONTEXT, allocation=known, profiles_changed=True)
        [shift, *_] = rollup.decide(step, rollup.take(step), context).shifts
        asked.append(shift)
        record = answer_of(msgspec.structs.replace(shift, u=u | {"BR": 0.3 + 0.1 * number}, r={}), table, known)
        known = record if record.adopted else known
    assert ["", "10,000 CNY", "10,000 CNY", "EUR million"] == [one.spend_currency for one in asked]
    assert 200 < sum(asked[2].spend_day_ago.values())
    assert 20 >= sum(asked[3].spend_day_ago.values()) > 0


def test_drift_of_languages_is_one_of_languages() -> None:
    """Unmeasured texts are none of `other`: drift of unknown pieces looks at those."""
    layout = CellLayout(("app",), languages=("pt",))
    cells = layout.step_zeros()
    for name, n in (("neutral@pt", 5), ("neutral@other", 3), ("neutral@unmeasured", 2), ("neutral/app", 10)):
        cells[layout.index(name)] = n
    assert (3.0, 10.0) == tuple(drift_sums(cells, layout)[name] for name in ("other_language", "neutral"))
