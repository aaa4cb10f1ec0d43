"""Labelled texts for redaction: made ones (seeded) in eleven languages, and those of a file, written by hand.

Nothing here is of a real person: reserved example domains, the card networks' published test numbers, published example
IBANs or such as are made of zeros, telephone ranges that are reserved for fiction or not assigned.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

KINDS = ("email", "phone", "card", "iban", "number", "link", "token", "handle")
MARKS = (*KINDS, "device", "place")


class Labelled(NamedTuple):
    """A text and what is left of it: every planted value is its kind in brackets."""

    language: str
    text: str
    expected: str
    values: tuple[str, ...]


CARRIERS = {
    "en": [
        "Support never answered, reach me at {} please.", "I gave you {} twice and still nothing works!",
        "Worst update ever, {} was shown to everybody", "why does the app print {} on the invoice?",
    ],
    "de": [
        "Bitte melden Sie sich unter {}, danke.", "Warum steht {} auf der Rechnung?",
        "Ich habe {} schon dreimal angegeben!", "Nach dem Update war {} für alle sichtbar.",
    ],
    "fr": [
        "Merci de me contacter : {}, c'est urgent.", "Pourquoi {} apparaît-il sur la facture ?",
        "J'ai déjà donné {} trois fois !", "Après la mise à jour, {} était visible par tous.",
    ],
    "es": [
        "Escríbanme a {} por favor.", "¿Por qué aparece {} en la factura?",
        "¡Ya les di {} tres veces!", "Después de actualizar, {} quedó a la vista de todos.",
    ],
    "pt": [
        "Falem comigo em {} por favor.", "Por que {} aparece na fatura?",
        "Já informei {} três vezes!", "Depois da atualização, {} ficou visível para todos.",
    ],
    "id": [
        "Tolong hubungi saya di {} ya.", "Kenapa {} muncul di tagihan?",
        "Saya sudah kasih {} tiga kali!", "Setelah update, {} kelihatan semua orang",
    ],
    "ru": [
        "Свяжитесь со мной: {}, пожалуйста.", "Почему {} стоит в счёте?",
        "Я уже трижды указывал {}!", "После обновления {} увидели все",
    ],
    "zh": ["请联系我 {} 谢谢", "为什么账单上有 {} ?", "我已经给了你们 {} ，还是没用！", "更新以后 {} 所有人都能看到"],
    "ja": ["{} まで連絡してください。", "なぜ請求書に {} が出るの？", "もう三回 {} を伝えました！", "更新後、 {} が全員に見えた"],
    "ar": ["تواصلوا معي على {} من فضلكم.", "لماذا يظهر {} في الفاتورة؟", "أعطيتكم {} ثلاث مرات!", "بعد التحديث ظهر {} للجميع"],
    "hi": ["कृपया {} पर संपर्क करें।", "बिल पर {} क्यों दिखता है?", "मैंने {} तीन बार दिया है!", "अपडेट के बाद {} सबको दिखा"],
}  # fmt: skip

LOOKALIKES = {
    "en": ["10/10", "$1,299.99", "26 November 2026", "version 17.4.1", "24/7", "#BlackFriday2026", "2019-2024", "1080p"],
    "de": ["1.299,00 €", "26.11.2026", "10/10", "08:39 Uhr", "2.000.000 Nutzer", "Version 12.0.1", "50-60 %", "A4"],
    "fr": ["1 299 000 €", "26/11/2026", "20/20", "12h30", "v3.2.10", "1 000 000 d'utilisateurs", "les 24-25-26", "90 %"],
    "es": ["1.299,00 €", "26-11-2026", "5/5", "€ 1500000", "10.000.000 de descargas", "2023/2024", "5 estrellas"],
    "pt": ["R$ 1.299.000,00", "26/11/2026", "nota 10/10", "10.000.000 de downloads", "às 08:39:12", "R$1500000", "5G"],
    "id": ["Rp 1.500.000", "Rp1500000", "26/11/2026", "10/10", "150.000 rupiah", "jam 08.30-17.00", "1,5 juta", "versi 8.24.1.79"],
    "ru": ["150 000 руб.", "26.11.2026", "10/10", "с 2019-2024", "1 500 000 рублей", "в 08:39", "версия 12.0.1", "№1"],
    "zh": ["1299元", "2026年11月26日", "2026-11-26 08:39:12", "10/10", "100000元", "5分", "版本 10.0.19045.3803", "12306"],
    "ja": ["1,299,000円", "2026/11/26", "10/10", "9:00-17:00", "150000円", "バージョン 8.24.1", "24時間365日", "第3位"],
    "ar": ["1,299,000 ريال", "2026/11/26", "10/10", "الساعة 08:39", "150000 جنيه", "5 نجوم"],
    "hi": ["₹1,29,999", "26/11/2026", "10/10", "₹ 150000", "2023-24", "5 स्टार", "08:39 बजे"],
}  # fmt: skip

FILE = Path(__file__).parent / "data" / "redaction.jsonl"
_MARKED = re.compile(r"<(\w+)>(.*?)</\1>")


def written(name: str) -> Iterator[Labelled]:
    """The texts written by hand.

    `known`, `forms` and `neighbours` were there when the rules were made; `later` and `forms-later` were not.
    """
    for line in FILE.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["set"] == name:
            text, values = row["text"], tuple(value for _, value in _MARKED.findall(row["text"]))
            yield Labelled(row["lang"], _MARKED.sub(r"\2", text), _MARKED.sub(r"[\1]", text), values)


def made(seed: int = 1) -> Iterator[Labelled]:
    """Each sentence of each language with a value of each kind, and with what only looks like one."""
    chance = random.Random(seed)
    for language, sentences in CARRIERS.items():
        for sentence in sentences:
            for kind in KINDS:
                value = _value(kind, language, chance)
                yield Labelled(language, sentence.format(value), sentence.format(f"[{kind}]"), (value,))
            for plain in chance.sample(LOOKALIKES[language], 4):
                yield Labelled(language, sentence.format(plain), sentence.format(plain), ())


PHONES = {
    "en": ["(202) 555-01##", "+1 202 555 01##", "202-555-01##", "020 7946 0###", "+44 7700 900###"],
    "de": ["+49 30 23125###", "030 23125-###", "0171 39200##", "+49 (0)30 23125 ###"],
    "fr": ["01 99 00 ## ##", "06 39 98 ## ##", "+33 1 99 00 ## ##", "01.99.00.##.##"],
    "es": ["600 000 0##", "+34 600 000 0##", "600-000-0##"],
    "pt": ["(11) 90000-00##", "+55 11 90000-00##", "11900000###"],
    "id": ["0812-0000-00##", "+62 812-0000-00##", "08120000####"],
    "ru": ["+7 (000) 000-00-##", "8 (000) 000-##-##", "+7000000####"],
    "zh": ["13800138000", "+86 138 0013 8000", "010-0000-00##"],
    "ja": ["090-0000-00##", "03-0000-00##", "+81 3-0000-00##"],
    "ar": ["+966 50 000 00##", "050 000 00##", "+20 100 000 00##"],
    "hi": ["+91 00000 000##", "00000 000##", "+910000000###"],
}
CARDS = [
    "4111111111111111", "4242424242424242", "4012888888881881", "5555555555554444", "5105105105105100",
    "2223003122003222", "378282246310005", "371449635398431", "6011111111111117", "3566002020360505",
    "30569309025904", "6200000000000005",
]  # fmt: skip


def _value(kind: str, language: str, chance: random.Random) -> str:
    word = "".join(chance.choice("abcdefghkmnpqrstuvwxyz") for _ in range(chance.randint(3, 9)))
    number = chance.randint(1, 999)
    host = chance.choice(["example.com", "mail.example.org", "example.net", "shop.example", "a-b.example.co"])
    secret = "".join(chance.choice("aB3dE5gH7jK9mN2pQ4") for _ in range(24))
    if kind == "email":
        return chance.choice([f"{word}@{host}", f"{word}.{number}@{host}", f"{word}_x+{number}@{host.upper()}"])
    if kind == "phone":
        return re.sub("#", lambda _: str(chance.randint(0, 9)), chance.choice(PHONES[language]))
    if kind == "card":
        card, gap = chance.choice(CARDS), chance.choice(["", " ", "-"])
        groups = (4, 6, 5) if len(card) == 15 else (4, 6, 4) if len(card) == 14 else (4, 4, 4, 4)
        return gap.join(card[sum(groups[:at]) : sum(groups[: at + 1])] for at in range(len(groups)))
    if kind == "iban":
        country, length = chance.choice(
            [("DE", 22), ("FR", 27), ("ES", 24), ("BR", 29), ("SA", 24), ("NL", 18), ("GB", 22)]
        )
        letters = {"NL": "XXXX", "GB": "XXXX"}.get(country, "")
        rest = letters + f"{number:0{length - 4 - len(letters)}d}"
        check = 98 - int("".join(str(int(one, 36)) for one in rest + country + "00")) % 97
        iban = f"{country}{check:02d}{rest}"
        return chance.choice([iban, " ".join(re.findall(".{1,4}", iban)), iban.lower()])
    if kind == "number":
        return str(chance.randint(200_000, 999_999)) if number % 2 else f"{number:03d}" + "7" * 17
    if kind == "link":
        return chance.choice(
            [f"https://{host}/{word}?token={secret}", f"http://{host}/r/{secret}", f"www.{host}/{word}#key={secret}",
             f"{host}/reset?sid={secret}", f"https://{word}:{secret}@{host}/"]
        )  # fmt: skip
    if kind == "token":
        return chance.choice(
            [f"sk-{secret}", f"ghp_{secret}", f"eyJhbGciOiJIUzI1NiJ9.{secret}.{secret}", f"Bearer {secret}",
             "a1b2c3d4e5f60718293a4b5c6d7e8f90", f"xoxb-{secret}"]
        )  # fmt: skip
    return f"@{word}_{number}"


@dataclass
class Quality:
    """Of one kind: planted values, how many are gone, gone under their own kind, and what was taken for it."""

    planted: int = 0
    gone: int = 0
    named: int = 0
    put: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        """Share of planted values of which nothing is left."""
        return self.gone / max(self.planted, 1)

    @property
    def named_right(self) -> float:
        """Share of planted values that stand as their own kind."""
        return self.named / max(self.planted, 1)

    @property
    def precision(self) -> float:
        """Share of what was put in that stands for a planted value, of whatever kind."""
        return self.right / max(self.put, 1)


_PUT = re.compile(r"\[(" + "|".join(MARKS) + r")\]")


def measured(rows: list[tuple[Labelled, str]]) -> dict[str, Quality]:
    """Quality per kind from texts and what redaction made of them."""
    found = {kind: Quality() for kind in MARKS}
    for row, redacted in rows:
        planted, put = Counter(_PUT.findall(row.expected)), Counter(_PUT.findall(redacted))
        kinds = _PUT.findall(row.expected)
        exact = Counter({kind: min(n, put[kind]) for kind, n in planted.items()})
        surplus = max(sum(planted.values()) - sum(exact.values()), 0)  # values that stand under another kind
        for kind, value in zip(kinds, row.values, strict=True):
            found[kind].planted += 1
            found[kind].gone += value not in redacted and not _left(value, redacted)
        for kind, n in exact.items():
            found[kind].named += n
        for kind, n in put.items():
            more = min(n - exact[kind], surplus)
            surplus -= more
            found[kind].put += n
            found[kind].right += exact[kind] + more
    return {kind: one for kind, one in found.items() if one.planted or one.put}


def _left(value: str, redacted: str) -> bool:
    """Whether a run of eight or more of a value's characters is still there."""
    plain, rest = (re.sub(r"[\W_]", "", one) for one in (value, _PUT.sub(" | ", redacted)))
    return any(plain[at : at + 8] in rest for at in range(len(plain) - 7)) if len(plain) >= 8 else plain in rest
