"""Renders the Helm chart; what its objects hold, by kind and by container."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "marketpulse"
VALUES = sorted((CHART / "ci").glob("*.yaml"))
OLDEST, NEWEST = "1.27", "1.37"
"""Kubernetes versions that objects are checked against: the chart's oldest, the newest whose schemas are there."""
HELM = os.environ.get("HELM") or shutil.which("helm", path=f"{ROOT}/build/tools:{os.environ['PATH']}")

needs_helm = pytest.mark.skipif(HELM is None, reason="needs helm: `make helm` builds it where there is Go")
each_set = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
BY_NAME = {path.stem: path for path in VALUES}
TRIAL, PRODUCTION, GPU = BY_NAME["cpu-bundled"], BY_NAME["cpu-external"], BY_NAME["gpu-external"]

Manifest = dict[str, Any]


def setting(name: str) -> str:
    """A setting's variable."""
    assert name in Settings.model_fields
    return f"MARKETPULSE_{name.upper()}"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm without its caches or a cluster."""
    assert HELM is not None
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60, check=False)


@functools.cache
def rendered(values: Path, *changes: str, version: str = NEWEST) -> tuple[Manifest, ...]:
    """Every object of the chart with a file of values and changes to it (`a.b=c`)."""
    done = _template(values, changes, version)
    assert 0 == done.returncode, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def refusal(values: Path, *changes: str) -> str:
    """Why values are refused; they must be."""
    done = _template(values, changes, NEWEST)
    assert 0 != done.returncode, f"{changes} were taken"
    return done.stderr


def _template(values: Path, changes: tuple[str, ...], version: str) -> subprocess.CompletedProcess[str]:
    given = []
    for name, _, value in (change.partition("=") for change in changes):
        given += ["--set-json", f"{name}={json.dumps(yaml.safe_load(value))}"]
    where = ["--namespace", "space", "--kube-version", f"{version}.0"]
    return helm("template", "trial", str(CHART), *where, "-f", str(values), *given)


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [one for one in manifests if one["kind"] in kinds]


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """(component, spec) of every pod."""
    for one in of_kind(manifests, "Deployment", "StatefulSet", "Job", "DaemonSet", "CronJob"):
        template = one["spec"]["template"]
        yield template["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]


def containers(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """(component, container) of every container, those that run first too."""
    for component, spec in pods(manifests):
        for one in [*spec.get("initContainers", ()), *spec["containers"]]:
            yield component, one


def variables(container: Manifest) -> dict[str, Manifest]:
    """A container's variables by name. Raises AssertionError where one stands twice."""
    given = container.get("env", ())
    found = {one["name"]: one for one in given}
    assert len(found) == len(given), given
    return found
