"""Numbers in running text: accounts, cards and telephones apart from dates, prices, counts, versions and scores."""

import re

_FILES = (
    r"(?:jpe?g|png|gif|heic|webp|mp[34]|m4a|mov|avi|mkv|wav|pdf|docx?|xlsx?|csv|txt|log|zip|rar|apk|ipa|dmp|json|html?)"
)
_FILE_AFTER = re.compile(rf"[\w()~-]{{0,40}}\.{_FILES}(?!\w)", re.IGNORECASE)
_FILE_BEFORE = re.compile(
    r"(?:img|vid|dsc|pxl|mvimg|dji|screenshot|screenrecord\w*|screen recording|image)[-_ ]$"
    r"|(?<![a-z])wa[-_]$",
    re.IGNORECASE,
)
_HEX_BEFORE = re.compile(r"0[xX][0-9A-Fa-f]{0,8}$|(?<![A-Za-z])(?:KB|CVE|ORA|RFC|PR|BUG|ERR\w{0,12})[-_]?$")
_CODE_BEFORE = re.compile(  # of an error: nobody's
    r"(?:errors?|err|fehler|erreur|errores|ошибк\w|エラー|错误|錯誤|报错|خطأ|الخطأ|त्रुटि|एरर|kesalahan|galat|erros?|exception|stop|crash|bug)"
    r"[ -]?(?:de |do |d')?(?:[ -]?(?:code|codes|id|コード|代码|代碼|码|c[oó]digo|kode|код|no\.?|nr\.?|number|nummer"
    r"|رقم|كود|رمز|कोड|番号|meldung|message))*"
    r"(?:\s(?:is|ist|es|é|est|adalah))?\s?[:：#(\[-]?\s?[A-Z]{0,4}-?$",
    re.IGNORECASE,
)
_IBAN_LENGTHS = {
    one[:2]: int(one[2:])
    for one in re.findall(
        r"[A-Z]{2}\d\d",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
        "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
        "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
        "YE30",
    )
}
ACCOUNT = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ ./-]{0,2}[A-Za-z0-9]){11,30}")
"""What may begin with an IBAN."""

_SPACE = r"[ \u00a0\u2009\u202f]"
_MONEY = (
    r"(?:[$€£¥₹₽₩₫₺]|R\$|Rp\.?|Rs\.?|EUR|USD|GBP|BRL|IDR|INR|JPY|CNY|RMB|RUB|SAR|EGP|AED|MXN|CHF|euros?|dollars?|dólares"
    r"|reais|rupiah|rupees?|roubles?|pesos?|yen|juta|ribu|руб\w*|тыс\w*|元|块|円|万|億|亿|ريال|جنيه|درهم|دولار|يورو"
    r"|रुपये|रुपए|रु)"
)
_DAY, _MONTH, _YEAR, _PART = (
    r"(?:0?[1-9]|[12]\d|3[01])",
    r"(?:0?[1-9]|1[0-2])",
    r"(?:1[5-9]|20)\d\d",
    r"(?:[1-9]\d{0,4}|0)",
)
_HOUR = r"(?:[01]?\d|2[0-4])\.[0-5]\d"
LONGEST_COUNT = 9
LONGEST_AMOUNT = 15  # characters, thousands apart: what is longer is no price, whatever is beside it
_PRICE = (
    r"(?:价格?|落地|裸车|価格|値段|price|preis|prix|precio|preço|harga|hanya|цена|कीमत|سعر|السعر)\s?(?:is|:|：|是)?"
)
_MONEY_BEFORE = re.compile(rf"(?:{_MONEY}\s?\.?|{_PRICE})\s?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(rf"(?:[.,]\d{{1,2}})?\s?{_MONEY}(?![A-Za-z])", re.IGNORECASE)
_AMOUNT = re.compile(r"\d+|\d{1,3}(?:[.,'\u00a0\u202f ]\d{2,3})+")
_GAP = (
    rf"(?:(?:{_SPACE}|[).\-/_]|\((?!(?:19|20)\d\d)){{0,2}}"
    rf"|(?<=[\d+]\d){_SPACE}[-/._]{_SPACE}(?=\d\d)|\){_SPACE}?[-/.]{_SPACE}?)"
)
_LONG = re.compile(rf"\d(?:{_GAP}\d){{5}}")
_KEPT = {
    "grouped": r"(?<![\d.,+])(?:\d{1,3}(?:(?:,\d{3})+(?:\.\d{1,2})?|(?:\.\d{3})*\.000(?:,\d{1,2})?|(?:\.\d{3})+,\d{1,2}"
    rf"|{_SPACE}000)|[1-9]\d?(?:{_SPACE}\d{{3}})+{_SPACE}000)(?!\d|[ .,/-]\d)",
    "date": rf"(?<![\d.+])(?<!\d-)(?:{_YEAR}(?P<y> ?[-./_] ?){_MONTH}(?P=y){_DAY}"
    rf"|{_DAY}(?P<d> ?[-./] ?){_DAY}(?P=d)(?:{_YEAR}|\d\d))"
    r"(?!\d|[-./]\d)(?:[T ,]{1,2}\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?)?",
    "years": r"(?<![\d.+-])(?:1\d{3}|20\d\d)(?: ?[-/–] ?| )(?:1\d{3}|20\d\d)(?!\d|[-/. ]\d)",
    "between": r"(?<![\d.+-])[1-9]\d{0,3}00 ?[-–~] ?[1-9]\d{0,3}0(?!\d|[-/.]\d)",
    "decimal": r"(?<![\d.,])\d{1,2}[.,]\d{4,}(?!\d|[.,-]\d)",
    "hours": rf"(?<![\d.+-]){_HOUR} ?[-–] ?{_HOUR}(?!\d|[-.]\d)",
    "version": r"\b(?:v|ver|version|versión|versão|versi|версия|版本|バージョン|build)[ .:]?\d+(?:\.\d+){0,5}(?!\d)"
    rf"|(?<![\d.+-])(?:[1-9]\d{{0,2}}|0)(?:\.{_PART}){{3}}(?!\d|\.\d)"
    r"|(?<![\d.+-])\d{1,3}\.0\.\d{1,6}(?:\.\d{1,5})?(?!\d|\.\d)",
    "tyre": r"(?<![\d.+-])[1-3]\d5[ /][2-9][05][ /]R?(?:1[3-9]|2[0-2])(?!\d|[ -]\d)",
    "scores": r"(?<![\d./+-])\d{1,3}/\d{1,3}(?:/\d{1,3}|(?:[ ,]{1,2}\d{1,3}/\d{1,3})*)(?![\d/])",
}
NUMBERS = re.compile(
    "|".join(f"(?P<{name}>{pattern})" for name, pattern in _KEPT.items())
    + rf"|(?P<number>(?<!\d)(?:\+\s?)?(?:\((?=\d{{1,6}}\)))?(?!\d{{1,2}}\(\d\d[./-]\d\d[./-])\d(?:{_GAP}\d){{5,}})",
    re.IGNORECASE,
)
"""Group `number`: six digits or more that are none of the others."""

_BETWEEN = r"(?!,\s)[\W_]{1,3}"
CARD = re.compile(
    rf"(?<!\d)(?:\d{{13,19}}|\d{{4}}(?P<four>{_BETWEEN})\d{{4}}(?P=four)\d{{4}}(?P=four)\d{{4}}(?P<tail>(?P=four)\d{{1,3}})?"
    rf"|\d{{4}}(?:{_BETWEEN})\d{{6}}(?:{_BETWEEN})\d{{4,5}}|\d{{8}}(?:{_BETWEEN})\d{{8}}"
    rf"|\d\d(?P<two>{_BETWEEN})\d\d(?:(?P=two)\d\d){{6}}|\d(?P<one>{_BETWEEN})\d(?:(?P=one)\d){{11,17}})(?!\d)"
)
"""As a card's number is written: in one piece, or in its groups with one to three non-letters between."""
_ISSUERS = re.compile(r"4|5[0-8]|2(?:2[0-9][0-9]|[3-6]|7[01]|720)|3[0-9]|6")

_THIRTEEN = re.compile(r"\d(?:[\W_]{0,3}\d){12}")
_SEPARATED = re.compile(r"\D+")
_TAXPAYER = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}")
_UNITS = (
    r"(?:hours?|hrs?|minutes?|mins?|seconds?|secs?|days?|weeks?|months?|years?|times?|people|users?|persons?|customers|views?"
    r"|downloads?|reviews?|ratings?|stars?|votes?|followers|subscribers|players|members|copies|units|items|pieces|pcs|photos"
    r"|songs|words|miles|steps|points|coins|calories|k?cal|k?m|km/h|kms?|kg|g|mah|hz|[mgkt]b|fps|rpm|watts?|w|mm|cm|ft|lbs"
    r"|stunden|tage|jahre|mal|menschen|leute|personen|nutzer|kunden|aufrufe|schritte|punkte|meter|kilometer"
    r"|heures?|jours?|ans|fois|personnes|gens|clients|utilisateurs|vues|avis|points|horas?|d[ií]as?|años|anos|veces|vezes"
    r"|personas|pessoas|usu[aá]rios|clientes|descargas|visitas|puntos|pontos|dias|jam|hari|tahun|kali|orang|pengguna|unit"
    r"|час\w*|дн\w*|лет|раз\w*|человек|людей|польз\w*|клиент\w*|просмотр\w*|км|скачив\w*|шт|балл\w*|тыс\w*"
    r"|人|名|个|個|次|年|天|日|小时|時間|分|秒|回|位|条|件|台|部|公里|转|步|只|张|枚|本|点|ポイント|キロ|歩|字|株|吨|米"
    r"|ساعة|ساعات|يوم|سنة|مرة|شخص|مستخدم|مشاهدة|نقطة|كم|عميل|लोग|लोगों|घंटे|दिन|साल|बार|यूज़र|उपयोगकर्ता|किमी|व्यूज)"
)
_COUNTED = re.compile(rf"\s?\+?\s?{_UNITS}(?![A-Za-zА-Яа-я])", re.IGNORECASE)
_ROUND = re.compile(r"[1-9]\d{0,2}0{5,}|[1-9]\d?0{4}|100500|(\d)\1{5,}")
_KEPT_WHOLE = re.compile(
    "|".join(f"(?:{_KEPT[name]})" for name in ("date", "years", "between", "grouped", "hours")), re.IGNORECASE
)
_LONELY = re.compile(r"\d(?: \d){5,}")


def has_number(text: str) -> bool:
    """Whether six digits follow one another with little between them."""
    return _LONG.search(text) is not None


def has_card(text: str) -> bool:
    """Whether thirteen digits follow one another with at most three non-letters between."""
    return _THIRTEEN.search(text) is not None


def hidden_account(found: "re.Match[str]") -> str:
    """`[iban]` and what follows it, where the country's length and the check digits (ISO 7064) are right."""
    written = found.group()
    length = _IBAN_LENGTHS.get(written[:2].upper(), 0)
    account = ""
    for at, letter in enumerate(written, 1):
        account += letter.upper() if letter.isalnum() else ""
        if len(account) == length:
            return "[iban]" + written[at:] if _mod_97(account) == 1 else written
    return written


def hidden_number(found: "re.Match[str]") -> str:
    """`[card]`, `[phone]` or `[number]` for a match of group `number` without a currency or a unit; others stay."""
    written = found.group()
    if found.lastgroup != "number":
        return written
    begin, end = found.span()
    if counted_or_paid(found.string, begin, end) or _ROUND.fullmatch(written):
        return written
    kind = kind_of(written)
    return written if kind != "[card]" and names_no_one(found.string, begin, end) else kind


def names_no_one(text: str, begin: int, end: int) -> bool:
    """Whether a number is part of a file's name, of a hexadecimal one, or the code of an error."""
    before = text[max(begin - 32, 0) : begin]
    return any(rule.search(before) for rule in (_FILE_BEFORE, _HEX_BEFORE, _CODE_BEFORE)) or (
        _FILE_AFTER.match(text, end, end + 50) is not None
    )


def counted_or_paid(text: str, begin: int, end: int) -> bool:
    """Whether a number is an amount with a currency beside it, or a count with its unit after it."""
    return (
        end - begin <= LONGEST_AMOUNT
        and _AMOUNT.fullmatch(text, begin, end) is not None
        and (
            _MONEY_BEFORE.search(text[max(begin - 12, 0) : begin]) is not None
            or _MONEY_AFTER.match(text, end, end + 12) is not None
            or (end - begin <= LONGEST_COUNT and _COUNTED.match(text, end, end + 16) is not None)
        )
    )


def is_kept(written: str) -> bool:
    """Whether it is a date, a range or an amount of thousands as a whole."""
    return _KEPT_WHOLE.fullmatch(written) is not None


def hidden_card(found: "re.Match[str]") -> str:
    """`[card]` where an issuer's first digits and the check digit are right; others stay."""
    for rest in dict.fromkeys(("", found["tail"] or "")):
        digits = _SEPARATED.sub("", found.group().removesuffix(rest))
        if _ISSUERS.match(digits) and 13 <= len(digits) <= 19 and luhn(digits):
            return "[card]" + rest
    return found.group()


def kind_of(written: str) -> str:
    """`[card]`, `[phone]` or `[number]`; what was written where it is too short for any."""
    digits = _SEPARATED.sub("", written)
    n = len(digits)
    if 14 <= n <= 19 and digits[0] in "23456" and luhn(digits):
        return "[card]"
    separated = n != len(written.strip("+"))
    if separated and n < 7:
        return written
    dialled = written.startswith(("+", "(", "0")) or n == 10 or (n == 11 and digits[0] == "1")
    spelt = separated and not _LONELY.fullmatch(written)
    return "[phone]" if 7 <= n <= 15 and (dialled or spelt) and not _TAXPAYER.fullmatch(written) else "[number]"


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    doubled = (int(one) * (1 + at % 2) for at, one in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _mod_97(account: str) -> int:
    return int("".join(str(int(char, 36)) for char in account[4:] + account[:4])) % 97
