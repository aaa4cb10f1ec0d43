"""Which words carried a label: what its probability loses when each is taken away (occlusion)."""

from typing import NamedTuple

import numpy as np
from tokenizers.pre_tokenizers import BertPreTokenizer

from models.classifier import Classifier

MOST_WORDS = 120


class WordWeight(NamedTuple):
    """A word of the text and how much the label's probability falls without it; below 0: it speaks against it."""

    word: str
    weight: float


def explain(classifier: Classifier, text: str, language: str | None = None) -> tuple[str, list[WordWeight]]:
    """The label, and the weight of each word in the text's order.

    Words are what stands between spaces; in scripts without spaces each character is one. At most the first 120 words
    are weighed (Zeiler and Fergus 2014, arXiv:1311.2901, for text).
    """
    spans = _spans(text)[:MOST_WORDS]
    variants = [text, *(text[:begin] + " " + text[end:] for begin, end in spans)]
    probabilities = classifier.classify(variants, [language] * len(variants)).sentiment
    label = int(probabilities[0].argmax())
    lost = probabilities[0, label] - probabilities[1:, label]
    words = [
        WordWeight(text[begin:end], round(float(weight), 4)) for (begin, end), weight in zip(spans, lost, strict=True)
    ]
    return classifier.info.sentiments[label], words


def _spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of each word; punctuation stays with the word before it, Han and kana stand alone."""
    spans: list[tuple[int, int]] = []
    for piece, (begin, end) in BertPreTokenizer().pre_tokenize_str(text):
        if any(_stands_alone(character) for character in piece):
            spans += [(at, at + 1) for at in range(begin, end)]
        elif spans and spans[-1][1] == begin and not _stands_alone(text[begin - 1]):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    return spans


def _stands_alone(character: str) -> bool:
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff"


def surest(words: list[WordWeight], most: int = 5) -> list[WordWeight]:
    """The words that weigh most, either way."""
    order = np.argsort([-abs(one.weight) for one in words], kind="stable")[:most]
    return [words[at] for at in order]
