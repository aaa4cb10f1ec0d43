"""Cleaning: the same marks as the training data, whatever comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.clean import MAX_CHARACTERS, clean, clean_sha256

FRAGMENTS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            ["@anna", "a@b.co", "https://x.y/z", "www.x.y", "http", "&amp;lt;", "&#39;", "12345678", "+49 170 1234567"]
        ),
        st.sampled_from(["\u0301", "\u0338", "\u200b", "\ud800", "!!!!!!", "\t", "\x1b[31m", "👍🏽", "très", "最高"]),
    ),
    max_size=20,
).map("".join)


@given(FRAGMENTS)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """A cleaned text is left as it is."""
    once = clean(text)
    assert once == clean(once)


@given(st.text(max_size=3_000))
def test_any_text_is_bounded_and_encodable(text: str) -> None:
    """Every string gives a short one that has UTF-8 bytes and no control characters."""
    cleaned = clean(text)
    assert len(cleaned) <= MAX_CHARACTERS
    assert not any(ord(character) < 32 for character in cleaned)
    assert cleaned == cleaned.encode("utf-8").decode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@anna_b great", "@user great"),
        ("see https://a.b/c?d=1 or www.x.y", "see http or http"),
        ("mail me@shop.example.com now", "mail <email> now"),
        ("call 0170 123 45 67 or 12", "call <number> or 12"),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("sooooooo good!!!!!!", "sooo good!!!"),
        ("a\u200bb\x00c\u202ed", "a b c d"),
        ("e\u0301te\u0301", "été"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("   ", ""),
    ],
)
def test_marks_and_noise(text: str, expected: str) -> None:
    """Personal marks are masked as in the training data, noise goes."""
    assert expected == clean(text)


def test_megabyte_is_cut_before_the_costly_steps() -> None:
    """A megabyte of nested entities costs no more than a long text."""
    assert len(clean("&amp;" * 200_000)) <= MAX_CHARACTERS


def test_fingerprint_is_a_sha256() -> None:
    """The rules' fingerprint is stable within a process and hexadecimal."""
    assert clean_sha256() == clean_sha256()
    assert len(bytes.fromhex(clean_sha256())) == 32
