"""Pictures of every view, wide and narrow, light and dark, in build/screenshots; none scrolls sideways."""

from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.conftest import found, live, prefer, resize, wait_for

FOLDER = Path(__file__).parents[2] / "build" / "screenshots"
VIEWS = {
    "markets": ("", "tr[data-market=BR]"),
    "market": ("market/BR?window=24h", "#chart .main-svg"),
    "allocation": ("allocation?budget=1500&penetration_weight=1&satisfaction_weight=2", "#spend-chart .main-svg"),
    "alerts": ("alerts", "li[data-alert]"),
    "health": ("health?code=bad_time", "#letter"),
}
MOST_HIGH = 6_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", VIEWS)
def test_a_picture_of_every_view(browser: webdriver.Chrome, url: str, name: str, width: int, scheme: str) -> None:
    """Nothing is wider than the window; wide tables scroll within themselves."""
    path, there = VIEWS[name]
    resize(browser, width, 900)
    prefer(browser, scheme)
    browser.get(url + path)
    wait_for(lambda: found(browser, there) and live(browser))
    size = "return [document.documentElement.scrollWidth, Math.ceil(document.body.getBoundingClientRect().height)]"
    wide, high = browser.execute_script(size)  # type: ignore[no-untyped-call]
    resize(browser, width, min(high, MOST_HIGH))
    FOLDER.mkdir(parents=True, exist_ok=True)
    shot = FOLDER / f"{name}-{width}-{scheme}.png"
    assert browser.save_screenshot(str(shot))
    assert wide <= width
    assert shot.stat().st_size > 10_000
    assert [] == browser.get_log("browser")


@pytest.mark.parametrize(("name", "scheme", "high"), [("page", "light", 0), ("market", "dark", 930)])
def test_the_pictures_of_the_documents(
    browser: webdriver.Chrome, url: str, name: str, scheme: str, high: int
) -> None:  # fmt: skip
    """All markets, and one; each small enough for a repository. `make picture` puts them into docs/pictures."""
    path, there = ("", "tr[data-market=BR]") if name == "page" else ("market/BR?window=24h", "#chart .main-svg")
    resize(browser, 1360, 800)
    prefer(browser, scheme)
    browser.get(url + path)
    wait_for(lambda: found(browser, there) and live(browser))
    body = "return Math.ceil(document.body.getBoundingClientRect().height)"
    resize(browser, 1360, high or browser.execute_script(body))  # type: ignore[no-untyped-call]
    shot = FOLDER / "documents" / f"{name}.png"
    shot.parent.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(shot))
    assert 10_000 < shot.stat().st_size < 300_000
