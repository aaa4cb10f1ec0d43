"""The bundled broker's variables, turned into a configuration by the image's own program, start a broker."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marketpulse.client.kafka_servers import KafkaServers, Servers
from marketpulse.errors import MarketpulseError, OperatorNeeded, Unavailable
from streams.access.kafka_acls import create_acls
from streams.access.rights import ROLES, Role, principal
from streams.dev.embedded.programs import java_executable, kafka_classpath
from streams.kafka.admin import create_topics, kafka_answers, topic_offsets
from streams.kafka.publish import Record, publish
from tests.deploy.chart import HELM, VALUES, containers, rendered, variables
from tests.deploy.compose import environment, make_secrets
from tests.support.waiting import until_async

needs_helm = pytest.mark.skipif(HELM is None, reason="needs helm: `make helm` builds it where there is Go")
Start = Callable[[dict[str, str], str], str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a broker from the image's variables and its host's name, with other ports and folders; its address."""
    running: list[subprocess.Popen[bytes]] = []

    def broker(given: dict[str, str], name: str) -> str:
        environment = {
            one: value.replace(f"//{name}:", "//127.0.0.1:").replace(f"@{name}:", "@127.0.0.1:")
            for one, value in given.items()
            if one.startswith("KAFKA_")
        }
        ports = free_ports(4)
        for old, new in zip(("9092", "9093", "9094", "9095"), ports, strict=True):
            environment = {one: value.replace(f":{old}", f":{new}") for one, value in environment.items()}
        environment["KAFKA_LOG_DIRS"] = str(tmp_path / "data" / "log")  # Kafka makes it, as below the volume
        java = [java_executable(), "-Xmx512m", "-cp", kafka_classpath()]
        folders = [tmp_path / each for each in ("default", "mounted", "final")]
        for folder in folders:
            folder.mkdir()
        options = [f"--{one.name}-configs-dir={one}" for one in folders]
        made = subprocess.run(
            [*java, "kafka.docker.KafkaDockerWrapper", "setup", *options],
            env={"CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw", "PATH": os.environ["PATH"]} | environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert 0 == made.returncode, made.stdout + made.stderr
        command = [*java, "kafka.Kafka", str(folders[-1] / "server.properties")]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return f"127.0.0.1:{ports[0]}"

    yield broker
    for process in running:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@needs_helm
async def test_the_chart_s_broker_starts(start: Start) -> None:
    """And takes the topics that the job creates, with one copy."""
    [trial] = [path for path in VALUES if path.stem == "cpu-bundled"]
    [broker] = [one for name, one in containers(rendered(trial)) if name == "kafka"]
    address = start({name: one["value"] for name, one in variables(broker).items()}, "trial-marketpulse-kafka")
    await until_async(lambda: answers(address), 60, every_s=0.1)
    assert "trial.feedback" in await create_topics(address, "trial", 2, 1)


async def test_compose_s_broker_knows_each_part(start: Start, tmp_path: Path) -> None:
    """Logins of deploy/secrets.sh and rules of `acls apply`, as compose runs it: each part its own, nobody without."""
    secrets = make_secrets(tmp_path)
    address = start(environment("kafka", secrets), "kafka")

    def login(service: str) -> KafkaServers:
        given = environment(service, secrets)
        user, password = given["MARKETPULSE_KAFKA_USERNAME"], given["MARKETPULSE_KAFKA_PASSWORD"]
        return KafkaServers(address, "SASL_PLAINTEXT", "PLAIN", user, password)

    await until_async(lambda: answers(login("acls")), 60, every_s=0.1)
    principals: dict[Role, str] = {role: f"User:{principal('marketpulse', role)}" for role in ROLES}
    await create_acls(login("acls"), "marketpulse", principals)
    assert "marketpulse.feedback" in await create_topics(login("init"), "marketpulse", 2, 1)
    await publish(login("intake"), "marketpulse.feedback", [Record(None, b"{}")])
    assert 1 == sum(end for _, end in (await topic_offsets(login("worker"), "marketpulse.feedback")).values())
    for service in ("notify", "page"):
        with pytest.raises(OperatorNeeded, match="Operator action"):
            await topic_offsets(login(service), "marketpulse.feedback", patience=1)
    with pytest.raises(MarketpulseError):
        await topic_offsets(address, "marketpulse.feedback", patience=1)


async def answers(address: Servers) -> bool:
    """Whether the broker answers."""
    try:
        await kafka_answers(address)
    except Unavailable:
        return False
    return True
