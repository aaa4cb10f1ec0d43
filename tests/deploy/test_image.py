"""What deploy/Dockerfile.cpu builds, in a plain folder: it works for another user who can write to /tmp alone."""

import contextlib
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest

from streams.dev.embedded.servers import EmbeddedStack, free_port
from tests.deploy.build_steps import (
    DEPLOY,
    ROOT,
    build,
    can_confine,
    confined,
    environment_of,
    pythons,
    size_mb,
    stages,
)
from tests.support.probes import status
from tests.support.waiting import until

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not can_confine(), reason="needs root, unshare and setpriv: run it as root on Linux"),
    pytest.mark.skipif(not any(pythons()), reason="needs a Python 3.11 or later outside of folders closed to others"),
]
FOLDER = ROOT / "build" / "image"
TOKEN = "only-for-this-test"


@pytest.fixture(scope="module")
def image() -> Iterator[dict[str, str]]:
    """The folder is built; the environment of what runs in it. What the build stage copied is gone, as in the image."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    first, *_, last = stages(DEPLOY / "Dockerfile.cpu")
    build(first, FOLDER, next(pythons()))
    shutil.rmtree(FOLDER / "app")
    yield environment_of(last, FOLDER)
    shutil.rmtree(FOLDER)


@pytest.fixture
def settings(image: dict[str, str], stack: EmbeddedStack, prefix: str) -> dict[str, str]:
    """The image's environment with servers and a port of its own."""
    return image | {
        "MARKETPULSE_KAFKA": str(stack.endpoints.kafka),
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": prefix,
        "MARKETPULSE_USER_HASH_KEY": TOKEN,
        "MARKETPULSE_PAGE_TOKEN": TOKEN,
        "MARKETPULSE_HEALTH_PORT": str(free_port()),
    }


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """One command as the image runs it."""
    return subprocess.run(
        confined(command, FOLDER), env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_nothing_but_tmp_can_be_written(image: dict[str, str]) -> None:
    """The confinement itself holds: user 10001, no capability, the environment is read-only."""
    done = run(
        image, "bash", "-c", f"touch {FOLDER}/venv/bin/other; touch /tmp/mine && id -u && grep CapEff /proc/self/status"
    )
    assert "Read-only file system" in done.stderr
    assert ["10001", "CapEff:\t0000000000000000"] == done.stdout.splitlines()


def test_the_model_is_inside_and_answers(image: dict[str, str]) -> None:
    """The package, its data files and its model were installed."""
    assert "worker" in run(image, "marketpulse", "--help").stdout
    assert run(image, "marketpulse", "classify", "a entrega atrasou, péssimo", "--lang", "pt").stdout.startswith(
        "negative"
    )


def test_the_size_is_what_the_page_of_deployment_says(image: dict[str, str]) -> None:
    """deploy/README.md names the size of /venv, to a tenth."""
    said = (DEPLOY / "README.md").read_text("utf-8").partition("/venv` is ")[2].split()[0]
    assert float(said) == pytest.approx(size_mb(FOLDER / "venv"), rel=0.1)


def test_worker_and_page_live_on_a_read_only_file_system(settings: dict[str, str]) -> None:
    """Job, worker and page as the chart starts them; the image's own health check; SIGTERM ends the worker with 0."""
    for job in (
        ["topics", "create", "--partitions", "2"],
        ["ledger", "init", "--yes"],
        ["ledger", "wait", "--seconds", "0"],
    ):
        done = run(settings, "marketpulse", *job)
        assert 0 == done.returncode, done.stderr
    port = settings["MARKETPULSE_HEALTH_PORT"]
    with started(settings, "marketpulse", "worker") as worker:
        until(lambda: 200 == status(f"http://127.0.0.1:{port}/readyz"), 60)
        assert 0 == run(settings, *health_check(port)).returncode
        feed = '{"id": "1", "market": "BR", "text": "péssimo", "occurred_at": "2026-11-20T10:00:00Z"}\n'
        published = subprocess.run(
            confined(["marketpulse", "publish", "-", "--shift-to-now"], FOLDER),
            env=settings, input=feed, text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert 0 == published.returncode, published.stderr
        until(lambda: '"accepted":1' in run(settings, "marketpulse", "status", "--json").stdout.replace(" ", ""), 60)
        worker.send_signal(signal.SIGTERM)
        assert 0 == worker.wait(30)
    assert 0 != run(settings, *health_check(port)).returncode
    with started(settings, "marketpulse", "page", "--host", "127.0.0.1", "--port", "0"):
        until(lambda: 200 == status(f"http://127.0.0.1:{port}/readyz"), 60)


def health_check(port: str) -> list[str]:
    """The image's HEALTHCHECK, on another port."""
    arguments = dict(stages(DEPLOY / "Dockerfile.cpu")[-1])["HEALTHCHECK"]
    command: list[str] = json.loads(arguments.partition("CMD ")[2])
    return [part.replace(":8081/", f":{port}/") for part in command]


@contextlib.contextmanager
def started(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process as the image runs it, ended with the block."""
    process = subprocess.Popen(
        confined(command, FOLDER), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()
