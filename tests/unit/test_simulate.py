"""The simulated feed keeps its word: its truth is what the decoder finds."""

from collections import Counter

from streams.decode import Rejected, decode
from streams.simulate import FeedPlan, expected_of, generate

PLAN = FeedPlan(seed=3, events=2_000)


def test_same_plan_same_feed() -> None:
    """Seeded: byte for byte."""
    assert list(generate(PLAN)) == list(generate(PLAN))


def test_the_truth_is_what_the_decoder_finds() -> None:
    """Every line is accepted or rejected with the code its truth names; duplicates repeat an accepted id."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    lines = list(generate(PLAN))
    for line in lines:
        try:
            event = decode(line.value, PLAN.end_ms)
        except Rejected as rejected:
            found[rejected.code] += 1
        else:
            found["duplicate" if event.id in seen else "accepted"] += 1
            seen.add(event.id)
    truth = expected_of(lines)
    wanted = truth["dead_letter_by_code"] | {"accepted": truth["accepted"], "duplicate": truth["duplicates"]}
    assert wanted == dict(found)
