"""Files that commands read, whatever is in them: exit code 2 and one message, and no line that is not the program's."""

import json
import zipfile
from pathlib import Path

import pytest

from streams.cli import output
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


FORGED = "\nOperator action: run `forged`.\n  Operator action: run `forged`\r\u2028marketpulse: forged\n\x85forged\n"
"""A name inside of a file that would be lines of the program."""
NAME = json.dumps(FORGED)
NAMED: dict[str, tuple[str, ...]] = COMMANDS | {
    "profiles validate, code": ("profiles", "validate", "code.toml"),
    "markets costs, code": ("markets", "costs", "--profiles", "code.toml"),
    "plan --scenario, name": ("plan", "--metrics", "ok.json", "--scenario", "name.toml"),
    "rules check, key": ("rules", "check", "table.toml"),
    "rules test, story": ("rules", "test", "failing.toml"),
    "notify, sink": ("notify", "test", "--sinks", "sink.toml"),
    "publish, zip": ("publish", "two.zip", "--dry-run"),
    "publish, columns": ("publish", "columns.csv", "--dry-run"),
    "publish, attributes": ("publish", "attributes.csv", "--dry-run"),
    "publish, mapping": ("publish", "ok.jsonl", "--mapping", "records.toml", "--dry-run"),
    "adopt, zip": ("adopt", "two.zip"),
    "adopt": ("adopt", "names.jsonl"),
}


@pytest.mark.parametrize("command", NAMED)
def test_no_name_inside_a_file_makes_a_line_of_the_program(folder: Path, command: str) -> None:
    """Keys, codes, columns, names of scenarios, tests, sinks and packed files stay within the program's own lines."""
    with zipfile.ZipFile(folder / "two.zip", "w") as archive:
        archive.writestr(f"a{FORGED}", "x")
        archive.writestr("b", "y")
    cell = '"' + FORGED.replace('"', '""') + '"'
    many = ",".join(f'"{number}{FORGED}"' for number in range(40))
    long = ",".join(["y" * 300, *["z"] * 39])
    event = '{"id":"1","market":"BR","text":"bom","occurred_at":"2026-01-01T00:00:00Z"}'
    files = {
        "bad.toml": f"{NAME} = 1\n",
        "bad.json": json.dumps({"u": {FORGED: 0.5}, FORGED: 1, "markets": {FORGED: {}}}),
        "code.toml": f"[plan]\n{NAME} = 1\n[markets.{NAME}]\n{NAME} = 1\n",
        "name.toml": f"name = {NAME}\n[markets.BR]\n{NAME} = 1\n[u]\n{NAME} = 0.5\n",
        "table.toml": f"[surge]\n{NAME} = 1\n[market.{NAME}.surge]\n{NAME} = 1\n",
        "failing.toml": (
            f'topics = ["a", {NAME}]\n[[test]]\nname = {NAME}\n[[test.series]]\nmarket = {NAME}\nevents = "1x5"\n'
            f'[[test.expect]]\nat = "3m"\nalerts = [{{ kind = "surge", market = {NAME} }}]\nshifts = [{NAME}]\n'
        ),
        "sink.toml": f'[[sink]]\nname = {NAME}\nkind = {NAME}\nurl = {NAME}\n{NAME} = 1\n',
        "columns.csv": f"id,market,{cell}\n1,BR,x\n",
        "attributes.csv": f"id,market,text,occurred_at,{many}\n1,BR,x,2026-01-01T00:00:00Z,{long}\n",
        "ok.jsonl": event + "\n",
        "records.toml": (
            f'[file]\nrecords = {NAME}\n[id]\nfrom = {NAME}\n[market]\nis = "BR"\n[text]\nfrom = {NAME}\n'
            f"[occurred_at]\nfrom = {NAME}\n"
        ),
        "names.jsonl": json.dumps({FORGED: 1, "text": FORGED}) + "\n",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    done = marketpulse(*NAMED[command])
    shown = done.stdout + done.stderr
    assert [] == [line for line in shown.splitlines() if line.lstrip().startswith(("Operator action: run", "forged"))]
    assert [] == [line for line in shown.splitlines() if line.startswith("marketpulse: forged")]
    assert shown


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("X is wrong. Operator action: y.", "marketpulse: X is wrong. Operator action: y."),
        (
            "The rules of x cannot be used:\n  a\n  b\nOperator action: y.",
            "marketpulse: The rules of x cannot be used:\n  a\n  b\nOperator action: y.",
        ),
        ("It ended. The end of log:\nstopped\n", "marketpulse: It ended. The end of log:\n  | stopped\n  | "),
        ("no a\nOperator action: z.", "marketpulse: no a\n  | Operator action: z."),
        (
            "The rules of x cannot be used:\n  a\nz\nOperator action: y.",
            "marketpulse: The rules of x cannot be used:\n  |   a\n  | z\n  | Operator action: y.",
        ),
    ],
)
def test_lines_of_an_error_that_are_not_its_own_are_marked(
    capsys: pytest.CaptureFixture[str], error: str, shown: str
) -> None:
    """A list of problems is its own; the end of a log and a name with ends of lines are not."""
    output.failure(error)
    assert f"{shown}\n" == capsys.readouterr().err
