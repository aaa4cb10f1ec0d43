"""Texts of users without what could name them or let somebody in; shortened for excerpts."""

import itertools
import re
import unicodedata

from streams.privacy.numbers import ACCOUNT, CARD, NUMBERS, has_number, hidden_account, hidden_number, kind_of

EXCERPT_CHARACTERS = 160
_READ = 2_000  # characters of a text that an excerpt is made of
_TORN = 64  # characters at the end of a longer one that may be the begin of something cut in two
_MOST_PASSES = 8
_TOKEN_CHANGES = 4

_PLAIN = {one: str(unicodedata.digit(chr(one))) for one in range(0x80, 0x10000) if chr(one).isdecimal()}
_PLAIN |= {wide: chr(wide - 0xFEE0) for wide in map(ord, "＋＠－．（）／＝：")}
_HIDDEN = re.compile(
    r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
    r"|(?<![\u200c\u200d])[\u200c\u200d]++(?=[\x00-\x7f])"  # between other letters they shape them
    r"|(?<=[\x00-\x7f])[\u200c\u200d]+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DIGIT = re.compile(r"\d")

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: what stands beside it is another word
_WORD = rf"[^\W{_CJK}]"
_OPEN, _CLOSE, _END = r"[(\[{]\s?", r"\s?[)\]}]", r"[^\s<>\"，。！？、）」』】]"
_NAME, _HOST = rf"(?:(?:{_WORD}|[.+%'-]){{1,64}}|[{_CJK}]{{1,4}})", rf"(?:{_WORD}|-){{1,63}}"
_EMAIL = re.compile(rf"{_NAME}@{_HOST}(?:[.。]{_HOST}){{1,8}}")
_SPELT_EMAIL = re.compile(
    rf"{_NAME}\s?{_OPEN}(?:at|arroba){_CLOSE}\s?{_HOST}"
    rf"(?:\s?(?:\.|{_OPEN}(?:dot|punkt|punto|ponto|point){_CLOSE})\s?{_HOST}){{1,8}}",
    re.IGNORECASE,
)
_LINK = re.compile(
    rf"(?:(?:(?<![a-z0-9])[a-z][a-z0-9+.-]{{1,20}}://|(?<![a-z0-9])www\.){_END}+"
    rf"|(?<![\w@.-])(?:[a-z0-9-]{{1,63}}\.){{1,5}}[a-z]{{2,24}}(?::\d{{1,5}})?(?:/[^\s<>\"?#，。！？、）」』】]*)?[?#]"
    rf"{_END}*={_END}*)(?<![.,;:!?'’)\]])",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"@\w{2,}")
_KEY = re.compile(
    r"\b(?:eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"  # JSON Web Token
    r"|[spr]k[-_][A-Za-z0-9_-]{16,}|A[KS]IA[0-9A-Z]{16}|gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|[Bb]earer\s+[\w.~+/-]{8,}=*)"
)
_PASSWORD = re.compile(
    r"((?:pass(?:word|wd|code)?|pwd|token|secret|api[ _-]?key|pin|passwort|kennwort|contrase(?:ñ|n)a|clave|senha"
    r"|mot de passe|mdp|sandi|пароль|密码|密碼|パスワード|暗証番号|كلمة (?:السر|المرور)|पासवर्ड)\s{0,2}"
    r"(?:[:=]|is|ist|es|é|est|это|是|は|है)\s{0,2})(?=\S{0,40}\d)[^\s,;，。、]{4,64}",
    re.IGNORECASE,
)
_MIXED = re.compile(r"(?<![\w#/.-])[A-Za-z0-9][A-Za-z0-9_-]{18,}[A-Za-z0-9](?![\w-])")
_NEXT_NUMBER = re.compile(r" (?=\+|\d{13})")
_LOGIN = re.compile(r"(://)[^\s/@]{1,256}@")
_QUERY = re.compile(r"(://[^\s?#]{1,256}[?#])(?!\[query\])[^\s\"']+")


def redact(text: str) -> str:
    """The text with what names a person or opens a door replaced by its kind.

    `[email]`, `[link]`, `[handle]`, `[iban]`, `[card]`, `[phone]`, `[token]`, and `[number]` for other numbers of six
    or more digits that are no date, price, version, address or score. Whole links go, since any part of one may be a
    token. Invisible and direction characters go, control characters become one space, digits of all scripts those of
    ASCII.
    """
    text = _visible(text)
    for _ in range(_MOST_PASSES):  # what was put in can bring apart what hid something
        before, text = text, _pass(text)
        if text == before:
            break
    return text


def redact_log(text: str) -> str:
    """A line for operators without what names a user; offsets, times, digests and hosts stay.

    Long numbers alone are offsets and claims here. Of links, logins and queries go.
    """
    if not text.isascii():
        text = text.translate(_PLAIN)
    if "://" in text:
        text = _QUERY.sub(r"\1[query]", _LOGIN.sub(r"\1[login]@", text))
    if "@" in text:
        text = _EMAIL.sub(lambda found: found.group() if found.group().startswith("[login]") else "[email]", text)
    if _DIGIT.search(text):
        text = ACCOUNT.sub(hidden_account, _KEY.sub("[token]", text))
        if has_number(text):
            text = NUMBERS.sub(_told, text)
    return text


def excerpt(text: str) -> str:
    """A redacted text, at most 160 characters, with one space where white space was."""
    plain = redact(" ".join(_visible(text[:_READ]).split()))
    if len(text) > _READ:
        end = plain[-_TORN:]
        plain = plain[:-_TORN] + end[: end.rfind("]") + 1]
    plain = " ".join(plain.split())
    return plain if len(plain) <= EXCERPT_CHARACTERS else plain[: EXCERPT_CHARACTERS - 1].rstrip() + "…"


def _visible(text: str) -> str:
    if not text.isascii():
        text = _HIDDEN.sub("", text.translate(_PLAIN))
    return _CONTROL.sub(" ", text)


def _pass(text: str) -> str:
    if "://" in text or "=" in text or "www." in text.lower():
        text = _LINK.sub("[link]", text)
    if _DIGIT.search(text):
        text = _PASSWORD.sub(r"\1[token]", _KEY.sub("[token]", text))
    if "(" in text or "[" in text or "{" in text:
        text = _SPELT_EMAIL.sub("[email]", text)
    if "@" in text:
        text = _HANDLE.sub("[handle]", _EMAIL.sub("[email]", text))
    if _DIGIT.search(text):
        text = _MIXED.sub(_mixed, ACCOUNT.sub(hidden_account, text))
        if has_number(text):
            text = NUMBERS.sub(hidden_number, text)
    return text


def _mixed(found: "re.Match[str]") -> str:
    """`[token]` where letters and digits change often; in a word with a year they do not."""
    kinds = [one.isdigit() for one in found.group() if one.isalnum()]
    changes = sum(one != other for one, other in itertools.pairwise(kinds))
    return "[token]" if changes >= _TOKEN_CHANGES else found.group()


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
