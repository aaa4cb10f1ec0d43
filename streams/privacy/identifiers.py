"""Numbers that stand for a person, a contract or a device: by the word beside them, their form or their check digit."""

import ipaddress
import re

from streams.privacy.numbers import counted_or_paid, is_kept, names_no_one
from streams.privacy.words import (
    ABBREVIATED,
    ANNOUNCING,
    CJK_LINKS,
    CJK_MARKED,
    ID_ENDS,
    ID_WORDS,
    LINKS,
    MARKERS,
    PHONE_ENDS,
    PHONE_WORDS,
    PLACE_WORDS,
    holds,
)

_VALUE = re.compile(
    r"(?:(?:\+?\d{1,3} ?)?\(\d{1,5}\) ?|\+|[A-Za-zА-Я]{1,6}[-/]?)?\d[\dA-Za-z]*"
    r"(?:[ ./_-]{1,3}(?:[A-ZА-Я]{1,3} ?)?\d[\dA-Za-z]*){0,12}(?:[-/][A-Z]{1,4}(?![\w])| [A-Z](?![\w.]))?"
)
_SCRIPTS = re.compile(r"(?<=[\u3040-\u30ff\u3400-\u9fff])(?=[a-z])")
_BEFORE = re.compile(r"[^\s\d:=#№.,()\"'/-]+|[#№:=]")
_BREAK = re.compile(r"[!?;。！？；]|,\s|\w\.\s")
_GAP = 44
_YEAR = re.compile(r"(?:19|20)\d\d")
_DECIMAL = re.compile(r"\d+[.,]\d{1,2}")

_SHAPES = re.compile(
    r"(?<![A-Z0-9_-])(?:"
    r"756\.?\d{4}\.?\d{4}\.?\d\d"  # insurance of Switzerland
    r"|\d{2} ?\d{3} ?\d{3} ?\d{3}(?= ?(?:TFN|ABN))"
    r"|[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]"  # national insurance of the United Kingdom
    r"|[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"  # permanent account number of India
    r"|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d|[A-ZÑ&]{3,4}\d\d(?:0\d|1[0-2])(?:[0-2]\d|3[01])[A-Z0-9]{3}"  # CURP, RFC
    r"|[A-Z9]{5}\d[0156]\d{3}\d[A-Z9]{2}[A-Z0-9]{3}"  # driver of the United Kingdom
    r"|1Z[A-Z0-9]{16}|[A-Z]{2} ?\d{3} ?\d{3} ?\d{3} ?[A-Z]{2}"  # parcels
    r"|\d{2} ?\d{6} ?[A-Z] ?\d{3}"  # pension of Germany
    r"|[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?(?:2[AB]) ?\d{3} ?\d{3} ?\d\d"  # Corsicans in the register of France
    r"|\d{6} ?(?:19|20)\d{6} ?\d{3}[\dXx]|\d{1,2}\.?\d{3}\.?\d{3}-[\dkKXx]"  # China, Chile
    r"|0x[0-9a-fA-F]{40}"  # a wallet
    r")(?![\w-])"
)
_LETTERED = re.compile(r"(?<![\w.,-])(?:(\d{2}\.?\d{3}\.?\d{3})[ -]?|([XYZxyz])[ -]?(\d{7})[ -]?)([A-Za-z])(?!\w)")
_VIN = re.compile(r"(?<!\w)(?=[A-Z0-9]{0,12}[A-Z])(?=(?:[A-Z]{0,16}\d){5})[A-HJ-NPR-Z0-9]{13}\d{4}(?!\w)")
_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}|(?=[0-9.]{0,13}[A-Fa-f])[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})(?![\w:-])"
)
_IP4 = re.compile(r"(?<![\d.])(?<!\d[.,-])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")
_ADDRESS = re.compile(r"ip|addr|адрес|地址|アドレス|host|server|عنوان|पता|dns", re.IGNORECASE)
_IP6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_VERSION = re.compile(
    r"(?:\bv|\bver|version|versión|versão|versi|версия|版本|バージョン|build|الإصدار|اصدار|إصدار|वर्जन|संस्करण|firmware|driver|update"
    r"|release|android|ios|chrome|windows)[ .:]{0,2}$",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"(?<![\d.,])[+-]?(\d{1,2})[.,]\d{4,}\s?°?\s?[NSns]?(?:\s?[,;/ ]\s?(?:(?:lon|lng|long|longitude)[\s:=]{1,2})?)"
    r"[+-]?(1?\d{1,2})[.,]\d{4,}(?:\s?°)?(?:\s?[EWewOo]\b)?(?!\d)"
    r"|\d{1,3}\s?°\s?\d{1,2}(?:[.,]\d+)?\s?['′’](?:\s?\d{1,2}(?:[.,]\d+)?\s?(?:[\"″”]|''))?\s?[NSEWOnsewo]?\b"
)
_PLACED = re.compile(
    r"(?<=[^\d.,])[+-]?\d{1,3}[.,]\d{3,}\s?°?\s?[NSEW]?(?![A-Za-z0-9])"
    r"|(?<=[^\d.,])[+-]?\d{1,3}[.,]\d{2,}\s?°\s?[NSEWO]?",
    re.IGNORECASE,
)
_PLACE_BEFORE = re.compile(
    r"(?<![^\W\d_])(?:lat|lon|lng|gps|latitude|longitude|latitud|longitud|coord\w*|koord\w*)(?![^\W\d_])"
    r"|breitengrad|längengrad|широт|долгот|коорд"
    r"|纬度|经度|緯度|経度|坐标|座標|[东西東]经|[东西東]経|[南北][纬緯]|خط العرض|خط الطول|احداث|إحداث|अक्षांश|देशांतर"
)
_IN_PARTS = re.compile(r"[0-9A-Fa-f][.:-][0-9A-Fa-f]{1,4}[.:-]|::")
_FINE = re.compile(r"\d[.,]\d\d|°")
_FIVE = re.compile(r"\d(?:[A-Z ./-]{0,2}\d){4}")


def hide_identifiers(text: str) -> str:
    """The text with `[number]`, `[device]` and `[place]`, and `[phone]` where a word says so; it holds a digit."""
    low = text.lower()
    if _IN_PARTS.search(text):
        text = _without_devices(text)
    if _FINE.search(text):
        text = _PLACE.sub(_place, text)
        if holds(PLACE_WORDS, low):
            text = _without_placed(text)
    if _FIVE.search(text):
        text = _LETTERED.sub(_lettered, _VIN.sub("[number]", _SHAPES.sub("[number]", text)))
    return _without_named(text)


def _without_devices(text: str) -> str:
    text = _IP4.sub(_ip4, _MAC.sub("[device]", text))
    return _IP6.sub(_ip6, text) if text.count(":") >= 2 else text


def _ip4(found: "re.Match[str]") -> str:
    """`[device]`; versions and the own machine stay."""
    parts = found.groups()
    before = found.string[max(found.start() - 16, 0) : found.start()]
    if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in parts) or parts[0] in ("0", "127"):
        return found.group()
    sure = len(parts[0]) > 1 or _ADDRESS.search(before)
    return "[device]" if sure and not _VERSION.search(before) else found.group()


def _ip6(found: "re.Match[str]") -> str:
    try:
        address = ipaddress.IPv6Address(found.group())
    except ValueError:
        return found.group()
    return found.group() if address.is_loopback or len(found.group()) < 6 else "[device]"


def _place(found: "re.Match[str]") -> str:
    """`[place]` for two fine degrees; what lies between 0 and 9 in both is taken for other decimals."""
    latitude, longitude = found.groups()
    if latitude is None:
        return "[place]"
    fits = int(latitude) <= 90 and int(longitude) <= 180 and len(latitude + longitude) > 2
    return "[place]" if fits else found.group()


def _without_placed(text: str) -> str:
    """Single degrees after a word for them."""

    def degrees(found: "re.Match[str]") -> str:
        before = found.string[max(found.start() - 16, 0) : found.start()].lower()
        return "[place]" if _PLACE_BEFORE.search(before) else found.group()

    return _PLACED.sub(degrees, text)


def _lettered(found: "re.Match[str]") -> str:
    """`[number]` where the letter is the check letter of Spain (modulo 23)."""
    plain, first, rest, letter = found.groups()
    number = int(plain.replace(".", "")) if plain else int(str("XYZ".index(first.upper())) + rest)
    return "[number]" if "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == letter.upper() else found.group()


def _without_named(text: str) -> str:
    """`[number]` or `[phone]` for what a word before it calls so."""
    parts, at = [], 0
    for found in _VALUE.finditer(text):
        begin, end = found.span()
        if end - begin < 3 or begin < at or (begin and _glued(text[begin - 1], text[begin])):
            continue
        mark = _named(text, begin, end)
        if mark:
            parts += [text[at:begin], mark]
            at = end
    return "".join([*parts, text[at:]]) if parts else text


def _glued(before: str, first: str) -> bool:
    """Whether a value goes on from the character before it; letters of another script end where digits begin."""
    return before.isalnum() and not _is_cjk(before) and (before.isascii() or not first.isdigit())


def _is_cjk(char: str) -> bool:
    return "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af"


def _named(text: str, begin: int, end: int) -> str:
    written = text[begin:end]
    digits = sum(map(str.isdigit, written))
    if digits < 2 or is_kept(written) or _DECIMAL.fullmatch(written):
        return ""
    head = text[max(begin - _GAP, 0) : begin].lower()
    phone, marked = _word_before(head)
    if phone is None or (phone and any(map(str.isalpha, written))) or (not marked and _YEAR.fullmatch(written)):
        return ""
    if digits == len(written) and (counted_or_paid(text, begin, end) or names_no_one(text, begin, end)):
        return ""
    lettered = any(map(str.isalpha, written)) and written.upper() == written and len(written) >= 5
    least = 5 if phone else 3 if marked or lettered else 5
    if (len(written) if lettered and (marked or len(written) >= 6) else digits) < least or (
        end < len(text) and text[end] in "%€$£¥₹₽°"
    ):
        return ""
    return "[phone]" if phone else "[number]"


def _word_before(head: str) -> "tuple[bool | None, bool]":
    """Whether the nearest word that counts says telephone (None = no such word); whether a number was announced."""
    marked = False
    cut = _BREAK.split(head)[-1] if not head.rstrip().endswith(ABBREVIATED) else head
    words = _BEFORE.findall(cut if cut.isascii() else _SCRIPTS.sub(" ", cut))[::-1]
    for at, word in enumerate(words[:5]):
        if word in MARKERS:
            marked = True
        elif word in LINKS:
            marked = marked or word in ANNOUNCING
        elif word in PHONE_WORDS:
            return True, marked
        elif word in ID_WORDS or word.endswith(("nummer", "nr", "kennung")):
            announced = not MARKERS.isdisjoint(words[at + 1 : at + 3]) or word in ANNOUNCING
            return False, marked or announced or word.endswith(("nummer", "nr"))
        else:
            return _cjk_word(word, marked)
    return None, False


def _cjk_word(word: str, marked: bool) -> "tuple[bool | None, bool]":
    if word.isascii():
        return None, False
    for _ in range(4):
        if word.endswith(PHONE_ENDS):
            return True, marked
        if word.endswith(ID_ENDS):
            return False, marked or word.endswith(CJK_MARKED)
        stripped = next((word.removesuffix(link) for link in CJK_LINKS if word.endswith(link)), word)
        if stripped == word:
            return None, False
        marked, word = marked or word.endswith(CJK_MARKED), stripped
    return None, False
