"""Looks at what is locked: known vulnerabilities, licences, a bill of materials. `python -m deploy.audit [FILE ...]`.

Vulnerabilities of every lock file, licences of what is shipped. Exit codes: 0 nothing found, 1 a vulnerability that
audit.toml does not accept, an entry of it that is not needed, or a licence that is not allowed, 75 the advisories could
not be read.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = tuple(sorted((ROOT / "requirements").glob("*.txt")))
SHIPPED = (ROOT / "requirements" / "worker-cpu.txt", ROOT / "requirements" / "worker-gpu.txt")
ACCEPTED = ROOT / "deploy" / "audit.toml"
SBOM = ROOT / "build" / "sbom.json"
ALLOWED = re.compile(
    r"Apache|BSD|\bMIT\b|ISC|PSF|Python Software Foundation|MPL|Mozilla|Zlib|Unlicense|CC0|HPND|Zope|ZPL|LGPL|Lesser",
    re.IGNORECASE,
)
NOT_SAID = {"nvidia-": "NVIDIA's own terms, loaded by whoever installs the extra `gpu`; not passed on by this project"}
"""Packages (by the begin of their name) whose licence is none of the above, and why that is right."""
FOUND, UNREAD = 1, 75

Pin = tuple[str, str]
"""A package and its version."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A vulnerability that is known and accepted; `advisories` are all its names."""

    package: str
    advisories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What the index says: pin -> the names of each of its vulnerabilities; pins it says nothing of."""

    found: Mapping[Pin, list[frozenset[str]]]
    unread: frozenset[Pin]


def pins(requirements: Path) -> set[Pin]:
    """Packages and versions of a lock file, those for other platforms too."""
    return set(re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", requirements.read_text("utf-8"), re.MULTILINE))


def names(requirements: Path) -> list[str]:
    """Names of the packages that a lock file pins."""
    return sorted({name for name, _ in pins(requirements)})


def licence_of(name: str) -> str | None:
    """What a package says of its licence; None where it is not installed here."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None
    classifiers = [one for one in said.get_all("Classifier") or [] if one.startswith("License ::")]
    short = (said.get("License") or "").splitlines()[:1]
    return " | ".join(filter(None, [said.get("License-Expression"), *classifiers, *short])) or "none"


def refused(packages: Iterable[str]) -> dict[str, str]:
    """Packages with a licence that is not allowed, and what it is."""
    found = {}
    for name in packages:
        licence = licence_of(name)
        excused = any(name.startswith(begin) for begin in NOT_SAID)
        if licence is not None and not excused and not ALLOWED.search(licence):
            found[name] = licence
    return found


def accepted() -> list[Accepted]:
    """Entries of audit.toml."""
    entries = tomllib.loads(ACCEPTED.read_text("utf-8"))["accepted"]
    return [Accepted(entry["package"], frozenset(entry["advisories"])) for entry in entries]


def ask_index(wanted: Iterable[Pin]) -> Report:
    """Look pins up in the package index, each version once."""
    found: dict[Pin, list[frozenset[str]]] = {}
    unread: set[Pin] = set()
    for group in _groups(wanted):
        answers = _pip_audit(group)
        unread |= group - set(answers)
        found |= {pin: vulnerabilities for pin, vulnerabilities in answers.items() if vulnerabilities}
    return Report(found, frozenset(unread))


def _groups(wanted: Iterable[Pin]) -> Iterator[set[Pin]]:
    """Sets that hold each package once: pip-audit takes no two versions of one."""
    left = set(wanted)
    while left:
        group = set({name: (name, version) for name, version in sorted(left)}.values())
        left -= group
        yield group


def _pip_audit(group: Iterable[Pin]) -> dict[Pin, list[frozenset[str]]]:
    """The vulnerabilities of each pin that the index knows."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(group)), "utf-8")
        command = [sys.executable, "-m", "pip_audit", "-r", str(listed), "--disable-pip", "--no-deps", "-f", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {}
    return {
        (answer["name"], answer["version"]): [
            frozenset([vuln["id"], *vuln.get("aliases", ())]) for vuln in answer["vulns"]
        ]
        for answer in answers
        if "skip_reason" not in answer
    }


def complaints(report: Report, entries: list[Accepted], locks: Mapping[str, set[Pin]]) -> Iterator[str]:
    """What to do about vulnerabilities that are not accepted, and about entries that are not needed any more.

    Args:
        report: of the index.
        entries: of audit.toml.
        locks: lock file -> its pins.
    """
    needed: set[Accepted] = set()
    for pin, vulnerabilities in sorted(report.found.items()):
        where = ", ".join(name for name, content in sorted(locks.items()) if pin in content)
        for advisories in vulnerabilities:
            match = [entry for entry in entries if entry.package == pin[0] and entry.advisories & advisories]
            needed.update(match)
            if not match:
                yield (
                    f"VULNERABLE {'=='.join(pin)} ({where}): {', '.join(sorted(advisories))}. Raise its version in "
                    "pyproject.toml, `make lock`; or accept it in deploy/audit.toml, with the reason."
                )
    silent = {name for name, _ in report.unread}
    for entry in entries:
        if entry not in needed and entry.package not in silent:
            yield f"NOT NEEDED {entry.package}: {', '.join(sorted(entry.advisories))}. Remove it from audit.toml."


def main(arguments: list[str], ask: Callable[[Iterable[Pin]], Report] = ask_index) -> int:
    """Look at the lock files that are named, or at all."""
    files = [Path(one) for one in arguments] or list(LOCKS)
    locks = {file.stem: pins(file) for file in files}
    status = 0
    shipped = sorted({name for file in SHIPPED for name in names(file)})
    for name, licence in refused(shipped).items():
        status = FOUND
        print(f"LICENCE {name}: {licence}. Allow it in deploy/audit.py, or do without the package.")
    wanted = set().union(*locks.values())
    report = ask(wanted)
    for line in complaints(report, accepted(), locks):
        status = FOUND
        print(line)
    SBOM.parent.mkdir(exist_ok=True)
    options = ["requirements", str(SHIPPED[0]), "-o", str(SBOM), "--of", "JSON"]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *options], check=True)
    here = sum(licence_of(name) is not None for name in shipped)
    print(f"{len(wanted)} pins of {len(files)} lock files; {here} licences looked at; {SBOM.relative_to(ROOT)}")
    if report.unread:
        print(f"advisories of {len(report.unread)} pins could not be read: no network, or no index that has them.")
    return status or (UNREAD if report.unread else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
