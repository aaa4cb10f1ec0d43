"""Fuzz targets with atheris, one process each: `python -m tests.fuzz.run --seconds 60 [target ...]`.

Begins with the kept corpus; what is found goes to `build/fuzz/<target>`, what breaks a promise to
`build/fuzz/<target>/crash-*`. Exit code 1 where something broke. Says why, and ends well, where atheris is missing.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path("build") / "fuzz"
MISSING = "skipped: atheris has wheels for CPython 3.11 to 3.13 on Linux (x86-64) only; pip install -e .[fuzz]"
LONGEST_S, MOST_MB, LARGEST = 10, 2_048, 4_096


def one(target: str, arguments: list[str]) -> None:
    """Fuzz one target in this process until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["marketpulse", "streams", "models.clean", "strategy", "tests.fuzz"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


def fuzz(target: str, seconds: int) -> tuple[int, str]:
    """Fuzz one target in a process of its own: exit code, and what it said last."""
    found = FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "tests.fuzz.run", "--one", target, f"-max_total_time={seconds}", f"-max_len={LARGEST}",
        f"-timeout={LONGEST_S}", f"-rss_limit_mb={MOST_MB}", f"-artifact_prefix={found}/", "-print_final_stats=1",
        str(found), str(CORPUS / target),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 180)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """All targets, or those that are named; as many at once as are asked for."""
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
        return 0
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("targets", nargs="*")
    asked.add_argument("--seconds", type=int, default=60, help="for each target")
    asked.add_argument("--at-once", type=int, default=2)
    given = asked.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(MISSING)
        return 0
    targets = given.targets or sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    started = time.monotonic()
    with ThreadPoolExecutor(given.at_once) as pool:
        results = list(pool.map(lambda target: fuzz(target, given.seconds), targets))
    for target, (code, said) in zip(targets, results, strict=True):
        numbers = [line for line in said.splitlines() if "number_of_executed_units" in line]
        runs = numbers[-1].rpartition(":")[2].strip() if numbers else "?"
        print(f"{target:10} {'ok' if code == 0 else 'BROKEN'} {runs} runs")
        if code:
            print(said[said.find(" === Uncaught") :][:4_000])
    print(f"{time.monotonic() - started:.0f} s")
    return int(any(code for code, _ in results))


if __name__ == "__main__":
    sys.exit(main())
