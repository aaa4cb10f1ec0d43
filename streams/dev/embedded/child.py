"""What every child process gets: an end with its parent, and files that no other account reads."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE, PRIVATE_UMASK = 0o700, 0o600, 0o077
"""Modes of what the servers keep: other accounts of this machine read and write none of it."""

# Where the kernel cannot tie a child to its parent, a shell beside it looks once a second. $0 parent, $1 child.
_WATCH = 'while kill -0 "$1" 2>/dev/null; do kill -0 "$0" 2>/dev/null || kill -9 "$1"; sleep 1; done'


def private_folder(path: Path) -> None:
    """Make a folder that only this user may enter, or make it so: it holds what users wrote."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(PRIVATE_FOLDER)


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read; the mode is set before the content is there."""
    path.touch(PRIVATE_FILE)
    path.chmod(PRIVATE_FILE)
    path.write_text(text, "utf-8")


def die_with_parent() -> Callable[[], None]:
    """What a child runs before its program so that it ends when this process ends, however that comes about.

    Its process group is its own: Ctrl-C is for this process to pass on.
    """
    parent = os.getpid()
    if sys.platform != "linux":
        return lambda: watched(parent)
    libc = ctypes.CDLL(None, use_errno=True)
    set_parent_death_signal = 1

    def before_exec() -> None:
        os.setpgrp()
        libc.prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before it could be tied
            os._exit(1)

    return before_exec


def watched(parent: int) -> None:
    """Run in a child before its program: leave a shell beside it that kills it once `parent` is gone."""
    os.setpgrp()
    child = os.getpid()
    if os.fork() == 0:
        os.execv("/bin/sh", ["/bin/sh", "-c", _WATCH, str(parent), str(child)])  # noqa: S606 - constant program
