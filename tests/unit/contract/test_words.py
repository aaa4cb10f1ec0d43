"""An alert's evidence in words."""

import pytest

from marketpulse.contract.words import count_of, evidence_words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (True, "yes"),
        (1_234, "1,234"),
        (0.12345, "0.123"),
        ([1_800_000_000_000, 1_800_000_060_000], "2027-01-15 08:00:00 UTC, 2027-01-15 08:01:00 UTC"),
        ([], "–"),
        (["app", "<b>"], "app, <b>"),
        ([{"topic": "app", "usual_share": 0.2}, {"topic": "price"}], "topic app usual share 0.200; topic price"),
        ({"share": 0.5, "of": 40}, "share 0.500 of 40"),
    ],
)
def test_each_kind_of_value_has_its_words(value: object, said: str) -> None:
    """Times, numbers, lists, tables; excerpts are not among them."""
    assert [("began estimate", said)] == evidence_words({"began_estimate": value, "excerpts": ["x"]})


def test_what_drives_a_surge_is_said_in_sentences_of_its_own() -> None:
    """Topics with what is usual, the interval as two times, repetitions as a share."""
    evidence = {
        "began_interval": [1_800_000_000_000, 1_800_000_060_000],
        "topics": [{"topic": "app", "events": 1_040, "negatives": 520, "usual_share": 0.184, "excess": 328.6}],
        "repeated": {"share": 0.25, "of": 8},
    }
    assert [
        ("began interval", "2027-01-15 08:00:00 UTC to 2027-01-15 08:01:00 UTC"),
        ("topics", "app 520 of 1,040 negative, usually 18%"),
        ("repeated", "25% of 8 texts"),
    ] == evidence_words(evidence)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (6_000, "6,000 lines")]
)
def test_a_count_has_the_form_of_its_number(number: int, expected: str) -> None:
    """Singular for one alone, thousands marked."""
    assert expected == count_of(number, "line")
