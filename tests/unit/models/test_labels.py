"""What the labels of checkpoints mean: names in any case, degrees, stars."""

import pytest

from models.labels import sentiment_of


@pytest.mark.parametrize(
    ("label", "sentiment"),
    [
        ("negative", "negative"),
        ("NEU", "neutral"),
        ("Positiv", "positive"),
        ("Very Negative", "negative"),
        ("very_positive", "positive"),
        ("1 star", "negative"),
        ("2 stars", "negative"),
        ("3 Stars", "neutral"),
        ("4_stars", "positive"),
        ("5-star", "positive"),
        ("star 5", "positive"),
        ("5stars", "positive"),
        ("LABEL_0", None),
        ("0 stars", None),
        ("6 stars", None),
        ("15 stars", None),
        ("not negative", None),
        ("mixed", None),
        ("1", None),
        ("", None),
    ],
)
def test_a_label_means_one_sentiment_or_none(label: str, sentiment: str | None) -> None:
    assert sentiment == sentiment_of(label)
