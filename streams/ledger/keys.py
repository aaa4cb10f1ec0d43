"""Every key of the ledger in Redis, by prefix."""

from marketpulse.contract.keys import StatusKeys


class Keys(StatusKeys):
    """Every key of one prefix: the public ones, and those that belong to the ledger."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.state = f"{prefix}:state"
        self.model = f"{prefix}:model"
        self.checkpoint = f"{prefix}:checkpoint"

    def ids(self, number: int) -> str:
        """List: chunks of id digests within the de-duplication horizon."""
        return f"{self.prefix}:ids:{number}"

    def step_buckets(self, step: int) -> str:
        """Set: `market:hour` of a step's HyperLogLogs."""
        return f"{self.prefix}:step:{step}:users"

    def step_excerpts(self, step: int) -> str:
        """Hash: market -> excerpts of a step that is not published."""
        return f"{self.prefix}:step:{step}:excerpts"

    def step_users(self, step: int, bucket: str) -> str:
        """HyperLogLog: users of one step's `market:hour`."""
        return f"{self.step_buckets(step)}:{bucket}"

    def users_of_hour(self, market: str, hour: int) -> str:
        """HyperLogLog: users of a market in an hour."""
        return f"{self.prefix}:users:hour:{market}:{hour}"

    def users_of_day(self, market: str, day: int) -> str:
        """HyperLogLog: users of a market on a day."""
        return f"{self.prefix}:users:day:{market}:{day}"

    def minutes(self, market: str) -> str:
        """Hash: minute -> cells of a market's bucket."""
        return f"{self.prefix}:buckets:minute:{market}"

    def hours(self, market: str) -> str:
        """Hash: hour -> cells of a market's bucket."""
        return f"{self.prefix}:buckets:hour:{market}"
