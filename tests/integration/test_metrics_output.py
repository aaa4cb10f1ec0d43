"""What /metrics of each process that runs says, and whether alarms and panels ask for what is there."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from streams.dev.embedded.servers import EmbeddedStack, free_port
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.simulate import FeedPlan, write_feed
from streams.dev.processes import served
from streams.dev.run import worker_environment
from streams.recovery.first_start import set_up
from streams.settings import load_settings
from tests.support.intakes import intake
from tests.support.notifiers import HOOK, Shop
from tests.support.probes import status
from tests.support.processes import marketpulse
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(150)

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
PREFIX = "metricsoutput"
EVENTS = 2_000
WITHOUT_SAMPLES = {
    "marketpulse_waiting_seconds",  # nothing is waited for
    "marketpulse_cache_texts_total",  # the stub has no cache
    "marketpulse_alert_changes_total",  # no incident in this feed
    "marketpulse_market_expansion_speed_per_day",  # the feed does not cover two days
}

Samples = dict[tuple[str, tuple[str, ...]], float]


def scrape(url: str) -> tuple[Samples, set[str]]:
    """(name, label values) -> value, and the names of all families, as Prometheus's own parser reads them."""
    families = list(text_string_to_metric_families(httpx.get(f"{url}/metrics", trust_env=False, timeout=20).text))
    samples = {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}
    return samples, {family.name for family in families}


@pytest.fixture(scope="module")
def endpoints(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """URLs of a worker that has counted a feed, of a page that has shown it, of an intake, of a notifier."""
    folder = tmp_path_factory.mktemp("metrics")
    port = free_port()
    settings = load_settings(prefix=PREFIX, model="stub", health_port=port)
    asyncio.run(set_up(stack.endpoints, PREFIX, 2))
    environment = worker_environment(settings, stack.endpoints)
    write_feed(FeedPlan(seed=4, events=EVENTS, incidents=(), end_ms=time.time_ns() // 1_000_000), folder / "feed.jsonl")
    supervisor = Supervisor(1, environment, folder / "logs", lambda _: None)
    shop = Shop(stack, f"{PREFIX}-notify", folder)
    shop.write(HOOK.format(port=free_port()))
    supervisor.start()
    try:
        published = marketpulse("publish", str(folder / "feed.jsonl"), "--raw", environment=environment)
        assert 0 == published.returncode, published.stderr
        worker_url = f"http://127.0.0.1:{port}"

        def settled() -> bool:
            try:
                found, _ = scrape(worker_url)
            except httpx.TransportError:  # not there yet, or on the way from waiting for Kafka to work
                return False
            records, events = (
                sum(n for (name, _), n in found.items() if name == f"marketpulse_{wanted}")
                for wanted in ("records_counted_total", "market_events")
            )
            published = events == found["marketpulse_records_counted_total", ("event",)]
            return records == EVENTS and published and found["marketpulse_allocations_total", ("optimal",)] > 0

        own_port = f"http://127.0.0.1:{(health := free_port())}"
        with served("page", "--port", "0", environment=environment | {"MARKETPULSE_HEALTH_PORT": str(health)}) as page:
            until(lambda: 200 == status(f"{own_port}/readyz"), 60)
            assert 200 == status(f"{page.url}healthz")
            until(settled, 60, meanwhile=supervisor.watch)
            shop.start()
            taken = {"MARKETPULSE_HEALTH_PORT": str(health := free_port())}
            with intake(stack.kafka.bootstrap, PREFIX, taken) as taking:
                assert 401 == status(f"{taking.url}metrics")
                urls = worker_url, own_port, f"http://127.0.0.1:{health}", f"http://127.0.0.1:{shop.health}"
                yield tuple(url.rstrip("/") for url in urls)
    finally:
        shop.end()
        supervisor.stop()


def asked_for() -> set[str]:
    """Names of the metrics in panels and alarms."""
    expressions = [
        target["expr"]
        for path in (MONITORING / "grafana" / "dashboards").glob("*.json")
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel.get("targets", ())
    ]
    rules = yaml.safe_load((MONITORING / "prometheus" / "rules.yml").read_text("utf-8"))
    expressions += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return {name for one in expressions for name in re.findall(r"\b(?:marketpulse|process|python)_\w+", one)}


def test_alarms_and_panels_ask_for_what_is_there(endpoints: tuple[str, ...]) -> None:
    """Each name is that of a sample; of the few that have none in this feed, that of a metric."""
    samples: set[str] = set()
    families: set[str] = set()
    for url in endpoints:
        found, named = scrape(url)
        samples |= {name for name, _ in found}
        families |= named
    asked = asked_for()
    assert len(asked) > 35
    assert set() == asked - WITHOUT_SAMPLES - samples
    assert set() == {name.removesuffix("_total") for name in WITHOUT_SAMPLES} - families


def test_the_worker_tells_what_was_counted(endpoints: tuple[str, ...]) -> None:
    """Every record once, by what it was; the lag is gone, the step and the allocation are there."""
    found, _ = scrape(endpoints[0])
    by_result = [
        found["marketpulse_records_counted_total", (result,)] for result in ("event", "duplicate", "dead_letter")
    ]
    codes = [n for (name, _), n in found.items() if name == "marketpulse_dead_letters_total"]
    assert EVENTS == sum(by_result) == found["marketpulse_batch_records_sum", ()]
    assert by_result[2] == sum(codes) > 0
    assert (0, 0) == tuple(found["marketpulse_partition_lag_records", (str(number),)] for number in range(2))
    assert (1, 1, "stub") == (
        found["marketpulse_ready", ()],
        found["marketpulse_lease_held", ()],
        next(labels for name, labels in found if name == "marketpulse_model_info")[1],
    )
    batches = found["marketpulse_commits_total", ("ok",)]
    for stage in ("decode", "deduplicate", "classify", "aggregate", "commit"):
        assert batches == found["marketpulse_stage_seconds_count", (stage,)], stage
    assert found["marketpulse_steps_total", ()] == found["marketpulse_stage_seconds_count", ("step",)] >= 1


def test_the_page_tells_that_it_reads(endpoints: tuple[str, ...]) -> None:
    """It has made at least one view, and has process metrics of its own."""
    found, _ = scrape(endpoints[1])
    assert 1 == found["marketpulse_page_ready", ()]
    assert found["marketpulse_page_views_total", ()] >= 1
    assert found["process_resident_memory_bytes", ()] > 0
