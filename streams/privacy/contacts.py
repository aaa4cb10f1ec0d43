"""How somebody is reached: e-mail addresses, also spelt out, links, handles, names at messengers."""

import re

from streams.privacy.words import AT_ALONE, AT_WITH, NETWORKS, Words, holds

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
_COMMON = (
    r"(?:com|org|net|info|biz|edu|gov|mil|app|dev|shop|store|online|site|club|xyz|top|link|page|live|social|cloud|tech"
    r"|blog|news|asia|example|test|de|fr|es|pt|br|ru|рф|cn|jp|in|id|sa|eg|ae|uk|us|eu|ch|at|be|nl|it|mx|ar|cl|co|pe|ca"
    r"|au|nz|za|io|ai|me|tv|hk|tw|sg|my|ph|kr|ua|by|kz|tr|ir|pk|pl|se|no|dk|fi)"
)
_NO_HOST = r"(?:at|as|am|be|by|do|in|is|it|me|my|no|so|to|us|la|se|si|un|et|tu|js|md|py|rs|sh|ps|cc|pm)"

_EMAIL = re.compile(
    rf"(?:\"[^\"@\n]{{1,64}}\"|{_NAME})(?:@{_LABEL}(?:\.{_LABEL}|。[^{_STOPS}.{CJK}]{{1,63}}){{1,8}}"
    r"|@\[[0-9A-Za-z:.]{2,50}\])"
    # On a host without dots: no name that is glued to a word, as in `thanks@ana`.
    r"|(?<![#\w.])(?=[\w+%'-]{0,62}[\w][._+-]?[._+\d-][^\W_])[\w.+%'-]{1,62}[^\W_]@[\w-]{3,63}"
    r"|(?<![#\w.])[\w+%'-]{2,64}@(?:localhost|ok\w{2,10}|ybl|upi|paytm|axl|ibl|apl|pix)\b",
)
_DOTTED_EMAIL = re.compile(rf"{_NAME}@{_LABEL}(?:[.。]{_LABEL}){{1,8}}")
_SPACED_EMAIL = re.compile(
    rf"(?<![\w.+%'-])(?!via\b)[\w.+%'-]{{2,64}}(?:\s{{1,2}}@\s{{0,2}}|@\s{{1,2}})(?:[\w-]{{1,63}}\.){{1,4}}{_COMMON}\b"
    rf"|[\w.+%'-]{{2,64}}\s?@\s?[\w-]{{1,63}}(?:\s\.\s?[\w-]{{1,63}}){{0,2}}\s\.\s?{_COMMON}\b",
    re.IGNORECASE,
)
_DOT = r"(?:dot|dott?|punkt|punto|ponto|point|pt|точка|тчк|titik|點|点|ドット|どっと|डॉट|डाट|बिंदु|دوت|نقطة|نقطه)"
_SPELT_NAME = rf"[^{_STOPS}{CJK}]{{1,64}}(?:\s{_DOT}\s[^{_STOPS}{CJK}]{{1,64}}){{0,2}}"
_SPELT_LABEL = rf"[^{_STOPS}.{CJK}]{{1,63}}"
_SPELT_DOT = (
    rf"(?:\.|\s\.\s?|\s?[(\[{{<*［｛]\s?{_DOT}\s?[)\]}}>*］｝]\s?|\s{{1,2}}{_DOT}\s{{1,2}}|{_DOT}(?=[{CJK}\w]))"
)
_AT_SPACED = (
    r"(?:ät|arroba|arobase?|arobas|chiocciola|собака|собачка|klammeraffe|affenschwanz|a commercial|एट|ऐट|آت|ات|أت)"
)
_AT_BESIDE = r"(?:アットマーク|アット|あっとまーく|あっと|艾特|圈a)"
_AT = rf"(?:at|эт|ат|अट|{_AT_SPACED}|{_AT_BESIDE})"
_BRACKETED_EMAIL = re.compile(
    rf"{_SPELT_NAME}\s?[(\[{{<*［｛]\s?(?:{_AT}|a|ä|@)\s?[)\]}}>*］｝]\s?{_SPELT_LABEL}(?:{_SPELT_DOT}{_SPELT_LABEL}){{1,6}}",
    re.IGNORECASE,
)
_SPELT_EMAIL = re.compile(
    rf"{_SPELT_NAME}(?:\s{{1,2}}{_AT_SPACED}\s{{1,2}}|\s{{0,2}}{_AT_BESIDE}\s{{0,2}})"
    rf"{_SPELT_LABEL}(?:{_SPELT_DOT}{_SPELT_LABEL}){{1,6}}",
    re.IGNORECASE,
)
_PROVIDER = (
    r"(?:g(?:oogle)?mail|hot ?mail|yahoo|outlook|live|msn|i?cloud|proton(?:mail)?|gmx|web|t-online|freenet|mail|yandex"
    r"|rambler|aol|qq|163|126|orange|free|wanadoo|uol|bol|terra|rediff(?:mail)?|naver|docomo|softbank|zoho|fastmail)"
)
_AT_EMAIL = re.compile(
    rf"(?!(?:look|log|in|on|up|page|site|sign|mail|account|work)\w{{0,4}}\b){_SPELT_NAME}\sat\s"
    rf"(?:{_PROVIDER}{_SPELT_DOT}(?:co{_SPELT_DOT})?[a-z]{{2,4}}\b"
    rf"|(?!(?:the|a|an|this|that|my|your)\b)[\w-]{{1,63}}(?:\s(?:dot|punkt)\s[\w-]{{2,63}}){{1,4}})",
    re.IGNORECASE,
)
_UPPER_AT_EMAIL = re.compile(rf"{_SPELT_NAME}\sAT\s(?:[A-Za-z0-9-]{{1,63}}\.){{1,3}}(?i:{_COMMON})(?!\w)")
_BRACKET_AT = re.compile(rf"[(\[{{<*［｛]\s?(?:{_AT}|a|ä|@)\s?[)\]}}>*］｝]")
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
_PATH_LINK = re.compile(
    rf"(?<![a-z0-9@._-])(?:(?:t|m|x|line|about|wa)\.(?:me|com)|youtu\.be|(?:[a-z0-9_-]{{1,63}}\.){{0,4}}[a-z0-9_-]{{2,63}}\."
    rf"(?!{_NO_HOST}/){_COMMON.replace('|my|', '|').replace('(?:com', '(?:ly|gl|gg|ee|be|com')})(?::\d{{1,5}})?"
    rf"/(?=[\w%~?#@+])[^\s<>\"，。！？、）」』】{CJK}]+(?<![.,;:!?'’)\]])",
    re.IGNORECASE,
)
_HANDLE_PART = rf"[^{_STOPS}.'%+{CJK}-]"
_HANDLE = re.compile(
    rf"@(?!\d{{1,4}}(?:[ap]m|h|uhr)?(?!\w))(?:(?=\w{_HANDLE_PART}){_HANDLE_PART}{{1,64}}"
    rf"(?:\.{_WORD}{_HANDLE_PART}{{0,63}}){{0,4}}|[{CJK}]{{2,30}})"
)
_TAGGED = re.compile(
    r"(?<![\w#&])(?!(?:no|nr|issue|bug|pr|case|ticket|order|top|part|page|room|unit|step|error|rev|level)#)"
    r"[^\W\d][\w.]{1,31}#\d{4}(?![\w#])|(?<![\w/])u/[\w-]{3,20}(?!\w)|(?<!\w)live:[\w.:-]{3,40}\w"
    rf"|[A-Za-z0-9_.]{{2,32}}#{_PROVIDER}\.(?:com|cn|net)(?!\w)",
    re.IGNORECASE,
)

_NETWORKS_OR_LINE = Words(*NETWORKS, "line")
_NETWORK = "(?:" + "|".join(sorted(NETWORKS, key=len, reverse=True)) + ")"
_NO_NAME = (  # what is written beside a network's name and is nobody's
    r"(?!(?:v\d|iphone|ipad|ios|android|windows|galaxy|note\d|pro\d|web\d|mac|pixel|redmi|premium|desktop|business|beta"
    r"|inbox|video|story|stories|update|error|group|http|call|messenger|support|id(?![a-z0-9_])"
    r"|(?:app|pay|plus|bot|pc|lite|vip|live|reels?|chat|is|it|not|and|the|me|my|or)(?![a-z]))[\w.]*)"
)
_ASKED = (
    r"(?:id|name|user ?name|user|handle|account|nick(?:name)?|profile|gamertag|tag|konto|name lautet|号|號|账号|帳號"
    r"|アカウント|ユーザー名|usuario|usuário|cuenta|conta|compte|pseudo|akun|ник|логин|حساب|معرف|आईडी)"
)
_IS = r"(?:is|ist|lautet|heißt|c'est|saya|aku|ku|es|é|est|adalah|это|是|は|が|है|هو|هي|me|mich|add|unter|на|на меня)"
_AT_NETWORK = re.compile(
    rf"(?P<begin>(?P<network>(?<![^\W{CJK}])(?<!#)(?:{_NETWORK}|line(?=\s?(?:は|：|:|id|名|号)))"
    rf"(?P<asked>[ -]?{_ASKED})?)"
    rf"(?P<given>\s{{0,2}}(?:[:：=@-]|{_IS})\s{{0,2}}|\s{{1,2}}|(?<=[{CJK}])))"
    rf"(?P<name>{_NO_NAME}[A-Za-z0-9_][A-Za-z0-9_.-]{{2,31}}(?<=[A-Za-z0-9_])|\d{{5,12}})",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"[^\W\d_]{2}[._]?\d|_\w|\w_|[A-Za-z]{2}\.[A-Za-z]{2}|^\d{5}")
_NOT_LATIN = re.compile(r"[\u0370-\u1fff\u3040-\ud7af]")
_LATIN = re.compile(r"[A-Za-z0-9_.]{3}")
_LIKE_A_NAME = re.compile(r"(?<=[A-Za-z])\d|[_:=]|\.[A-Za-z]|\d{5}")
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
    text = _without_spelt_email(text, low)
    if "@" in text:
        if " @" in text or "@ " in text or " ." in text:
            text = _SPACED_EMAIL.sub("[email]", text)
        text = _HANDLE.sub("[handle]", _EMAIL.sub("[email]", text))
    if (_LIKE_A_NAME.search(text) or has_foreign_name(text)) and holds(_NETWORKS_OR_LINE, low):
        text = _AT_NETWORK.sub(_at_network, text)
    return text


def has_foreign_name(text: str) -> bool:
    """Whether a text in another script than the Latin one has a Latin word or a number in it."""
    return not text.isascii() and _NOT_LATIN.search(text) is not None and _LATIN.search(text) is not None


def hide_dotted_email(text: str) -> str:
    """The text with `[email]` where a host with a dot follows an @; `[login]@host` stays."""
    return _DOTTED_EMAIL.sub(lambda found: found.group() if found.group().startswith("[login]") else "[email]", text)


def _without_spelt_email(text: str, low: str) -> str:
    if _BRACKET_AT.search(low):
        text = _BRACKETED_EMAIL.sub("[email]", text)
    if " AT " in text and "." in text:
        text = _UPPER_AT_EMAIL.sub("[email]", text)
    if "_at_" in low or "-at-" in low:
        text = _JOINED_EMAIL.sub("[email]", text)
    if holds(AT_ALONE, low):
        text = _SPELT_EMAIL.sub("[email]", text)
    if " at " in low and holds(AT_WITH, low):
        text = _AT_EMAIL.sub("[email]", text)
    return text


def _at_network(found: "re.Match[str]") -> str:
    """`[handle]` where a name has digits, dots or _, or an account's name is asked for, or the script changes."""
    name, rest = found["name"], found.string[found.end() :]
    given = found["given"].strip()
    foreign = not found["network"].isascii()
    named = (given in (":", "：", "=") or (found["asked"] and given) or foreign) and not _SPEAKS_ON.match(rest)
    return found["begin"] + "[handle]" if _SPECIAL.search(name) or named else found.group()
