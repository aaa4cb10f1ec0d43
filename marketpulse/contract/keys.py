"""Keys of the tables in Redis."""

from marketpulse.contract.units import DAY_MS


class TableKeys:
    """Public Redis keys of one prefix; a service may read them with any Redis client."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.namespace = f"{prefix}:"
        self.markets = f"{prefix}:markets"
        self.allocation = f"{prefix}:allocation"
        self.answers = f"{prefix}:allocations"
        self.alerts = f"{prefix}:alerts"
        self.changes = f"{prefix}:changes"
        self.step = f"{prefix}:step"
        self.portfolio = f"{prefix}:portfolio"
        self.mutes = f"{prefix}:mutes"
        self.workers = f"{prefix}:workers"

    def table(self, metric: str, window: str) -> str:
        """Hash market -> value of one metric (`u`, `r`, `s`, `t`) over one window."""
        return f"{self.prefix}:table:{metric}:{window}"

    def metrics(self, market: str) -> str:
        """JSON of all a market's values with intervals."""
        return f"{self.prefix}:metrics:{market}"

    def excerpts(self, market: str) -> str:
        """JSON list of what some of a market's users said last, redacted."""
        return f"{self.prefix}:excerpts:{market}"

    def topics(self, market: str) -> str:
        """JSON: topic -> n, negative, u over 24 h."""
        return f"{self.prefix}:topics:{market}"


EXCERPTS_LIVE_MS = 8 * DAY_MS
EXCERPTS_LIVE_S = EXCERPTS_LIVE_MS // 1_000
