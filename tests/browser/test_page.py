"""The page in a real headless Chromium, fed by a real worker: no error, live, and hostile text stays text."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from streams.embedded import EmbeddedStack
from streams.feed_files import Record
from streams.publish import publish

PREFIX = "browser"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> broken "
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs the Debian packages chromium and chromium-driver"
)


def events(count: int, minutes_ago: int, until: int, market: str = "BR") -> list[Record]:
    """Bad ratings with hostile texts, spread over some minutes of the past."""
    now_ms = time.time_ns() // 1_000_000
    begin, end = now_ms - minutes_ago * 60_000, now_ms - until * 60_000
    rows = []
    for at in range(count):
        content = {
            "id": f"{market}-{minutes_ago}-{at}", "market": market, "text": f"{HOSTILE}{at}", "rating": 1,
            "occurred_at": begin + (end - begin) * at // count, "user": f"u{at % 40}",
        }  # fmt: skip
        rows.append(Record(content["user"].encode(), json.dumps(content).encode()))  # type: ignore[attr-defined]
    return rows


@pytest.fixture(scope="module")
def environment(stack: EmbeddedStack) -> Iterator[dict[str, str]]:
    """A worker that has counted a bad half hour in BR."""
    settings = os.environ | {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka,
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": PREFIX,
        "MARKETPULSE_MODEL": "stub",
    }
    marketpulse = [sys.executable, "-m", "streams.cli"]
    subprocess.run([*marketpulse, "ledger", "init", "--yes"], env=settings, check=True, timeout=60)
    worker = subprocess.Popen([*marketpulse, "worker"], env=settings, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(publish(stack.endpoints.kafka, f"{PREFIX}.feedback", events(300, 40, 25)))
        time.sleep(5)
        asyncio.run(publish(stack.endpoints.kafka, f"{PREFIX}.feedback", events(300, 10, 0)))
        yield settings
    finally:
        worker.terminate()
        worker.wait(20)


@pytest.fixture(scope="module")
def url(environment: dict[str, str]) -> Iterator[str]:
    """The page's address."""
    command = [sys.executable, "-m", "streams.cli", "page", "--port", "0"]
    page = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert page.stdout is not None
        yield json.loads(page.stdout.readline())["url"]
    finally:
        page.terminate()
        page.communicate(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A headless Chromium that remembers what its console said."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


def wait_for(reached: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_market_with_its_alert_is_shown_and_hostile_text_stays_text(browser: webdriver.Chrome, url: str) -> None:
    """The drop of BR with what its users said, letter by letter; nothing of it ran, and the console is clean."""
    browser.get(url)
    wait_for(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "tr[data-market=BR].alarmed")))
    wait_for(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "#alerts blockquote")))
    assert "<img src=x onerror=" in browser.find_element(By.CSS_SELECTOR, "#alerts blockquote").text
    assert [] == browser.find_elements(By.CSS_SELECTOR, "main img, main script")
    assert "Marketpulse" == browser.title
    assert [] == browser.get_log("browser")


def test_news_comes_without_reloading(browser: webdriver.Chrome, url: str, stack: EmbeddedStack) -> None:
    """Events of a market never seen appear in the open page."""
    browser.get(url)
    wait_for(lambda: "live" in browser.find_element(By.ID, "status").text)
    browser.execute_script("window.sameDocument = true")  # type: ignore[no-untyped-call]
    asyncio.run(publish(stack.endpoints.kafka, f"{PREFIX}.feedback", events(20, 1, 0, "NG")))
    wait_for(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "tr[data-market=NG]")))
    assert browser.execute_script("return window.sameDocument")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("width", [1440, 390])
def test_no_width_makes_the_page_itself_scroll_sideways(browser: webdriver.Chrome, url: str, width: int) -> None:
    """Wide tables scroll within themselves."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(url)
    wait_for(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "tr[data-market=BR]")))
    shot = Path(os.environ.get("MARKETPULSE_SHOTS", "")) / f"page-{width}.png"
    if "MARKETPULSE_SHOTS" in os.environ:
        browser.save_screenshot(str(shot))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width  # type: ignore[no-untyped-call]
