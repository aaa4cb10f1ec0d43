"""How many messages a sink may get: a token bucket."""


class Limit:
    """`burst` messages at once, `per_minute` in the long run; times in seconds of any steady clock."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._left = float(burst)
        self._at: float | None = None

    def available(self, now_s: float) -> int:
        """Messages that may go now."""
        if self._at is not None:
            self._left = min(self._burst, self._left + max(0.0, now_s - self._at) * self._per_second)
        self._at = now_s
        return int(self._left + 1e-9)

    def take(self) -> None:
        """One message goes."""
        self._left -= 1
