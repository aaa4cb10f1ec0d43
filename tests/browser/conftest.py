"""A real worker with 60 simulated hours behind it, the page on top, and a headless Chromium in front."""

import asyncio
import functools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.feeds.simulate import FeedPlan, Incident, generate
from streams.dev.processes import ending, served, start_marketpulse
from streams.kafka.publish import Record, publish
from tests.support.processes import marketpulse
from tests.support.waiting import until

PREFIX = "browser"
TOPIC = f"{PREFIX}.feedback"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> broken "
TOKEN = "the token of the browser tests"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
wait_for = functools.partial(until, seconds=60.0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is no Chromium, and give a busy machine time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))
            if not (CHROMIUM and DRIVER):
                item.add_marker(pytest.mark.skip(reason="needs the Debian packages chromium and chromium-driver"))


def events(count: int, market: str, seconds_ago: int = 30, until_s: int = 0) -> list[Record]:
    """Bad ratings with hostile texts, spread over some seconds of the past."""
    now_ms = time.time_ns() // 1_000_000 - 1000 * until_s
    seconds_ago -= until_s
    rows = []
    for at in range(count):
        user = f"u{at % 40}"
        content = {
            "id": f"{market}-{now_ms}-{at}", "market": market, "text": f"{HOSTILE}{at}", "rating": 1,
            "occurred_at": now_ms - 1000 * seconds_ago * (count - at) // count, "user": user,
        }  # fmt: skip
        rows.append(Record(user.encode(), json.dumps(content).encode()))
    return rows


def history() -> list[Record]:
    """60 hours of ten markets up to 45 minutes ago, an outage in BR at their end; some broken records, as ever."""
    span_ms = 60 * 3_600_000
    plan = FeedPlan(
        seed=7, events=9_000, span_ms=span_ms, end_ms=time.time_ns() // 1_000_000 - 45 * 60_000,
        incidents=(Incident("BR", 0.985, 1.0, share=0.85, volume=4.0),),
    )  # fmt: skip
    return [Record(line.user.encode() or None, line.value) for line in generate(plan)]


@pytest.fixture(scope="session")
def environment(stack: EmbeddedStack) -> Iterator[dict[str, str]]:
    """A worker that has counted the history; what a page needs to find it."""
    settings = {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka,
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": PREFIX,
    }
    made = marketpulse("ledger", "init", "--yes", environment=settings)
    assert 0 == made.returncode, made.stderr
    with ending(start_marketpulse("worker", environment=settings, stderr=subprocess.DEVNULL)):
        asyncio.run(publish(stack.endpoints.kafka, TOPIC, history()))
        yield settings


def serve(environment: dict[str, str]) -> Iterator[str]:
    """A page process; its address."""
    with served("page", "--port", "0", environment=environment) as page:
        yield page.url


@pytest.fixture(scope="session")
def url(environment: dict[str, str], stack: EmbeddedStack) -> Iterator[str]:
    """The address of a page that shows the history, a surge in BR and an allocation."""
    for address in serve(environment):

        def view(at: str = address) -> Any:
            answer = httpx.get(f"{at}view.json")
            return answer.json() if answer.status_code == 200 else {}

        def counted() -> bool:
            return bool((now := view()).get("allocation")) and now["lag"]["records"] == 0

        wait_for(counted, seconds=180)
        # In two parts, so that stream time passes while u is low: a drop has to last before it fires.
        for begin, end in ((40, 25), (10, 0)):
            before = view()["accepted"]
            asyncio.run(publish(stack.endpoints.kafka, TOPIC, events(300, "BR", 60 * begin, 60 * end)))
            wait_for(lambda before=before: view()["accepted"] >= before + 300, seconds=90)
        wait_for(lambda: any(one["code"] == "BR" and one["alerts"] for one in view()["markets"]), seconds=180)
        yield address


@pytest.fixture
def locked_url(environment: dict[str, str]) -> Iterator[str]:
    """The address of a page with a token."""
    yield from serve(environment | {"MARKETPULSE_PAGE_TOKEN": TOKEN})


@pytest.fixture
def lonely_url() -> Iterator[str]:
    """The address of a page whose Redis is away."""
    yield from serve({"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"})


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    """A headless Chromium that remembers what its console said."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome) -> webdriver.Chrome:
    """The same, 1440 pixels wide, light, without cookies and with an empty console."""
    chromium.delete_all_cookies()
    chromium.get_log("browser")
    resize(chromium, 1440, 900)
    prefer(chromium, "light")
    return chromium


def resize(browser: webdriver.Chrome, width: int, height: int) -> None:
    """Make the window as wide and high as that, also narrower than a desktop's window can be."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def prefer(browser: webdriver.Chrome, scheme: str) -> None:
    """Ask for the light or the dark scheme."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def found(browser: webdriver.Chrome, selector: str) -> bool:
    """Whether something is there."""
    return bool(browser.find_elements(By.CSS_SELECTOR, selector))


def text(browser: webdriver.Chrome, selector: str) -> str:
    """What an element says; put in anew meanwhile by the stream, it is looked up in one go."""
    script = "return document.querySelector(arguments[0])?.textContent ?? ''"
    return str(browser.execute_script(script, selector))  # type: ignore[no-untyped-call]


def live(browser: webdriver.Chrome) -> bool:
    """Whether the page's stream is open."""
    return "live" in text(browser, "#status")
