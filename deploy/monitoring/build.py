"""Writes Prometheus's rules and configuration and Grafana's dashboards: `make monitoring`.

A test holds the files against this code.
"""

from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.monitoring.alerts import rules, scraping
from deploy.monitoring.dashboards import engine, markets

HERE = Path(__file__).parent
CHART = "../helm/marketpulse/files"
"""Helm takes no files from outside a chart, so what the chart ships too is written twice."""


def _yaml(content: dict[str, Any]) -> str:
    return "# Written by `make monitoring`.\n" + yaml.safe_dump(content, sort_keys=False, width=120)


def files() -> dict[str, str]:
    """Path below this folder -> content."""
    made = {"prometheus/rules.yml": _yaml(rules()), "prometheus/prometheus.yml": _yaml(scraping())}
    for name, dashboard in (("engine", engine()), ("markets", markets())):
        content = JSONEncoder(sort_keys=True, indent=1).encode(dashboard.build())
        made[f"grafana/dashboards/{name}.json"] = made[f"{CHART}/dashboards/{name}.json"] = content + "\n"
    made[f"{CHART}/rules.yml"] = made["prometheus/rules.yml"]
    return made


def main() -> None:
    """Write every file."""
    for name, content in files().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


if __name__ == "__main__":
    main()
