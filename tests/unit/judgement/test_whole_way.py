"""The whole way of a market-week: events, tickets of two workers, texts to show, answers, shares, evidence."""

import numpy as np

from streams.judgement.draw import SIZES, Lottery, Ticket, inclusion, order_of_cells, smallest, spreads_within
from streams.judgement.estimate import WORTH, Sample, estimate
from streams.judgement.evidence import confusions, evidence
from streams.judgement.raters import error_rate, without_error

CONFUSION = np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]])
EVENTS = 3_000


def test_a_week_from_its_events_to_its_shares() -> None:
    """What is kept are tickets, counts and one sum; the truth lies in the interval, far from what the model says."""
    rng = np.random.default_rng(11)
    truth = rng.choice(3, EVENTS, p=[0.6, 0.1, 0.3])
    predicted = np.array([rng.choice(3, p=CONFUSION[label]) for label in truth])
    scores = WORTH["u"][predicted] * 0.8 + 0.1
    counts = np.bincount(predicted, minlength=3).tolist()

    lottery, kept = Lottery(b"key of this test"), [list[Ticket]() for _ in range(3)]
    for worker in (1, 0):  # each reads its own events, in its own time
        for event in range(worker, EVENTS, 2):
            ticket = lottery.place("BR", 2_970, f"e{event}"), f"e{event}"
            kept[predicted[event]] = smallest(kept[predicted[event]], [ticket])

    shares = np.array(counts) / EVENTS
    order = order_of_cells(counts, spreads_within(CONFUSION, shares, WORTH["u"]).tolist(), SIZES[2])
    waiting = [iter(tickets) for tickets in kept]
    shown = [int(next(waiting[cell])[1][1:]) for cell in order]
    answers = truth[shown]
    sample = Sample(
        answers[None], np.array([order]), scores[None, shown], np.array([counts]), scores.mean(keepdims=True)
    )
    answered = estimate(sample, WORTH["u"])
    found = without_error(answered, WORTH["u"], np.array([float(EVENTS)]), *error_rate(60, 60))
    true = WORTH["u"][truth].mean()
    assert found.low[0] < true < found.high[0]
    assert abs(found.value[0] - true) < 0.5 * abs(scores.mean() - true)
    assert found.high[0] - found.low[0] < 0.25

    drawn = np.bincount(order, minlength=3)
    np.testing.assert_allclose(drawn / counts, inclusion(counts, order))
    labels = np.array([np.bincount(answers[np.array(order) == cell], minlength=3) for cell in range(3)]).T
    known = confusions(CONFUSION, {"BR": [evidence(labels, drawn, np.array(counts), 1.0)]}, ["BR"])
    np.testing.assert_allclose(CONFUSION, known.mean[0], atol=0.12)
