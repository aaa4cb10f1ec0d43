"""Telephone numbers in words of eleven languages and in Chinese numerals."""

import re

from streams.privacy.words import split

_WORDS = split(
    "zero oh one two three four five six seven eight nine ten double triple twenty thirty forty fifty sixty "
    "seventy eighty ninety null eins zwei zwo drei vier fünf sechs sieben acht neun zwanzig dreißig vierzig "
    "fünfzig sechzig siebzig achtzig neunzig zéro un deux trois quatre cinq sept huit neuf dix onze douze treize "
    "quatorze quinze seize vingt trente quarante cinquante soixante soixante-dix quatre-vingt quatre-vingts "
    "quatre-vingt-dix cero uno dos tres cuatro cinco seis siete ocho nueve diez veinte treinta cuarenta cincuenta "
    "sesenta setenta ochenta noventa um dois três quatro sete oito nove dez meia vinte trinta quarenta cinquenta "
    "sessenta oitenta ноль нуль один одна два две три четыре пять шесть семь восемь девять десять двадцать "
    "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто двести триста четыреста пятьсот "
    "шестьсот семьсот восемьсот девятьсот одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать "
    "семнадцать восемнадцать девятнадцать nol kosong satu dua tiga empat lima enam tujuh delapan sembilan صفر "
    "واحد اثنين اثنان ثلاثة ثلاثه أربعة اربعة اربعه خمسة خمسه ستة سته سبعة سبعه ثمانية ثمانيه تسعة تسعه عشرة "
    "शून्य जीरो ज़ीरो एक दो तीन चार पांच पाँच छह छः छे सात आठ नौ डबल ट्रिपल ek do teen char paanch panch chhe "
    "chah saat aath nau shunya"
)
NUMBER_WORDS = frozenset(_WORDS)
_FEWEST = 5
_TELLING = 3
_ONE = "(?:" + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)) + r"|\d{1,4})"
_ROW = re.compile(
    rf"(?<![^\W_])(?:plus\s)?{_ONE}(?:[\s,.…/–-]{{1,3}}(?:(?:et|und|y|e|и|و)\s)?{_ONE}(?![^\W_])){{{_FEWEST - 1},30}}(?![^\W_])",
    re.IGNORECASE,
)
_CHINESE = "〇○零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖"
_CHINESE_ROW = re.compile(rf"[{_CHINESE}](?:[のノ・、\s-]?[{_CHINESE}]){{6,18}}(?![十百千万年月日个個人次つ])")
_CHINESE_TWO = re.compile(rf"[{_CHINESE}]{{2}}")
_COUNTING = re.compile(r"[一1]?二三四五")
_KANA = r"(?:ゼロ|れい|レイ|まる|マル|いち|イチ|に|ニ|さん|サン|よん|ヨン|ご|ゴ|ろく|ロク|なな|ナナ|はち|ハチ|きゅう|キュウ|キュー)"
_KANA_ROW = re.compile(rf"{_KANA}(?:[のノ・、\s-]?{_KANA}){{7,18}}")
_APART = re.compile(r"[\s,.…/–-]+")
_UP = re.compile(r"(?:one two three four five|eins zwei drei vier fünf|un deux trois quatre|uno dos tres cuatro|um dois três quatro"
                 r"|один два три четыре|satu dua tiga empat|एक दो तीन चार|واحد اثنين ثلاثة|ek do teen char)")  # fmt: skip


def hide_spelt_numbers(text: str, low: str) -> str:
    """The text with `[phone]` for five words of numbers in a row, or seven Chinese ones; not for counting.

    Args:
        low: the text in lower case.
    """
    if not text.isascii():
        if _CHINESE_TWO.search(text):
            text = _CHINESE_ROW.sub(lambda row: row.group() if _COUNTING.search(row.group()) else "[phone]", text)
        if "ゼロ" in text or "まる" in text or "マル" in text or "きゅう" in text:
            text = _KANA_ROW.sub("[phone]", text)
    if NUMBER_WORDS.isdisjoint(low.replace("-", " ").split()):
        return text
    if len(NUMBER_WORDS.intersection(low.replace(",", " ").replace("-", " ").split())) >= _TELLING:
        text = _ROW.sub(_row, text)
    return text


def _row(found: "re.Match[str]") -> str:
    parts = _APART.sub(" ", found.group().lower()).split()
    words = [part for part in parts if part in NUMBER_WORDS]
    return found.group() if len(words) < _FEWEST or _UP.match(" ".join(parts)) else "[phone]"
