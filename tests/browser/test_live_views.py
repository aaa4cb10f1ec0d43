"""Every view in a real browser: no error, live, and hostile text stays text."""

import asyncio

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.publish import publish
from tests.browser.conftest import TOPIC, events, found, live, text, wait_for

VIEWS = {
    "": "tr[data-market=BR].alarmed",
    "market/BR?window=5m": "#chart .main-svg",
    "market/BR?window=1h": "#chart .main-svg",
    "market/BR?window=24h": "#chart .main-svg",
    "market/BR?window=7d": "#chart .main-svg",
    "allocation": "#spend-chart .main-svg",
    "alerts": "#active-alerts li[data-alert]",
    "health": "#workers tr[data-worker]",
}


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_is_live_without_an_error(browser: webdriver.Chrome, url: str, path: str) -> None:
    """Its content is there, its stream is open, and the console, where the policy complains, has nothing to say."""
    browser.get(url + path)
    wait_for(lambda: found(browser, VIEWS[path]) and live(browser))
    assert [] == browser.get_log("browser")
    assert "Marketpulse" in browser.title


@pytest.mark.parametrize("path", ["market/BR", "alerts"])
def test_what_users_wrote_stays_text(browser: webdriver.Chrome, url: str, path: str) -> None:
    """Letter by letter, as rendered and as the stream brings it; nothing of it ran."""
    browser.get(url + path)
    wait_for(lambda: "<img src=x onerror=" in text(browser, "main") and live(browser))
    assert [] == browser.find_elements(By.CSS_SELECTOR, "main img, blockquote script")
    assert "owned" not in browser.title


def test_news_comes_without_reloading(browser: webdriver.Chrome, url: str, stack: EmbeddedStack) -> None:
    """Events of a market never seen appear in the open page, and its own view fills as well."""
    browser.get(url + "market/NG")
    wait_for(lambda: live(browser))
    assert "has not spoken yet" in text(browser, "#figures-now")
    browser.execute_script("window.sameDocument = true")  # type: ignore[no-untyped-call]
    asyncio.run(publish(stack.endpoints.kafka, TOPIC, events(20, "NG")))
    wait_for(lambda: "newest event" in text(browser, "#figures-now"))
    assert browser.execute_script("return window.sameDocument")  # type: ignore[no-untyped-call]
    browser.get(url)
    wait_for(lambda: found(browser, "tr[data-market=NG]") and live(browser))
    before = text(browser, "tr[data-market=NG] td.number")
    asyncio.run(publish(stack.endpoints.kafka, TOPIC, events(30, "NG")))
    wait_for(lambda: text(browser, "tr[data-market=NG] td.number") != before)


def order(browser: webdriver.Chrome) -> list[str]:
    """Markets that are shown, as they stand."""
    script = "return [...document.querySelectorAll('#market-rows tr:not([hidden])')].map((row) => row.dataset.market)"
    return list(browser.execute_script(script))  # type: ignore[no-untyped-call]


def test_markets_are_sorted_and_filtered_by_keyboard_and_stay_so(
    browser: webdriver.Chrome, url: str, stack: EmbeddedStack
) -> None:
    """Enter on a column's head sorts, `/` leads to the filter; news changes neither, nor where the focus is."""
    browser.get(url)
    wait_for(lambda: live(browser))
    browser.find_element(By.CSS_SELECTOR, "th[data-sort-by=n] a").send_keys(Keys.ENTER)
    counts = "return [...document.querySelectorAll('#market-rows tr')].map((row) => Number(row.dataset.n))"
    assert (n := browser.execute_script(counts)) == sorted(n, reverse=True)  # type: ignore[no-untyped-call]
    assert "sort=n" in browser.current_url
    browser.find_element(By.TAG_NAME, "body").send_keys("/")
    browser.switch_to.active_element.send_keys("b")
    assert {"BR", "GB"} == set(order(browser))
    step = text(browser, "#stand")
    asyncio.run(publish(stack.endpoints.kafka, TOPIC, events(5, "GB")))
    wait_for(lambda: text(browser, "#stand") != step)
    assert {"BR", "GB"} == set(order(browser))
    assert "filter-text" == browser.switch_to.active_element.get_attribute("id")


def test_keys_lead_everywhere(browser: webdriver.Chrome, url: str) -> None:
    """The first Tab reaches the skip link, `?` opens help and Escape closes it, a number changes the view."""
    browser.get(url)
    wait_for(lambda: live(browser))
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert "Skip to content" == browser.switch_to.active_element.text
    body.send_keys("?")
    assert browser.find_element(By.ID, "help").is_displayed()
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.find_element(By.ID, "help").is_displayed()
    browser.find_element(By.TAG_NAME, "body").send_keys("4")
    wait_for(lambda: browser.current_url.endswith("/health"))


def test_a_page_whose_redis_is_away_says_so(browser: webdriver.Chrome, lonely_url: str) -> None:
    """A banner with the reason and what to do; no zeros that nobody counted; the stream waits."""
    browser.get(lonely_url)
    wait_for(lambda: "no news" in text(browser, "#status"))
    wait_for(lambda: "does not answer" in text(browser, "#banner"))
    assert browser.find_element(By.ID, "banner").is_displayed()
    assert "Nothing could be read yet" in text(browser, "main")
