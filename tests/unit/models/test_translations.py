"""Parallel groups: translations are found by their ids, and only where a row says that it is one."""

from models.rows import LabelledText, english_of, translation_groups


def test_translations_are_found_by_their_ids() -> None:
    """Each one's original is the English row of the same number; rows by themselves are in no group."""
    named = [("m/x:en:train:1", "en"), ("m/x:pt:train:1", "pt"), ("m/x:pt:train:2", "pt"), ("other:en:1", "en")]
    rows = [LabelledText("a", "neutral", lang, id=name, translated=lang == "pt") for name, lang in named]
    groups = translation_groups(rows)
    assert ["m/x:train:1", "m/x:train:1", "", ""] == groups
    assert [-1, 0, -1, -1] == english_of(rows, groups).tolist()


def test_texts_that_were_only_numbered_alike_are_no_translations() -> None:
    """A corpus of tweets numbers each language from 0: number 7 in Spanish is not number 7 in English."""
    rows = [LabelledText("a", "neutral", lang, id=f"tweets:{lang}:train:7") for lang in ("en", "es", "hi")]
    assert ["", "", ""] == translation_groups(rows)
    assert [-1, -1, -1] == english_of(rows, translation_groups(rows)).tolist()
