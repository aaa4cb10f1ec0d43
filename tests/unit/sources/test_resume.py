"""The position of a publication that was interrupted."""

from pathlib import Path

import pytest

from streams.errors import BadInput
from streams.sources.resume import Position
from streams.sources.shift import Shift


def test_a_position_continues_with_the_same_shift(tmp_path: Path) -> None:
    """Over any number of interruptions, until the end, of which nothing is left."""
    path = tmp_path / "position"
    first = Position.of(path, "a")
    assert (False, 0) == (first.begun, first.acknowledged)
    first.begin(Shift(7, 9))
    first.keep(2_000)
    second = Position.of(path, "a")
    assert (True, 2_000, Shift(7, 9)) == (second.begun, second.acknowledged, second.shift)
    second.begin(second.shift)
    second.keep(500)
    third = Position.of(path, "a")
    assert (2_500, Shift(7, 9)) == (third.acknowledged, third.shift)
    third.end()
    assert [] == list(tmp_path.iterdir())


def test_a_position_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another file, other options, no position at all."""
    path = tmp_path / "position"
    Position.of(path, "a").begin(Shift())
    with pytest.raises(BadInput, match=r"of other options, or on another Kafka cluster\. Operator action"):
        Position.of(path, "b")
    path.write_text("id,market\n")
    with pytest.raises(BadInput, match="holds no position"):
        Position.of(path, "a")


def test_without_a_path_nothing_is_kept(tmp_path: Path) -> None:
    """All of it is published from the first record."""
    position = Position.of(None, "a")
    position.begin(Shift())
    position.keep(3)
    position.end()
    assert (False, 0, 3) == (position.begun, position.before, position.acknowledged)


def test_a_position_is_not_written_through_a_link(tmp_path: Path) -> None:
    """Whoever may write beside it cannot have another file overwritten; what a kill left there is no hindrance."""
    path, theirs = tmp_path / "position", tmp_path / "theirs"
    theirs.write_text("precious")
    (tmp_path / "position.new").symlink_to(theirs)
    Position.of(path, "a").begin(Shift(7, 9))
    assert ("precious", Shift(7, 9)) == (theirs.read_text(), Position.of(path, "a").shift)
    (tmp_path / "position.new").write_text("cut")
    Position.of(path, "a").keep(3)
    assert 3 == Position.of(path, "a").acknowledged
