"""What drives a surge is named: its topics, its words, and whether machines write it."""

import msgspec
import pytest

from marketpulse.contract.records import Excerpt
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.windows import Windows
from streams.pipeline.detect.evidence import driving_words, repeated_texts, topics_since, with_evidence
from streams.privacy.excerpt_order import ExcerptOrder
from tests.support.alerts import alert

LAYOUT = CellLayout(("app", "delivery", "price"))
MINUTE = 60_000


ORDER = ExcerptOrder(b"key")


def said(text: str, minute: int, label: str = "negative", user: str | None = None) -> Excerpt:
    return Excerpt(ORDER.of("BR", user, 0, minute, label == "negative"), text, label, "app", minute * MINUTE)


def test_topics_stand_in_the_order_of_their_excess() -> None:
    """Many negatives are no excess where they are usual; hours before the surge say what is."""
    windows = Windows(LAYOUT)

    def add(minute: int, topic: str, negatives: int, others: int) -> None:
        cells = LAYOUT.zeros()
        cells[LAYOUT.index(f"negative/{topic}")] = negatives
        cells[LAYOUT.index(f"positive/{topic}")] = others
        windows.add("BR", minute, cells, 1_300)

    for minute in range(900, 1_200, 10):
        add(minute, "app", 50, 50)
        add(minute, "delivery", 10, 90)
    for minute in range(1_260, 1_270):
        add(minute, "app", 51, 50)
        add(minute, "delivery", 40, 60)
        add(minute, "price", 8, 2)
    found = topics_since(windows, alert(started_at=1_269 * MINUTE, fired_at=1_269 * MINUTE), 1_260 * MINUTE)
    assert ["delivery", "price", "app"] == [one["topic"] for one in found]
    assert (1_000, 400, 0.1) == (found[0]["events"], found[0]["negatives"], round(found[0]["usual_share"], 1))
    assert 270 <= found[0]["excess"] <= 300


def test_words_are_new_in_the_negatives_since_it_began() -> None:
    """Words of every day and words of one text are none; where there are no spaces, pairs of characters stand in."""
    users = [f"user {at}" for at in range(5)]
    before = [said(f"the parcel came on day {at}", at, user=f"user {at}") for at in range(10)]
    now = [said(f"the parcel is broken, number {user}", 100, user=user) for user in users]
    now += [
        said(text, 101, label, user) for user in users for text, label in (("配送", "negative"), ("lovely", "positive"))
    ]
    words = driving_words([*before, *now], 100 * MINUTE)
    assert "broken" == words[0]
    assert "配送" in words
    assert not {"the", "parcel", "lovely"} & set(words)


@pytest.mark.parametrize("users", [["one"] * 9, [None] * 9, ["a", "b", "c", "d", None, None]])
def test_a_word_of_few_users_is_not_named(users: list[str | None]) -> None:
    """Neither one that somebody repeats, nor one of users that nobody knows, nor one of four."""
    assert [] == driving_words([said(f"Sabine from Gotha {at}", 9, user=user) for at, user in enumerate(users)], 0)


def test_a_user_with_two_numbers_counts_once() -> None:
    """Where the key changed since it began, three users' six numbers name no word; ten name one, as five do before."""
    orders, hour = (ORDER, ExcerptOrder(b"another")), 3_600_000
    for users, mixed, named in ((3, [(2 * hour, 2 * hour)], False), (5, [(2 * hour, 2 * hour)], True), (3, [], True)):
        kept = [
            Excerpt(order.of("BR", str(user), 0, user, True), "Sabine", "negative", "app", hour + 1)
            for order in orders
            for user in range(users)
        ]
        shown = with_evidence(alert(topic="app", started_at=hour), Windows(LAYOUT), kept, mixed).evidence
        assert named == bool(shown["words"])
    assert with_evidence(alert(topic="app", started_at=hour), Windows(LAYOUT), kept, [(0, hour)]).evidence["words"]


def test_words_of_older_excerpts_are_not_named() -> None:
    """Their order does not tell who wrote them."""
    assert [] == driving_words([Excerpt(at * 7**9, "Sabine", "negative", "app", 9) for at in range(9)], 0)


def test_a_flood_of_one_text_is_told_by_its_share() -> None:
    """Case does not hide it; with too few texts nothing is said."""
    texts = [said("Buy nothing from them", at) for at in range(6)] + [said("BUY nothing from them", 7), said("late", 8)]
    assert {"share": 0.875, "of": 8} == repeated_texts(texts, 0)
    assert repeated_texts(texts, 5 * MINUTE) is None


def test_a_surge_shows_what_users_said() -> None:
    """Negative excerpts of its topic, the newest first, at most three."""
    kept = [Excerpt(at, f"text {at}", "positive" if at == 3 else "negative", "app", at) for at in range(6)]
    surge = alert(topic="app", started_at=1, evidence={"n": 9})
    shown = with_evidence(surge, Windows(LAYOUT), kept).evidence
    assert {"n": 9, "excerpts": ["text 5", "text 4", "text 2"]}.items() <= shown.items()
    assert {"share": 0.0, "of": 5} == shown["repeated"]
    assert [] == shown["words"]
    elsewhere = msgspec.structs.replace(surge, topic="price")
    assert [] == with_evidence(elsewhere, Windows(LAYOUT), kept).evidence["excerpts"]
