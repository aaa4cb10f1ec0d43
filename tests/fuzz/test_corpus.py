"""The kept inputs of all fuzz targets: each keeps every promise, also without a fuzzer."""

from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize(
    "path", sorted(path for path in CORPUS.rglob("*") if path.is_file()), ids=lambda path: "-".join(path.parts[-2:])
)
def test_a_kept_input_breaks_nothing(path: Path) -> None:
    """Only the documented errors, and what was read is written the same."""
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_inputs_to_begin_with() -> None:
    """No target starts from nothing."""
    assert set(TARGETS) == {path.parent.name for path in CORPUS.rglob("*") if path.is_file()}
