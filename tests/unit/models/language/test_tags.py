"""Tags as producers write them, and which language a text is calibrated by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.language.tags import language_tag, primary_language


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("pt", "pt"), ("pt-BR", "pt-BR"), ("pt_BR", "pt-BR"), ("PT-br", "pt-BR"), (" pt ", "pt"), ("PT", "pt"),
        ("zh_Hans_CN", "zh-Hans-CN"), ("zh-cmn-Hans-CN", "zh-Hans-CN"), ("zh-TW", "zh-TW"), ("es-419", "es-419"),
        ("pt_BR.UTF-8", "pt-BR"), ("de_DE@euro", "de-DE"), ("en-US,en;q=0.9", "en-US"), ("de-DE-u-co-phonebk", "de-DE"),
        ("in", "id"), ("in_ID", "id-ID"), ("iw", "he"), ("por", "pt"), ("ger", "de"), ("cmn", "zh"), ("tlh", "tlh"),
    ],
)  # fmt: skip
def test_a_tag_is_understood_however_it_is_written(given: str, expected: str) -> None:
    """Underscores, case, POSIX locales, lists, extensions, withdrawn and three-letter codes."""
    assert expected == language_tag(given)
    assert expected.partition("-")[0] == primary_language(given)


@pytest.mark.parametrize(
    "given",
    [None, "", " ", "und", "mul", "zxx", "nan", "None", "null", "n/a", "english", "C", "POSIX", "-", "_", "p", "pt BR",
     "x-private", "Kâ", "12", "\x00en", "pt\x00", "🇧🇷", "o usuário 55 11 98765-4321"],
)  # fmt: skip
def test_what_is_no_tag_is_none(given: str | None) -> None:
    """Words, marks for nothing, and whatever else somebody wrote there."""
    assert language_tag(given) is None
    assert "" == primary_language(given)


@given(st.text(max_size=35))
def test_a_tag_is_short_plain_and_stays_as_it_is(anything: str) -> None:
    """Whatever was given: what comes out is ASCII, at most 11 characters, and its own normal form."""
    tag = language_tag(anything)
    assert tag is None or (tag.isascii() and len(tag) <= 11 and tag == language_tag(tag))
