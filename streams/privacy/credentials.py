"""What opens a door: keys of services, passwords, PINs, codes, phrases that restore a wallet."""

import itertools
import re

from streams.privacy.contacts import CJK, has_foreign_name
from streams.privacy.words import PROSE, TELLS, holds

_TOKEN_CHANGES = 4

_KEY = re.compile(
    r"\b(?:eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"  # JSON Web Token
    r"|[spr]k[-_][A-Za-z0-9_-]{16,}|A[KS]IA[0-9A-Z]{16}|gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|ya29\.[\w-]{16,}|[Bb]earer\s+[\w.~+/-]{8,}=*|[Bb]asic\s+(?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{12,}=*)"
)
_MIXED = re.compile(r"(?<![\w#/.-])[A-Za-z0-9][A-Za-z0-9_-]{18,}[A-Za-z0-9](?![\w-])")

_WORDS = (
    r"(?:pass[ -]?(?:words?|wd|code|phrase|wort)|(?<![a-z])pass|(?<![a-z])p?pwd?|kennwort|contrase(?:ñ|n)a"
    r"|(?<![a-zé])clave|senha|mot de passe|(?<![a-z])mdp|sandi|парол[ьяюе]м?|пасс(?:ворд)?|密码|密碼|口令|パスワード"
    r"|暗証番号|パスコード|パス(?=[は:：])"
    r"|كلم[ةه] (?:السر|المرور|سر|مرور)(?: حسابي)?|باسورد|الباسورد|पासवर्ड|पासकोड"
    r"|(?<![a-z])(?:pin|пин)(?:[- ]?(?:code|kod|код|nummer))?(?![a-zа-я])|暗证|पिन(?: कोड)?|الرقم السري"
    r"|(?<![a-z])(?:(?:api|access|private|secret)[ _-]?key|secret|token|otp|2fa|cvv2?|cvc2?|puk|tan)(?![a-z])"
    r"|(?:seed|recovery|mnemonic|backup|secret)(?: ?(?:phrase|words?))?|security code"
    r"|验证码|驗證碼|認証コード|確認コード"
    r"|код (?:подтверждения|из смс)|kode (?:otp|verifikasi)|verification code|(?:codigo|código) de (?:verificaci[oó]n"
    r"|verificação|seguran[cç]a|seguridad)|code (?:secret|confidentiel|de vérification)|bestätigungscode"
    r"|كود التحقق|رمز التحقق)"
)
_IS = (
    r"(?:c'est|'s|is|was|ist|war|lautet|hei(?:ß|ss)t|es|era|é|est|était|это|был|adalah|itu|ialah|是|为|為|は|है|था|هي|هو|كان|كانت"
    r"|—|-|->|=>)"
)
_SECRET = re.compile(
    rf"(?P<word>{_WORDS}s?(?:nya|\s(?:saya|ku|aku|gue|atm|bb|kartu))?)(?:(?P<mark>\s{{0,2}}[:=]{{1,2}}\s{{0,2}})"
    rf"|(?P<is>\s{{0,2}}{_IS}(?:\s{{1,2}}|(?<=[{CJK}])):?\s?)|(?P<none>\s{{1,2}}|(?<=[{CJK}])))(?=(?P<value>[^\s,;，。、؛،\[][^,;，。、؛،\n\[]{{0,160}}))",
    re.IGNORECASE,
)
_PROSE_CJK = ("不", "没", "错", "忘", "了", "的", "が", "を", "に", "忘れ", "違", "ない")
_TOKENS = re.compile(r"\S+")
_ALL_DIGITS = re.compile(rf"\d(?:[ -]?\d){{2,7}}(?![^\W{CJK}]|%|[.,:/]\d)")
_NUMERIC_WORD = re.compile(
    r"pin|пин|code|код|otp|2fa|cvv|cvc|puk|tan|密码|密碼|暗証|コード|senha|clave|पिन|السر|sandi|码|碼|kode|código|codigo|رمز|كود|парол|password",
    re.IGNORECASE,
)
_PLAIN_WORD = re.compile(
    r"pass|pw|kennwort|contrase|clave|senha|mdp|sandi|парол|密|口令|パス|كلم|باسورد|पास|login", re.IGNORECASE
)
_NO_SECRET = re.compile(
    r"(?:ios|android|windows|iphone|v\d|\d+(?:st|nd|rd|th|x|k|h|min|gb|mb|%|€|\$)\b|\d{1,2}[:.]\d\d|2fa|oauth2|web3|\d+[-–]\d+$)",
    re.IGNORECASE,
)
_CHECK_DIGITS = re.compile(r"cv[vc]2?$", re.IGNORECASE)
_RESTORES = re.compile(r"(?:[a-z]{3,8}\s){9,23}[a-z]{3,8}(?![\w])")
_PHRASE = re.compile(r"seed|recovery|mnemonic|backup|phrase|secret", re.IGNORECASE)
_MOST_WORDS = {False: 6, True: 24}


def hide_credentials(text: str, low: str, has_digit: bool) -> str:
    """The text with `[token]`.

    Args:
        low: the text in lower case.
        has_digit: whether a digit of ASCII is in it.
    """
    if has_digit:
        text = _KEY.sub("[token]", text)
    may_tell = has_digit or ":" in text or "=" in text or '"' in text or "phrase" in low or has_foreign_name(text)
    if may_tell and holds(TELLS, low):
        text = _without_secrets(text)
    return text


def hide_keys(text: str) -> str:
    """The text with `[token]` where a service's key is known by its form."""
    return _KEY.sub("[token]", text)


def hide_mixed(text: str) -> str:
    """The text with `[token]` for long words in which letters and digits change often."""
    return _MIXED.sub(_mixed, text)


def _mixed(found: "re.Match[str]") -> str:
    """In a word with a year letters and digits do not change often."""
    kinds = [char.isdigit() for char in found.group() if char.isalnum()]
    changes = sum(one != other for one, other in itertools.pairwise(kinds))
    return "[token]" if changes >= _TOKEN_CHANGES else found.group()


def _without_secrets(text: str) -> str:
    """The words stay, their secrets go; a sentence about a password stays whole."""
    parts, at = [], 0
    for found in _SECRET.finditer(text):
        if found.start() >= at and (
            length := _secret_length(found["word"], found["value"], bool(found["mark"]), bool(found["is"]))
        ):
            parts += [text[at : found.end()], "[token]"]
            at = found.end() + length
    return "".join([*parts, text[at:]])


def _secret_length(word: str, value: str, marked: bool, given: bool) -> int:
    """How many characters of the value are the secret: 0 = none of them."""
    first = _first(value)
    if _PHRASE.search(word) and (restores := _RESTORES.match(value)):
        return restores.end()
    if _ALL_DIGITS.match(value):
        numeric = marked or given or len(_digits(first)) >= 4 or _CHECK_DIGITS.search(word)
        return _ALL_DIGITS.match(value).end() if numeric and _NUMERIC_WORD.search(word) else 0  # type: ignore[union-attr]
    if _NO_SECRET.match(first):
        return 0
    if value[0] in "\"'“«„‘「" and (marked or given):
        return len(first)
    digit, letter = any(map(str.isdigit, first)), any(map(str.isalpha, first))
    if digit and len(first) >= 4 and (marked or given):
        return len(first)
    if digit and letter and len(first) >= 5 and _PLAIN_WORD.search(word):
        return len(first)
    foreign = not word.isascii() and first.isascii() and letter and len(first) >= 4
    if foreign and first.lower() not in PROSE and (marked or given) and not word.endswith("s"):
        return len(first)
    return _phrase_length(word, value) if marked else 0


def _first(value: str) -> str:
    """The first word, in quotes the whole of it, and of a text without spaces its Latin beginning."""
    closing = {'"': '"', "'": "'", "“": "”", "«": "»", "„": "“", "‘": "’", "「": "」"}.get(value[0])
    if closing and (end := value.find(closing, 1)) > 1:
        return value[: end + 1]
    latin = re.match(r"[!-~]{4,64}", value)
    word = re.match(r"\S{1,64}", value)
    return latin.group() if latin else word.group() if word else ""


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _phrase_length(word: str, value: str) -> int:
    """All words up to the end of the sentence, if they are few and none of them speaks about something."""
    sentence = re.split(r"[.!?](?:\s|$)|\s[-–—(]", value, maxsplit=1)[0]
    words = [token.group() for token in _TOKENS.finditer(sentence)]
    limit = _MOST_WORDS[bool(_PHRASE.search(word))]
    if not words or len(words) > limit or any(each.lower().strip("'\"") in PROSE for each in words):
        return 0
    if not sentence.isascii() and any(map(sentence.__contains__, _PROSE_CJK)):
        return 0
    return len(sentence.rstrip())
