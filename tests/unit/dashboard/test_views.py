"""The views' addresses: what they show, in which order, that all is escaped, and what they say while Redis is away."""

import asyncio
import re
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from marketpulse.contract.mutes import MAX_MUTES
from marketpulse.contract.operators import MuteRecord
from streams.dashboard.static_files import PIECE_BYTES, PLOTLY_PATH, plotly_script
from tests.support.waiting import until_async
from tests.unit.dashboard.fakes import HOSTILE, FakeReader, metrics, page, snapshot

NOW = snapshot(BR=metrics(0.3), CN=metrics(0.7), NG=metrics(0.5, 20))
VIEWS = ("/", "/market/BR", "/allocation", "/alerts", "/health")


@pytest.mark.parametrize("path", VIEWS)
async def test_every_view_is_a_whole_document_that_escapes_what_users_wrote(path: str) -> None:
    """200, its own stream, no tag of a hostile text, no script or style inside the document, no handler."""
    async with page(FakeReader(NOW)) as browser:
        answer = await browser.get(path)
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert 'data-stream="/events?view=' in answer.text
    assert "<img" not in answer.text
    assert "<script>" not in answer.text
    assert [] == re.findall(r"<style|\sstyle=|\son\w+=\"", answer.text)
    assert [] == re.findall(r"https?://(?!www\.w3\.org)", answer.text)


@pytest.mark.parametrize("path", ["/market/BR", "/alerts"])
async def test_hostile_texts_are_shown_letter_by_letter(path: str) -> None:
    """They stand there as text."""
    async with page(FakeReader(NOW)) as browser:
        text = (await browser.get(path)).text
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("", ["BR", "CN", "NG"]),
        ("?sort=u&order=desc", ["CN", "NG", "BR"]),
        ("?sort=u&order=asc", ["BR", "NG", "CN"]),
        ("?sort=n&order=desc", ["NG", "BR", "CN"]),
        ("?sort=spend&order=asc", ["BR", "CN", "NG"]),
        ("?sort=alerts&order=desc", ["BR", "CN", "NG"]),
        ("?only=alerting", ["BR"]),
        ("?only=observed", ["NG"]),
        ("?q=c", ["CN"]),
        ("?sort=" + HOSTILE + "&order=x&only=y", ["BR", "CN", "NG"]),
    ],
)
async def test_markets_come_sorted_and_filtered_without_any_script(query: str, codes: list[str]) -> None:
    """The query decides; what has no value comes last; nonsense is taken as not asked."""
    async with page(FakeReader(NOW)) as browser:
        text = (await browser.get(f"/{query}")).text
    assert codes == re.findall(r'<tr id="row-(\w\w)"', text)


async def test_the_first_view_has_intervals_trends_mix_alerts_and_spend() -> None:
    """One row has all of it; numbers have their units in the heads."""
    async with page(FakeReader(NOW)) as browser:
        text = (await browser.get("/")).text
    row = text[text.index('id="row-BR"') : text.index('id="row-CN"')]
    assert ["interval", "spark", "spark", "mix"] == re.findall(r'<svg class="(\w+)"', row)
    assert "surge" in row
    assert "u of BR 0.30, 95 % from 0.20 to 0.40" in row
    assert "everywhere: model" in text
    assert "% a day" in text


async def test_allocation_stands_beside_the_one_before_with_a_sentence_per_market() -> None:
    """Change per market, the marginal value of budget, and the chart's numbers."""
    async with page(FakeReader(NOW)) as browser:
        text = (await browser.get("/allocation")).text
    assert 10 == len(re.findall(r'<tr id="plan-\w\w"', text))
    assert "first plan, u .60" in text
    assert '"name":"before"' in text


async def test_what_if_answers_beside_the_present_plan_and_says_what_will_not_do() -> None:
    """Half the budget; then no budget at all, an unknown stance, a weight that is no number."""
    async with page(FakeReader(NOW)) as browser:
        asked = {
            "budget": "1000",
            "penetration_weight": "1",
            "satisfaction_weight": "2",
            "stance": "point",
            "held": "0",
        }
        good = await browser.get("/allocation", params=asked)
        bad = [await browser.get("/allocation", params=asked | {name: value}) for name, value in
               [("budget", "0"), ("budget", "1e400"), ("stance", "x"), ("satisfaction_weight", HOSTILE)]]  # fmt: skip
    assert 200 == good.status_code
    assert "1,000.0 of 1,000.0" in good.text
    assert [400] * 4 == [one.status_code for one in bad]
    assert all("Operator action" in one.text and "<img" not in one.text for one in bad)


async def test_a_market_that_has_not_spoken_and_one_that_cannot_be() -> None:
    """An empty state for the first; 404 for names that are no market, spans that are none, and paths that climb."""
    async with page(FakeReader(snapshot())) as browser:
        assert "No market has spoken yet" in (await browser.get("/")).text
        assert "has not spoken yet" in (await browser.get("/market/NG")).text
        for path in (
            "/market/XX",
            "/market/BR?window=2h",
            "/market/%3Cscript%3E",
            "/static/..%2Fapp.py",
            "/events?view=x",
        ):
            assert 404 == (await browser.get(path)).status_code


async def test_while_redis_is_away_the_last_values_stay_and_say_how_old_they_are() -> None:
    """A banner with the reason; nothing was ever read: 503 and a banner without a time."""
    reader = FakeReader(NOW)
    reader.away = True
    async with page(reader) as browser:
        first = await browser.get("/")
        assert (503, True) == (first.status_code, "Redis is away" in first.text or "nothing was read" in first.text)
        assert ("Nothing could be read yet" in first.text, "No market has spoken" in first.text) == (True, False)
    reader = FakeReader(NOW)
    async with page(reader) as browser:
        reader.away = True

        async def away() -> bool:
            return (await browser.get("/healthz")).status_code == 503

        await until_async(away)
        for path in VIEWS:
            answer = await browser.get(path)
            assert (200, True, True) == (
                answer.status_code, "Redis is away" in answer.text, "What is shown was read at" in answer.text
            )  # fmt: skip


async def test_plotly_comes_from_its_package_and_may_be_kept_for_ever() -> None:
    """One script under a name with its version, compressed where that is understood."""
    async with page(FakeReader(NOW)) as browser:
        packed = await browser.get(PLOTLY_PATH)
        plain = await browser.get(PLOTLY_PATH, headers={"accept-encoding": "identity"})
    assert "immutable" in packed.headers["cache-control"]
    assert ("gzip", None) == (packed.headers.get("content-encoding"), plain.headers.get("content-encoding"))
    assert packed.text == plain.text
    assert "plotly.js v" in plain.text[:200]
    assert len(plain.content) == int(plain.headers["content-length"])


async def test_who_reads_nothing_of_a_large_file_holds_one_piece_of_it() -> None:
    """Each is sent when the one before was taken."""
    sent: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(len(message.get("body", b"")))
        if sent[-1]:
            await asyncio.Event().wait()  # a client that takes no more

    async def receive() -> dict[str, Any]:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    request = Request({"type": "http", "headers": []})
    answering = asyncio.create_task(plotly_script(request)({"type": "http"}, receive, send))  # type: ignore[arg-type]
    await until_async(lambda: len(sent) == 2)
    answering.cancel()
    assert [0, PIECE_BYTES] == sent


@pytest.mark.parametrize(("count", "full"), [(MAX_MUTES - 1, False), (MAX_MUTES, True)])
async def test_alerts_say_that_no_more_silences_hold(count: int, full: bool) -> None:
    """Above the list, where one that ends first would be given up."""
    mutes = [MuteRecord(f"m{number}", 2**42, 0) for number in range(count)]
    async with page(FakeReader(msgspec.structs.replace(NOW, mutes=mutes))) as browser:
        text = (await browser.get("/alerts")).text
    assert full == ("1000 silences are in force, as many as there may be" in text)
