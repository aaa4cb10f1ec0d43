"""What opens a door: keys of services, passwords, PINs, codes, phrases that restore a wallet."""

import bisect
import itertools
import re

from streams.privacy.characters import lower
from streams.privacy.contacts import has_foreign_name
from streams.privacy.secret_words import (
    CJK,
    CODE,
    ENDS,
    IS,
    JOINING,
    MARK,
    NO_CODE,
    OF,
    PASSWORDS,
    PHRASE,
    PLAIN_CODE,
    QUOTES,
    SAID_PLAINLY,
    SUBJECTS,
    TELLS,
    WORD,
)
from streams.privacy.words import holds

_TOKEN_CHANGES = 4
_SIGN = re.compile(r"[:=\"“«„「『→➡👉>]")

_KEY = re.compile(
    r"\b(?:eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"  # JSON Web Token
    r"|[spr]k[-_][A-Za-z0-9_-]{16,}|A[KS]IA[0-9A-Z]{16}|gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|ya29\.[\w-]{16,}|[Bb]earer\s+[\w.~+/-]{8,}=*|[Bb]asic\s+(?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{12,}=*)"
)
_MIXED = re.compile(r"(?<![\w#/.-])[A-Za-z0-9][A-Za-z0-9_-]{18,}[A-Za-z0-9](?![\w-])")

_PRODUCT_KEY = re.compile(
    r"(?<![\w-])(?=[A-Z0-9-]{0,24}\d)(?=[0-9-]{0,24}[A-Z])[A-Z0-9]{4,5}(?:-[A-Z0-9]{4,5}){3,5}(?![\w-])"
)
_WORD = re.compile(
    rf"(?:(?<![a-zа-яё])|(?=[^a-zа-яё]|pass|kenn|code|schl|парол))"  # where words begin; these end compounds too
    rf"(?:(?P<phrase>{PHRASE})|(?P<code>{CODE})|(?P<password>{PASSWORDS})(?:s|nya)?|(?P<plain>{PLAIN_CODE}))"
)
_BETWEEN = rf"(?P<of>(?:\s{{1,2}}[^\s\d:=,;.!?，。！？、(\[]{{1,16}}){{0,4}}?|[{CJK}]{{0,6}}?)"
_GIVEN = re.compile(
    rf"{_BETWEEN}(?:(?P<mark>\s{{0,2}}[\"'”»)]?\s?{MARK}\s{{0,2}})"
    rf"|(?:\s{{1,2}}|(?<=[{CJK}])|(?=')){IS}(?:\s{{1,2}}|(?<=[{CJK}])|(?=[\"“«„「『])):?\s?)",
    re.IGNORECASE,
)
_DIRECT = re.compile(rf"\s{{1,2}}|(?<=[{CJK}])|(?=[\"'“«„‘「『《`(])")
_DIGITS_LATER = re.compile(r"(?:\s{1,2}[^\W\d_]{1,16}){1,3}\s{1,2}(?=\d)")
_VALUE = re.compile(r"[^\s,;，。、؛،\[][^,;，。、؛،\n\[]{0,160}")
_PROSE_CJK = ("不", "没", "错", "忘", "了", "的", "が", "を", "に", "忘れ", "違", "ない")
_TOKENS = re.compile(r"\S+")
_ALL_DIGITS = re.compile(
    rf"\d(?:[ -]?\d){{2,7}}(?![^\W{CJK}]|%|[.,:/]\d|\s(?:\d|times|x\b|people|users|mal\b|раз|kali|fois|veces|vezes))"
)
_EAST_ASIAN = re.compile(f"[{CJK}]")
_CODE_YEAR = re.compile(r"(?:19|20)\d\d")
_NO_CODE = re.compile(NO_CODE, re.IGNORECASE)
_NO_SECRET = re.compile(
    r"(?:ios|android|windows|iphone|v\d|\d+(?:st|nd|rd|th|x|k|h|min|gb|mb|%|€|\$)\b|\d{1,2}[:.]\d\d|2fa|oauth2|web3|\d+[-–]\d+$"
    r"|\d+[-\u00a0]?(?:characters|chars|digits?|zeichen|stellig\w*|знак\w*|символ\w*|位|桁|文字))",
    re.IGNORECASE,
)
_TYPED = re.compile(
    r"(?:got|received|sent|enter\w*|typed?|texted|reçu|recib\w+|receb\w+|erhalten|bekommen|eingegeben|получил\w?|ввел|ввёл|ввожу|пришел|пришёл|dapat"
    r"|terima|masuk\w*|وصلني|ادخلت|आया|डाला|收到|输入|輸入|届いた|入力)\s.{0,24}$",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"\s[^\W\d_]{4,}s(?!\w)")
_CHECK_DIGITS = re.compile(r"cv[vcn]2?$", re.IGNORECASE)
_ONE_WORD = re.compile(WORD, re.IGNORECASE)
_RESTORES = re.compile(r"(?:[a-z]{3,8}\s){9,23}[a-z]{3,8}(?![\w])")
_MOST_WORDS = 24
_LIKE_A_PASSWORD = re.compile(
    rf"(?<![^\W{CJK}])(?<![\[/@#.&+-])[^\W\d_{CJK}](?:[^\W{CJK}]|[!$%&*+=@#^~?.-]){{5,39}}(?![\w\]])"
)
_INSIDE = re.compile(r"[^\W\d_]{3}")
_PRODUCT = re.compile(
    r"(?:v|ver|version|update|build|release|ios|ipados|iphone|ipad|android|windows|win|mac|macos|galaxy|pixel|redmi|note|xperia"
    r"|office|outlook|chrome|firefox|safari|edge|error|err|fehler|code|http|html|utf|sha|base|oauth|web|wpa|ipv|usb|wifi|covid|top"
    r"|ticket|order|level|gen|xbox|ubuntu|gpt|chatgpt|version|версия|android|huawei|samsung|honor|oppo|vivo|realme|nokia|moto"
    r"|surface|thinkpad|fritz\w*|playstation|switch|zoom|photoshop|img|vid|dsc|screenshot\w*|firmware|bitwarden|keepass\w*"
    r"|lastpass|[^\W\d_])[-_.]?\d[\w.,-]*$",
    re.IGNORECASE,
)
_NEAR = 80
_MINE = r"(?:my|mein|meine|mi|minha|meu|mon|ma|мой|моя|saya|aku|mine|the|la|o|le|a|das|die|der)"
_THEN_WORD = re.compile(
    rf"(?:\s{{1,2}}(?:is|was|ist|war|es|era|é|est|était|это|adalah|itu|هو|هي|as|als|como|comme|как|sebagai)\s(?P<mine>{_MINE}\s)?(?:[^\W\d_]{{1,12}}\s)?|\sमेरा\s"
    rf"|\s?(?:が|って|という|是|就是)(?:我的|私の|俺の|我)?)(?:(?P<code>{CODE}|{PLAIN_CODE})|(?P<password>{PASSWORDS}))(?!\s?manager)",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"(?<![^\s(])(?=(?:\S{1,40}\s|[!-~]{4,40}))([!-~]{4,40}|\S{4,40})(?=\s{1,2}\S{1,6}\s|が|って|という|是|就是)"
)


def hide_credentials(text: str, low: str, has_digit: bool) -> str:
    """The text with `[token]`.

    Args:
        low: the text in lower case.
        has_digit: whether a digit of ASCII is in it.
    """
    if has_digit:
        text = _KEY.sub("[token]", text)
        if text.count("-") >= 3:
            text = _PRODUCT_KEY.sub("[token]", text)
    if _may_tell(text, low, has_digit) and holds(TELLS, f" {low}"):
        text = _without_secrets(text)
    return text


def _may_tell(text: str, low: str, has_digit: bool) -> bool:
    return has_digit or _SIGN.search(text) is not None or has_foreign_name(text) or holds(SAID_PLAINLY, low)


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
    parts, at, kinds = [], 0, set()
    for found in _WORD.finditer(lower(text)):
        kind = found.lastgroup or ""
        kinds.add(kind)
        if found.start() < at or (kind == "plain" and _is_no_code(text, found.start())):
            continue
        begin, length = _secret(kind, found.group(), text, found.end())
        if length:
            parts += [text[at:begin], "[token]"]
            at = begin + length
    text = "".join([*parts, text[at:]])
    if kinds:
        text = _without_announced(text)
    return _without_like_passwords(text) if "password" in kinds else text


def _is_no_code(text: str, begin: int) -> bool:
    return _NO_CODE.search(text[max(begin - 16, 0) : begin]) is not None


def _secret(kind: str, word: str, text: str, end: int) -> tuple[int, int]:
    """Where the secret begins that belongs to the word, and its length: 0 = there is none."""
    given = _GIVEN.match(text, end, end + 100)
    if given and (value := _VALUE.match(text, given.end())):
        between = given["of"].lower().split()
        sure = OF.issuperset(between) or not given["of"].isascii()
        length = _secret_length(kind, word, value.group(), bool(given["mark"]) and sure, sure or kind != "phrase")
        if length:
            return given.end(), length
    typed = kind != "plain" or _TYPED.search(text[max(end - 40, 0) : end])
    direct = _DIRECT.match(text, end) if typed else None
    if direct and (value := _VALUE.match(text, direct.end())):
        length = _secret_length(kind, word, value.group(), False, False)
        if length:
            return direct.end(), length
    later = None if kind == "phrase" else _DIGITS_LATER.match(text, end, end + 60)
    if later and kind == "plain" and not _TYPED.search(text[end : later.end()]):
        later = None
    if later and (digits := _ALL_DIGITS.match(text, later.end())) and len(_digits(digits.group())) >= 4:
        counted = _COUNTED.match(text, digits.end()) or _CODE_YEAR.fullmatch(digits.group())
        return (0, 0) if counted else (later.end(), len(digits.group()))
    return 0, 0


def _secret_length(kind: str, word: str, value: str, marked: bool, given: bool) -> int:
    """How many characters of the value are the secret: 0 = none of them."""
    first = _first(value)
    if digits := _ALL_DIGITS.match(value):
        counted = kind == "plain" and _COUNTED.match(value, digits.end())
        return 0 if counted else _digits_length(kind, word, digits.group(), given)
    if kind == "plain":
        return 0
    quoted = value[0] in QUOTES and len(first) > 3 and first[-1] == QUOTES[value[0]]
    if kind == "phrase":
        if restores := _RESTORES.match(value):
            return restores.end()
        return (
            len(first)
            if quoted
            else _several(value, 1 if given or (_ONE_WORD.search(word) and first != first.lower()) else 3, _MOST_WORDS)
        )
    if _NO_SECRET.match(first):
        return 0
    if quoted:
        inside = first[1:-1].lower().split()
        return len(first) if given or not (ENDS | SUBJECTS).intersection(inside) else 0
    return _word_length(kind, word, value, first, marked, given)


def _digits_length(kind: str, word: str, digits: str, given: bool) -> int:
    """Of digits alone; a year needs a copula, any other code four digits."""
    enough = len(_digits(digits)) >= 4 or (given and kind != "plain") or _CHECK_DIGITS.search(word)
    year = _CODE_YEAR.fullmatch(digits) and not (given and kind != "plain")
    return len(digits) if enough and not year else 0


def _word_length(kind: str, word: str, value: str, first: str, marked: bool, given: bool) -> int:
    digit, letter = any(map(str.isdigit, first)), any(map(str.isalpha, first))
    if digit and len(first) >= 4 and given:
        return len(first)
    if kind == "password" and digit and letter and len(first) >= 5 and not _EAST_ASIAN.match(first):
        return len(first)
    foreign = not word.isascii() and first.isascii() and letter and len(first) >= 4
    if foreign and given and kind == "password" and first.lower() not in ENDS | SUBJECTS:
        return len(first)
    return _several(value, 1, 6) if marked and kind == "password" else 0


def _first(value: str) -> str:
    """The first word, in quotes the whole of it, and of a text without spaces its Latin beginning."""
    closing = QUOTES.get(value[0])
    if closing and (end := value.find(closing, 1)) > 1:
        return value[: end + 1]
    latin = re.match(r"[!-~]{4,64}", value)
    word = re.match(r"\S{1,64}", value)
    return latin.group() if latin else word.group() if word else ""


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _several(value: str, least: int, most: int) -> int:
    """All words up to where somebody speaks about something, if they are few; 0 where that is so from the beginning."""
    sentence = re.split(r"[.!?](?:\s|$)|\s[-–—(]", value, maxsplit=1)[0]
    end, count = 0, 0
    for token in _TOKENS.finditer(sentence):
        plain = token.group().lower().strip("'\"!.?")
        if plain in JOINING and count and len(sentence[token.end() :].split()) == 1:
            continue
        if plain in ENDS or (count and not plain.isascii() and sentence[:end].isascii()):
            break
        if plain in SUBJECTS:
            return 0
        end, count = token.end(), count + 1
    cjk = not sentence[:end].isascii() and any(map(sentence[:end].__contains__, _PROSE_CJK))
    return end if least <= count <= most and not cjk else 0


def _without_announced(text: str) -> str:
    """A word or a number that somebody calls a password or a code."""

    def first(found: "re.Match[str]") -> str:
        value = found.group(1)
        then = _THEN_WORD.match(found.string, found.end())
        if not then or value.startswith("["):
            return value
        if value.isdigit():
            return "[token]" if 4 <= len(value) <= 8 else value
        digit = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
        return "[token]" if then["password"] and digit else value

    return _FIRST.sub(first, text)


def _without_like_passwords(text: str) -> str:
    """What looks like a password and is near a word for one."""
    near = [found.span() for found in _WORD.finditer(lower(text)) if found.lastgroup == "password"]

    def like(found: "re.Match[str]") -> str:
        written = found.group().rstrip("?.!-") if found.group()[-1] in "?.-" else found.group()
        digit = any(map(str.isdigit, written))
        if not digit or not _INSIDE.search(written) or _PRODUCT.match(written):
            return found.group()
        begin, end = found.span()
        at = bisect.bisect(near, (begin,))
        beside = any(begin - word[1] <= _NEAR and word[0] - end <= _NEAR for word in near[max(at - 1, 0) : at + 1])
        return "[token]" + found.group()[len(written) :] if beside else found.group()

    return _LIKE_A_PASSWORD.sub(like, text)
