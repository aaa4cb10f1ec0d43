"""What a ledger's refusals and failures mean for an operator, in words."""

from marketpulse.errors import OperatorNeeded
from streams.errors import LedgerBroken, LedgerLost, LedgerNewer, PartitionUnknown
from streams.ledger.keys import Keys


def newer(keys: Keys, written: int, known: int) -> LedgerNewer:
    """A newer version wrote the ledger."""
    return LedgerNewer(
        f"the ledger under prefix {keys.prefix!r} has format {written}, and this version knows {known} at most: a "
        "newer version of Marketpulse wrote it. Operator action: run that version."
    )


def broken(keys: Keys, script: str, why: str = "") -> LedgerBroken:
    """A script of the ledger failed after its first write."""
    return LedgerBroken(
        f"the ledger under prefix {keys.prefix!r} is broken: its script `{script}` failed after its first write{why}. "
        "Nothing further is written, by any worker. Operator action: fix the cause, which the log of the worker that "
        "ran it names (a right, memory); then `marketpulse ledger rebuild`."
    )


def failed(keys: Keys, script: str, error: Exception, half: str | None) -> OperatorNeeded:
    """A script ended with an error; `half` names the one that had begun to write, None: nothing was changed."""
    if half is not None:
        return broken(keys, half, f" ({error})")
    return OperatorNeeded(
        f"ledger script {script} failed: {error}. Nothing was written. Operator action: where a right is missing, "
        "grant what `marketpulse acls show redis` lists; else find out what other program writes keys that begin with "
        f"{keys.namespace}"
    )


def lost(keys: Keys, seen: bool) -> LedgerLost:
    """There is no ledger, or no entry of a partition; `seen`: this process had begun with one."""
    where = f"under prefix {keys.prefix!r}"
    if not seen:
        return LedgerLost(
            f"Redis holds no ledger {where}, or not for this partition. Operator action: `marketpulse ledger init` "
            "for a first start; after a loss `marketpulse ledger rebuild`."
        )
    return LedgerLost(
        f"the ledger {where}, with which this process began, is gone: Redis was emptied. Operator action: find out "
        "by whom, then `marketpulse ledger rebuild`: it counts everything again from the journal and the topic."
    )


def unknown(keys: Keys, partition: int, known: int) -> PartitionUnknown:
    """A partition lies beyond those that the ledger knows."""
    return PartitionUnknown(
        f"the ledger under prefix {keys.prefix!r} knows {known} partitions, and no partition {partition}. Operator "
        "action: none where the feedback topic was given more: the worker that reads it adds it.",
        known,
    )
