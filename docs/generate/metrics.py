"""The page of all metrics, generated from their declarations.

`python -m docs.generate.metrics docs/metrics.md` writes it; a test holds it against the code.
"""

import sys
from pathlib import Path

from streams.telemetry.instruments import DECLARED, MOST_MARKETS, Declared

HEAD = f"""# Metrics for Prometheus

Written by `python -m docs.generate.metrics docs/metrics.md` from `streams/telemetry/instruments.py`.

`GET /metrics` on the port of the probes of each process (`MARKETPULSE_HEALTH_PORT`), in Prometheus's text format or
OpenMetrics; page and intake answer it on their own port too, with their token. Each process has its own;
sums over workers are PromQL's work.
Beside what stands here each process has `process_*` and `python_*` of the client library. Nothing is counted by event:
a batch, a step or an answer at a time. No label holds what users sent: values are codes of the contract, kinds,
partitions, names of the intake's tokens and at most {MOST_MARKETS} markets.

The one worker that holds the roll-up lease also has what is known of the last step; the series go when it loses the
lease or has not renewed it in time. A counter begins anew with each process: use `rate` and `increase`.
"""

TITLES = {
    "worker": "Every worker",
    "lease holder": "The lease holder",
    "page": "The page",
    "intake": "The intake",
    "notifier": "The notifier",
}


def _row(one: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.name}` | {one.kind} | {labels} | {one.unit} | {one.meaning} |"


def document() -> str:
    """Markdown with one table per kind of process."""
    parts = [HEAD]
    for process, title in TITLES.items():
        rows = [_row(one) for one in DECLARED if one.of == process]
        parts.append(
            "\n".join(
                (f"## {title}\n", "| name | type | labels | unit | meaning |", "|---|---|---|---|---|", *rows, "")
            )
        )
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), "utf-8")
