"""Texts of users without what could name them: addresses, numbers, tokens; shortened for excerpts."""

import re

EXCERPT_CHARACTERS = 160

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![\w/])@\w{2,}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_NUMBER = re.compile(r"(?<!\w)\+?\d(?:[ ().\-/]{0,2}\d){5,}(?!\w)")  # phones, cards, order and account numbers
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def redact(text: str) -> str:
    """The text with e-mail addresses, links, handles, IBANs and numbers of six or more digits replaced by their kind.

    Whole links go, since any part of one may be a token. Control and direction characters become one space.
    """
    text = _UNSEEN.sub(" ", text)
    text = _EMAIL.sub("[email]", text)
    text = _URL.sub("[link]", text)
    text = _HANDLE.sub("[handle]", text)
    text = _IBAN.sub("[iban]", text)
    return _NUMBER.sub("[number]", text)


def excerpt(text: str) -> str:
    """A redacted text, at most 160 characters, with one space where white space was."""
    plain = " ".join(redact(text).split())
    return plain if len(plain) <= EXCERPT_CHARACTERS else plain[: EXCERPT_CHARACTERS - 1].rstrip() + "…"
