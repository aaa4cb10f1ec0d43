"""Files that commands read, whatever is in them: exit code 2 and one message, and no line that is not the program's."""

from pathlib import Path

import pytest

from tests.support.processes import marketpulse

COMMANDS: dict[str, tuple[str, ...]] = {
    "profiles validate": ("profiles", "validate", "bad.toml"),
    "markets costs": ("markets", "costs", "--profiles", "bad.toml"),
    "plan --profiles": ("plan", "--metrics", "ok.json", "--profiles", "bad.toml"),
    "plan --scenario": ("plan", "--metrics", "ok.json", "--scenario", "bad.toml"),
    "rules check": ("rules", "check", "bad.toml"),
    "rules test": ("rules", "test", "bad.toml"),
    "rules test --rules": ("rules", "test", "ok_test.toml", "--rules", "bad.toml"),
    "what-if": ("what-if", "--rules", "bad.toml"),
    "publish --mapping": ("publish", "ok.csv", "--mapping", "bad.toml", "--dry-run"),
    "bridge --mapping": ("bridge", "topic", "--mapping", "bad.toml", "--from", "localhost:1"),
    "notify": ("notify", "--sinks", "bad.toml"),
    "notify test": ("notify", "test", "--sinks", "bad.toml", "--dry-run"),
    "model topics": ("model", "topics", "bad.toml", "--out", "out"),
    "plan --metrics": ("plan", "--metrics", "bad.json"),
    "plan --previous": ("plan", "--metrics", "ok.json", "--previous", "bad.json"),
    "learn": ("learn", "--allocations", "bad.json"),
}
"""Commands that read a file which an operator writes, or which one gave them."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with files that can be used."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ok.json").write_text('{"u": {"BR": 0.5}}')
    (tmp_path / "ok.csv").write_text("id,market,text,occurred_at\n1,BR,bom,2026-01-01T00:00:00Z\n")
    (tmp_path / "ok_test.toml").write_text('[[test]]\nname = "a"\nseries = []\nexpect = [{ at = "1m" }]\n')
    return tmp_path


BROKEN = {
    "digits": (b"x = " + b"9" * 5_000, b"9" * 5_000 + b"x"),
    "depth": (b"x = " + b"[" * 5_000 + b"]" * 5_000, b'{"u": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "bytes": (b'x = "\xff"', b'{"u": "\xff"}'),
    "syntax": (b"x = = 1", b'{"u": '),
    "form": (b"x = 1", b"[]"),
}
"""What is wrong: in TOML, in JSON."""


@pytest.mark.parametrize("wrong", BROKEN)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_read_is_invalid_input(folder: Path, command: str, wrong: str) -> None:
    """Numbers of thousands of digits, thousands of brackets, bytes that are no text: exit code 2 and what to do."""
    for suffix, content in zip(("toml", "json"), BROKEN[wrong], strict=True):
        (folder / f"bad.{suffix}").write_bytes(content)
    done = marketpulse(*COMMANDS[command])
    assert (2, False) == (done.returncode, "Traceback" in done.stderr), done.stderr
    assert "Operator action: " in done.stderr
