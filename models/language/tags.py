"""Languages of texts: tags as producers write them, and which language a text is calibrated by."""

import re
from functools import lru_cache
from typing import NamedTuple

ANY_LANGUAGE = ""

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-[a-z]{3})?(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?(?![^-.@,;])"
)
_CODES = {
    "ara": "ar", "arb": "ar", "chi": "zh", "cmn": "zh", "deu": "de", "eng": "en", "fra": "fr", "fre": "fr",
    "ger": "de", "hin": "hi", "ind": "id", "jpn": "ja", "por": "pt", "rus": "ru", "spa": "es", "zho": "zh",
    "in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro",
}  # fmt: skip
"""Codes of three letters, and withdrawn ones that Java and Android still write."""
_NO_LANGUAGE = {"mis", "mul", "nan", "und", "xx", "zxx"}
"""Not known, several, none; `nan` is what data frames write for nothing, far more often than it is Min Nan."""


def language_tag(given: str | None) -> str | None:
    """The BCP 47 tag of language, script and region that a producer meant, as `pt-BR` or `zh-Hans-CN`.

    Taken are any case, underscores, POSIX locales (`pt_BR.UTF-8`), the first tag of a list, withdrawn codes and
    three-letter ones of the eleven languages. None for anything else.
    """
    match = _TAG.match((given or "").strip().replace("_", "-").lower())
    if match is None or match["language"] in _NO_LANGUAGE:
        return None
    parts = [_CODES.get(match["language"], match["language"])]
    if match["script"]:
        parts.append(match["script"].title())
    if match["region"]:
        parts.append(match["region"].upper())
    return "-".join(parts)


@lru_cache(4_096)  # producers use few tags
def primary_language(given: str | None) -> str:
    """The primary language of what a producer gave, in lower case; "" for none."""
    return (language_tag(given) or ANY_LANGUAGE).partition("-")[0]


class Detected(NamedTuple):
    """What a text itself tells: its primary language, "" = none is plain; `sure`: enough to overrule a tag."""

    language: str
    sure: bool


def language_of(given: str | None, detected: Detected) -> str:
    """The primary language by which a text is calibrated and counted; "" = not known.

    The given one, unless there is none or the text is surely in another.
    """
    primary = primary_language(given)
    return detected.language if detected.sure or not primary else primary
