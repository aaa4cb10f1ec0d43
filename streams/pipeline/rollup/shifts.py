"""Shifts of a step: which markets moved far enough that the allocator is asked, and with what."""

from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from marketpulse.contract.metrics import Estimate, MarketMetrics
from marketpulse.contract.records import AllocationRecord, ShiftRecord
from marketpulse.contract.units import DAY_MS, MINUTE_MS
from streams.contract.rules import Rules
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.detect.shift import Standing, shift_step
from streams.pipeline.detect.watch import fires
from streams.pipeline.rollup.state import CommonState
from streams.pipeline.rollup.step_record import StepContext

MOVES_APART_MS = 30 * MINUTE_MS
LEAST_MOVE = 1e-9  # of money


def follow_spend(common: CommonState, allocation: AllocationRecord | None, stream_ms: int) -> None:
    """Remember what each market's spend was before it changed, for 24 h; changes of half an hour count as one.

    Args:
        common: changed in place.
        allocation: the one in force.
        stream_ms: stream time, in epoch ms.
    """
    oldest_ms = stream_ms - DAY_MS - MOVES_APART_MS
    recent = {market: [move for move in moves if move[0] > oldest_ms] for market, moves in common.moves.items()}
    common.moves = {market: moves for market, moves in recent.items() if moves}
    if allocation is None or allocation.id == common.allocated:
        return
    spend = {market: one.spend - one.entry for market, one in allocation.allocation.markets.items()}
    currency = allocation.allocation.currency
    if common.spend_currency not in ("", currency):  # amounts of another currency say nothing of these
        common.moves, common.spend = {}, {}
    for market in sorted(spend.keys() & common.spend.keys()):
        moves = common.moves.get(market, [])
        apart = not moves or stream_ms - moves[-1][0] >= MOVES_APART_MS
        if apart and abs(spend[market] - common.spend[market]) > LEAST_MOVE:
            common.moves[market] = [*moves, (stream_ms, common.spend[market])]
    common.allocated, common.spend, common.spend_currency = allocation.id, spend, currency


def spend_day_ago(answers: Iterable[AllocationRecord], stream_ms: int, currency: str) -> dict[str, float]:
    """Spend per market of 24 h ago without entry money, as a shift of now would name it; empty in another currency.

    Args:
        answers: of the allocator, oldest first.
        stream_ms: stream time, in epoch ms.
        currency: of the plan that asks.
    """
    common = CommonState()
    for answer in answers:
        if answer.adopted:
            follow_spend(common, answer, answer.stream_time)
    follow_spend(common, None, stream_ms)
    return _day_ago(common) if common.spend_currency in ("", currency) else {}


def _day_ago(common: CommonState) -> dict[str, float]:
    return common.spend | {market: moves[0][1] for market, moves in common.moves.items()}


def shifts_of(
    markets: dict[str, MarketState],
    common: CommonState,
    metrics: Mapping[str, MarketMetrics],
    surged: Collection[str],
    seq: int,
    context: StepContext,
    rules: Rules,
) -> list[ShiftRecord]:
    """One for every market that shifted, those with a surge first; the first of all once a market is ready.

    Args:
        markets, common: the state after the step's minutes were judged, changed in place.
        metrics: of the step.
        surged: markets whose surge or drop began to fire.
        seq: of the step's records.
        context: what the step was made in.
        rules: thresholds, per market.
    """
    assert common.stream_time_ms is not None
    stream_ms = common.stream_time_ms
    unheard = _unheard(markets, common, rules, stream_ms)
    days = {market: one.windows["24h"] for market, one in metrics.items()}
    found, ready = [], False
    for market, day in days.items():
        state = markets.setdefault(market, MarketState())
        if market in unheard:
            continue
        standing = Standing(day.n, _pair(day.u), None if day.r is None else _pair(day.r))
        rule = rules.of(market).shift
        state.shift, evidence = shift_step(state.shift, standing, market in surged, stream_ms, rule)
        ready = ready or state.shift.u is not None
        if evidence is not None:
            found.append((market, evidence))
    found.sort(key=lambda pair: ("surge" not in pair[1], pair[0]))
    everything = ShiftRecord(
        id=f"initial-{seq}",
        seq=seq,
        cause="initial",
        market=None,
        stream_time=stream_ms,
        u={market: day.u.value for market, day in days.items()},
        r={market: None if day.r is None else day.r.value for market, day in days.items()},
        profiles=context.profiles,
        n={market: day.n for market, day in days.items()},
        u_se={market: day.u.se for market, day in days.items()},
        r_se={market: day.r.se for market, day in days.items() if day.r is not None},
        unheard=unheard,
        spend_day_ago=_day_ago(common),
        spend_currency=common.spend_currency,
    )
    if ready and not common.started:
        common.started = True
        return [everything]
    shifts = [
        replace(everything, id=f"shift-{seq}-{market}", cause="shift", market=market, evidence=evidence)
        for market, evidence in found
    ]
    if context.profiles_changed and common.started:
        shifts.insert(0, replace(everything, id=f"profile-{seq}", cause="profile"))
    return shifts


def _unheard(markets: Mapping[str, MarketState], common: CommonState, rules: Rules, stream_ms: int) -> tuple[str, ...]:
    """Markets whose metrics say nothing of their users now: their feed is silent, or a new model is learned."""
    quiet_ms = rules.watch.no_data_silence_ms
    everywhere = fires(common.watch, "no_data")

    def silent(state: MarketState) -> bool:
        long = stream_ms - (state.watch.newest_ms or 0) >= quiet_ms
        return fires(state.watch, "no_data") or (everywhere and long)

    return tuple(market for market, state in sorted(markets.items()) if state.warming is not None or silent(state))


def _pair(estimate: Estimate) -> tuple[float, float]:
    return estimate.value, estimate.se
