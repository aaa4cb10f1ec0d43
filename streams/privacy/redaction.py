"""Texts of users without what could name them or let somebody in; shortened for excerpts."""

import re

from streams.privacy.characters import plain, visible
from streams.privacy.contacts import hide_contacts, hide_dotted_email
from streams.privacy.credentials import hide_credentials, hide_keys, hide_mixed
from streams.privacy.identifiers import hide_identifiers
from streams.privacy.numbers import (
    ACCOUNT,
    CARD,
    NUMBERS,
    has_card,
    has_number,
    hidden_account,
    hidden_card,
    hidden_number,
    kind_of,
)
from streams.privacy.spelt_numbers import hide_spelt_numbers

EXCERPT_CHARACTERS = 160
_READ = 2_000  # characters of a text that an excerpt is made of
_TORN = 64  # characters at the end of a longer one that may be the begin of something cut in two
_MOST_PASSES = 8

_DIGIT = re.compile(r"\d")
_NEXT_NUMBER = re.compile(r" (?=\+|\d{13})")
_LOGIN = re.compile(r"(://)[^\s/@]{1,256}@")
_QUERY = re.compile(r"(://[^\s?#]{1,256}[?#])(?!\[query\])[^\s\"']+")


def redact(text: str) -> str:
    """The text with what names a person or opens a door replaced by its kind.

    `[email]`, `[link]`, `[handle]`, `[iban]`, `[card]`, `[phone]`, `[token]`, `[device]` (addresses of networks and of
    their cards), `[place]` (coordinates), and `[number]`: of orders, accounts and documents that a word, a form or a
    check digit tells, and others of six or more digits that are no date, price, count, version or score. Whole links
    go, since any part of one may be a token. Invisible and direction characters go, control characters become one
    space, digits of all scripts those of ASCII, dashes between digits `-`. Redacting again changes nothing.
    """
    for _ in range(_MOST_PASSES):  # what was put in can bring apart what hid something
        before, text = text, _pass(visible(text))
        if text == before:
            break
    return text


def redact_log(text: str) -> str:
    """A line for operators without what names a user; offsets, times, digests and hosts stay.

    Long numbers alone are offsets and claims here, quads of octets are hosts, and no word makes a number one of a
    person. Of links, logins and queries go.
    """
    for _ in range(_MOST_PASSES):
        before, text = text, _log_pass(plain(text))
        if text == before:
            break
    return text


def excerpt(text: str, characters: int = EXCERPT_CHARACTERS) -> str:
    """A redacted text, at most as many characters, with one space where white space was."""
    short = redact(" ".join(visible(text[:_READ]).split()))
    if len(text) > _READ:
        end = short[-_TORN:]
        short = short[:-_TORN] + end[: end.rfind("]") + 1]
        begin = short.rfind(" ") + 1
        if short.endswith("]") and short[begin] != "[":  # `bob.smith[handle]`: of an address that was cut
            short = short[:begin]
    short = " ".join(short.split())
    return short if len(short) <= characters else short[: characters - 1].rstrip() + "…"


def _pass(text: str) -> str:
    low = text.lower()
    has_digit = _DIGIT.search(text) is not None
    text = hide_spelt_numbers(hide_contacts(text, low), low)
    text = hide_credentials(text, low, has_digit)
    if has_digit:
        text = hide_mixed(ACCOUNT.sub(hidden_account, text))
        if has_card(text):
            text = CARD.sub(hidden_card, text)
        text = hide_identifiers(text)
        if has_number(text):
            text = NUMBERS.sub(hidden_number, text)
    return text


def _log_pass(text: str) -> str:
    if "://" in text:
        text = _QUERY.sub(r"\1[query]", _LOGIN.sub(r"\1[login]@", text))
    if "@" in text:
        text = hide_dotted_email(text)
    if _DIGIT.search(text):
        text = ACCOUNT.sub(hidden_account, hide_keys(text))
        if has_card(text):
            text = CARD.sub(hidden_card, text)
        if has_number(text):
            text = NUMBERS.sub(_told, text)
    return text


def _told(found: "re.Match[str]") -> str:
    """Cards, also with other numbers beside them, and numbers that are written to be dialled from abroad."""
    if found.lastgroup != "number":
        return found.group()

    def one(part: str) -> str:
        kind = kind_of(part)
        if kind == "[card]" or (kind == "[phone]" and part.startswith("+")):
            return kind
        return CARD.sub(lambda card: "[card]" if kind_of(card.group()) == "[card]" else card.group(), part)

    return " ".join(map(one, _NEXT_NUMBER.split(found.group())))
