"""The fake Redis and the real one answer alike and end alike: every script and command that the ledger uses."""

import random
from collections import Counter
from importlib.resources import files

import pytest

from streams.errors import LedgerLost
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.programs import CALLS, Side, program
from tests.simulation.real_redis import RealRedis

PROGRAMS = 30
CALLS_EACH = 120
ANSWERS = (
    *(("commit", verdict) for verdict in ("OK", "ALREADY", "FENCED", "REWOUND", "AHEAD", "FULL")),
    *(("publish", verdict) for verdict in ("OK", "ALREADY", "FENCED", "LedgerBroken")),
    *(("cut", verdict) for verdict in ("CutStep", "FENCED", "NOTHING")),
    *(("lease", verdict) for verdict in ("Lease", "NoneType")),
    *(("claim", verdict) for verdict in ("Claim", "PartitionUnknown")),
    *((call, "LedgerBroken") for call in ("claim", "commit", "cut", "lease", "store_allocation", "grow")),
)
CHANGED = {
    "commit": ("if next_offset > first then", "if false then"),
    "cut": ("'open', step + 1", "'open', step"),
    "publish": ("ledger[2] ~= ARGV[2]", "false"),
    "claim": ("'claim', claim,", "'claim', 1,"),
    "allocate": ("'writing', 'allocate'", "'writing', ''"),
    "grow": ("number = known,", "number = known + 1,"),
    "lease": ("held and (", "false and ("),
}


async def difference(url: str, seed: int, answers: Counter[tuple[str, str]], texts: dict[str, str]) -> str:
    """Run one random program on both; the first call after which they differ, or nothing."""
    rng, now_ms = random.Random(seed), 1_700_000_000_000
    stores = RealRedis(url, lambda: now_ms, texts), FakeRedis(lambda: now_ms)
    real, fake = map(Side.of, stores)
    try:
        for at, (call, arguments) in enumerate(program(rng, CALLS_EACH)):
            now_ms += rng.choice((0, 1, 300, 20_000))
            expected, actual = await real.do(call, arguments), await fake.do(call, arguments)
            if expected != actual:
                return f"program {seed}, call {at}, {call}: the real answers {expected}, the fake {actual}"
            if call in ("publish", "restore", "store_allocation") and real.content() != fake.content():
                return f"program {seed}, call {at}, {call}: other content"
            verdict = expected[0] if isinstance(expected, tuple) else expected
            answers[call, verdict if isinstance(verdict, str) else type(verdict).__name__] += 1
        return "" if real.content() == fake.content() else f"program {seed}: other content at the end"
    finally:
        stores[0].close()


async def test_fake_and_real_answer_alike(redis_url: str) -> None:
    """Random programs: the same answer to every call and the same content; every call and answer occurs."""
    answers: Counter[tuple[str, str]] = Counter()
    for seed in range(PROGRAMS):
        assert "" == await difference(redis_url, seed, answers, {})
    assert set(CALLS) == {call for call, _ in answers}
    assert [] == [wanted for wanted in ANSWERS if not answers[wanted]]


@pytest.mark.parametrize("script", CHANGED)
async def test_a_changed_script_is_seen(redis_url: str, script: str) -> None:
    """The suite can fail: a script with one check changed differs from its fake."""
    text = (files("streams.ledger") / "lua" / f"{script}.lua").read_text("utf-8")
    changed = text.replace(*CHANGED[script])
    assert text != changed
    for seed in range(PROGRAMS):
        if await difference(redis_url, seed, Counter(), {script: changed}):
            return
    pytest.fail(f"{PROGRAMS} programs did not see it")


async def test_both_answer_alike_where_there_is_no_ledger(redis_url: str) -> None:
    """LOST from every script."""
    for store in (FakeRedis(lambda: 1), RealRedis(redis_url, lambda: 1)):
        side = Side.of(store)
        assert ["LedgerLost"] * 4 == [await side.do(call, 1) for call in ("claim", "lease", "grow", "store_allocation")]
        with pytest.raises(LedgerLost):
            await side.ledger.positions([0])
        store.close()
