"""One cleaning of texts for training and serving alike; the hash of its rules stands in every manifest."""

import hashlib
import html
import re
import unicodedata

MAX_CHARACTERS = 600
"""A classifier with at most 96 tokens sees no more; longer texts are cut before the costly steps."""

_RULES_VERSION = 2
"""Raise it when the steps of `clean` change: the patterns alone do not tell."""
_MOST_PASSES = 4

_URL = re.compile(r"(?:https?://|www\.)\S+|\bhttps?\b(?!:)", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_MENTION = re.compile(r"(?<!\w)@\w+")
_NUMBER = re.compile(r"\d(?:[\d -]{5,}\d)")
_REPEAT = re.compile(r"(.)\1{3,}")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """The text as the model sees it: NFC, entities resolved, nothing invisible, personal marks masked.

    Masks are those of the training data: `@user`, `http`, `<email>`, `<number>` (runs of seven digits and more). A
    character repeated more than three times is kept three times. At most MAX_CHARACTERS long. Any string is taken,
    lone surrogates too, and a cleaned text stays as it is when cleaned again (entities within entities more than four
    deep, which nobody writes, lose four more).
    """
    text = text[: 2 * MAX_CHARACTERS]
    for _ in range(_MOST_PASSES):  # one step can make work for an earlier one: `&amp;lt;`, a mark after a mask
        before, text = text, _pass(text)
        if text == before:
            break
    return text


def _pass(text: str) -> str:
    if "&" in text:
        text = html.unescape(text)
    text = _SPACE.sub(" ", _INVISIBLE.sub(" ", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "@" in text:
        text = _MENTION.sub("@user", _EMAIL.sub("<email>", text))
    lowered = text.lower()
    if "http" in lowered or "www." in lowered:
        text = _URL.sub("http", text)
    text = _NUMBER.sub("<number>", text)
    text = _REPEAT.sub(r"\1\1\1", text)
    return text.strip()[:MAX_CHARACTERS].rstrip()


def clean_sha256() -> str:
    """SHA-256 of the rules: a model trained with another cleaning is refused at load."""
    patterns = [one.pattern for one in (_URL, _EMAIL, _MENTION, _NUMBER, _REPEAT, _INVISIBLE, _SPACE)]
    return hashlib.sha256(repr([_RULES_VERSION, MAX_CHARACTERS, *patterns]).encode()).hexdigest()
