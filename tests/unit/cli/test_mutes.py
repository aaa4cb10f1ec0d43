"""`mute` where as many silences are in force as there may be."""

import pytest
from typer.testing import CliRunner

from marketpulse.contract.mutes import MAX_MUTES
from marketpulse.contract.operators import MuteRecord
from streams.cli import mutes
from streams.cli.main import app

FULL = "1,000 silences are in force, as many as there may be."


@pytest.mark.parametrize(("count", "full"), [(MAX_MUTES - 1, False), (MAX_MUTES, True)])
def test_no_more_are_added_than_may_hold(monkeypatch: pytest.MonkeyPatch, count: int, full: bool) -> None:
    """`ls` says so, on standard error; `add` writes nothing."""
    written: list[object] = []
    held = [MuteRecord(f"m{number}", 2**42, 0) for number in range(count)]
    monkeypatch.setattr(mutes, "_active_mutes", lambda _settings: held)
    monkeypatch.setattr(mutes, "_write", lambda _settings, records: written.extend(records))
    shown, added = (CliRunner().invoke(app, ["mute", *args]) for args in (["ls"], ["add", "--hours", "1"]))
    assert (count, full) == (len(shown.stdout.splitlines()), FULL in shown.stderr)
    assert (0 if full else 1) == len(written)
    assert full == (added.exit_code != 0)
