"""Views as HTML: one Jinja environment that escapes everything, and the live parts of each view."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from marketpulse.contract.mutes import MAX_MUTES
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.words import clock, evidence_words, number, signed
from streams.dashboard import pictures
from streams.dashboard.content import alert_of, content_of
from streams.dashboard.feed import Seen
from streams.dashboard.history import Moment, PageReader
from streams.dashboard.parts import Rendered, ViewKey
from streams.dashboard.static_files import plotly_styles

MOST_ALERTS = 200
MOST_EXCERPTS = 12
STATES = {"firing": 0, "pending": 1, "resolved": 2}
VIEWS = {
    "markets": "Markets",
    "allocation": "Allocation",
    "alerts": "Alerts",
    "health": "Health",
}
"""Views of the navigation -> their titles; `market` is the one that every row of the first leads to."""


def _users(past: Sequence[Moment]) -> list[int | None]:
    """Users by hour; nothing is said of the hours before the first event."""
    first = next((at for at, one in enumerate(past) if one.n), len(past))
    return [one.users if at >= first else None for at, one in enumerate(past)]


def environment() -> Environment:
    """The templates with the page's filters. Undefined names are errors."""
    made = Environment(
        loader=PackageLoader("streams.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"clock": clock, "number": number, "signed": signed, "evidence": evidence_words,
                     "scores": lambda past: [None if one.u is None else one.u.value for one in past],
                     "users": _users}  # fmt: skip
    made.globals |= {"pictures": pictures, "VIEWS": VIEWS, "MAX_MUTES": MAX_MUTES, "plotly_styles": plotly_styles}
    return made


class Renderer:
    """Renders the live parts of any view; what a market's view needs beside the snapshot is read for it alone."""

    def __init__(self, reader: PageReader) -> None:
        self.environment = environment()
        self._reader = reader

    def page(self, template: str, **content: Any) -> str:
        """A whole document."""
        return self.environment.get_template(template).render(**content)

    async def __call__(self, key: ViewKey, seen: Seen) -> Rendered:
        """The live parts of a view. Raises Unavailable."""
        content = content_of(seen.snapshot, seen.at)
        common = {
            "banner": self._part("common", "banner", seen.error, seen.at),
            "stand": self._part("common", "stand", content),
        }
        if key.name == "market":
            own = await self._market(key, seen, content)
        else:
            own = {
                "markets": self._markets, "allocation": self._allocation, "alerts": self._alerts, "health": self._health
            }[key.name](seen, content)  # fmt: skip
        return Rendered(common | own.parts, own.rows, own.figures)

    def _part(self, module: str, macro: str, *given: Any) -> str:
        return str(getattr(self.environment.get_template(f"{module}.parts.html").module, macro)(*given))

    def _markets(self, seen: Seen, content: dict[str, Any]) -> Rendered:
        rows = {}
        for one in content["markets"]:
            code = one["code"]
            past = seen.hours.get(code, [])
            rows[f"row-{code}"] = self._part("markets", "row", one, seen.snapshot.metrics[code], past)
        return Rendered({"summary": self._part("markets", "summary", content)}, {"market-rows": rows})

    async def _market(self, key: ViewKey, seen: Seen, content: dict[str, Any]) -> Rendered:
        from streams.dashboard.charts import UNITS, market_figure

        code = key.market
        metrics = seen.snapshot.metrics.get(code)
        one = next((row for row in content["markets"] if row["code"] == code), None)
        unit, count = UNITS[key.window]
        excerpts, moments = [], []
        if seen.error is None and metrics is not None:
            excerpts = (await self._reader.excerpts(code))[-MOST_EXCERPTS:]
            moments = (await self._reader.history([code], unit, count)).get(code, [])
        alerts = [alert for alert in self._all_alerts(seen) if alert["market"] == code][:20]
        plan = seen.snapshot.allocation.allocation.markets.get(code) if seen.snapshot.allocation else None
        parts = {
            "figures-now": self._part("market", "figures_now", one, metrics),
            "chart-table": self._part("market", "chart_table", moments, unit),
            "topics": self._part("market", "topics", metrics),
            "excerpts": self._part("market", "excerpts", excerpts),
            "market-alerts": self._part("alerts", "listed", alerts, "market-alerts"),
            "spend": self._part("market", "spend", plan, one, content["allocation"]),
        }
        figures = {"chart": market_figure(moments, list(seen.running.get(code, ())), key.window)} if moments else {}
        return Rendered(parts, {}, figures)

    def _allocation(self, seen: Seen, content: dict[str, Any]) -> Rendered:
        from streams.dashboard.charts import spend_figure

        now = seen.snapshot.allocation
        before = before_of(now, seen.answers)
        rows: dict[str, str] = {}
        figures: dict[str, Any] = {}
        if now is not None:
            plans = now.allocation.markets
            codes = sorted(set(plans) | set(before.spend if before else {}))
            most = max([1e-9, *now.spend.values(), *(before.spend.values() if before else ())])
            for code in codes:
                earlier = None if before is None else before.spend.get(code, 0.0)
                rows[f"plan-{code}"] = self._part("allocation", "row", code, plans.get(code), earlier, now, most)
            figures["spend-chart"] = spend_figure(now, before, content["allocation"]["currency"])
        parts = {
            "plan-summary": self._part("allocation", "summary", content["allocation"], before),
            "answers": self._part("allocation", "answers", list(reversed(seen.answers))[:15]),
        }
        return Rendered(parts, {"plan-rows": rows}, figures)

    def _alerts(self, seen: Seen, content: dict[str, Any]) -> Rendered:
        alerts = self._all_alerts(seen)
        active = [one for one in alerts if one["state"] != "resolved"]
        history = [one for one in alerts if one["state"] == "resolved"][:MOST_ALERTS]
        mutes = [one for one in seen.snapshot.mutes if one.until > seen.at]
        return Rendered(
            {
                "active-alerts": self._part("alerts", "listed", active, "active-alerts"),
                "past-alerts": self._part("alerts", "listed", history, "past-alerts"),
                "mutes": self._part("alerts", "mutes", mutes),
            }
        )

    def _health(self, seen: Seen, content: dict[str, Any]) -> Rendered:
        return Rendered(
            {
                "flow": self._part("health", "flow", content, seen.rate),
                "workers": self._part("health", "workers", content["workers"]),
                "dead-letters": self._part("health", "dead_letters", content["dead_letters"]),
            }
        )

    def _all_alerts(self, seen: Seen) -> list[dict[str, Any]]:
        """Every alert that Redis knows: what is active first, then the newest."""
        alerts = [alert_of(one, seen.snapshot.muted(one, seen.at)) for one in seen.snapshot.alerts]
        return sorted(alerts, key=lambda one: (STATES[one["state"]], -one["started_at"]))


def before_of(now: AllocationRecord | None, answers: list[AllocationRecord]) -> AllocationRecord | None:
    """The adopted answer before the one in force; None where it is the first that is kept."""
    adopted = [one for one in answers if one.adopted]
    return next((before for before, after in pairwise(adopted) if now is not None and after.id == now.id), None)
