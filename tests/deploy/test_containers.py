"""Dockerfiles and docker-compose.yml: linted, against the compose specification, against the program."""

import os
import re
import stat
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
import redis
import yaml
from compose_spec import PyCompose

from docs.generate.commands import every_command
from streams.access.rights import Role, principal
from streams.dev.embedded.child import die_with_parent
from streams.dev.embedded.servers import free_port
from streams.serving.access import Proxies
from streams.settings import Settings
from tests.deploy.build_steps import DEPLOY, ROOT, UID, stages
from tests.deploy.compose import COMPOSE, SERVICES, environment, filled, make_secrets, required
from tests.support.redis_servers import program
from tests.support.waiting import until

DOCKERFILES = [DEPLOY / "Dockerfile.cpu", DEPLOY / "Dockerfile.gpu"]
each_dockerfile = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.suffix)
OWN = {name: one for name, one in SERVICES.items() if "build" in one}
PROGRAM = program("redis-server")
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
    assert {"kafka", "redis", "acls", "init", "worker", "page"} == profiles.pop("")
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
    short = one["restart"] == "no" or name in ("acls", "init")
    assert short == bool(one["healthcheck"].get("disable"))
    assert short == ("test" not in one["healthcheck"])
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    if "image" in one:
        assert re.search(r":v?\d+\.\d+\.\d+$", one["image"])


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


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    """All that compose requires, random, in a file that is closed to others; what is there is not replaced."""
    (tmp_path / ".env").write_text("MARKETPULSE_PAGE_TOKEN=one-of-my-own-choice\n", "utf-8")
    made = make_secrets(tmp_path)
    assert required() <= set(made)
    assert "one-of-my-own-choice" == made.pop("MARKETPULSE_PAGE_TOKEN")
    assert len(made) == len(set(made.values()))
    assert all(re.fullmatch("[0-9a-f]{48}", one) for one in made.values())
    assert 0o600 == stat.S_IMODE((tmp_path / ".env").stat().st_mode)
    assert made.items() <= make_secrets(tmp_path).items()
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_no_service_starts_with_a_secret_of_the_repository() -> None:
    """Every password, key and token is a required variable."""
    for name, one in SERVICES.items():
        for variable, value in one.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY|AUTH$|JAAS", variable):
                assert re.search(r"\$\{\w+:\?", str(value)), (name, variable)


@pytest.mark.parametrize(
    ("name", "role", "redis"),
    [
        ("worker", "worker", True), ("worker-gpu", "worker", True), ("page", "page", True),
        ("intake", "producer", False), ("notify", "notifier", False), ("init", "operator", True),
        ("cli", "operator", True),
    ],
)  # fmt: skip
def test_each_service_has_the_login_of_its_part(name: str, role: Role, redis: bool) -> None:
    """In both servers; the key of user hashes goes to workers and to the command line, which erases, alone."""
    given = environment(name, secrets := dict.fromkeys(required(), "") | {one: one for one in required()})
    assert principal("marketpulse", role) == given["MARKETPULSE_KAFKA_USERNAME"]
    assert secrets[f"KAFKA_PASSWORD_{role.upper()}"] == given["MARKETPULSE_KAFKA_PASSWORD"]
    assert redis == ("MARKETPULSE_REDIS_URL" in given)
    if redis:
        assert principal("marketpulse", role) == given["MARKETPULSE_REDIS_USERNAME"]
        assert secrets[f"REDIS_PASSWORD_{role.upper()}"] == given["MARKETPULSE_REDIS_PASSWORD"]
    assert (name in ("worker", "worker-gpu", "cli")) == ("MARKETPULSE_USER_HASH_KEY" in given)


@pytest.mark.parametrize("name", ["page", "intake"])
def test_a_proxy_of_this_machine_is_believed(name: str) -> None:
    """Its connections come from a gateway of the service's networks; no other container is one, unless it is named."""
    secrets = dict.fromkeys(required(), "x" * 16)
    proxies = Proxies(environment(name, secrets)["MARKETPULSE_FORWARDED_ALLOW"])
    for network in SERVICES[name]["networks"]:
        [given] = COMPOSE["networks"][network]["ipam"]["config"]
        gateway, *others = ip_network(given["subnet"]).hosts()
        assert str(gateway) == given["gateway"]
        assert [str(gateway)] == [str(one) for one in (gateway, *others) if str(one) in proxies]
    named = environment(name, secrets | {"MARKETPULSE_FORWARDED_ALLOW": "10.0.4.17"})
    assert "10.0.4.17" == named["MARKETPULSE_FORWARDED_ALLOW"]


def test_a_setting_says_that_the_page_is_reached_by_https() -> None:
    """By a variable of `.env`; not by default."""
    secrets = dict.fromkeys(required(), "")
    assert "false" == environment("page", secrets)["MARKETPULSE_PAGE_SECURE_COOKIE"]
    given = environment("page", secrets | {"MARKETPULSE_PAGE_SECURE_COOKIE": "true"})
    assert "true" == given["MARKETPULSE_PAGE_SECURE_COOKIE"]


def test_nobody_shares_a_network_with_redis_who_does_not_use_it() -> None:
    """The intake, the notifier and Grafana reach Kafka or Prometheus, not Redis; every service is in some network."""
    users = {name for name, one in SERVICES.items() if set(one["networks"]) & set(SERVICES["redis"]["networks"])}
    assert {"intake", "notify", "grafana", "kcat"} == set(SERVICES) - users
    assert {name for one in SERVICES.values() for name in one["networks"]} == set(COMPOSE["networks"])
    assert not set(SERVICES["grafana"]["networks"]) & set(SERVICES["kafka"]["networks"])


@pytest.mark.skipif(PROGRAM is None, reason="needs Redis 7: the Debian package redis-server")
def test_compose_s_redis_lets_in_whom_it_lists(tmp_path: Path) -> None:
    """Its command line, run here: each part by its password with its rights, nobody without, none in `ps`."""
    secrets = make_secrets(tmp_path)
    port, shell = free_port(), filled(SERVICES["redis"]["command"][-1], secrets)
    own = {
        "/etc/redis/users.acl": str(DEPLOY / "security" / "users.acl"),
        "/tmp/users.acl": str(tmp_path / "users.acl"),
    }
    for path, here in own.items():
        shell = shell.replace(path, here)
    shell = shell.replace("redis-server", f"{PROGRAM} --port {port} --bind 127.0.0.1 --dir {tmp_path}")
    with (tmp_path / "commands").open("w") as commands:
        running = subprocess.Popen(
            ["sh", "-xc", shell], env=os.environ | environment("redis", secrets), preexec_fn=die_with_parent(),
            stderr=commands,
        )  # fmt: skip
    try:
        reader = redis.Redis(port=port, username="marketpulse-reader", password=secrets["REDIS_PASSWORD_READER"])
        until(lambda: answers(reader), 20)
        for role in ("worker", "page", "operator"):
            login = redis.Redis(
                port=port, username=f"marketpulse-{role}", password=secrets[f"REDIS_PASSWORD_{role.upper()}"]
            )
            assert login.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            reader.set("marketpulse:state", "x")
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(port=port).ping()
        commands_run = (tmp_path / "commands").read_text()
        assert "redis-server" in commands_run
        assert [] == [name for name, secret in secrets.items() if secret in commands_run]
    finally:
        running.terminate()
        running.wait(20)


def test_no_password_is_an_argument_of_a_program() -> None:
    """Every account of the machine sees those: they come by variables."""
    for name, one in SERVICES.items():
        written = [one.get("command"), one.get("entrypoint"), one.get("healthcheck", {}).get("test")]
        assert not re.search(r"\$\{\w*(PASSWORD|TOKEN|KEY)", str(written)), name


def test_kcat_gets_its_login_by_a_file(tmp_path: Path) -> None:
    """That nobody else can read; the arguments that it is given come after it."""
    secrets = make_secrets(tmp_path)
    (tmp_path / "kcat").write_text('#!/bin/sh\necho "$@"\ncat "$2"\n')
    (tmp_path / "kcat").chmod(0o755)
    written = tmp_path / "kcat.conf"
    [*shell, name] = [
        filled(part, secrets).replace("/tmp/kcat.conf", str(written)) for part in SERVICES["kcat"]["entrypoint"]
    ]
    variables = os.environ | environment("kcat", secrets) | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(
        [shell[0], "-x", *shell[1:], name, "-C", "-t", "a b"],
        env=variables, capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    arguments, *content = ran.stdout.splitlines()
    assert f"-F {written} -C -t a b" == arguments
    assert f"sasl.password={secrets['KAFKA_PASSWORD_READER']}" in content
    assert (0o600, False) == (written.stat().st_mode & 0o777, secrets["KAFKA_PASSWORD_READER"] in ran.stderr)


def answers(client: "redis.Redis[bytes]") -> bool:
    """Whether a login is taken already."""
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


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
