"""Labelled texts, as training and evaluation read them, and which of them are translations of each other."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.clean import clean


class LabelledText(msgspec.Struct):
    """One row of a training or evaluation file; `topic` None is masked in the topic loss, `weak` labels are guessed."""

    text: str
    label: str
    lang: str = ""
    topic: str | None = None
    source: str = ""
    weak: bool = False
    id: str = ""
    translated: bool = False


def read_rows(path: Path) -> Iterator[LabelledText]:
    """Rows of a JSONL file (gzip by suffix), texts cleaned as in serving."""
    decoder = msgspec.json.Decoder(LabelledText)
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            row = decoder.decode(line)
            row.text = clean(row.text)
            yield row


def translation_groups(rows: list[LabelledText]) -> list[str]:
    """The group of each row: what its id says without the language, where a row is part of a translated corpus.

    Ids read `source:language:split:number`; rows whose group holds no other row, or none that is marked as translated,
    are in none (""): other corpora number the texts of each language alike, and they are no translations.
    """
    named = [_group(row) for row in rows]
    sizes: dict[str, int] = {}
    for name in named:
        sizes[name] = sizes.get(name, 0) + 1
    translated = {name for row, name in zip(rows, named, strict=True) if row.translated}
    return [name if name in translated and sizes[name] > 1 else "" for name in named]


def _group(row: LabelledText) -> str:
    parts = row.id.split(":")
    return ":".join([parts[0], *parts[2:]]) if len(parts) == 4 and parts[1] == row.lang else ""


def english_of(rows: list[LabelledText], groups: list[str]) -> NDArray[np.int64]:
    """Row number of each translation's English original; -1 where there is none, and for the originals."""
    original = {
        group: at for at, (row, group) in enumerate(zip(rows, groups, strict=True)) if group and row.lang == "en"
    }
    return np.array(
        [original.get(group, -1) if group and row.lang != "en" else -1 for row, group in zip(rows, groups, strict=True)]
    )
