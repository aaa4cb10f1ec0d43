"""The documents' examples as they stand: every ```bash block is run, in order, against a real stack and worker."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.embedded import EmbeddedStack

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def run_blocks(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """Runs a page's blocks in an empty folder, beside one worker with a ledger of its own; what each one printed."""
    environment = os.environ | {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka,
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": prefix,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    subprocess.run(["marketpulse", "ledger", "init", "--yes"], env=environment, check=True, timeout=60)
    worker = subprocess.Popen(["marketpulse", "worker"], env=environment, stderr=subprocess.DEVNULL, cwd=tmp_path)

    def run(page: str) -> list[str]:
        said = []
        for block in re.findall(r"```bash\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False,
            )  # fmt: skip
            assert 0 == done.returncode, f"{block}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout)
        return said

    try:
        yield run
    finally:
        worker.terminate()
        worker.wait(20)


def test_the_tutorial(run_blocks: Callable[[str], list[str]]) -> None:
    """Own CSV in, alert out; then silence, floor and dead letter do what the page says."""
    doctor, made, published, alerts, plan, mute, profiles, dead = run_blocks("tutorial.md")
    assert "WRONG secrets" in doctor
    assert "id,market,text,occurred_at,user,lang,rating" in made
    assert "6000 records published" in published
    assert "surge BR" in alerts
    assert "1,500" in plan
    assert "outage, being mended" in mute
    assert "125" in profiles
    assert "unknown_market" in dead


@pytest.mark.skipif(
    not (shutil.which("kcat") and shutil.which("redis-cli")), reason="needs the Debian packages kcat and redis-tools"
)
def test_any_language(run_blocks: Callable[[str], list[str]]) -> None:
    """With kcat and redis-cli alone: what was published is counted, rejected, classified and read."""
    publish, event, wait, rejected, table, market, step, keys, changes, topics, profile = run_blocks("any-language.md")
    assert "" == publish + event + wait + profile
    assert "code=unknown_market" in rejected
    assert "no such market" in rejected
    assert {"BR", "DE"} == set(table.split()[::2])
    metrics, of_topics, excerpts = (json.loads(line) for line in market.splitlines())
    assert 2 == metrics["metrics"]["windows"]["24h"]["n"]
    assert 2 == sum(n for n, *_ in of_topics.values())
    assert {"a entrega atrasou de novo", "gostei muito"} == {one["text"] for one in excerpts}
    assert "stream_time" in step
    assert '"BR"' in keys.splitlines()[-1]
    assert "markets" in changes
    assert 3 == sum('"claim"' in line for line in topics.splitlines())


HOW_TO = {
    "feed-your-own-csv": ("0 lines skipped", "unknown_market", "1 records published"),
    "publish-feedback": (
        "p-1 stands at",
        "p-3 is refused: unknown_market",
        "acknowledged: 500",
        "'FR': 500",
        "missed something: False",
    ),
    "http-intake": (
        "status 207",
        "unknown_market",
        '"id":"h-5"',
        'marketpulse_intake_events_total{result="refused"} 1.0',
    ),
    "add-a-market": ("can be used: 11 markets", "NG", "removed: NG"),
    "bring-your-own-model": ("negative", "macro-F1", "the model before again"),
    "tune-alerts": ("outage, being mended", "ended", "can be used", "1 of 1 tests passed"),
    "scale-out": (),
    "alerts-at-a-webhook": ("desk (webhook): delivered", "401", "firing"),
    "alerts-in-alertmanager": ("operations (alertmanager): delivered", "marketpulse_test", "/alerts"),
    "alerts-in-chat-and-mail": ("chat (apprise): delivered", "Marketpulse: test firing in all markets"),
    "secure": ("equal", "hashed with a key of your own", "**********"),
    "back-up-and-restore": ("Background saving started", "rebuilt up to step", "equal"),
}
"""Page of docs/how-to -> what its blocks print, beside doing without an error what they say."""


@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", HOW_TO)
def test_how_to(page: str, run_blocks: Callable[[str], list[str]]) -> None:
    """Every block does what it says; what people are to see is there."""
    if page in ("secure", "back-up-and-restore") and not shutil.which("kcat"):
        pytest.skip("needs the Debian packages kcat and redis-tools")
    if page == "alerts-in-alertmanager" and not shutil.which("prometheus-alertmanager"):
        pytest.skip("needs the Debian package prometheus-alertmanager")
    said = "\n".join(run_blocks(f"how-to/{page}.md"))
    assert [] == [words for words in HOW_TO[page] if words not in said], said


def test_every_how_to_is_run() -> None:
    """Each page with blocks is in the list."""
    pages = {path.stem for path in (DOCS / "how-to").glob("*.md") if "```bash" in path.read_text("utf-8")}
    assert pages == set(HOW_TO)
