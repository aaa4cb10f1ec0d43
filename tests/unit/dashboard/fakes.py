"""A reader that answers from memory, and the page on top of it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import msgspec

from marketpulse.client.snapshot import Change, Snapshot, Status
from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.records import AllocationRecord, Excerpt
from marketpulse.errors import Unavailable
from strategy.portfolio import load_portfolio
from strategy.scenarios import Metrics, Question
from streams.dashboard.app import create_page
from streams.dashboard.history import Moment
from streams.settings import load_settings
from tests.support.alerts import alert
from tests.support.waiting import until_async

TOKEN = "a token of the tests, long enough"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
NOW_MS = 1_800_000_000_000


def window(u: float = 0.5, n: int = 10) -> WindowMetrics:
    half = n // 2
    labels = {"negative": half, "neutral": 0, "positive": n - half}
    return WindowMetrics(n, labels, Estimate(u, u - 0.1, u + 0.1, 0.05), users=7)


def metrics(u: float = 0.5, n: int = 10) -> MarketMetrics:
    windows = dict.fromkeys(("5m", "1h", "24h", "7d"), window(u, n))
    return MarketMetrics(windows, None, 0.3, {"app": (5, 1, 0.6), HOSTILE: (5, 3, 0.4)})


def allocation(name: str, budget: float) -> AllocationRecord:
    portfolio = load_portfolio()
    answer = Question(portfolio, Metrics(dict.fromkeys(portfolio.markets, 0.6))).answer()
    content = msgspec.structs.replace(answer, budget=budget)
    spend = {code: one.spend for code, one in answer.markets.items()}
    return AllocationRecord(name, 1, "shift", "BR", NOW_MS, "optimal", True, spend, {}, content, "budget moves")


def snapshot(step: int = 7, **markets: MarketMetrics) -> Snapshot:
    status = Status(
        step, NOW_MS, NOW_MS, "a model", "cpu", {"accepted": 10 * step, "dead_letter:bad_time": 2, "latency:50": 3},
        {0: 12}, 0, 0, True,
    )  # fmt: skip
    alerts = [
        alert(started_at=NOW_MS, evidence={"excerpts": [HOSTILE], "expected_share": 0.2}),
        alert(kind="model", market="*", started_at=NOW_MS),
    ]
    return Snapshot(status, markets, alerts if markets else [], allocation("a-2", 2000.0), load_portfolio())


NOW = snapshot(BR=metrics())


def csrf_of(text: str) -> str:
    """The token in a page's forms."""
    return re.findall(r'name="csrf" value="(\w+)"', text)[0]


class FakeReader:
    """What a test puts in is what the page reads; `tell` publishes a step."""

    def __init__(self, now: Snapshot) -> None:
        self.now = now
        self.away = False
        self.kept: list[Change] = [Change("1-1", step=6), Change("1-2", step=7)]
        self.excerpts_of = {"BR": [Excerpt(1, HOSTILE, "negative", "app", NOW_MS)]}
        self.snapshots = 0
        self._news: asyncio.Queue[Change] = asyncio.Queue()

    def tell(self, now: Snapshot, change: Change) -> None:
        self.now = now
        self.kept.append(change)
        self._news.put_nowait(change)

    async def snapshot(self) -> Snapshot:
        self._answer()
        self.snapshots += 1
        return self.now

    async def history(self, markets: Sequence[str], unit: str, count: int) -> dict[str, list[Moment]]:
        self._answer()
        past = [
            Moment(NOW_MS - 3_600_000 * at, 4, {"negative": 4}, Estimate(0.4, 0.3, 0.5, 0.05), at) for at in (2, 1, 0)
        ]
        return dict.fromkeys(markets, past)

    async def excerpts(self, market: str) -> list[Excerpt]:
        self._answer()
        return self.excerpts_of.get(market, [])

    async def allocations(self) -> list[AllocationRecord]:
        self._answer()
        return [allocation("a-1", 1500.0), allocation("a-2", 2000.0)]

    async def recent_changes(self, most: int = 1_000) -> list[Change]:
        self._answer()
        return list(self.kept)

    async def changes(self, after: str | None = None, patience_s: float | None = None) -> AsyncIterator[Change]:
        while True:
            self._answer()
            with contextlib.suppress(TimeoutError):
                yield await asyncio.wait_for(self._news.get(), 0.05)

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("Redis is away. Operator action: start it.")


class Written:
    """Stands in for the topic of silences."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None]] = []

    async def __call__(self, bootstrap: str, topic: str, records: list[tuple[str, bytes | None]]) -> None:
        self.records += records


@contextlib.asynccontextmanager
async def page(
    reader: FakeReader,
    write: Written | None = None,
    client: str = "127.0.0.1",
    host: str = "127.0.0.1:8080",
    scheme: str = "http",
    raises: bool = True,
    **settings: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running page that has read something, or has found Redis away."""
    app = create_page(load_settings(**settings), reader, write or Written())  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app=app, client=(client, 1234), raise_app_exceptions=raises)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url=f"{scheme}://{host}", headers={"Accept": "text/html"}
        ) as browser,
    ):

        async def ready() -> bool:
            return reader.away or (await browser.get("/healthz")).status_code == 200

        await until_async(ready, 10)
        yield browser
