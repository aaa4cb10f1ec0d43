"""A cut step's counts as vectors, and what is read off them."""

from collections import defaultdict
from collections.abc import Mapping

from marketpulse.contract.canary import CELL
from marketpulse.contract.totals import DEAD_LETTERS
from streams.ledger.types import CutStep
from streams.pipeline.count.cells import OTHER_LANGUAGE, CellLayout, Cells


def lag_of(step: CutStep) -> int:
    """Records that Kafka has and the step does not, as far as the ends are known."""
    return sum(max(0, one.end - one.next) for one in step.partitions.values() if one.end is not None)


def drift_sums(cells: Cells, layout: CellLayout) -> dict[str, float]:
    """What the drift tests look at, summed over events."""
    sums = layout.read(cells)
    by_language = layout.by_language(cells)
    return {
        "confidence": sums.confidence,
        "negative": float(sums.labels["negative"]),
        "neutral": float(sums.labels["neutral"]),
        "other_language": float(by_language[layout.languages.index(OTHER_LANGUAGE)].sum()) if len(by_language) else 0.0,
        "unknown_pieces": sums.unknown,
    }


def deltas_of(counts: Mapping[str, int], layout: CellLayout) -> dict[tuple[str, int], Cells]:
    """The ledger's fields `market:minute:cell`, of any model, as a vector per (market, minute), in stable order."""
    found: dict[tuple[str, int], Cells] = defaultdict(layout.step_zeros)
    for field in sorted(counts):
        if field.endswith(DEAD_LETTERS) or CELL in field:
            continue
        market, minute, cell = field.split(":", 2)
        cells = found[market, int(minute)]
        if (place := layout.place(cell)) is not None:
            cells[place] += counts[field]
    return {key: layout.complete(cells) for key, cells in found.items()}
