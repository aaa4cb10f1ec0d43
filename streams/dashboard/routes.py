"""The views' addresses: each is rendered here, then kept live by its stream."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from marketpulse.client.snapshot import Snapshot, Status
from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.markets import ALIASES, MARKETS
from marketpulse.contract.metrics import WINDOWS
from marketpulse.errors import MarketpulseError
from streams.dashboard.actions import Actions
from streams.dashboard.content import content_of
from streams.dashboard.feed import Feed, Seen
from streams.dashboard.forms import asked_of
from streams.dashboard.parts import Rendered, ViewKey
from streams.dashboard.render import VIEWS, Renderer
from streams.dashboard.security import session_of
from streams.dashboard.sessions import Sessions
from streams.dashboard.sse import Streams
from streams.dashboard.static_files import PLOTLY_PATH
from streams.errors import BadInput

SORTS = {"market": "market", "alerts": "alerts", "u": "user experience u", "r": "growth r", "n": "events",
         "newest": "newest event", "spend": "spend"}  # fmt: skip
FIELDS = {"market": "code", "newest": "newest_event"}
NOTHING = Snapshot(Status(0, None, None, "", "", {}, {}, 0, 0, True), {}, [], None)


AWAY = "Redis cannot be read"
"""The text for strangers; the log and the port of the probes name which server, and why."""
NO_PLAN = dict.fromkeys(("spent", "budget", "gain", "marginal_value_of_budget"))
"""Of an allocation, before there is one."""


class Views:
    """What every address answers."""

    def __init__(self, feed: Feed, renderer: Renderer, sessions: Sessions, streams: Streams, actions: Actions) -> None:
        self._feed = feed
        self._renderer = renderer
        self._sessions = sessions
        self._streams = streams
        self._actions = actions

    def routes(self) -> list[Route]:
        """Addresses of the views, their streams and the same for machines."""
        return [
            Route("/", self.markets),
            Route("/market/{market}", self.market),
            Route("/allocation", self.allocation),
            Route("/alerts", self.alerts),
            Route("/health", self.health),
            Route("/events", self.events),
            Route("/view.json", self.machine),
            Route("/healthz", self.ready),
        ]

    async def markets(self, request: Request) -> Response:
        """All markets at a glance; sorted and filtered as the query asks."""
        asked = asked_of(request, q="", only="", sort="market", order="asc")
        seen, rendered = await self._rendered(ViewKey("markets"))
        rows = rendered.rows["market-rows"]
        content = content_of(seen.snapshot, seen.at)
        chosen = [f"row-{code}" for code in ordered(content["markets"], asked)]
        body = f'<tbody id="market-rows">{"".join(rows[name] for name in chosen)}</tbody>'
        portfolio = seen.snapshot.portfolio
        return self._page(
            request, ViewKey("markets"), rendered, seen, "markets.html", "Markets",
            asked=asked, rows=body, SORTS=SORTS, parts_rows=bool(rows),
            currency=portfolio.plan.currency if portfolio else "",
        )  # fmt: skip

    async def market(self, request: Request) -> Response:
        """One market's view; `?window=` is the span of its charts."""
        given = request.path_params["market"]
        code = ALIASES.get(given, given)
        window = request.query_params.get("window", "24h")
        if code not in MARKETS or window not in WINDOWS:
            return self.message(
                request, 404, "No such view", f"{given[:40]} over {window[:40]} is no view of a market."
            )
        key = ViewKey("market", code, window)
        seen, rendered = await self._rendered(key)
        return self._page(request, key, rendered, seen, "market.html", code, market=code, window=window, plotly=True)

    async def allocation(self, request: Request) -> Response:
        """The allocation in force; with a budget in the query also what the allocator answers to it."""
        key = ViewKey("allocation")
        seen, rendered = await self._rendered(key)
        plan = self._actions.portfolio(seen.snapshot).plan
        asked = asked_of(
            request, budget=f"{plan.budget:g}", penetration_weight=f"{plan.penetration_weight:g}",
            satisfaction_weight=f"{plan.satisfaction_weight:g}", stance="point", held="1",
        )  # fmt: skip
        answer, wrong = None, ""
        if "budget" in request.query_params:
            try:
                answer = await self._actions.what_if(seen.snapshot, seen.answers, asked)
            except BadInput as error:
                wrong = str(error)
        now = seen.snapshot.allocation
        return self._page(
            request, key, rendered, seen, "allocation.html", "Allocation", plotly=True, status=400 if wrong else 200,
            rows=rendered.body("plan-rows"), asked=asked, answer=answer, wrong=wrong, currency=plan.currency,
            present={} if now is None else now.spend,
            standing=NO_PLAN if now is None else now.allocation,
        )  # fmt: skip

    async def alerts(self, request: Request, said: str = "", wrong: str = "", status: int = 200) -> Response:
        """Active alerts, silences, and what is over."""
        asked = asked_of(request, q="", kind="", market="", topic="", muted="", ended="")
        if asked["muted"].isalnum():
            said = f"Silence {asked['muted']} was written; it holds from the next step on."
        elif asked["ended"].isalnum():
            said = f"Silence {asked['ended']} was ended; that holds from the next step on."
        seen, rendered = await self._rendered(ViewKey("alerts"))
        return self._page(
            request, ViewKey("alerts"), rendered, seen, "alerts.html", "Alerts", status=status,
            asked=asked, said=said, wrong=wrong, kafka=self._actions.has_kafka, kinds=ALERTS,
        )  # fmt: skip

    async def health(self, request: Request) -> Response:
        """Flow, workers and dead letters; with `?code=` the newest dead letter of that code, redacted."""
        seen, rendered = await self._rendered(ViewKey("health"))
        code, letter, wrong = request.query_params.get("code", "")[:64], None, ""
        if code:
            try:
                letter = await self._actions.dead_letter(code)
            except MarketpulseError as error:
                wrong = str(error)
        return self._page(
            request, ViewKey("health"), rendered, seen, "health.html", "Health", letter=letter, wrong=wrong
        )  # fmt: skip

    async def events(self, request: Request) -> Response:
        """The stream of a view."""
        query = request.query_params
        key = ViewKey(query.get("view", "markets"), query.get("market", ""), query.get("window", ""))
        known = key in {ViewKey(name) for name in VIEWS} or (
            key.name == "market" and key.market in MARKETS and key.window in WINDOWS
        )
        if not known:
            return JSONResponse({"code": "no_such_view", "error": "there is no such view"}, status_code=404)
        return self._streams.open(request, key)

    async def machine(self, _: Request) -> Response:
        """The content of all views as JSON."""
        if self._feed.seen is None:
            return JSONResponse({"error": self._feed.error}, status_code=503)
        seen = self._feed.seen
        content = content_of(seen.snapshot, seen.at) | {"change": seen.change, "error": self._feed.error}
        return Response(msgspec.json.encode(content), media_type="application/json")

    async def ready(self, _: Request) -> Response:
        """Whether the page reads Redis; strangers may ask, so it names no address."""
        away = self._feed.error is not None
        return JSONResponse({"ready": not away, "error": AWAY if away else None}, status_code=503 if away else 200)

    def message(self, request: Request, status: int, title: str, message: str) -> Response:
        """A page that only says something."""
        html = self._renderer.page("message.html", **self._base(request, title), message=message, parts={})
        return HTMLResponse(html, status)

    async def _rendered(self, key: ViewKey) -> tuple[Seen, Rendered]:
        seen = self._feed.seen
        if seen is None:
            seen = Seen(NOTHING, 0, "0-0", error=self._feed.error)
        try:
            return seen, await self._renderer(key, seen)
        except MarketpulseError as error:
            seen = replace(seen, error=str(error))
            return seen, await self._renderer(key, seen)

    def _base(self, request: Request, title: str) -> dict[str, Any]:
        return {
            "title": title, "view": "message", "stream": "", "plotly": None, "waiting": False,
            "login": self._sessions.needed, "csrf": self._sessions.form_token(session_of(request)),
        }  # fmt: skip

    def _page(
        self, request: Request, key: ViewKey, rendered: Rendered, seen: Seen, template: str, title: str,
        plotly: bool = False, status: int = 200, **more: Any,
    ) -> Response:  # fmt: skip
        query = {"view": key.name} | ({"market": key.market, "window": key.window} if key.market else {})
        base = self._base(request, title) | {
            "view": key.name,
            "stream": "/events?" + urlencode(query),
            "plotly": PLOTLY_PATH if plotly else None,
            "parts": rendered.parts,
            "drawn": bool(rendered.figures),
            "figures": Markup(msgspec.json.encode(rendered.figures).decode().replace("<", "\\u003c")),  # noqa: S704
        }
        if not seen.at:  # nothing was ever read: zeros would be a lie
            return HTMLResponse(self._renderer.page("waiting.html", **(base | {"waiting": True, "plotly": None})), 503)
        return HTMLResponse(self._renderer.page(template, **(base | more)), status)


def ordered(markets: list[dict[str, Any]], asked: dict[str, str]) -> list[str]:
    """Codes of the markets that a query asks for, in its order; what has no value comes last."""
    chosen = [one for one in markets if _kept(one, asked["only"]) and asked["q"].upper().strip() in one["code"]]
    name = asked["sort"] if asked["sort"] in SORTS else "market"

    def value(one: dict[str, Any]) -> Any:
        found = one[FIELDS.get(name, name)]
        if name == "alerts":
            return len(found)
        return found["value"] if isinstance(found, dict) else found

    known = sorted((one for one in chosen if value(one) is not None), key=value, reverse=asked["order"] == "desc")
    return [one["code"] for one in [*known, *(one for one in chosen if value(one) is None)]]


def _kept(one: dict[str, Any], only: str) -> bool:
    kinds = {"alerting": one["alerts"], "funded": one["spend"], "observed": one["status"] == "observed"}
    return bool(kinds.get(only, True))
