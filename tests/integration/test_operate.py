"""Operations commands against a worker that has counted a small feed."""

import ast
import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from docs.generate.redis_keys import spec_of
from streams.dev.embedded.servers import EmbeddedStack, free_port
from streams.dev.feeds.simulate import FeedPlan, write_feed
from streams.dev.processes import ending, served, start_marketpulse
from streams.kafka.compacted import write_all
from tests.support.processes import marketpulse
from tests.support.waiting import until

PREFIX = "operate"
PLAN = FeedPlan(seed=4, events=600, end_ms=time.time_ns() // 1_000_000)


class Shop:
    """`marketpulse` with the settings of one stack and one worker."""

    def __init__(self, stack: EmbeddedStack) -> None:
        self.environment = {
            "MARKETPULSE_KAFKA": stack.endpoints.kafka,
            "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
            "MARKETPULSE_PREFIX": PREFIX,
            "MARKETPULSE_MODEL": "stub",
        }

    def __call__(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return marketpulse(*arguments, environment=self.environment | changes)

    def json(self, *arguments: str) -> list[object]:
        return [json.loads(line) for line in self(*arguments, "--json").stdout.splitlines()]

    def until(self, reached: Callable[[dict[str, int]], bool]) -> None:
        def settled() -> bool:
            status = json.loads(self("status", "--json").stdout)["status"]
            return reached(status["totals"]) and not status["open_cells"]

        until(settled, 40)


@pytest.fixture(scope="module")
def shop(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """600 simulated events counted by one running worker."""
    feed: Path = tmp_path_factory.mktemp("feed") / "feed.jsonl"
    truth = write_feed(PLAN, feed)
    one = Shop(stack)
    one("ledger", "init", "--yes")
    with ending(start_marketpulse("worker", environment=one.environment, stderr=subprocess.DEVNULL)) as worker:
        one("publish", str(feed), "--raw")
        one.until(lambda totals: totals.get("accepted", 0) == truth["accepted"])
        yield one
    assert 0 == worker.returncode


def test_dead_letters_are_listed_shown_and_sent_back(shop: Shop) -> None:
    """By code; shown redacted, with --raw their bytes; a dry run sends nothing; a replay is judged again."""
    listed = shop.json("dead-letters", "ls", "--code", "unknown_market")
    assert {"unknown_market"} == {one["code"] for one in listed}  # type: ignore[index]
    offset = str(listed[0]["offset"])  # type: ignore[index]
    shown = json.loads(shop("dead-letters", "show", offset).stdout)
    raw = json.loads(shop("dead-letters", "show", "--raw", offset).stdout)
    assert ({"key", "value"}, '"market":' in raw["value"]) == (raw.keys() - shown.keys(), True)
    user = json.loads(ast.literal_eval(raw["value"]))["user"]
    assert '"[user]"' in shown["shown"]
    assert f'"{user}"' not in str(shown)
    assert [{"replayed": 0, "selected": len(listed), "left": []}] == shop.json(
        "dead-letters", "replay", "--code", "unknown_market", "--dry-run"
    )
    assert [{"replayed": 1, "selected": 1, "left": []}] == shop.json("dead-letters", "replay", "--offset", offset)
    shop.until(lambda totals: totals["dead_letter:unknown_market"] == len(listed) + 1)


def test_every_key_in_redis_is_described(shop: Shop) -> None:
    """docs/reference/redis-keys.md knows each key that a worker makes, its type, and whether it expires."""
    with redis.Redis.from_url(shop.environment["MARKETPULSE_REDIS_URL"]) as client:
        found = {key.decode().removeprefix(f"{PREFIX}:"): key for key in client.scan_iter(f"{PREFIX}:*")}
        assert len(found) > 50
        specs = {name: spec_of(name) for name in found}
        assert [] == [name for name, spec in specs.items() if spec is None]
        types = {name: spec.kind for name, spec in specs.items() if spec}
        assert types == {name: kind for name in found if (kind := client.type(found[name]).decode()) != "none"}
        expiring = {name.partition(":")[0] for name, key in found.items() if client.ttl(key) > 0}
    assert {"users", "excerpts"} == expiring


def test_a_dead_letter_that_is_not_there_is_said(shop: Shop) -> None:
    """Exit code 2 and what to do."""
    done = shop("dead-letters", "show", "99999")
    assert (2, True) == (done.returncode, "Operator action" in done.stderr)


def test_the_table_of_dead_letters_names_the_reason(shop: Shop) -> None:
    """For people: code and rule, never the text."""
    assert "text is empty after trimming" in shop("dead-letters", "ls", "--code", "text_empty").stdout


def test_markets_rank_by_potential_with_live_metrics(shop: Shop) -> None:
    """US leads; u is live."""
    [ranked] = shop.json("markets", "rank")
    assert "US" == next(iter(ranked))  # type: ignore[call-overload]
    assert 0 < ranked["US"]["u"] < 1  # type: ignore[index]
    assert "potential" in shop("markets", "rank").stdout


def test_alerts_of_a_quiet_stream_are_none(shop: Shop) -> None:
    """No line, no error."""
    assert (0, "") == ((done := shop("alerts")).returncode, done.stdout)


def test_doctor_is_content_with_a_running_shop(shop: Shop) -> None:
    """Everything fine but the public hash key, which is said."""
    done = shop("doctor")
    assert 0 == done.returncode, done.stdout
    assert "MARKETPULSE_USER_HASH_KEY" in done.stdout


def test_doctor_names_what_is_missing(shop: Shop) -> None:
    """No topics and no ledger under another prefix; a Kafka that is away; each with what to do."""
    done = shop("doctor", MARKETPULSE_PREFIX="nobody")
    assert 1 == done.returncode
    assert "marketpulse topics create" in done.stdout
    assert "marketpulse ledger init" in done.stdout
    away = shop("doctor", MARKETPULSE_KAFKA="127.0.0.1:1", MARKETPULSE_REDIS_URL="redis://127.0.0.1:1/0")
    assert 1 == away.returncode
    assert 3 == away.stdout.count("does not answer")


def test_the_configuration_hides_secrets_and_tells_origins(shop: Shop) -> None:
    """A value from the environment is named so; a password never shows."""
    [shown] = json.loads("[" + shop("config", "show", "--json", MARKETPULSE_REDIS_URL="redis://:pw@x/0").stdout + "]")
    assert {"value": PREFIX, "origin": "environment or file"} == shown["prefix"]
    assert "default" == shown["step_seconds"]["origin"]
    assert "pw" not in json.dumps(shown)
    assert "MARKETPULSE_PREFIX" in shop("config", "show").stdout


def test_profiles_are_checked_published_in_force_and_taken_back(shop: Shop, tmp_path: Path) -> None:
    """A new market and another budget reach the portfolio that services read; `rm` gives them back to the file."""
    file = tmp_path / "markets.toml"
    shipped = (Path(__file__).parents[2] / "strategy" / "markets.toml").read_text("utf-8")
    nigeria = "[markets.NG]\npopulation = 2e8\nincome = 2100\nculture = 0.9\nw = 3\nc = 9\nd = 9\nl = 9\nf = 9\no = 9\n"
    file.write_text(shipped.replace("budget = 2000.0", "budget = 1900.0") + nigeria, "utf-8")
    [valid] = shop.json("profiles", "validate", str(file))
    assert 11 == len(valid["markets"])  # type: ignore[index]
    shop("profiles", "apply", str(file), "--market", "NG")

    def in_force() -> tuple[float, str]:
        [listed] = shop.json("profiles", "ls")
        portfolio = json.loads(shop("status", "--json").stdout)["portfolio"]
        assert listed["markets"].keys() >= {"BR"}  # type: ignore[index]
        return portfolio["plan"]["budget"], "topic" if "NG" in portfolio["markets"] else "file"

    until(lambda: in_force() == (1900.0, "topic"))
    assert "NG" in shop("profiles", "ls").stdout
    [ranked] = shop.json("markets", "rank")
    assert "NG" in ranked  # type: ignore[operator]
    shop("profiles", "rm", "NG", "_plan")
    until(lambda: in_force() == (2000.0, "file"))


def test_a_bad_profile_is_refused_before_and_after_publishing(shop: Shop, tmp_path: Path) -> None:
    """The command names file and field; one from elsewhere goes to the dead letters, and the old one stays."""
    file = tmp_path / "broken.toml"
    file.write_text("[markets.BR]\npopulation = -1\n", "utf-8")
    for command in ("validate", "apply"):
        done = shop("profiles", command, str(file))
        assert (2, True, True) == (done.returncode, "markets.BR" in done.stderr, "Operator action" in done.stderr)
    assert 2 == shop("profiles", "rm", "XX").returncode
    asyncio.run(write_all(shop.environment["MARKETPULSE_KAFKA"], f"{PREFIX}.market.profiles", [("BR", b"{}")]))
    until(lambda: bool(shop.json("dead-letters", "ls", "--code", "bad_profile")))
    assert "refused" in shop("profiles", "ls").stdout
    assert "BR" in json.loads(shop("status", "--json").stdout)["portfolio"]["markets"]


def test_silences_are_set_listed_and_ended(shop: Shop) -> None:
    """They reach what readers see, and only while they hold."""
    [mute] = shop.json("mute", "add", "--market", "BR", "--hours", "1", "--comment", "known outage")
    identity: str = mute["id"]  # type: ignore[index]

    def seen() -> list[str]:
        return [one["id"] for one in json.loads(shop("status", "--json").stdout)["mutes"]]

    until(lambda: seen() == [identity])
    assert "known outage" in shop("mute", "ls").stdout
    shop("mute", "rm", identity)
    until(lambda: seen() == [])
    assert (0, "") == ((done := shop("mute", "ls")).returncode, done.stdout)
    assert 2 == shop("mute", "add", "--market", "XX", "--hours", "1").returncode


@pytest.fixture
def page_url(shop: Shop) -> Iterator[str]:
    """A page process on a free port."""
    with served("page", "--port", "0", environment=shop.environment) as page:
        yield page.url


def test_the_page_serves_views_as_they_come(page_url: str) -> None:
    """Document, script, JSON, health; a stream whose first event is the newest view; nothing foreign may run."""
    with httpx.Client(base_url=page_url, timeout=10) as client:
        until(lambda: client.get("/healthz").status_code == 200)
        document = client.get("/")
        assert "script-src 'self'" in document.headers["content-security-policy"]
        assert 200 == client.get("/static/page.js").status_code
        view = client.get("/view.json").json()
        assert {"BR", "US"} <= {one["code"] for one in view["markets"]}
        with client.stream("GET", "/events") as stream:
            lines = stream.iter_lines()
            assert "event: view" in (next(lines), next(lines))
            parts = json.loads(next(lines).removeprefix("data: "))["parts"]
            assert {"stand", "summary", "market-rows"} <= set(parts)


def test_a_page_without_redis_says_so_and_waits() -> None:
    """Not ready, with the reason where probes are asked, instead of an end or an empty table."""
    port = free_port()
    away = {"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0", "MARKETPULSE_HEALTH_PORT": str(port)}
    with served("page", "--port", "0", environment=away, stderr=subprocess.DEVNULL) as page:
        until(lambda: "does not answer" in str(httpx.get(f"http://127.0.0.1:{port}/readyz").json()["problems"]))
        assert "Redis cannot be read" == httpx.get(f"{page.url}healthz").json()["error"]
        assert 503 == httpx.get(f"{page.url}view.json").status_code
