"""deploy/monitoring: written by its code, accepted by promtool, each alarm tested and with a section of the runbook."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.monitoring.alerts import ALARMS, RUNBOOK
from deploy.monitoring.build import files
from docs.generate.metrics import document

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
PROMETHEUS = MONITORING / "prometheus"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus, then make monitoring"
)


def promtool(*arguments: str) -> None:
    """Run promtool, which must be content."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


def expressions() -> list[str]:
    """Every PromQL expression of the dashboards."""
    found = []
    for path in sorted((MONITORING / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            found += [target["expr"] for target in panel.get("targets", ())]
    return found


def test_files_are_what_the_code_writes() -> None:
    """`make monitoring` changes nothing."""
    for name, content in files().items():
        assert content == (MONITORING / name).read_text("utf-8"), name


def test_the_page_of_metrics_is_up_to_date() -> None:
    """`python -m docs.generate.metrics docs/metrics.md` changes nothing."""
    assert document() == (ROOT / "docs" / "metrics.md").read_text("utf-8")


@needs_promtool
def test_prometheus_accepts_rules_and_configuration() -> None:
    """As promtool reads them."""
    promtool("check", "rules", "--lint-fatal", str(PROMETHEUS / "rules.yml"))
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


@needs_promtool
def test_alarms_fire_when_they_should() -> None:
    """The cases of rules_test.yml."""
    promtool("test", "rules", str(PROMETHEUS / "rules_test.yml"))


def test_each_alarm_has_a_case() -> None:
    """No rule is left untested."""
    fired = set()
    for case in yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text("utf-8"))["tests"]:
        fired |= {one["alertname"] for one in case.get("alert_rule_test", ()) if one["exp_alerts"]}
        samples = [sample for one in case.get("promql_expr_test", ()) for sample in one["exp_samples"]]
        fired |= {re.findall(r'alertname="(\w+)"', sample["labels"])[0] for sample in samples}
    assert {one.name for one in ALARMS} == fired


@needs_promtool
def test_expressions_of_the_panels_are_promql(tmp_path: Path) -> None:
    """Grafana's own variable stands for a time."""
    found = [expression.replace("$__rate_interval", "1m") for expression in expressions()]
    assert len(found) > 30
    rules = [{"record": f"panel:{at}", "expr": expression} for at, expression in enumerate(found)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    promtool("check", "rules", str(tmp_path / "panels.yml"))


def test_each_alarm_leads_to_a_section_of_the_runbook() -> None:
    """The anchor is that of a heading in docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert [] == [one.name for one in ALARMS if one.runbook not in anchors]
    assert "docs/operations.md#" == RUNBOOK
