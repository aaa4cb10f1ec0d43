"""What people's labels say of the classifier's confusion, market by market: an input of `compute_metrics`."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from streams.contract.journal import JudgedWeek
from streams.judgement.confusion import Confusion
from streams.judgement.draw import week_of
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.detect.market_state import MarketState

Weeks = dict[str, tuple[JudgedWeek, ...]]
NOBODY: Mapping[str, Confusion] = MappingProxyType({})


def judged_changes(markets: Mapping[str, MarketState], weeks: Mapping[str, tuple[JudgedWeek, ...]]) -> Weeks:
    """Of the markets that speak, those whose judged weeks are other than in their state."""
    return {
        market: weeks.get(market, ())
        for market, state in sorted(markets.items())
        if state.judged != weeks.get(market, ())
    }


class JudgedConfusions:
    """Confusions of the markets that people labelled texts of: a function of labels, model and week alone.

    They are worked out again where one of these changes, not in every step.
    """

    def __init__(self, layout: CellLayout) -> None:
        self._layout = layout
        self._known_for: tuple[Weeks, str, int] | None = None
        self._known = NOBODY

    def of(
        self, markets: Mapping[str, MarketState], measured: Confusion | None, model: str, stream_ms: int
    ) -> Mapping[str, Confusion]:
        """What `compute_metrics` takes as `judged`; nothing where the model's own confusion was not measured.

        Args:
            markets: the roll-up's states.
            measured: of the layout's languages.
            model: name of the model in force, an `@` and the begin of its checksum: labels of others are left out.
                So are those of weeks that are still to come.
            stream_ms: T, epoch ms; older labels count less.
        """
        name, now = model.partition("@")[0], week_of(stream_ms)
        chosen = {
            market: kept
            for market, state in sorted(markets.items())
            if (kept := tuple(week for week in state.judged if week.model == name and week.week <= now))
        }
        if measured is None or not chosen:
            return NOBODY
        if self._known_for != (chosen, model, now):
            self._known, self._known_for = self._found(chosen, measured, now), (chosen, model, now)
        return self._known

    def _found(self, chosen: Weeks, measured: Confusion, now: int) -> Mapping[str, Confusion]:
        from streams.judgement.evidence import Evidence, confusions_by_market, evidence  # SciPy: where somebody labels

        labels: dict[str, dict[int, list[Evidence]]] = {}
        for market, weeks in chosen.items():
            of_language = labels.setdefault(market, {})
            for week in weeks:
                tables = {language: np.array(rows, np.int64) for language, rows in sorted(week.labels.items())}
                drawn = np.sum([*tables.values()], axis=0).sum(axis=0)
                numbers = self._layout.language_numbers([*tables])
                for number, table in zip(numbers.tolist(), tables.values(), strict=True):
                    found = evidence(table, drawn, np.array(week.counts, np.int64), max(0, now - week.week))
                    of_language.setdefault(number, []).append(found)
        return confusions_by_market(measured, labels)
