"""Runs an image's build stage in a plain folder, and commands in what it made as the image would run them.

No container is needed: the folder stands for the image's root, this machine's Python for that of its base.
"""

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UID = 10001
READ_ONLY = """
mount --make-rprivate /
grep -v -E '^[^ ]+ /(proc|sys|dev)(/| )' /proc/self/mounts | while read -r _ point _; do
  mount -o remount,bind,ro "$point"
done
mount -t tmpfs -o size=256m,mode=1777 none /tmp
exec "$@"
"""
"""Every file system read-only for the process that follows, but for an empty /tmp."""

NAMESPACE = ["unshare", "--mount", "bash", "-euc", READ_ONLY, "read-only"]


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, its continued lines put together."""
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(arguments.split())) for name, arguments in pairs]


def stages(dockerfile: Path) -> list[list[tuple[str, str]]]:
    """The instructions of each stage, its FROM first."""
    made: list[list[tuple[str, str]]] = []
    for name, arguments in instructions(dockerfile):
        if name == "FROM":
            made.append([])
        if made:
            made[-1].append((name, arguments))
    return made


def build(stage: list[tuple[str, str]], folder: Path, python: str) -> None:
    """Run WORKDIR, COPY and RUN of a stage with `folder` as the root; `python` stands for the base's python3."""
    here = folder
    for name, arguments in stage:
        if name == "WORKDIR":
            here = folder / arguments.lstrip("/")
            here.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            *sources, target = arguments.split()
            for source in sources:
                _copy(ROOT / source, here / target)
        elif name == "RUN":
            command = arguments.replace("/venv", str(folder / "venv")).replace("python3 ", f"{shlex.quote(python)} ")
            quickly = command.replace("--no-cache-dir", "-q")
            subprocess.run(["bash", "-euc", quickly], cwd=here, check=True, timeout=540)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def environment_of(stage: list[tuple[str, str]], folder: Path) -> dict[str, str]:
    """What a stage's ENV sets."""
    made = {}
    for name, arguments in stage:
        if name == "ENV":
            made |= dict(one.split("=", 1) for one in shlex.split(arguments))
    return made | {"PATH": f"{folder}/venv/bin:/usr/bin:/bin"}


def confined(command: Sequence[str], folder: Path) -> list[str]:
    """A command as the image runs it: read-only root, an empty /tmp, user 10001 without any capability.

    Its process id is that of the process which is started with this: every program here makes way for the next.
    """
    user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    return [*NAMESPACE, *user, "--bounding-set=-all", "env", "-C", str(folder), *command]


def can_confine() -> bool:
    """Whether this process may make a mount namespace and become another user."""
    if os.geteuid() != 0 or not all(shutil.which(one) for one in ("unshare", "setpriv")):
        return False
    return 0 == subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False, timeout=30).returncode


def pythons() -> Iterator[str]:
    """Pythons of 3.11 or later that every user of this machine may run."""
    for one in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")):
        if one is None:
            continue
        real = Path(one).resolve()
        asked = [str(real), "-c", "import sys; print(sys.version_info >= (3, 11))"]
        new_enough = "True" == subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        open_to_all = all(folder.stat().st_mode & stat.S_IXOTH for folder in (real, *real.parents))
        if new_enough and open_to_all:
            yield str(real)


def size_mb(folder: Path) -> float:
    """Megabytes (10^6 bytes) of a folder's files."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6
