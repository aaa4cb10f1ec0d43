"""Forms in a real browser: what-if, mute, a dead letter, login."""

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.conftest import TOKEN, found, live, text, wait_for


def field(browser: webdriver.Chrome, name: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, f"main [name={name}]:not([type=hidden])")


def test_what_if_answers_beside_the_plan_in_force(browser: webdriver.Chrome, url: str) -> None:
    """Half the budget without a change limit; the plan in force stays, and so does the answer while news comes."""
    browser.get(url + "allocation")
    wait_for(lambda: live(browser))
    field(browser, "budget").clear()
    field(browser, "budget").send_keys("1000")
    field(browser, "held").send_keys("does not hold")
    browser.find_element(By.CSS_SELECTOR, "#what-if button").click()
    wait_for(lambda: found(browser, "#what-if-answer") and live(browser))
    assert "1,000.0 of 1,000.0" in text(browser, "#what-if-answer tfoot")
    assert "2,000.0 of 2,000.0" in text(browser, "#what-if-answer tfoot")
    step = text(browser, "#stand")
    wait_for(lambda: text(browser, "#stand") != step)
    assert "1000" == field(browser, "budget").get_attribute("value")
    assert found(browser, "#what-if-answer tr[data-market=BR]")
    assert [] == browser.get_log("browser")


def test_an_alert_is_muted_and_speaks_again(browser: webdriver.Chrome, url: str) -> None:
    """The link fills the form; the silence appears by itself, marks the alert, and its button ends it."""
    browser.get(url + "alerts")
    wait_for(lambda: live(browser))
    one = "#active-alerts li[data-market=BR]"
    wait_for(lambda: found(browser, f"{one} a[id^=mute]"))
    script = "const link = document.querySelector(arguments[0]); return [link.closest('li').dataset.kind, link.href]"
    kind, link = browser.execute_script(script, f"{one} a[id^=mute]")  # type: ignore[no-untyped-call]
    browser.get(link)
    assert (kind, "BR") == tuple(field(browser, name).get_attribute("value") for name in ("kind", "market"))
    field(browser, "comment").send_keys("<b>known</b>")
    field(browser, "author").send_keys("Ada")
    browser.find_element(By.CSS_SELECTOR, "#mute button").click()
    wait_for(lambda: "was written" in text(browser, ".said"))
    wait_for(lambda: "by Ada: <b>known</b>" in text(browser, "#mutes"))
    wait_for(lambda: "muted" in text(browser, f"{one}[data-kind={kind}]"))
    browser.find_element(By.CSS_SELECTOR, "#mutes button").click()
    wait_for(lambda: "was ended" in text(browser, ".said"))
    wait_for(lambda: "known" not in text(browser, "#mutes"))


def test_a_dead_letter_is_looked_at(browser: webdriver.Chrome, url: str) -> None:
    """The link beside a code shows the newest one, redacted."""
    browser.get(url + "health")
    wait_for(lambda: found(browser, "#dead-letters a"))
    browser.get(str(browser.execute_script("return document.querySelector('#dead-letters a').href")))  # type: ignore[no-untyped-call]
    assert found(browser, "#letter pre")
    assert "redacted" in text(browser, "#letter")
    assert [] == browser.get_log("browser")


def test_login_refuses_a_wrong_token_and_opens_with_the_right_one(browser: webdriver.Chrome, locked_url: str) -> None:
    """What was asked for first is shown after the login; the cookie is out of reach of scripts; then out again."""
    browser.get(locked_url + "alerts")
    assert "Log in" in browser.title
    for token, said in (("not the token", "That is not the token"), (TOKEN, "Silences in force")):
        field(browser, "token").send_keys(token)
        browser.find_element(By.CSS_SELECTOR, "main button").click()
        wait_for(lambda said=said: said in text(browser, "main"))
    wait_for(lambda: live(browser))
    [cookie] = browser.get_cookies()
    assert (True, "Strict") == (cookie["httpOnly"], cookie["sameSite"])
    assert "" == browser.execute_script("return document.cookie")  # type: ignore[no-untyped-call]
    browser.find_element(By.CSS_SELECTOR, "header form button").click()
    wait_for(lambda: "Log in" in browser.title)
    browser.get(locked_url)
    assert "Log in" in browser.title
