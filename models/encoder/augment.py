"""Texts as hurried people write them: other case, slips of the keyboard, other emoji, no accents."""

import random
import re
import unicodedata
from collections.abc import Callable

EMOJI = re.compile("[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]?")
_WORD = re.compile(r"[^\W\d_]{4,}")
MAX_SLIPS = 2


def changed_case(text: str, rng: random.Random) -> str:
    """All lower, all upper, or without the first capital; scripts without case stay as they are."""
    return rng.choice((str.lower, str.upper, lambda given: given[:1].lower() + given[1:]))(text)


def slipped(text: str, rng: random.Random) -> str:
    """One or two letters swapped with the next, left out or doubled, in words of four letters or more.

    Only letters that have a case: in Chinese, Japanese, Arabic or Devanagari a swap makes another word, not a slip.
    """
    words = [word for word in _WORD.finditer(text) if word[0].lower() != word[0].upper() and word[0].isalpha()]
    for word in sorted(rng.sample(words, min(len(words), rng.randint(1, MAX_SLIPS))), key=lambda word: -word.start()):
        place = rng.randrange(word.start() + 1, word.end() - 1)
        before, letter, after = text[:place], text[place], text[place + 1 :]
        text = rng.choice((before + after[:1] + letter + after[1:], before + after, before + letter + letter + after))
    return text


def other_emoji(text: str, rng: random.Random) -> str:
    """Without its emoji, or with the last one once more; words alone must carry a label too."""
    found = [match[0] for match in EMOJI.finditer(text)]
    if not found:
        return text
    bare = EMOJI.sub("", text).strip()
    return bare if bare and rng.random() < 0.5 else text + found[-1]


def without_accents(text: str, _: random.Random) -> str:
    """Latin letters without their marks; marks of other scripts are letters to their readers."""
    kept: list[str] = []
    for letter in unicodedata.normalize("NFD", text):
        if unicodedata.combining(letter) and kept and kept[-1].isascii():
            continue
        kept.append(letter)
    return unicodedata.normalize("NFC", "".join(kept))


KINDS: tuple[Callable[[str, random.Random], str], ...] = (changed_case, slipped, other_emoji, without_accents)


def augmented(text: str, rng: random.Random) -> str:
    """The text changed in one of the ways that change it; as it is where none does, or where nothing would be left."""
    for change in rng.sample(KINDS, len(KINDS)):
        changed = change(text, rng)
        if changed.strip() and changed != text:
            return changed
    return text
