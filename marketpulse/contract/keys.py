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


class StatusKeys(TableKeys):
    """Those that a reader's `Status` is found by too; they are the ledger's, and may change with it."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.ledger = f"{prefix}:ledger"
        self.totals = f"{prefix}:totals"
        self.positions = f"{prefix}:positions"
        self.outbox = f"{prefix}:outbox"
        self.shift_seq = f"{prefix}:shift:seq"
        self.allocation_seq = f"{prefix}:allocation:seq"

    def partition(self, number: int) -> str:
        """Hash: claim, next offset, newest event time, last record of a source partition."""
        return f"{self.prefix}:partition:{number}"

    def step_counts(self, step: int) -> str:
        """Hash: `market:minute:cell` -> count of an open step."""
        return f"{self.prefix}:step:{step}:counts"

    def step_cut(self, step: int) -> str:
        """String: where every partition was when the step was cut."""
        return f"{self.prefix}:step:{step}:cut"


EXCERPTS_LIVE_MS = 8 * DAY_MS
EXCERPTS_LIVE_S = EXCERPTS_LIVE_MS // 1_000
