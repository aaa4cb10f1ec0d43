"""The documents' examples as a reader types them: one shell a page, in its order; what is printed is what is shown."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.dev.embedded.servers import EmbeddedStack
from tests.support.reading import reader_environment, reading
from tests.support.terminal import Terminal, blocks_of

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = sorted(path.stem for path in (DOCS / "how-to").glob("*.md") if blocks_of(path))
PROGRAMS = {
    "any-language": ("kcat", "redis-cli"),
    "secure": ("redis-cli",),
    "back-up-and-restore": ("kcat", "redis-cli"),
    "alerts-in-alertmanager": ("prometheus-alertmanager",),
}
"""Debian packages (redis-tools has redis-cli) that pages use beside what every machine has."""
pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]


def needs(page: str) -> None:
    """Skip where a program that the page uses is not installed."""
    missing = [program for program in PROGRAMS.get(page, ()) if not shutil.which(program)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.fixture
def terminal(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in an empty folder, beside one worker."""
    with reading(stack, prefix, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def after_the_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in which somebody has read the tutorial, with its own servers and worker running still."""
    with Terminal(reader_environment(), tmp_path_factory.mktemp("reader")) as opened:
        opened.read(DOCS / "tutorial.md")
        yield opened


def test_the_tutorial(after_the_tutorial: Terminal) -> None:
    """Own CSV in, alert out; then silence, floor and dead letter do what the page says; its servers still run."""
    assert "surge-BR" in after_the_tutorial.run("marketpulse alerts --muted")
    assert 125.0 == json.loads(after_the_tutorial.run("marketpulse profiles ls --json"))["markets"]["BR"]["spend_low"]


@pytest.mark.parametrize("page", ["how-to/alerts-at-a-webhook", "any-language"])
def test_a_page_read_after_the_tutorial(page: str, after_the_tutorial: Terminal) -> None:
    """In the same terminal: its jobs, variables, events, alerts and silences are there already."""
    needs(page)
    after_the_tutorial.read(DOCS / f"{page}.md")


def test_any_language(terminal: Terminal) -> None:
    """With kcat and redis-cli alone: what was published is counted, rejected, classified and read."""
    needs("any-language")
    publish, event, _, rejected, table, market, step, keys, changes, topics, profile, apply = terminal.read_blocks(
        DOCS / "any-language.md"
    )
    assert "" == publish + event + profile + apply
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
    portfolio = json.loads(terminal.run("marketpulse profiles ls --json"))
    assert (["africa"], "africa") == (list(portfolio["plan"]["regions"]), portfolio["markets"]["NG"]["region"])


@pytest.mark.parametrize("page", HOW_TO)
def test_how_to(page: str, terminal: Terminal) -> None:
    """Every block does without an error what it says, and prints what the page shows."""
    needs(page)
    terminal.read(DOCS / "how-to" / f"{page}.md")


def test_a_page_that_shows_something_else_is_noticed(tmp_path: Path) -> None:
    """Other output, a command that fails in the middle of a block, an unset variable, a hanging command: each fails."""
    (folder := tmp_path / "reader").mkdir()
    pages = {
        "other": "```bash\necho 1 2\n```\n\n```text\n1 3\n```\n",
        "failing": "```bash\nfalse\necho 1\n```\n",
        "unset": "```bash\necho $NOT_SET\n```\n",
        "hanging": "```bash\nsleep 60\n```\n",
    }
    for name, content in pages.items():
        page = tmp_path / f"{name}.md"
        page.write_text(content)
        with Terminal(reader_environment(), folder, 0.5) as opened, pytest.raises(AssertionError):
            opened.read(page)
    first = "```bash\nx=1; sleep 50 &\necho $! > pid\n```\n"
    second = "```bash\necho $x 'a   b'; echo 2\n```\n\n```text\n...\n1 a ...\n...\n2\n...\n```\n"
    page.write_text(first + second)
    with Terminal(reader_environment(), folder) as opened:
        assert "1 a   b\n2\n" in opened.read(page)
    assert not Path(f"/proc/{(folder / 'pid').read_text().strip()}/exe").exists()


def test_every_how_to_is_run() -> None:
    """Each page with commands is read above, and shows what at least one of them prints."""
    with_commands = {path.stem for path in (DOCS / "how-to").glob("*.md") if "```bash" in path.read_text("utf-8")}
    assert with_commands == set(HOW_TO)
    silent = [page for page in HOW_TO if not any(one.shown for one in blocks_of(DOCS / "how-to" / f"{page}.md"))]
    assert ["scale-out"] == silent
