"""`ledger reset`: what is asked before anything is forgotten."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.errors import BadInput
from streams.recovery import reset as recovery
from streams.recovery.reset import ResetPlan
from streams.settings import Settings


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From where a reset began, once it was agreed to; nothing is changed."""
    done: list[str] = []

    async def reset(_: Settings, begin: str, agree: Callable[[ResetPlan], bool]) -> ResetPlan:
        plan = ResetPlan(True, 5, 7, 3, 0, {0: 0})
        agree(plan)
        done.append(begin)
        return plan

    monkeypatch.setattr(recovery, "reset", reset)
    return done


def test_a_reset_to_the_earliest_record_says_that_it_undoes_an_erasure(resets: list[str]) -> None:
    """Where it asks; nothing is done without an answer."""
    done = CliRunner().invoke(app, ["ledger", "reset", "--from", "earliest"])
    assert isinstance(done.exception, BadInput)
    assert "of erased users is counted again, and their excerpts come back: give `privacy erase` again" in done.stderr
    assert [] == resets


@pytest.mark.parametrize(("begin", "says"), [("earliest", True), ("latest", False)])
def test_a_reset_that_is_confirmed_says_it_too(resets: list[str], begin: str, says: bool) -> None:
    """From the earliest record on alone: the newest holds nothing of anybody."""
    done = CliRunner().invoke(app, ["ledger", "reset", "--from", begin, "--yes"])
    assert [begin] == resets
    assert says == ("privacy erase" in done.stderr)
