"""How somebody is reached: e-mail addresses, also spelt out, links, handles, names at messengers."""

import re

from streams.privacy.characters import lower
from streams.privacy.contact_words import (
    ASKED,
    AT_BESIDE,
    AT_SPACED,
    DOMAINS,
    DOT,
    HOSTERS,
    IS,
    MY_SITE,
    NO_HOST,
    PROVIDER,
    SIGN,
)
from streams.privacy.words import AT_ALONE, AT_WITH, NETWORKS, PROSE, Words, holds

CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Written without spaces: a neighbour belongs to another word."""

_WORD = rf"[^\W{CJK}]"
_STOPS = (
    r"\s@<>()\[\]{},;:!?\"«»|\\=/~#*&^$`，。！？、；：（）「」『』【】《》،؛؟।"
    r"\u2010-\u20ff\u2190-\u2bff\ufe0f\uff3b\uff3d\U0001f000-\U0001faff"  # punctuation, symbols, emoji
)
_NAME = rf"(?:[^{_STOPS}{CJK}]{{1,64}}|[{CJK}]{{1,4}})"  # with the vowels of Devanagari, which are no \w
_LABEL = rf"(?:[^{_STOPS}.'%+{CJK}]{{1,63}}|[{CJK}]{{1,15}})"
_END = r"[^\s<>\"，。！？、）」』】]"

_EMAIL = re.compile(
    rf"(?:\"[^\"@\n]{{1,64}}\"|{_NAME})(?:@{_LABEL}(?:\.{_LABEL}|。[^{_STOPS}.{CJK}]{{1,63}}){{1,8}}"
    r"|@\[[0-9A-Za-z:.]{2,50}\])"
    rf"|[\w.+%'-]{{2,64}}@[\w-]{{2,63}},(?:com|net|org|de|ru|fr|es|br)(?!\w)"
    # On a host without dots: no name that is glued to a word, as in `thanks@ana`.
    r"|(?<![#\w.])(?=[\w+%'-]{0,62}[\w][._+-]?[._+\d-][^\W_])[\w.+%'-]{1,62}[^\W_]@[\w-]{3,63}"
    r"|(?<![#\w.])[\w+%'-]{2,64}@(?:localhost|ok\w{2,10}|ybl|upi|paytm|axl|ibl|apl|pix)\b",
)
_DOTTED_EMAIL = re.compile(rf"{_NAME}@{_LABEL}(?:[.。]{_LABEL}){{1,8}}")
_SPACED_EMAIL = re.compile(
    rf"(?<![\w.+%'-])(?!via\b)[\w.+%'-]{{2,64}}(?:\s{{1,2}}@\s{{0,2}}|@\s{{1,2}})(?:[\w-]{{1,63}}\.){{1,4}}{DOMAINS}\b"
    rf"|[\w.+%'-]{{2,64}}\s?@\s?[\w-]{{1,63}}\s(?:{DOT})\s[^\W\d_]{{2,24}}(?:\s(?:{DOT})\s[^\W\d_]{{2,24}})?"
    rf"|[\w.+%'-]{{2,64}}\s?@\s?[\w-]{{1,63}}(?:\s\.\s?[\w-]{{1,63}}){{0,2}}\s\.\s?{DOMAINS}\b",
    re.IGNORECASE,
)
_SPELT_PART = rf"[^{_STOPS}{CJK}〈〔｛]++"  # whole words: a hostile text is not tried letter by letter
_SPELT_NAME = (
    rf"(?<![^{_STOPS}{CJK}〈〔｛])(?:{_SPELT_PART}\s(?:{DOT}|{SIGN})\s){{0,2}}(?:(?:{_SPELT_PART}\s)?{_SPELT_PART}\s(?=\d{{1,6}}\s)|(?:{_SPELT_PART}\s(?=tiret|trait))?)"
    rf"{_SPELT_PART}(?:\s(?:{DOT}|{SIGN})\s{_SPELT_PART}){{0,4}}"
)
_SPELT_LABEL = rf"[^{_STOPS}.{CJK}]{{1,63}}"
_OPEN, _CLOSE = r"[(\[{<*［｛（【〔〈/~|]{1,2}", r"[)\]}>*］｝）】〕〉/~|]{1,2}"
_SPELT_DOT = rf"(?:\.|\s\.\s?|\s?{_OPEN}\s?(?:{DOT}|[.,])\s?{_CLOSE}\s?|\s{{1,2}}{DOT}\s{{1,2}}|\s?{DOT}(?=[{CJK}\w]))"
_AT = rf"(?:at|эт|ат|अट|et|{AT_SPACED}|{AT_BESIDE})"
_BRACKETED_EMAIL = re.compile(
    rf"{_SPELT_NAME}\s?{_OPEN}\s?(?:{_AT}|a|ä|@)\s?{_CLOSE}\s?{_SPELT_LABEL}(?:{_SPELT_DOT}{_SPELT_LABEL}){{1,6}}",
    re.IGNORECASE,
)
_SPELT_EMAIL = re.compile(
    rf"{_SPELT_NAME}(?:\s{{1,2}}{AT_SPACED}\s{{1,2}}|\s{{0,2}}{AT_BESIDE}\s{{0,2}})"
    rf"(?:{_SPELT_LABEL}(?:{_SPELT_DOT}{_SPELT_LABEL}){{1,6}}|{PROVIDER}(?:\s(?:com|net|de|fr|es|ru|ру|ком|net|id))?(?!\w))",
    re.IGNORECASE,
)
_SWAPPED_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9_.+%'-])[A-Za-z0-9_.+%'-]{{2,64}}\s?[#☆★◎●■＊*§&￠]{{1,2}}\s?(?:(?:[A-Za-z0-9-]{{1,63}}\.){{1,3}}{DOMAINS}(?![A-Za-z0-9_./])|{PROVIDER}(?![A-Za-z0-9_]))",
    re.IGNORECASE,
)
_AT_EMAIL = re.compile(
    rf"(?!(?:look|log|in|on|up|page|site|sign|mail|account|work)\w{{0,4}}\b){_SPELT_NAME}\s(?:at|et|эт)\s"
    rf"(?:{PROVIDER}{_SPELT_DOT}(?:co{_SPELT_DOT})?[^\W\d]{{2,4}}\b"
    rf"|(?!(?:the|a|an|this|that|my|your)\b)[\w-]{{1,63}}(?:\s(?:dot|punkt)\s[\w-]{{2,63}}){{1,4}})",
    re.IGNORECASE,
)
_AT_PROVIDER = re.compile(rf"(?<!\S)(?=[^\s\d._]{{0,40}}[\d._])[\w.+-]{{3,64}}\sat\s{PROVIDER}(?![\w.])", re.IGNORECASE)
_UPPER_AT_EMAIL = re.compile(rf"{_SPELT_NAME}\sAT\s(?:[A-Za-z0-9-]{{1,63}}\.){{1,3}}(?i:{DOMAINS})(?!\w)")
_BRACKET_AT = re.compile(rf"{_OPEN}\s?(?:{_AT}|a|ä|@)\s?{_CLOSE}")
_SWAPPED = re.compile(rf"[#☆★◎●■＊*§&￠]\s?(?:[A-Za-z0-9-]{{2,63}}\.[A-Za-z]|{PROVIDER})", re.IGNORECASE)
_JOINED_EMAIL = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z0-9.+]{1,32}[_-]){0,3}[A-Za-z0-9.+]{1,32}([_-])at\1[A-Za-z0-9]{1,63}"
    r"(?:\1(?:dot|punkt|punto|ponto|point)\1[A-Za-z0-9]{1,63}){1,4}",
    re.IGNORECASE,
)

_LINK = re.compile(
    rf"(?:(?:(?<![a-z0-9])[a-z][a-z0-9+.-]{{1,20}}://|(?<![a-z0-9])www\.){_END}+"
    rf"|(?<![\w@.-])(?:[a-z0-9-]{{1,63}}\.){{1,5}}[a-z]{{2,24}}(?::\d{{1,5}})?(?:/[^\s<>\"?#，。！？、）」』】]*)?[?#]"
    rf"{_END}*={_END}*)(?<![.,;:!?'’)\]])",
    re.IGNORECASE,
)
_ABROAD = rf"(?:{DOMAINS}|中国|公司|网络|网店|在线|भारत|مصر|السعودية|امارات)"
_PATH_LINK = re.compile(
    rf"(?<![a-z0-9@._-])(?:[a-z]\.(?:id|co|to|gd|ly|link|page|cc|ws|ht|ee)(?=/\w{{3}})|(?:t|m|x|line|about|wa)\.(?:me|com)|youtu\.be|(?:[a-z0-9_-]{{1,63}}\.){{0,4}}[a-z0-9_-]{{2,63}}\."
    rf"(?!{NO_HOST}/){DOMAINS.replace('|my|', '|').replace('(?:com', '(?:ly|gl|gg|ee|be|com')})(?::\d{{1,5}})?"
    rf"/(?=[\w%~?#@+])[^\s<>\"，。！？、）」』】{CJK}]+(?<![.,;:!?'’)\]])",
    re.IGNORECASE,
)
_OWN_LINK = re.compile(  # in any script with a path; below somebody's name at a host; of CJK characters
    rf"(?<![\w@.-])(?:(?:[^\W_{CJK}](?:[^\W{CJK}]|[-\u0900-\u097f]){{1,62}}\.){{1,4}}(?!{NO_HOST}/){_ABROAD}"
    rf"/(?=[^\x00-\x7f]|[\w%~?#@+])[^\s<>\"，。！？、）」』】]+(?<![.,;:!?'’)\]])"
    rf"|(?!(?:www|shop|app|store|support|help|blog|m|api)\.)[\w-]{{2,63}}\.(?:{HOSTERS})(?:/[^\s<>\"，。！？、）」』】]*)?(?![\w-]))"
    rf"|(?:[{CJK}]|[A-Za-z0-9-]){{0,20}}[{CJK}]\.(?:com|cn|net|org|jp|tw|hk|shop|top|xyz|中国|公司|网络|网店)(?![A-Za-z])"
    rf"(?:/[^\s<>\"，。！？、）」』】{CJK}]*)?",
    re.IGNORECASE,
)
_HOMEPAGE = re.compile(
    rf"(?P<before>{MY_SITE}[^.\n]{{0,24}}?(?<![^\W{CJK}])(?<![@.-]))(?P<host>(?!\w{{1,9}}\.{NO_HOST}(?!\w))(?:[^\W_{CJK}][\w\u0900-\u0963-]{{1,62}}\.){{1,3}}{_ABROAD})(?![\w@-]|\.\w)",
    re.IGNORECASE,
)
_HANDLE_PART = rf"[^{_STOPS}.'%+{CJK}-]"
_HANDLE = re.compile(
    rf"@(?!\d{{1,5}}(?:[ap]m|h(?:\d\d)?|uhr|fps|p|hz|k|x|ghz|mhz|mbps|km|rs|usd|eur|kg|w|wib|min|pt)?(?![^\W{CJK}]))(?:(?=\w{_HANDLE_PART}){_HANDLE_PART}{{1,64}}"
    rf"(?:[.-]{_WORD}{_HANDLE_PART}{{0,63}}){{0,4}}|[{CJK}]{{2,30}})"
)
_TAGGED = re.compile(
    r"(?<![\w#&])(?!(?:no|nr|issue|bug|pr|case|ticket|order|top|part|page|room|unit|step|error|rev|level)#)"
    r"[^\W\d][\w.]{1,31}#\d{4,5}(?![\w#])|(?<![\w/])u/[\w-]{3,20}(?!\w)|(?<!\w)live:[\w.:-]{3,40}\w"
    rf"|[A-Za-z0-9_.]{{2,32}}#{PROVIDER}\.(?:com|cn|net)(?!\w)",
    re.IGNORECASE,
)

_NETWORKS_OR_LINE = Words(*NETWORKS, "line")
_NETWORK = "(?:" + "|".join(map(re.escape, sorted(NETWORKS, key=len, reverse=True))) + ")"
_NO_NAME = (  # what is written beside a network's name and is nobody's
    r"(?!(?:v\d|iphone|ipad|ios|android|windows|galaxy|note\d|pro\d|web\d|mac|pixel|redmi|premium|desktop|business|beta"
    r"|inbox|video|story|stories|update|error|group|http|call|messenger|support|id(?![a-z0-9_])"
    r"|(?:app|pay|plus|bot|pc|lite|vip|live|reels?|chat|is|it|not|and|the|me|my|or)(?![a-z]))[\w.]*)"
)
_AT_NETWORK = re.compile(
    rf"(?P<begin>(?P<network>(?<![^\W{CJK}])(?<!#)(?:{_NETWORK}|line(?=\s?(?:は|の|：|:|id|名|号)))"
    rf"(?P<asked>[ -]?の?{ASKED})?)"
    rf"(?P<given>\s{{0,2}}(?:[:：=@/|,(-]|->|[→➡👉]\ufe0f?|{IS}(?:(?<=[{CJK}])|(?![^\W{CJK}])))\s{{0,2}}(?:arroba\s)?|\s{{1,2}}|(?<=[{CJK}])))"
    rf"[\"'“«「]?(?P<name>{_NO_NAME}(?:[A-Za-z0-9_][A-Za-z0-9_.-]{{2,31}}(?<=[A-Za-z0-9_])(?![^\W{CJK}])"
    rf"|(?=[^\W\d{CJK}])[^\W{CJK}][^\W{CJK}.-]{{2,31}}|\d{{5,12}}))",
)
_HOST = re.compile(rf"\.(?=[^\W\d_]{{2}})(?<=[\w-]{{2}}\.){_ABROAD}(?![^\W{CJK}])", re.IGNORECASE)
_SPECIAL = re.compile(r"[^\W\d_]{2}[._-]?\d|_\w|\w_|^\d{5}|[^\W\d_]\d[^\W\d_]{2}")
_DOTTED = re.compile(r"[A-Za-z]{2}\.[A-Za-z]{2}")
_SPEECH = PROSE.union(NETWORKS, ["better", "bad", "broken", "dead", "down", "good", "slow", "great", "fine", "useless"])
_NEW_SENTENCE = re.compile(r"[a-z]\.[A-Z]")
_NAME_AT_NETWORK = re.compile(
    rf"(?<![\w.@/\[#-])(?P<name>{_NO_NAME}(?!version|update|windows|error|fehler)[^\W\d{CJK}](?:[^\W{CJK}]|\.(?=\w)){{3,31}})"
    rf"(?P<rest>(?:\s?[(\[](?:my\s|on\s)?|\s(?:on|sur|auf|bei|en|no|na|di|в|на|at|è|عل[ىي]|في|(?:is|ist|es|é|est|это|adalah|itu)\s(?:my|mein|meine|mi|meu|mon|мой|the)|मेरा)\s)"
    rf"(?:my\s|o\s|meu\s)?{_NETWORK}(?![^\W{CJK}]))",
    re.IGNORECASE,
)
_NOT_LATIN = re.compile(r"[\u0370-\u1fff\u3040-\ud7af]")
_LATIN = re.compile(r"[A-Za-z0-9_.]{3}")
_LIKE_A_NAME = re.compile(
    r"[\d_:=→👉➡.](?:(?<=[_:=→👉➡])|(?<=[^\W\d_]\d)|(?<=[^\W\d_][.-]\d)|(?<=\.)[A-Za-z]|(?<=\d)\d{4})"
)
_ASKED_BEFORE = re.compile(
    rf"(?<![^\W\d_]){ASKED}(?:\s(?:de|do|da|di|on|for|auf|bei|sur|en|no|в|на|my|mein|del|el))*\s$", re.IGNORECASE
)
_SAYS = (":", "：", "=", "->", "→", "➡", "👉", "@")
_SPEAKS_ON = re.compile(r"\s+[^\W\d_]")


def hide_contacts(text: str, low: str) -> str:
    """The text with `[link]`, `[email]` and `[handle]`.

    Args:
        low: the text in lower case.
    """
    if "://" in text or "=" in text or "www." in low:
        text = _LINK.sub("[link]", text)
    if "/" in text:
        text = _TAGGED.sub("[handle]", _PATH_LINK.sub("[link]", text)) if "." in text else _TAGGED.sub("[handle]", text)
    elif "#" in text or "live:" in low:
        text = _TAGGED.sub("[handle]", text)
    text = _without_spelt_email(_without_own_links(text), low)
    if "@" in text:
        if " @" in text or "@ " in text or " ." in text:
            text = _SPACED_EMAIL.sub("[email]", text)
        text = _HANDLE.sub("[handle]", _EMAIL.sub("[email]", text))
    if (_LIKE_A_NAME.search(text) or has_foreign_name(text)) and holds(_NETWORKS_OR_LINE, low):
        text = _NAME_AT_NETWORK.sub(_name_at_network, _without_names(text))
    return text


def has_foreign_name(text: str) -> bool:
    """Whether a text in another script than the Latin one has a Latin word or a number in it."""
    return not text.isascii() and _NOT_LATIN.search(text) is not None and _LATIN.search(text) is not None


def hide_dotted_email(text: str) -> str:
    """The text with `[email]` where a host with a dot follows an @; `[login]@host` stays."""
    return _DOTTED_EMAIL.sub(lambda found: found.group() if found.group().startswith("[login]") else "[email]", text)


def _without_own_links(text: str) -> str:
    if not _HOST.search(text):
        return text
    return _HOMEPAGE.sub(lambda found: found["before"] + "[link]", _OWN_LINK.sub("[link]", text))


def _without_spelt_email(text: str, low: str) -> str:
    if _BRACKET_AT.search(low):
        text = _BRACKETED_EMAIL.sub("[email]", text)
    if " AT " in text and "." in text:
        text = _UPPER_AT_EMAIL.sub("[email]", text)
    if _SWAPPED.search(text):
        text = _SWAPPED_EMAIL.sub("[email]", text)
    if "_at_" in low or "-at-" in low:
        text = _JOINED_EMAIL.sub("[email]", text)
    if holds(AT_ALONE, low):
        text = _SPELT_EMAIL.sub("[email]", text)
    if (" at " in low or (" et " in low and "titik" in low) or " эт " in low) and holds(AT_WITH, low):
        text = _AT_PROVIDER.sub("[email]", _AT_EMAIL.sub("[email]", text))
    return text


def _without_names(text: str) -> str:
    parts, at = [], 0
    for found in _AT_NETWORK.finditer(lower(text)):
        begin, end = found.span("name")
        if _is_name(found, text[begin:end]):
            parts += [text[at:begin], "[handle]"]
            at = end
    return "".join([*parts, text[at:]])


def _is_name(found: "re.Match[str]", name: str) -> bool:
    """Whether a name has digits, dots or _, or an account's name is asked for, or the script changes."""
    rest = found.string[found.end() : found.end() + 40]
    given = found["given"].strip()
    foreign = not found["network"].isascii()
    asked = (
        found["asked"]
        or found["network"].lower().endswith(("id", "account"))
        or _ASKED_BEFORE.search(found.string[max(found.start() - 24, 0) : found.start()])
    )
    speaks = _SPEAKS_ON.match(rest) is not None
    latin = foreign and name.isascii() and not name.isdigit()
    named = (given in _SAYS or (asked and given) or (foreign and (latin or given))) and not speaks
    dotted = _DOTTED.search(name) and not _is_sentence(name) and (given or asked or foreign or not speaks)
    return bool(_SPECIAL.search(name) or named or dotted)


def _is_sentence(name: str) -> bool:
    """Whether a full stop without a blank after it ends a sentence there."""
    parts = name.lower().split(".")
    return bool(_NEW_SENTENCE.search(name)) or not _SPEECH.isdisjoint(parts)


def _name_at_network(found: "re.Match[str]") -> str:
    """`[handle]` for a name with digits or _ before `on Instagram` and the like."""
    return "[handle]" + found["rest"] if _SPECIAL.search(found["name"]) else found.group()
