"""Looks at what is shipped: known vulnerabilities, licences, a bill of materials. `python -m deploy.audit [FILE ...]`.

Exit codes: 0 nothing found, 1 a vulnerability or a licence that is not allowed, 75 the advisories could not be read.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = (ROOT / "requirements" / "worker-cpu.txt", ROOT / "requirements" / "worker-gpu.txt")
SBOM = ROOT / "build" / "sbom.json"
ALLOWED = re.compile(
    r"Apache|BSD|\bMIT\b|ISC|PSF|Python Software Foundation|MPL|Mozilla|Zlib|Unlicense|CC0|HPND|Zope|ZPL|LGPL|Lesser",
    re.IGNORECASE,
)
NOT_SAID = {"nvidia-": "NVIDIA's own terms, loaded by whoever installs the extra `gpu`; not passed on by this project"}
"""Packages (by the begin of their name) whose licence is none of the above, and why that is right."""
FOUND, UNREAD = 1, 75


def names(requirements: Path) -> list[str]:
    """Names of the packages that a lock file pins."""
    return re.findall(r"^([A-Za-z0-9][\w.-]*)==", requirements.read_text("utf-8"), re.MULTILINE)


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


def vulnerabilities(requirements: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Known ones by package, and the packages that could not be looked up."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "-r",
        str(requirements),
        "--disable-pip",
        "--require-hashes",
        "-f",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        looked_at = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {}, names(requirements)
    bad = {one["name"]: [vuln["id"] for vuln in one["vulns"]] for one in looked_at if one.get("vulns")}
    return bad, [one["name"] for one in looked_at if "skip_reason" in one]


def main(arguments: list[str]) -> int:
    """Look at the lock files that are named, or at the workers'."""
    files = [Path(one) for one in arguments] or list(SHIPPED)
    packages = sorted({name for file in files for name in names(file)})
    status = 0
    for name, licence in refused(packages).items():
        status = FOUND
        print(f"LICENCE {name}: {licence}. Allow it in deploy/audit.py, or do without the package.")
    unread: set[str] = set()
    for file in files:
        bad, left_out = vulnerabilities(file)
        unread |= set(left_out)
        for name, ids in bad.items():
            status = FOUND
            print(f"VULNERABLE {file.name} {name}: {', '.join(ids)}. Raise its version in pyproject.toml, `make lock`.")
    SBOM.parent.mkdir(exist_ok=True)
    options = ["requirements", str(files[0]), "-o", str(SBOM), "--of", "JSON"]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *options], check=True)
    here = sum(licence_of(name) is not None for name in packages)
    print(f"{len(packages)} packages, licences of {here} looked at, bill of materials in {SBOM.relative_to(ROOT)}")
    if unread:
        print(f"advisories of {len(unread)} packages could not be read: no network, or no index that has them.")
    return status or (UNREAD if unread else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
