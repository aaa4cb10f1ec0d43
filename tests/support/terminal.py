"""One shell that runs a document's blocks in the order of the page, as a reader who types them does."""

import contextlib
import doctest
import os
import re
import selectors
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.waiting import until

_BLOCK = re.compile(r"^( *)```bash\n(.*?)^ *```\n(?:\n? *```text\n(.*?)^ *```$)?", re.DOTALL | re.MULTILINE)
_ANY_LINES = re.compile(r"(?m:^)\.\.\.\n(?!\Z)|\n\.\.\.\n\Z")
_SHOWN = doctest.OutputChecker()
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """Commands of a page, and the output that the page shows below them: None where it shows none, `...` for any."""

    commands: str
    shown: str | None


def blocks_of(page: Path) -> list[Block]:
    """Every `bash` block of a page in order, each with the `text` block right below it.

    A line `...` in what is shown stands for any lines, none too; `...` within a line for any text.
    """
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [Block(commands, _ANY_LINES.sub("...", shown) or None) for _, commands, shown in found]


class Terminal:
    """A bash in a folder of its own; variables, jobs and the folder's files last from block to block.

    It stops at the first command that fails, at an unset variable, and after `seconds` for one block.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, seconds: float = 90.0) -> None:
        self.folder = folder
        self._seconds = seconds
        self._number = 0
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            env=dict(environment), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._send("set -eumo pipefail")

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, page: Path) -> str:
        """Run a page from top to bottom; all that it printed. Raises AssertionError where it shows something else."""
        return "\n".join(self.read_blocks(page))

    def read_blocks(self, page: Path) -> list[str]:
        """The same, what each block printed."""
        printed = []
        for block in blocks_of(page):
            printed.append(self.run(block.commands))
            if block.shown is not None:
                same = _SHOWN.check_output(block.shown, printed[-1], _ALIKE)
                assert same, f"{page.name}:\n{block.commands}\nshows\n{block.shown}\nprinted\n{printed[-1]}"
        return printed

    def run(self, commands: str) -> str:
        """What the commands printed. Raises AssertionError with all they said if one of them fails or hangs."""
        self._number += 1
        block, out, err = (
            self.folder.parent / f"{self.folder.name}-{self._number}.{kind}" for kind in ("sh", "out", "err")
        )
        block.write_text(commands, "utf-8")
        self._send(f"source '{block}' < /dev/null > '{out}' 2> '{err}'; echo end")
        ended = self._answered()
        assert ended, f"{commands}\nfailed or took over {self._seconds} s\n{out.read_text()}\n{err.read_text()}"
        return out.read_text("utf-8")

    def _send(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line.encode() + b"\n")
        self._shell.stdin.flush()

    def _answered(self) -> bool:
        """Whether the shell came to the end of a block, in time and alive."""
        assert self._shell.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            ready = selector.select(self._seconds)
            return bool(ready) and os.read(self._shell.stdout.fileno(), 16) == b"end\n"

    def close(self) -> None:
        """End every process that the shell has started and left running, by its id, then the shell."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._left_running():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
            with contextlib.suppress(AssertionError):
                until(lambda: not self._left_running(), 20.0)
        self._shell.kill()
        self._shell.communicate()

    def _left_running(self) -> list[int]:
        """Processes of the shell's session beside itself."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                state, _, _, session = entry.read_text("utf-8").rpartition(")")[2].split()[:4]
                if session == str(self._shell.pid) and state != "Z":
                    found.append(int(entry.parent.name))
        return [pid for pid in found if pid != self._shell.pid]
