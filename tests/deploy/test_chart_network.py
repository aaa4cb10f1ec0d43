"""Who reaches whom in the Helm chart: services, policies, ingress, monitors."""

import re
from pathlib import Path

import yaml

from tests.deploy.chart import (
    PRODUCTION,
    ROOT,
    TRIAL,
    containers,
    each_set,
    needs_helm,
    of_kind,
    pods,
    refusal,
    rendered,
    setting,
    variables,
)

pytestmark = needs_helm
OWN = ("worker", "page", "prepare")


@each_set
def test_selectors_find_the_pods_they_are_meant_for(values: Path) -> None:
    """Services, budgets, monitors and policies each select at least one pod, and of one component only."""
    manifests = rendered(values)
    labels = [
        one["spec"]["template"]["metadata"]["labels"] for one in of_kind(manifests, "Deployment", "StatefulSet", "Job")
    ]
    services = [one["metadata"]["labels"] for one in of_kind(manifests, "Service")]
    for one in of_kind(manifests, "Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"):
        spec = one["spec"]
        wanted = (spec.get("podSelector") or spec["selector"]).get("matchLabels") or spec["selector"]
        among = services if one["kind"] == "ServiceMonitor" else labels
        found = {each["app.kubernetes.io/component"] for each in among if wanted.items() <= each.items()}
        name = one["metadata"]["name"]
        assert (len(found) > 1) == name.endswith("-default"), name
        assert found, name


@each_set
def test_nobody_is_reached_who_need_not_be(values: Path) -> None:
    """All pods are closed by default and may ask for names; each component has a policy of its own."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(values), "NetworkPolicy")}
    default = policies["trial-marketpulse-default"]
    assert {"Ingress", "Egress"} == set(default["policyTypes"])
    assert "ingress" not in default
    assert [[53, 53]] == [[port["port"] for port in rule["ports"]] for rule in default["egress"]]
    components = {name for name, _ in pods(rendered(values))}
    assert {f"trial-marketpulse-{name}" for name in (*components, "default")} == set(policies)
    for name, spec in policies.items():
        assert all(rule["from"] for rule in spec.get("ingress", ())), name
        assert all(rule["ports"] for rule in (*spec.get("ingress", ()), *spec.get("egress", ()))), name


def test_policies_follow_the_servers() -> None:
    """External ones by port and address, bundled ones by their pods; Prometheus and the ingress reach their own."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(PRODUCTION), "NetworkPolicy")}
    worker, page = (policies[f"trial-marketpulse-{name}"] for name in ("worker", "page"))
    assert [[9094], [6380]] == [[port["port"] for port in rule["ports"]] for rule in worker["egress"]]
    assert ["192.0.2.0/24", "198.51.100.0/24"] == [rule["to"][0]["ipBlock"]["cidr"] for rule in worker["egress"]]
    spaces = [
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], rule["ports"][0]["port"])
        for spec in (worker, page) for rule in spec["ingress"] for peer in rule["from"]
    ]  # fmt: skip
    assert [("monitoring", 8081), ("ingress-nginx", 8080), ("monitoring", 8081)] == spaces
    bundled = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(TRIAL), "NetworkPolicy")}
    [rule] = bundled["trial-marketpulse-redis"]["ingress"]
    callers = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]}
    assert set(OWN) == callers


def test_strangers_reach_neither_probes_nor_metrics() -> None:
    """The Ingress leads to the page's own port; kubelet and Prometheus ask another one, which nobody can fill."""
    manifests = rendered(PRODUCTION)
    [ingress] = of_kind(manifests, "Ingress")
    [path] = ingress["spec"]["rules"][0]["http"]["paths"]
    assert "http" == path["backend"]["service"]["port"]["name"]
    for name, container in containers(manifests):
        if name in ("page", "intake"):
            ports = {one["name"]: str(one["containerPort"]) for one in container["ports"]}
            assert ports["health"] == variables(container)[setting("health_port")]["value"] != ports["http"]
            probes = [container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
            assert [("/livez", "health"), ("/readyz", "health"), ("/livez", "health")] == [
                (one["path"], one["port"]) for one in probes
            ]  # fmt: skip
    scraped = {
        one["metadata"]["name"].rpartition("-")[2]: one["spec"]["endpoints"][0]["port"]
        for one in of_kind(manifests, "ServiceMonitor")
    }
    assert {"worker": "health", "page": "health", "intake": "health", "notify": "http"} == scraped


def test_an_ingress_needs_the_address_of_its_controller() -> None:
    """Without it all its users would share one address, and one of them could hold up all logins."""
    ingress = "processes.page.ingress={enabled: true, host: a.example.com, tlsSecret: tls}"
    assert "MARKETPULSE_FORWARDED_ALLOW is needed" in refusal(TRIAL, ingress)


def test_prometheus_finds_workers_that_are_not_ready_under_the_names_of_the_alarms() -> None:
    """Jobs as the alarms of deploy/monitoring know them; all alarms and dashboards are in."""
    manifests = rendered(PRODUCTION)
    [service] = [one for one in of_kind(manifests, "Service") if one["metadata"]["name"].endswith("worker")]
    assert service["spec"]["publishNotReadyAddresses"]
    jobs = {
        one["spec"]["endpoints"][0]["relabelings"][0]["replacement"] for one in of_kind(manifests, "ServiceMonitor")
    }
    rules = (ROOT / "deploy" / "monitoring" / "prometheus" / "rules.yml").read_text("utf-8")
    assert set(re.findall(r'job="([\w-]+)"', rules)) <= jobs
    [alarms] = of_kind(manifests, "PrometheusRule")
    assert yaml.safe_load(rules) == alarms["spec"]
    boards = [one for one in of_kind(manifests, "ConfigMap") if "dashboard" in one["metadata"]["name"]]
    assert 2 == len(boards)
