"""Dockerfiles and docker-compose.yml: linted, against the compose specification, against the program."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from docs.generate.commands import every_command
from streams.settings import Settings
from tests.deploy.build_steps import DEPLOY, ROOT, UID, stages

DOCKERFILES = [DEPLOY / "Dockerfile.cpu", DEPLOY / "Dockerfile.gpu"]
each_dockerfile = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.suffix)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: one for name, one in SERVICES.items() if "build" in one}
each_service = pytest.mark.parametrize("name", SERVICES)


@each_dockerfile
def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    """No finding; what is ignored says why in the file."""
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", dockerfile], capture_output=True, text=True, timeout=60, check=False
    )
    assert (0, "") == (done.returncode, done.stdout)


@each_dockerfile
def test_an_image_is_small_named_and_not_root(dockerfile: Path) -> None:
    """Several stages, of which the last gets /venv alone; a numeric user, labels, a health check, a pinned base."""
    [base] = re.findall(r"^ARG BASE=\S+:(\S+)$", dockerfile.read_text("utf-8"), re.MULTILINE)
    assert re.match(r"\d+\.\d+\.\d+", base)
    last = stages(dockerfile)[-1]
    given = dict(last)
    assert ["--from=build /venv /venv"] == [arguments for name, arguments in last if name in ("COPY", "ADD")]
    assert not [arguments for name, arguments in last if name == "RUN"]
    assert f"{UID}:{UID}" == given["USER"]
    assert "/livez" in given["HEALTHCHECK"]
    assert {"title", "description", "licenses", "version", "revision"} == set(
        re.findall(r"org\.opencontainers\.image\.(\w+)=", given["LABEL"])
    )
    names = set(re.findall(r"MARKETPULSE_(\w+)=", given["ENV"]))
    assert {name.lower() for name in names} <= set(Settings.model_fields)


@each_dockerfile
def test_all_that_an_image_copies_is_sent_to_the_builder(dockerfile: Path) -> None:
    """.dockerignore lets in what COPY names, and nothing else."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = [path for name, arguments in stages(dockerfile)[-2] if name == "COPY" for path in arguments.split()[:-1]]
    assert let_in == {path.split("/")[0] for path in copied}
    assert all((ROOT / path).exists() for path in copied)


def test_compose_is_what_the_specification_allows() -> None:
    """No unknown key, no reference to a service or volume that is not there."""
    read = PyCompose.from_yaml(yaml.safe_dump(COMPOSE))
    read.validate()
    with pytest.raises(ValueError, match="memry"):
        PyCompose.from_yaml("services: {a: {image: b, memry: 1}}")
    known = set(COMPOSE["volumes"])
    for name, one in SERVICES.items():
        assert set(one.get("depends_on", ())) <= set(SERVICES), name
        named = {volume.split(":")[0] for volume in one.get("volumes", ()) if not volume.startswith((".", "/"))}
        assert named <= known, name


def test_the_profiles_are_there() -> None:
    """What is started without one, and what each adds."""
    profiles: dict[str, set[str]] = {}
    for name, one in SERVICES.items():
        for profile in one.get("profiles", [""]):
            profiles.setdefault(profile, set()).add(name)
    assert {"kafka", "redis", "init", "worker", "page"} == profiles.pop("")
    assert {"gpu", "intake", "notify", "tools", "monitoring"} == set(profiles)


@each_service
def test_a_container_may_not_do_more_than_it_must(name: str) -> None:
    """Read-only root, no capability, no new rights, limits, a health check or a reason for none, loopback alone."""
    one = SERVICES[name]
    assert one["read_only"] is True
    assert ["ALL"] == one["cap_drop"]
    assert ["no-new-privileges:true"] == one["security_opt"]
    assert "privileged" not in one
    assert "/tmp" in one["tmpfs"]
    assert {"cpus", "memory"} <= set(one["deploy"]["resources"]["limits"])
    short = one["restart"] == "no" or name == "init"
    assert short == bool(one["healthcheck"].get("disable"))
    assert short == ("test" not in one["healthcheck"])
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    if "image" in one:
        assert re.search(r":v?\d+\.\d+", one["image"])


@pytest.mark.parametrize("name", OWN)
def test_own_containers_are_told_what_the_program_knows(name: str) -> None:
    """Real commands, options and settings; secrets come from outside; the probe asks the port that is set."""
    one = OWN[name]
    commands = dict(every_command())
    [command] = [each for each in commands if one["command"][: len(each.split())] == each.split()]
    options = {option for parameter in commands[command].params for option in parameter.opts}
    assert {word for word in one["command"] if word.startswith("--")} <= options
    for variable, value in one["environment"].items():
        field = Settings.model_fields[variable.removeprefix("MARKETPULSE_").lower()]
        if "SecretStr" in str(field.annotation):
            assert str(value).startswith("${") or "@" not in str(value)
    if "MARKETPULSE_HEALTH_PORT" in one["environment"]:
        asked = re.findall(r"127\.0\.0\.1:(\d+)/(livez|readyz)", one["healthcheck"]["test"][-1])
        assert [str(one["environment"]["MARKETPULSE_HEALTH_PORT"])] == [port for port, _ in asked]
    assert (ROOT / one["build"]["dockerfile"]).exists()


def test_compose_waits_longer_than_a_worker_drains() -> None:
    """By more than the 7 s that its end takes besides."""
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= Settings.model_fields["drain_seconds"].default + 10


def test_prometheus_asks_the_services_of_compose() -> None:
    """By name and port."""
    scraping = yaml.safe_load((DEPLOY / "monitoring" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    asked = {
        (name, one["port"])
        for job in scraping["scrape_configs"] for one in job["dns_sd_configs"] for name in one["names"]
    }  # fmt: skip
    listening = {
        (name, one["environment"]["MARKETPULSE_HEALTH_PORT"])
        for name, one in OWN.items()
        if "MARKETPULSE_HEALTH_PORT" in one["environment"]
    }
    assert {("worker", 8081), ("page", 8081), ("intake", 8081), ("notify", 8081)} <= asked <= listening
