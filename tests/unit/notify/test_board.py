"""What a sink was told, and what it is to be told next."""

from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.operators import MuteRecord
from streams.notify.board import Board
from tests.support.alerts import alert

NOW_MS = 1_000_000
OTHERS: tuple[MuteRecord, ...] = ()
SILENCE = (MuteRecord("m", NOW_MS + 1, 500, market="BR"),)


def told(board: Board, mutes: tuple[MuteRecord, ...] = OTHERS) -> list[tuple[str, str]]:
    """What is due, taken by the sink at once."""
    due = [one.alert for one in board.due(mutes, NOW_MS)]
    board.done(due)
    return [(one.id, one.state) for one in due]


def test_a_state_is_told_once() -> None:
    """Also where its record comes again, or one with a lower seq after it."""
    board = Board()
    board.take(0, alert("a", seq=3))
    assert [("a", "firing")] == told(board)
    board.take(1, alert("a", seq=3))
    board.take(2, alert("a", seq=2, state="resolved"))
    assert [] == told(board)
    board.take(3, alert("a", seq=4, state="resolved"))
    assert [("a", "resolved")] == told(board)
    assert 4 == board.settled(OTHERS, NOW_MS)


def test_what_is_pending_is_not_told() -> None:
    """Nor that it ended without having fired."""
    board = Board()
    board.take(0, alert("a", state="pending", fired_at=None))
    board.take(1, alert("a", seq=2, state="resolved", fired_at=None))
    assert [] == told(board)


def test_what_came_and_went_is_told_once_as_resolved() -> None:
    """Within one step (its first record is the resolved one), or before it could be told."""
    board = Board()
    board.take(0, alert("in one step", state="resolved"))
    board.take(1, alert("waited"))
    board.take(2, alert("waited", seq=2, state="resolved"))
    assert [("in one step", "resolved"), ("waited", "resolved")] == told(board)


def test_the_offset_stays_before_what_is_not_told() -> None:
    """A restart reads it again, with the first record of an alert that changed meanwhile."""
    board = Board()
    board.take(4, alert("first"))
    board.take(5, alert("second"))
    board.take(6, alert("first", seq=2, state="resolved"))
    assert 4 == board.settled(OTHERS, NOW_MS)
    board.done([one.alert for one in board.due(OTHERS, NOW_MS) if one.alert.id == "first"])
    assert 5 == board.settled(OTHERS, NOW_MS)


def test_a_silence_is_kept() -> None:
    """What fires under it is told when it ends, what ends under it is not told; the offset does not wait."""
    board = Board()
    board.take(0, alert("fires on"))
    board.take(1, alert("ends"))
    board.take(2, alert("elsewhere", market="DE"))
    assert [("elsewhere", "firing")] == told(board, SILENCE)
    board.take(3, alert("ends", seq=2, state="resolved"))
    assert [] == told(board, SILENCE)
    assert 4 == board.settled(SILENCE, NOW_MS)
    assert [("fires on", "firing")] == told(board)


def test_a_restart_tells_nothing_again() -> None:
    """What fires is known again, for reminders; how it ends is told."""
    board = Board()
    board.restore(0, alert("fires"), NOW_MS, OTHERS, told=True)
    board.restore(1, alert("over"), NOW_MS, OTHERS, told=True)
    board.restore(2, alert("over", seq=2, state="resolved"), NOW_MS, OTHERS, told=True)
    assert [] == told(board)
    assert ["fires"] == [one.id for one in board.firing(OTHERS, NOW_MS)]
    assert [] == board.firing(SILENCE, NOW_MS)
    board.take(3, alert("fires", seq=3, state="resolved"))
    assert [("fires", "resolved")] == told(board)


def test_a_restart_under_a_silence_tells_at_its_end() -> None:
    """What fired under it, and not what had been told before it was set."""
    board = Board()
    board.restore(0, alert("before"), 400, SILENCE, told=True)
    board.restore(1, alert("under"), 600, SILENCE, told=True)
    assert [] == told(board, SILENCE)
    assert [("under", "firing")] == told(board)


def test_a_first_start_tells_what_fires_and_nothing_of_the_past() -> None:
    """A new sink does not get three months of alerts."""
    board = Board()
    board.restore(0, alert("over"), 1, OTHERS, told=False)
    board.restore(1, alert("over", seq=2, state="resolved"), 2, OTHERS, told=False)
    board.restore(2, alert("fires"), 3, OTHERS, told=False)
    assert [("fires", "firing")] == told(board)


def test_a_sink_is_told_of_what_it_wants() -> None:
    """The rest does not hold the offset back."""
    board = Board(lambda one: one.market == "DE")
    board.take(0, alert("a"))
    board.take(1, alert("b", market="DE"))
    assert [("b", "firing")] == told(board)
    assert 2 == board.settled(OTHERS, NOW_MS)


def test_what_is_remembered_is_bounded() -> None:
    """The oldest ended alerts go; what fires stays however old."""
    board = Board(most=10)
    board.take(0, alert("fires"))
    told(board)
    for at in range(1, 100):
        board.take(at, alert(f"a{at}", state="resolved"))
        told(board)
    board.take(100, alert("fires"))
    board.take(101, alert("a99", state="resolved"))
    assert [] == told(board)
    board.take(102, alert("a1", state="resolved"))
    assert [("a1", "resolved")] == told(board)


STATES = {1: "pending", 2: "firing", 3: "resolved"}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=30),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_a_restart_anywhere_tells_all_there_is(records: list[tuple[str, int]], dies: int, commits: int) -> None:
    """Whatever comes again or out of order: every alert's last state is told by one of two lives, none by the second
    that the first had told and committed."""
    log = [alert(name, seq=seq, state=STATES[seq]) for name, seq in records]
    first = Board()
    known: list[tuple[str, str]] = []
    committed = 0
    for at, one in enumerate(log[:dies]):
        first.take(at, one)
        if at == commits:
            known += told(first)
            committed = first.settled(OTHERS, NOW_MS)
    second = Board()
    for at, one in enumerate(log):
        if at < committed:
            second.restore(at, one, NOW_MS, OTHERS, told=True)
        else:
            second.take(at, one)
    again = told(second)
    assert not set(known) & set(again)
    highest = {name: max(seq for other, seq in records if other == name) for name, _ in records}
    ends = {(name, STATES[seq]) for name, seq in highest.items() if seq > 1}
    assert ends <= {*known, *again}
