"""Every kind of alert, in words."""

from collections.abc import Mapping
from typing import Literal

AlertKind = Literal["surge", "drop", "recovery", "no_data", "bad_input", "blind", "model", "allocation"]

ALERTS: Mapping[str, str] = {
    "surge": "the share of negatives of a market, or of one topic of it, rose by more than chance",
    "drop": "user experience over the last hour is surely low",
    "recovery": "a drop is over",
    "no_data": "a market that used to speak is silent; market `*`: most of them",
    "bad_input": "too many records are dead letters",
    "blind": "counting is minutes behind the stream, or one partition holds it up: other alerts come late",
    "model": "a worker's device or model is not what it should be, or its input drifts",
    "allocation": "the allocator's newest answer failed or is infeasible: the plan of before stays in force",
}
"""Kind of alert -> what it means."""
