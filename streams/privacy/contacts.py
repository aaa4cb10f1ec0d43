"""How somebody is reached: e-mail addresses, also spelt out, links, handles, names at messengers."""

import re

from streams.privacy.characters import lower
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
_DOT = (
    r"(?:dot|dott?|punkt|punto|ponto|point|pt|точка|тчк|titik|點|点|ドット|どっと|डॉट|डाट|बिंदु|دوت|نقطة|نقطه|d0t)"
)
_SIGN = (
    r"(?:underscore|under ?score|under ?line|dash|hyphen|minus|plus|unterstrich|bindestrich|tiret(?: du (?:bas|six|6|8|huit))?|souligné"
    r"|gui[oó]n(?: bajo)?|barra baja|sub ?guion|traço|hífen|sublinhado|underlain|нижнее подчеркивание|подчеркивание|подчёркивание|дефис"
    r"|тире|минус|garis bawah|strip|setrip|下划线|底線|杠|横杠|アンダーバー|アンダースコア|ハイフン|शरतिया|अंडरस्कोर|डैश|हाइफन"
    r"|شرطة(?: سفلية)?|اندرسكور|أندرسكور)"
)
_SPELT_PART = rf"[^{_STOPS}{CJK}]{{1,64}}"
_SPELT_NAME = (
    rf"(?:(?:{_SPELT_PART}\s){{0,1}}{_SPELT_PART}\s(?=\d{{1,6}}\s)|(?:{_SPELT_PART}\s(?=tiret|trait))?)"
    rf"{_SPELT_PART}(?:\s(?:{_DOT}|{_SIGN})\s{_SPELT_PART}){{0,4}}"
)
_SPELT_LABEL = rf"[^{_STOPS}.{CJK}]{{1,63}}"
_OPEN, _CLOSE = r"[(\[{<*［｛（【〔〈/~|]{1,2}", r"[)\]}>*］｝）】〕〉/~|]{1,2}"
_SPELT_DOT = (
    rf"(?:\.|\s\.\s?|\s?{_OPEN}\s?(?:{_DOT}|[.,])\s?{_CLOSE}\s?|\s{{1,2}}{_DOT}\s{{1,2}}|\s?{_DOT}(?=[{CJK}\w]))"
)
_AT_SPACED = (
    r"(?:ät|aet|arr?oba|arobase?|arobas|a rond|chiocciola|собака|собачка|сабака|klammeraffe|affenschwanz|a commercial|at[- ]?sign"
    r"|(?:at|@) (?:the )?rate(?: of)?|एट(?: (?:द|दी|थे) रेट)?|ऐट(?: द रेट)?|अट(?: द रेट)?|a ?keong|keong|آت|ات|أت|إت)"
)
_AT_BESIDE = r"(?:アットマーク|アット|あっとまーく|あっと|艾特|圈a|圈A|小老鼠)"
_AT = rf"(?:at|эт|ат|अट|et|{_AT_SPACED}|{_AT_BESIDE})"
_BRACKETED_EMAIL = re.compile(
    rf"{_SPELT_NAME}\s?{_OPEN}\s?(?:{_AT}|a|ä|@)\s?{_CLOSE}\s?{_SPELT_LABEL}(?:{_SPELT_DOT}{_SPELT_LABEL}){{1,6}}",
    re.IGNORECASE,
)
_PROVIDER = (
    r"(?:g(?:oogle)?[ -]?mail|hot ?mail|yahoo|outlook|live|msn|i?cloud|proton(?:mail)?|gmx|web|t-online|freenet|(?:fox|ya|hush|tuta)?mail"
    r"|yandex|rambler|aol|qq|163|126|139|189|sina|sohu|orange|free|sfr|wanadoo|laposte|uol|bol|terra|sapo|rediff(?:mail)?|naver|docomo"
    r"|softbank|ezweb|au|nifty|zoho|fastmail|ymail|tutanota|posteo|arcor|inbox|list|bk|libero|ukr|telkom|яндекс|ямейл|майл|мэйл|мейл"
    r"|гмейл|гмаил|джимейл|рамблер|аутлук|хотмейл|जीमेल|याहू|याहु|हॉटमेल|आउटलुक|रेडिफ|جيميل|جميل|ياهو|هوتميل|اوتلوك|谷歌邮箱|ヤフー"
    r"|ジーメール|グーグル)"
)
_SPELT_EMAIL = re.compile(
    rf"{_SPELT_NAME}(?:\s{{1,2}}{_AT_SPACED}\s{{1,2}}|\s{{0,2}}{_AT_BESIDE}\s{{0,2}})"
    rf"(?:{_SPELT_LABEL}(?:{_SPELT_DOT}{_SPELT_LABEL}){{1,6}}|{_PROVIDER}(?:\s(?:com|net|de|fr|es|ru|ру|ком|net|id))?(?!\w))",
    re.IGNORECASE,
)
_SWAPPED_EMAIL = re.compile(
    rf"(?<![\w.+%'-])[\w.+%'-]{{2,64}}\s?[#☆★◎●■＊*§&￠]{{1,2}}\s?(?:(?:[A-Za-z0-9-]{{1,63}}\.){{1,3}}{_COMMON}(?![\w./])|{_PROVIDER}(?!\w))",
    re.IGNORECASE,
)
_AT_EMAIL = re.compile(
    rf"(?!(?:look|log|in|on|up|page|site|sign|mail|account|work)\w{{0,4}}\b){_SPELT_NAME}\s(?:at|et|эт)\s"
    rf"(?:{_PROVIDER}{_SPELT_DOT}(?:co{_SPELT_DOT})?[^\W\d]{{2,4}}\b"
    rf"|(?!(?:the|a|an|this|that|my|your)\b)[\w-]{{1,63}}(?:\s(?:dot|punkt)\s[\w-]{{2,63}}){{1,4}})",
    re.IGNORECASE,
)
_UPPER_AT_EMAIL = re.compile(rf"{_SPELT_NAME}\sAT\s(?:[A-Za-z0-9-]{{1,63}}\.){{1,3}}(?i:{_COMMON})(?!\w)")
_BRACKET_AT = re.compile(rf"{_OPEN}\s?(?:{_AT}|a|ä|@)\s?{_CLOSE}")
_SWAPPED = re.compile(rf"[#☆★◎●■＊*§&￠]\s?(?:[A-Za-z0-9-]{{2,63}}\.[A-Za-z]|{_PROVIDER})", re.IGNORECASE)
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
_HOSTERS = (
    r"(?:github|gitlab|itch)\.io|(?:wordpress|blogspot|tumblr|myshopify|substack|wixsite|weebly|bandcamp|livejournal|medium|squarespace"
    r"|tistory|over-blog|canalblog|jimdo(?:free|site)|hatenablog|fc2|deviantart|ucoz|bigcartel|etsy|webnode|notion|strikingly|webflow"
    r"|netlify|vercel|herokuapp|firebaseapp|ghost|typepad|home\.blog|duckdns|ddns|synology|myfritz)\.(?:com|co|net|org|jp|ru|site|me|io|app|page|fr|de)"
    r"|carrd\.co|narod\.ru|booth\.pm|beacons\.ai|business\.site|lnk\.bio|web\.app|pages\.dev|canva\.site|mystrikingly\.com|lojavirtualnuvem\.com\.br"
    r"|taobao\.com|1688\.com|cocolog-nifty\.com|seesaa\.net|exblog\.jp|ameblo\.jp|base\.shop|thebase\.in|stores\.jp|dreamwidth\.org|neocities\.org"
)
_SITE = (
    r"(?:web ?sites?|web ?seite|site|home ?page|blog|shop|store|page|portfolio|domain|seite|laden|boutique|página|pagina|tienda|loja"
    r"|toko|situs|laman|webshop|landing|сайт\w?|магазин\w?|блог\w?|страниц\w|домен\w?|cv|url|channel|forum|wiki|wordpress|server)"
)
_MY_SITE = (
    rf"(?:(?<![^\W\d_])(?:my|our|mein\w{{0,2}}|unser\w{{0,2}}|mon|ma|notre|mi|nuestra|meu|minha|nosso|nossa|мой|моего|моём|моем|наш\w{{0,3}}|моя|моей|на мо[её]м)"
    rf"\s(?:[^\W\d_]{{1,12}}\s){{0,2}}{_SITE}(?![a-z])|(?<![^\W\d_]){_SITE}\s?(?:saya|ku|aku|gue|kami|pribadi|usaha saya|pessoal|personal|perso)"
    r"|موقعي|متجري|مدونتي|صفحتي|رابط (?:متجري|موقعي)|(?:मेरी|मेरा|मेरे|हमारी|हमारा)\s(?:\S{1,12}\s){0,2}(?:वेबसाइट|साइट|ब्लॉग|दुकान|शॉप|स्टोर|पेज)"
    r"|(?:我|俺|私|うち|自分|僕|当店|个人|個人|弊社)(?:的|の|家|们|達)?.{0,6}?(?:网站|網站|网店|網店|博客|网页|網頁|主页|店铺|小店|官网|域名|サイト|ブログ|ホームページ|HP|ショップ|店|ページ))"
)
_ABROAD = rf"(?:{_COMMON}|中国|公司|网络|网店|在线|भारत|مصر|السعودية|امارات)"
_PATH_LINK = re.compile(
    rf"(?<![a-z0-9@._-])(?:[a-z]\.(?:id|co|to|gd|ly|link|page|cc|ws|ht|ee)(?=/\w{{3}})|(?:t|m|x|line|about|wa)\.(?:me|com)|youtu\.be|(?:[a-z0-9_-]{{1,63}}\.){{0,4}}[a-z0-9_-]{{2,63}}\."
    rf"(?!{_NO_HOST}/){_COMMON.replace('|my|', '|').replace('(?:com', '(?:ly|gl|gg|ee|be|com')})(?::\d{{1,5}})?"
    rf"/(?=[\w%~?#@+])[^\s<>\"，。！？、）」』】{CJK}]+(?<![.,;:!?'’)\]])",
    re.IGNORECASE,
)
_OWN_LINK = re.compile(  # in any script with a path; below somebody's name at a host; of CJK characters
    rf"(?<![\w@.-])(?:(?:[^\W_{CJK}](?:[^\W{CJK}]|[-\u0900-\u097f]){{1,62}}\.){{1,4}}(?!{_NO_HOST}/){_ABROAD}"
    rf"/(?=[^\x00-\x7f]|[\w%~?#@+])[^\s<>\"，。！？、）」』】]+(?<![.,;:!?'’)\]])"
    rf"|(?!(?:www|shop|app|store|support|help|blog|m|api)\.)[\w-]{{2,63}}\.(?:{_HOSTERS})(?:/[^\s<>\"，。！？、）」』】]*)?(?![\w-]))"
    rf"|(?:[{CJK}]|[A-Za-z0-9-]){{0,20}}[{CJK}]\.(?:com|cn|net|org|jp|tw|hk|shop|top|xyz|中国|公司|网络|网店)(?![A-Za-z])"
    rf"(?:/[^\s<>\"，。！？、）」』】{CJK}]*)?",
    re.IGNORECASE,
)
_HOMEPAGE = re.compile(
    rf"(?P<before>{_MY_SITE}[^.\n]{{0,24}}?(?<![\w@.-]))(?P<host>(?!\w{{1,9}}\.{_NO_HOST}(?!\w))(?:[^\W_{CJK}][\w\u0900-\u0963-]{{1,62}}\.){{1,3}}{_ABROAD})(?![\w@-]|\.\w)",
    re.IGNORECASE,
)
_HANDLE_PART = rf"[^{_STOPS}.'%+{CJK}-]"
_HANDLE = re.compile(
    rf"@(?!\d{{1,5}}(?:[ap]m|h(?:\d\d)?|uhr|fps|p|hz|k|x|ghz|mhz|mbps|km|rs|usd|eur|kg|w|wib|min|pt)?(?![^\W{CJK}]))(?:(?=\w{_HANDLE_PART}){_HANDLE_PART}{{1,64}}"
    rf"(?:\.{_WORD}{_HANDLE_PART}{{0,63}}){{0,4}}|[{CJK}]{{2,30}})"
)
_TAGGED = re.compile(
    r"(?<![\w#&])(?!(?:no|nr|issue|bug|pr|case|ticket|order|top|part|page|room|unit|step|error|rev|level)#)"
    r"[^\W\d][\w.]{1,31}#\d{4}(?![\w#])|(?<![\w/])u/[\w-]{3,20}(?!\w)|(?<!\w)live:[\w.:-]{3,40}\w"
    rf"|[A-Za-z0-9_.]{{2,32}}#{_PROVIDER}\.(?:com|cn|net)(?!\w)",
    re.IGNORECASE,
)

_NETWORKS_OR_LINE = Words(*NETWORKS, "line")
_NETWORK = "(?:" + "|".join(map(re.escape, sorted(NETWORKS, key=len, reverse=True))) + ")"
_NO_NAME = (  # what is written beside a network's name and is nobody's
    r"(?!(?:v\d|iphone|ipad|ios|android|windows|galaxy|note\d|pro\d|web\d|mac|pixel|redmi|premium|desktop|business|beta"
    r"|inbox|video|story|stories|update|error|group|http|call|messenger|support|id(?![a-z0-9_])"
    r"|(?:app|pay|plus|bot|pc|lite|vip|live|reels?|chat|is|it|not|and|the|me|my|or)(?![a-z]))[\w.]*)"
)
_ASKED = (
    r"(?:id|name|user ?name|user|login|nickname|benutzername|usern|identifiant|username(?:nya)?|arroba|handle|account|nick(?:name)?|profile|gamertag|tag|konto|name lautet|号|號|账号|帳號"
    r"|アカウント|ユーザー名|usuario|usuário|cuenta|conta|compte|pseudo|akun|ник|логин|حساب|معرف|आईडी)"
)
_IS = r"(?:is|was|ist|war|heißt|heisse|como|sous|under|unter|as|with|con|com|avec|mit|dengan|namanya|nama|под|ник|名是|就是|搜|叫|でも|では|で|اسمه|اسمي|باسم|على|पर|lautet|heißt|c'est|saya|aku|ku|es|é|est|adalah|это|是|は|が|है|هو|هي|me|mich|add|unter|на|на меня)"
_AT_NETWORK = re.compile(
    rf"(?P<begin>(?P<network>(?<![^\W{CJK}])(?<!#)(?:{_NETWORK}|line(?=\s?(?:は|：|:|id|名|号)))"
    rf"(?P<asked>[ -]?{_ASKED})?)"
    rf"(?P<given>\s{{0,2}}(?:[:：=@/|-]|->|[→➡👉]\ufe0f?|{_IS}(?:(?<=[{CJK}])|(?![^\W{CJK}])))\s{{0,2}}(?:arroba\s)?|\s{{1,2}}|(?<=[{CJK}])))"
    rf"[\"'“«「]?(?P<name>{_NO_NAME}[A-Za-z0-9_][A-Za-z0-9_.-]{{2,31}}(?<=[A-Za-z0-9_])(?![^\W{CJK}])"
    rf"|(?=[^\W\d{CJK}])[^\W{CJK}][^\W{CJK}.-]{{2,31}}|\d{{5,12}})",
)
_HOST = re.compile(rf"\.(?=[^\W\d_]{{2}})(?<=[\w-]{{2}}\.){_ABROAD}(?![^\W{CJK}])", re.IGNORECASE)
_SPECIAL = re.compile(r"[^\W\d_]{2}[._-]?\d|_\w|\w_|^\d{5}|\d[^\W\d_]{2}")
_DOTTED = re.compile(r"[A-Za-z]{2}\.[A-Za-z]{2}")
_NEW_SENTENCE = re.compile(r"[a-z]\.[A-Z]")
_NAME_AT_NETWORK = re.compile(
    rf"(?<![\w.@/\[#-])(?P<name>{_NO_NAME}(?!version|update|windows|error|fehler)[^\W\d{CJK}](?:[^\W{CJK}]|\.(?=\w)){{3,31}})"
    rf"(?P<rest>\s(?:on|sur|auf|bei|en|no|na|di|в|на|at|è|عل[ىي]|في|(?:is|ist|es|é|est|это|adalah|itu)\s(?:my|mein|meine|mi|meu|mon|мой|the)|मेरा)"
    rf"\s(?:my\s|o\s|meu\s)?{_NETWORK}(?![^\W{CJK}]))",
    re.IGNORECASE,
)
_NOT_LATIN = re.compile(r"[\u0370-\u1fff\u3040-\ud7af]")
_LATIN = re.compile(r"[A-Za-z0-9_.]{3}")
_LIKE_A_NAME = re.compile(
    r"[\d_:=→👉➡.](?:(?<=[_:=→👉➡])|(?<=[^\W\d_]\d)|(?<=[^\W\d_][.-]\d)|(?<=\.)[A-Za-z]|(?<=\d)\d{4})"
)
_ASKED_BEFORE = re.compile(rf"(?<![^\W\d_]){_ASKED}(?:\s(?:de|do|da|di|on|for|auf|bei|sur|en|no|в|на|my|mein|del|el))*\s$", re.IGNORECASE)
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
    if (" at " in low or " et " in low or " эт " in low) and holds(AT_WITH, low):
        text = _AT_EMAIL.sub("[email]", text)
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
    asked = found["asked"] or found["network"].lower().endswith(("id", "account")) or _ASKED_BEFORE.search(
        found.string[max(found.start() - 24, 0) : found.start()]
    )
    speaks = _SPEAKS_ON.match(rest) is not None
    latin = foreign and name.isascii() and not name.isdigit()
    named = (given in _SAYS or (asked and given) or (foreign and (latin or given))) and not speaks
    dotted = _DOTTED.search(name) and not _NEW_SENTENCE.search(name) and (given or asked or not speaks)
    return bool(_SPECIAL.search(name) or named or dotted)


def _name_at_network(found: "re.Match[str]") -> str:
    """`[handle]` for a name with digits or _ before `on Instagram` and the like."""
    return "[handle]" + found["rest"] if _SPECIAL.search(found["name"]) else found.group()
