"""What tests of training share: PyTorch, without which they are skipped, their marks, and small files to train from.

A test module imports it before what needs PyTorch: `# isort: split` keeps it there.
"""

import gzip
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-models")

from models.encoder.folder import make_folder
from tests.support.encoders import wheels

MARKS = [
    pytest.mark.models,
    # PyTorch's exporter warns of its own internals.
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
WORDS = {
    "negative": ["bad", "slow", "broken", "lento"],
    "neutral": ["box", "today", "screen", "pedido"],
    "positive": ["good", "great", "lovely", "bueno"],
}
"""Words that tell the sentiment of a text."""


def encoder_folder(place: Path, words: list[str]) -> Path:
    """A random encoder of these words, as `make encoder` leaves it."""
    make_folder(place / "packages", place / "encoder", lambda *_: None, *wheels(place / "packages", words))
    return place / "encoder"


def labelled_files(folder: Path, rows_of: Callable[[int, int], Iterable[object]], **sizes: int) -> Path:
    """The folder, in which each name has a file `feedback_NAME.jsonl.gz` of as many rows: `rows_of(n, seed)`."""
    for seed, (name, number) in enumerate(sizes.items()):
        with gzip.open(folder / f"feedback_{name}.jsonl.gz", "wb") as file:
            file.writelines(msgspec.json.encode(row) + b"\n" for row in rows_of(number, seed))
    return folder


def pause_at(step: int, error: type[BaseException] | None = None) -> Callable[[], bool]:
    """A pause after this number of steps; with `error` the process is killed there."""
    steps = itertools.count(1)

    def pause() -> bool:
        if next(steps) < step:
            return False
        if error is not None:
            raise error
        return True

    return pause
