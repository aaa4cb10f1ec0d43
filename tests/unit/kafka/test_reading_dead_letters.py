"""Reading dead letters beside other work of the same loop: whoever wrote them, it goes on."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from streams.dashboard import actions
from streams.dashboard.actions import Actions
from streams.kafka import dead_letters
from streams.kafka.dead_letters import Selection, read_dead_letters
from streams.settings import load_settings

LETTERS = 1_000
LARGE = b'{"market":"BR","x":"' + b"x" * 20_000 + b'"}'


class Consumer:
    """All letters in one answer; every tenth is `bad_time`."""

    def __init__(self, **_: object) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, _: object) -> None: ...

    def seek(self, *_: object) -> None: ...

    async def getmany(self, partition: object, timeout_ms: int) -> dict[object, list[Any]]:
        assert timeout_ms
        codes = [b"too_large" if offset % 10 else b"bad_time" for offset in range(LETTERS)]
        return {
            partition: [
                SimpleNamespace(
                    offset=offset, key=None, value=LARGE, timestamp=1, headers=(("__streams.errors.code", code),)
                )
                for offset, code in enumerate(codes)
            ]
        }


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic of large letters."""

    async def offsets(*_: object, **__: object) -> dict[int, tuple[int, int]]:
        return {0: (0, LETTERS)}

    monkeypatch.setattr(dead_letters, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(dead_letters, "topic_offsets", offsets)


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each value that is parsed for its market: whether on the loop's own thread."""
    parsed: list[bool] = []

    def market_in(_: bytes | None) -> str | None:
        parsed.append(threading.current_thread() is threading.main_thread())
        return "BR"

    monkeypatch.setattr(dead_letters, "market_in", market_in)
    return parsed


async def found(selection: Selection, markets: bool = False) -> list[str | None]:
    """The markets of what is selected."""
    letters = read_dead_letters("kafka:9092", "p", selection, markets=markets)
    return [one.market async for one in letters]


@pytest.mark.usefixtures("kafka")
async def test_no_value_is_parsed_where_no_market_is_asked_for(parsing: list[bool]) -> None:
    """Headers choose; what they pass over is not looked at."""
    assert [None] * 100 == await found(Selection("bad_time"))
    assert [] == parsing


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize("asked", [(Selection("bad_time", "BR"), False), (Selection("bad_time"), True)])
async def test_a_market_is_read_beside_the_loop_of_what_headers_chose(
    parsing: list[bool], asked: tuple[Selection, bool]
) -> None:
    """Where it chooses, or is shown."""
    assert ["BR"] * 100 == await found(*asked)
    assert [False] * 100 == parsing


@pytest.mark.usefixtures("kafka")
async def test_others_have_their_turn_while_letters_are_passed_over() -> None:
    """However many came in one answer."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert [] == await found(Selection("none"))
    task.cancel()
    assert turns >= LETTERS // dead_letters.AT_A_TURN


@pytest.mark.usefixtures("kafka")
async def test_the_page_shows_a_letter_from_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its value is parsed and redacted there."""
    threads = []

    def letter_text(_: object) -> str:
        threads.append(threading.current_thread())
        return "shown"

    monkeypatch.setattr(actions, "letter_text", letter_text)
    found = await Actions(load_settings(kafka="127.0.0.1:9092")).dead_letter("bad_time")
    assert (990, "shown") == (found.offset, found.shown)
    assert [True] == [one is not threading.main_thread() for one in threads]


@pytest.mark.parametrize(
    ("value", "market"),
    [
        (LARGE, "BR"), (b'{"market":"Brazil"}', "Brazil"), (b'{"market":5}', None), (b"[1]", None), (b"{", None),
        (None, None), (b"[" * 2_000_000, None), (b'{"market":"\xff"}', None),
        (b'{"market":"BR"}' + b" " * 2_000_000, None),
    ],
)  # fmt: skip
def test_the_market_of_a_value(value: bytes | None, market: str | None) -> None:
    """As it is written; none of what is no object, or longer than any letter that workers write."""
    assert market == dead_letters.market_in(value)
