"""Labelled texts from JSONL files, cleaned and typed, for training and evaluation."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec

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
