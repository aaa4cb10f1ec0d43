"""The fake Redis and the real one answer alike and end alike: every script and command that the ledger uses."""

import random

import pytest

from streams.errors import LedgerLost
from streams.ledger import Ledger
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.programs import CALLS, Side, program
from tests.simulation.real_redis import RealRedis

PROGRAMS = 40
CALLS_EACH = 120


@pytest.fixture
def clock() -> list[int]:
    """The time that both stores read, in epoch ms."""
    return [1_700_000_000_000]


async def test_fake_and_real_answer_alike(redis_url: str, clock: list[int]) -> None:
    """Random programs: the same answer to every call, and at the end the same keys with the same content."""
    answers: dict[tuple[str, str], int] = {}
    for seed in range(PROGRAMS):
        rng = random.Random(seed)
        fake, real = Side.of(FakeRedis(lambda: clock[0])), Side.of(RealRedis(redis_url, lambda: clock[0]))
        done: list[str] = []
        for call, arguments in program(rng, CALLS_EACH):
            clock[0] += rng.choice((0, 1, 300, 20_000))
            done.append(call)
            expected = await real.do(call, arguments)
            assert expected == await fake.do(call, arguments), f"program {seed}, call {len(done)}: {done[-5:]}"
            verdict = expected[0] if isinstance(expected, tuple) else expected
            key = call, verdict if isinstance(verdict, str) else type(verdict).__name__
            answers[key] = answers.get(key, 0) + 1
            if call in ("publish", "restore", "store_allocation"):
                assert real.content() == fake.content(), f"program {seed}, call {len(done)}: {done[-5:]}"
        assert real.content() == fake.content(), f"program {seed}"
        real.store.close()
    assert set(CALLS) == {call for call, _ in answers}
    for verdict in ("OK", "ALREADY", "FENCED", "REWOUND", "AHEAD", "FULL"):
        assert answers.get(("commit", verdict), 0) > 0, f"no commit answered {verdict}"
    for wanted in (
        ("cut", "CutStep"), ("cut", "FENCED"), ("cut", "NOTHING"), ("publish", "OK"), ("publish", "ALREADY"),
        ("publish", "FENCED"), ("publish", "LedgerBroken"), ("lease", "Lease"), ("lease", "NoneType"),
        ("claim", "LedgerLost"),
    ):  # fmt: skip
        assert answers.get(wanted, 0) > 0, f"no {wanted[0]} answered {wanted[1]}"


async def test_both_answer_alike_where_there_is_no_ledger(redis_url: str, clock: list[int]) -> None:
    """LOST from every script."""
    for store in (FakeRedis(lambda: clock[0]), RealRedis(redis_url, lambda: clock[0])):
        side = Side.of(store)
        ledger: Ledger = side.ledger
        answers = [await side.do(call, 1) for call in ("claim", "lease", "store_allocation")]
        assert ["LedgerLost"] * 3 == answers
        with pytest.raises(LedgerLost):
            await ledger.positions([0])
