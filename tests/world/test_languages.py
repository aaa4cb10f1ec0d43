"""Texts in 41 languages that were written for something else: how often their language is found."""

import json
import re

from models.clean import clean
from models.language.detect import LanguageDetector
from models.language.tags import Detected
from tests.redaction_texts import written
from tests.support.sources import ROOT

LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "id", "ja", "pt", "ru", "zh")
DETECTOR = LanguageDetector(LANGUAGES)
SETS = ("known", "forms", "neighbours", "later", "forms-later")
PLANTED = re.compile(r"\[\w+\]|\d+")


def found(texts: list[tuple[str, str]]) -> list[tuple[str, Detected]]:
    """The true language of each text, and what is found in it."""
    return list(zip([true for true, _ in texts], DETECTOR.detect([clean(text) for _, text in texts]), strict=True))


def share(answers: list[tuple[str, Detected]]) -> float:
    """The share of right ones."""
    return sum(true == one.language for true, one in answers) / len(answers)


def test_short_texts_of_the_eleven() -> None:
    """1,153 texts, most of a few words: .75 are right, .93 of those beyond 20 characters; .97 of the sure .3."""
    texts = [(one.language, PLANTED.sub(" ", one.expected)) for name in SETS for one in written(name)]
    answers = found(texts)
    sure = [(true, one) for true, one in answers if one.sure]
    assert len(sure) >= 0.3 * len(answers)
    assert share(answers) >= 0.75
    assert share(found([(true, text) for true, text in texts if len(text.strip()) > 20])) >= 0.93
    assert share(sure) >= 0.97


def test_sentences_of_thirty_languages_that_the_model_does_not_know() -> None:
    """Two of each: .93 are named, and none is surely taken for another language."""
    kept = json.loads((ROOT / "tests" / "data" / "languages.json").read_text("utf-8"))
    answers = found([(true, text) for true, texts in kept.items() for text in texts])
    assert (30, 60) == (len(kept), len(answers))
    assert share(answers) >= 0.93
    assert [] == [(true, one) for true, one in answers if one.sure and one.language != true]
