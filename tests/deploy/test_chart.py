"""The Helm chart as it is rendered for processors and GPUs, with servers of its own and with others."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

from docs.generate.commands import every_command
from marketpulse.contract.topics import topic_name
from streams.pipeline.ingest.consumer import group_consumer
from streams.settings import Settings
from tests.deploy.chart import (
    BY_NAME,
    CHART,
    GPU,
    NEWEST,
    OLDEST,
    PRODUCTION,
    TRIAL,
    Manifest,
    containers,
    each_set,
    helm,
    needs_helm,
    of_kind,
    pods,
    refusal,
    rendered,
    setting,
    variables,
)

pytestmark = needs_helm


def test_the_four_ways_to_install_are_all_there() -> None:
    """Processors and GPUs, servers bundled and external."""
    assert {"cpu-bundled", "cpu-external", "gpu-bundled", "gpu-external"} == set(BY_NAME)


@each_set
def test_helm_lints_it(values: Path) -> None:
    """Without a warning."""
    done = helm("lint", "--strict", str(CHART), "--kube-version", f"{NEWEST}.0", "-f", str(values))
    assert 0 == done.returncode, done.stdout + done.stderr


@each_set
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_fits_its_schema(values: Path, version: str) -> None:
    """Kubernetes' own schemas, unknown fields refused; those of KEDA and the Prometheus operator by typed models."""
    for one in rendered(values, version=version):
        if one["apiVersion"] == "keda.sh/v1alpha1":
            check_by_model(getattr(keda, one["kind"]), one)
        elif one["apiVersion"] == "monitoring.coreos.com/v1":
            check_by_model(getattr(prometheus, one["kind"]), one)
        else:
            kubernetes_validate.validate(one, version, strict=True)


def check_by_model(model: Any, manifest: Manifest) -> None:
    """A typed model takes it, and gives it back whole: what it does not know would be missing."""
    taken = model.model_validate(manifest)
    assert manifest == taken.model_dump(by_alias=True, exclude_unset=True, mode="json")


def test_a_wrong_field_would_be_found() -> None:
    """The checks of schemas are no formality."""
    deployment = yaml.safe_load(yaml.safe_dump(of_kind(rendered(TRIAL), "Deployment")[0]))
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)
    scaled = yaml.safe_load(yaml.safe_dump(of_kind(rendered(PRODUCTION), "ScaledObject")[0]))
    scaled["spec"]["maxReplica"] = 2
    with pytest.raises(AssertionError):
        check_by_model(keda.ScaledObject, scaled)


@each_set
def test_no_container_may_do_more_than_it_must(values: Path) -> None:
    """Not root, read-only root, no capability, no token of Kubernetes, the restricted profile of Pod Security."""
    for component, spec in pods(rendered(values)):
        security = spec["securityContext"]
        assert security["runAsNonRoot"], component
        assert security["runAsUser"] > 0, component
        assert {"type": "RuntimeDefault"} == security["seccompProfile"], component
        assert spec["automountServiceAccountToken"] is False, component
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), component
        assert not [one for one in spec.get("volumes", ()) if "hostPath" in one], component
    for component, container in containers(rendered(values)):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"], component
        assert security["allowPrivilegeEscalation"] is False, component
        assert {"drop": ["ALL"]} == security["capabilities"], component
        assert "/tmp" in [one["mountPath"] for one in container["volumeMounts"]], component
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), component
        assert "memory" in container["resources"]["limits"], component


@each_set
def test_files_of_secrets_can_be_read_by_the_processes(values: Path) -> None:
    """Their mode opens them to the pod's group, which is the user's."""
    for component, spec in pods(rendered(values)):
        for volume in spec["volumes"]:
            if "secret" in volume:
                assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"], component
                assert volume["secret"]["defaultMode"] & 0o040, component
                assert not volume["secret"]["defaultMode"] & 0o007, component


@each_set
def test_services_do_not_become_settings(values: Path) -> None:
    """`MARKETPULSE_KAFKA_PORT=tcp://...` would stand beside the settings, KAFKA_PORT in the broker's configuration."""
    assert all(spec["enableServiceLinks"] is False for _, spec in pods(rendered(values)))


@each_set
def test_every_process_that_goes_on_is_probed(values: Path) -> None:
    """Start, readiness and life, at a port that the container has; the worker's is its setting."""
    jobs = [name for name, spec in pods(rendered(values)) if spec.get("restartPolicy") == "OnFailure"]
    assert ["prepare"] == jobs
    for component, spec in pods(rendered(values)):
        if component in jobs:
            continue
        for container in spec["containers"]:
            ports = {one["name"]: one["containerPort"] for one in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                how = container[probe]
                assert "exec" in how or (how.get("httpGet") or how["tcpSocket"])["port"] in ports, (component, probe)
    [worker] = [one for name, one in containers(rendered(values)) if name == "worker" and one["name"] == "worker"]
    assert str(worker["ports"][0]["containerPort"]) == variables(worker)[setting("health_port")]["value"]
    assert "0.0.0.0" == variables(worker)[setting("health_host")]["value"]
    paths = [worker[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert ["/startupz", "/readyz", "/livez"] == paths


@each_set
def test_every_variable_is_a_setting(values: Path) -> None:
    """No process is told what it does not know; the values of plain ones can be used."""
    known = {f"MARKETPULSE_{name.upper()}" for name in Settings.model_fields}
    for component, container in containers(rendered(values)):
        if component not in ("kafka", "redis"):
            names = {name for name in variables(container) if name.startswith("MARKETPULSE_")}
            assert names <= known, component
            plain = {
                name.removeprefix("MARKETPULSE_").lower(): one["value"]
                for name, one in variables(container).items()
                if "value" in one and name.startswith("MARKETPULSE_") and not re.search("_(CA|CERTIFICATE|KEY)$", name)
            }
            secrets = {"kafka_password": "x"} if setting("kafka_password") in variables(container) else {}
            Settings(**plain, **secrets)


@each_set
def test_every_command_is_one_of_the_program(values: Path) -> None:
    """With options that it has."""
    commands = dict(every_command())
    found = [list(one["args"]) for name, one in containers(rendered(values)) if name not in ("kafka", "redis")]
    always = {"worker", "page", "topics create", "ledger init", "ledger wait"}
    more = {"intake", "notify"} if values == PRODUCTION else set()
    assert always | more == {check_command(commands, one) for one in found}


def check_command(commands: dict[str, Any], words: list[str]) -> str:
    """The command of a command line; its options must be its own."""
    [name] = [one for one in commands if words[: len(one.split())] == one.split()]
    options = {option for parameter in commands[name].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, words
    return name


def test_disabled_processes_name_commands_of_the_program() -> None:
    """What only has to be enabled can run: each process of values.yaml that this version of the program has."""
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    commands = dict(every_command())
    named = {name: process["args"] for name, process in values["processes"].items() if name in commands}
    assert {"page"} <= {check_command(commands, words) for words in named.values()}


@each_set
def test_there_are_at_most_as_many_workers_as_partitions(values: Path) -> None:
    """Without autoscaling and with it; the job makes as many partitions."""
    manifests = rendered(values)
    [job] = of_kind(manifests, "Job")
    steps = job["spec"]["template"]["spec"]
    commands = [one["args"] for one in [*steps["initContainers"], *steps["containers"]]]
    [partitions] = {int(words[words.index("--partitions") + 1]) for words in commands if "--partitions" in words}
    [worker] = [
        one for one in of_kind(manifests, "Deployment", "StatefulSet") if one["metadata"]["name"].endswith("worker")
    ]
    scaled = of_kind(manifests, "ScaledObject", "HorizontalPodAutoscaler")
    assert ("replicas" in worker["spec"]) == (not scaled)  # an upgrade must not undo what the autoscaler set
    most = [one["spec"].get("maxReplicaCount") or one["spec"]["maxReplicas"] for one in scaled] or [
        worker["spec"]["replicas"]
    ]
    assert most[0] <= partitions


async def test_workers_are_scaled_by_the_lag_of_their_own_group() -> None:
    """KEDA asks for the group and the topic that workers read with; it never scales to none; it logs in."""
    [scaled] = of_kind(rendered(PRODUCTION, "prefix=shop"), "ScaledObject")
    [trigger] = scaled["spec"]["triggers"]
    asked = trigger["metadata"]
    consumer = group_consumer(Settings(prefix="shop"))
    assert consumer._group_id == asked["consumerGroup"]
    await consumer.stop()
    assert topic_name("shop", "feedback") == asked["topic"]
    assert ("earliest", "scram_sha512", "enable") == (asked["offsetResetPolicy"], asked["sasl"], asked["tls"])
    assert scaled["spec"]["minReplicaCount"] >= 1
    [login] = of_kind(rendered(PRODUCTION), "TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
    parameters = {one["parameter"] for kind in ("secretTargetRef", "configMapTargetRef") for one in login["spec"][kind]}
    assert {"username", "password", "ca"} == parameters


@each_set
@pytest.mark.parametrize("drain", ["0", "10", "37.5", "300"])
def test_kubernetes_waits_longer_than_a_worker_drains(values: Path, drain: str) -> None:
    """By more than the 7 s that its end takes besides."""
    manifests = rendered(values, f"worker.drainSeconds={drain}")
    [spec] = [spec for name, spec in pods(manifests) if name == "worker"]
    [worker] = spec["containers"]
    assert float(drain) == float(variables(worker)[setting("drain_seconds")]["value"])
    assert spec["terminationGracePeriodSeconds"] >= float(drain) + 10


def test_threads_follow_the_limit_of_processors() -> None:
    """ONNX Runtime would start a thread for each core of the node; a number of one's own wins."""
    [spec] = [spec for name, spec in pods(rendered(TRIAL)) if name == "worker"]
    threads = variables(spec["containers"][0])[setting("threads")]
    assert "limits.cpu" == threads["valueFrom"]["resourceFieldRef"]["resource"]
    [spec] = [spec for name, spec in pods(rendered(TRIAL, "worker.settings.MARKETPULSE_THREADS=3")) if name == "worker"]
    assert "3" == variables(spec["containers"][0])[setting("threads")]["value"]


def test_large_numbers_stay_whole() -> None:
    """Helm's numbers are floats: 7100000 must not become 7.1e+06."""
    manifests = rendered(TRIAL, "worker.settings.MARKETPULSE_DEDUPE_CAPACITY=7100000")
    [worker] = [one for _, one in containers(manifests) if one["name"] == "worker"]
    assert "7100000" == variables(worker)[setting("dedupe_capacity")]["value"]


def test_gpu_workers_get_a_gpu_and_refuse_the_processor() -> None:
    """Image, device, limit, runtime class, toleration; no second pod beside the old one where there is no spare GPU."""
    [spec] = [spec for name, spec in pods(rendered(GPU)) if name == "worker"]
    [worker] = spec["containers"]
    assert worker["image"].startswith("marketpulse-gpu:")
    assert "cuda" == variables(worker)[setting("device")]["value"]
    assert 1 == worker["resources"]["limits"]["nvidia.com/gpu"]
    assert "nvidia" == spec["runtimeClassName"]
    assert ["nvidia.com/gpu"] == [one["key"] for one in spec["tolerations"]]
    [other] = [spec for name, spec in pods(rendered(TRIAL)) if name == "worker"]
    assert "cpu" == variables(other["containers"][0])[setting("device")]["value"]
    [deployment] = [
        one for one in of_kind(rendered(BY_NAME["gpu-bundled"]), "Deployment") if "worker" in str(one["metadata"])
    ]
    assert {"maxSurge": 0, "maxUnavailable": 1} == deployment["spec"]["strategy"]["rollingUpdate"]


def test_static_members_have_names_that_stay() -> None:
    """A StatefulSet whose pods are named by Kubernetes, and a session that outlasts a restart."""
    [workers] = of_kind(rendered(GPU), "StatefulSet")
    [worker] = workers["spec"]["template"]["spec"]["containers"]
    assert "metadata.name" == variables(worker)[setting("instance")]["valueFrom"]["fieldRef"]["fieldPath"]
    assert "45" == variables(worker)[setting("session_timeout_seconds")]["value"]
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(GPU), "Service")}
    assert "None" == services[workers["spec"]["serviceName"]]["clusterIP"]
    assert "static" in refusal(GPU, "autoscaling.by=keda")


def test_files_given_as_values_reach_the_workers() -> None:
    """A rules file and a market table: mounted where the settings say, and pods are made anew when they change."""
    text = "[surge]\nthreshold = 14.0\n"
    manifests = rendered(PRODUCTION)
    [files] = [one for one in of_kind(manifests, "ConfigMap") if one["metadata"]["name"].endswith("-files")]
    assert text == files["data"]["rules.toml"]
    [spec] = [spec for name, spec in pods(manifests) if name == "worker"]
    [worker] = spec["containers"]
    folder = next(one["mountPath"] for one in worker["volumeMounts"] if one["name"] == "files")
    assert f"{folder}/rules.toml" == variables(worker)[setting("rules")]["value"]
    before, after = (checksum(one) for one in (manifests, rendered(PRODUCTION, "rules=other")))
    assert before != after


def checksum(manifests: tuple[Manifest, ...]) -> str:
    """Of the files, as the worker's pods carry it."""
    [worker] = [one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"].endswith("worker")]
    found: str = worker["spec"]["template"]["metadata"]["annotations"]["checksum/files"]
    return found


def test_the_job_has_another_name_when_it_has_other_content() -> None:
    """Kubernetes refuses to change a job, and the same one need not run again."""
    names = [
        of_kind(rendered(TRIAL, *changes), "Job")[0]["metadata"]["name"]
        for changes in ((), ("kafka.partitions=5",), ("worker.drainSeconds=3",))
    ]
    assert names[0] != names[1]
    assert names[0] == names[2]


def test_acls_come_first_where_they_are_wanted() -> None:
    """Then topics, then the ledger; with a login of the job's own."""
    [job] = of_kind(rendered(PRODUCTION, "prepare.acls.enabled=true"), "Job")
    spec = job["spec"]["template"]["spec"]
    steps = [*spec["initContainers"], *spec["containers"]]
    assert ["acls", "topics", "ledger"] == [one["name"] for one in steps]
    assert {"marketpulse-admin"} == {variables(one)[setting("kafka_username")]["value"] for one in steps}
    keys = {variables(one)[setting("kafka_password")]["valueFrom"]["secretKeyRef"]["key"] for one in steps}
    assert {"kafka-admin-password"} == keys


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (("worker.replicas=5",), "kafka.partitions"),
        (("autoscaling.by=keda", "autoscaling.maxReplicas=5"), "kafka.partitions"),
        (("autoscaling.minReplicas=0",), "minReplicas"),
        (("kafka.bundled=false",), "kafka.servers"),
        (("secrets.create=null",), "user-hash-key"),
        (("secrets.existing=other",), "one of them"),
        (("secrets.create.page-token=short",), "page-token"),
        (("secrets.create.redis-url=redis://a/0",), "secrets.shared=true"),
        (("secrets.create.kafka-password=x",), "kafka-password-worker"),
        (("kafka.username=ann",), "secrets.shared=true"),
        (("worker.drain=3",), "worker"),
        (("worker.settings.MARKETPULSE_HEALTH_PORT=1",), "worker"),
        (("processes.page.ingress.enabled=true", "processes.page.ingress.host=a.example.com"), "tlsSecret"),
        (("kafka.tls.secretName=files",), "SSL"),
        (
            ("kafka.bundled=false", "kafka.servers=a:1", "kafka.securityProtocol=SASL_SSL", "secrets.shared=true"),
            "kafka.username",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(changes: tuple[str, ...], why: str) -> None:
    """By the schema or by the chart, before anything reaches a cluster; the message names the value."""
    assert why in refusal(TRIAL, *changes)


@each_set
def test_notes_say_what_to_do_next(values: Path, tmp_path: Path) -> None:
    """They can be rendered (in the place of a ConfigMap's text), and the commands in them are of this program."""
    copy = shutil.copytree(CHART, tmp_path / "chart")
    notes = copy / "templates" / "NOTES.txt"
    text = notes.read_text("utf-8")
    wrapped = (
        '{{ define "notes" }}'
        + text
        + '{{ end }}\nkind: ConfigMap\ndata:\n  notes: |{{ include "notes" . | nindent 4 }}\n'
    )
    (copy / "templates" / "notes.yaml").write_text(wrapped, "utf-8")
    notes.unlink()
    done = helm(
        "template", "trial", str(copy), "--kube-version", f"{NEWEST}.0", "-f", str(values), "-s", "templates/notes.yaml"
    )
    assert 0 == done.returncode, done.stderr
    said = yaml.safe_load(done.stdout)["data"]["notes"]
    assert ("bundled" in values.stem) == ("FOR A TRIAL" in said)
    words = [
        shlex.split(line.partition(" -- marketpulse ")[2]) for line in said.splitlines() if " -- marketpulse " in line
    ]
    assert ["doctor"] == [check_command(dict(every_command()), one) for one in words]
