"""How much of what is planted in texts redaction takes out, by kind, and what it takes out of clean ones.

    python -m tests.privacy_figures FILE...

Each line of a file is a JSON object: `lang`, `kind`, `text`, and `planted`, the parts of the text that must go (none in
a clean text). A file that ends in .gz is unpacked. Prints a Markdown table, then every clean text that was touched.
"""

import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from streams.privacy.characters import visible
from streams.privacy.redaction import redact

RUN = 4
"""So many letters or digits of a planted part in a row are a leak; of a shorter part, all of it."""

MARK = re.compile(r"\[(?:email|phone|card|iban|number|link|token|handle|device|place)\]")
_GAP = "ⅹ"  # a letter that nobody writes: what stands on both sides of a mark is no run
_NOT_WRITTEN = re.compile(r"[\W_]+")


class Row(NamedTuple):
    """A text and the parts that must go."""

    lang: str
    kind: str
    text: str
    planted: tuple[str, ...]


@dataclass
class Figures:
    """Of one kind: texts with something planted and those of which nothing is left, clean texts and those touched."""

    planted: int = 0
    gone: int = 0
    clean: int = 0
    touched: int = 0


def read(path: Path) -> Iterator[Row]:
    """The rows of a file."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in data.splitlines():
        row = json.loads(line)
        yield Row(row["lang"], row["kind"], row["text"], tuple(row["planted"]))


def is_left(planted: str, redacted: str) -> bool:
    """Whether a run of a planted part's letters and digits is still in a redacted text."""
    part = _NOT_WRITTEN.sub("", visible(planted)).lower()
    rest = _NOT_WRITTEN.sub("", MARK.sub(_GAP, redacted)).lower()
    run = min(RUN, len(part))
    return any(part[begin : begin + run] in rest for begin in range(len(part) - run + 1))


def figures(rows: Iterable[Row], rule: Callable[[str], str] = redact) -> tuple[dict[str, Figures], list[Row]]:
    """Figures by kind (what stands before a colon), and the clean rows that were touched."""
    by_kind: dict[str, Figures] = {}
    touched = []
    for row in rows:
        one = by_kind.setdefault(row.kind.partition(":")[0], Figures())
        redacted = rule(row.text)
        if row.planted:
            one.planted += 1
            one.gone += not any(is_left(part, redacted) for part in row.planted)
        else:
            one.clean += 1
            if redacted != visible(row.text):
                one.touched += 1
                touched.append(row)
    return by_kind, touched


def main(paths: list[str]) -> None:
    """Print the table for the rows of all files."""
    rows = [row for path in paths for row in read(Path(path))]
    started = time.process_time()
    for row in rows:
        redact(row.text)
    seconds = time.process_time() - started
    by_kind, touched = figures(rows)
    print("| kind | planted | gone | recall | clean | touched |\n|---|---|---|---|---|---|")
    for kind, one in sorted(by_kind.items()):
        recall = f"{one.gone / one.planted:.2f}" if one.planted else ""
        print(f"| {kind} | {one.planted} | {one.gone} | {recall} | {one.clean} | {one.touched} |")
    print(f"\n{len(rows)} texts, {seconds / max(len(rows), 1) * 1e6:.0f} µs a text")
    for row in touched:
        print(f"touched, {row.lang}: {row.text}\n  -> {redact(row.text)}")


if __name__ == "__main__":
    main(sys.argv[1:])
