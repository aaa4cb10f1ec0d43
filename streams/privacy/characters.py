"""Characters made plain before rules read a text: digits of every script, dashes between digits, what nobody sees."""

import re
import unicodedata

_DASHES = "\u2212\u30fc\uff70\u2043\u02d7"  # written for a dash, and not of the category of dashes (Pd)
_DOTS = "·•‧∙⋅・･․"
_SLASHES = "\u2044\u2215"
_WIDE = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in "＋＠－．（）／＝：＿＃％＆"} | {ord("﹫"): "@"}
_WIDE |= {code: chr(code - 0xFEE0) for first in (0xFF21, 0xFF41) for code in range(first, first + 26)}
_MATHEMATICAL = range(0x1D400, 0x1D800)  # letters that are bold, italic, of a typewriter
_CIRCLED = {ord("⓪"): "0", ord("⓿"): "0", ord("🄋"): "0", ord("🄌"): "0"} | {
    first + at: str(at + 1) for first in (0x2460, 0x2776, 0x2780, 0x278A) for at in range(9)
}
_IGNORABLE = (  # Default_Ignorable_Code_Point of the Unicode standard; and a blank Braille cell
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_SPACES = (0x20, 0xA0, 0x2009, 0x202F)  # rules tell these apart: the last three are written within amounts
_JOINERS = r"\u200c\u200d\ufe00-\ufe0f\U000e0020-\U000e007f"  # they shape letters, emoji and flags beside them
_REMEMBERED = 0x20000

_JOINER = re.compile(rf"[{_JOINERS}\u0300-\u036f\u20d0-\u20f0]")
_UNSEEN_JOINER = re.compile(
    rf"(?<=[0-9])[\u0300-\u036f\u20d0-\u20f0{_JOINERS}]+(?=[0-9])"  # keycaps and struck-out digits in a row
    rf"|(?<![\u200c\u200d])[\u200c\u200d]++(?=[\x00-\x7f])|(?<=[\x00-\x7f])[{_JOINERS}]+(?!\u20e3)"
)
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])([\s)]{0,2})([^\w\s\x00-\x7f]|[ーｰ\uff3f])(?=[\s(]{0,2}[0-9])")
_CIRCLED_ROW = re.compile("[⓪⓿🄋🄌①-⑨❶-❾➀-➈➊-➒](?:[\\s-]?[⓪⓿🄋🄌①-⑨❶-❾➀-➈➊-➒]){6,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DIGIT = re.compile(r"[0-9]")


class _Plain(dict[int, "str | int | None"]):
    """A table for `str.translate` that looks a character's properties up when it first meets it."""

    def __missing__(self, code: int) -> "str | int | None":
        plain = _plain(code)
        if code < _REMEMBERED:
            self[code] = plain
        return plain


def _plain(code: int) -> "str | int | None":
    char = chr(code)
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if code in _WIDE:
        return _WIDE[code]
    if code in _MATHEMATICAL:
        return unicodedata.normalize("NFKC", char)
    if _JOINER.match(char):
        return code
    category = unicodedata.category(char)
    if category == "Zs" and code not in _SPACES:
        return " "
    ignorable = any(first <= code <= last for first, last in _IGNORABLE)
    return None if ignorable or category == "Cf" else code


_PLAIN = _Plain()


def plain(text: str) -> str:
    """Decimal digits and blanks as those of ASCII, nothing invisible, dashes and dots between digits as - and .

    Joiners stay between letters and emoji that they shape. No character of ASCII changes.
    """
    if text.isascii():
        return text
    text = text.translate(_PLAIN)
    text = _CIRCLED_ROW.sub(lambda row: row.group().translate(_CIRCLED), text)
    if _JOINER.search(text):
        text = _UNSEEN_JOINER.sub("", text)
    return _BETWEEN_DIGITS.sub(_separator, text) if _DIGIT.search(text) else text


def visible(text: str) -> str:
    """The plain text with one space for each run of control characters."""
    return _CONTROL.sub(" ", plain(text))


def lower(text: str) -> str:
    """The text in lower case, each character in its place: one that would become two stays."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def _separator(found: "re.Match[str]") -> str:
    space, char = found.groups()
    category = unicodedata.category(char)
    if char in "\uff5e\u301c\u223c":
        return f"{space}~"
    if category == "Pd" or char in _DASHES:
        return f"{space}-"
    if category == "Pc":
        return f"{space}_"
    return space + ("." if char in _DOTS else "/" if char in _SLASHES else char)
