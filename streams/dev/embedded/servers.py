"""Real Kafka and Redis as child processes on free loopback ports, from Python packages alone."""

import base64
import contextlib
import fcntl
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from marketpulse.client.kafka_servers import Servers
from marketpulse.errors import Unavailable
from streams.dev.embedded.child import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    PRIVATE_UMASK,
    die_with_parent,
    private_folder,
    write_private,
)
from streams.dev.embedded.programs import java_executable, kafka_classpath, prefetch, redis_executable, require_platform

_PORT_TRIES = 4

_KAFKA_LOG = ("defaultLogLevel=warn", "showDateTime=true", "dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ")


@dataclass(frozen=True)
class Endpoints:
    """Where servers listen: Kafka's as host:port or with TLS and login, `redis` as URL."""

    kafka: Servers
    redis: str


def free_port() -> int:
    """A loopback port that nobody listens on now.

    It lies below the ports that systems give to outgoing connections: while a server restarts, a client that tries its
    port again and again could otherwise be given that very port, connect to itself, and keep the server out.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One child process with its data folder, port and log; it dies with this process, also on a crash."""

    name = "server"

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / f"{self.name}.log"
        self._log_begin = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._served = False
        self.choose_ports()

    def choose_ports(self) -> None:
        """Pick free ports: before the first start, and again when one was taken meanwhile."""
        self.port = free_port()

    def command(self) -> list[str]:
        """The command line; data lies in `folder`."""
        raise AssertionError("a server names its command")

    def prepare(self) -> None:
        """Called before each start, in an existing folder that may hold data already."""

    def answers(self) -> bool:
        """Whether the server serves."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
            return True
        return False

    @property
    def pid(self) -> int:
        """Process id of the running child."""
        assert self.process is not None
        return self.process.pid

    def start(self, timeout_s: float = 60.0) -> None:
        """Start on the folder's data and wait until it serves; a later start keeps the port, clients know it.

        Raises:
            Unavailable: it ended or did not serve in time; the message shows the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        private_folder(self.folder)
        trouble = ""
        for _ in range(_PORT_TRIES):
            failure = self._try_to_start(deadline)
            if failure is None:
                self._served = True
                return
            trouble = failure
            if self._served or "Address already in use" not in trouble:
                break
            self.choose_ports()
        raise Unavailable(
            f"The embedded {self.name} did not start on port {self.port} within {timeout_s:.0f} s. Operator action: "
            f"mend what the end of its log {self.log} says:\n{trouble[-2_000:]}"
        )

    def _try_to_start(self, deadline: float) -> str | None:
        """Start once; None when it serves, else what it logged."""
        if Server.answers(self):  # whether anybody listens: a stranger must not be sent the password
            return f"Address already in use: another process listens on port {self.port}"
        self.prepare()
        self.log.touch(PRIVATE_FILE)
        with self.log.open("ab") as log:
            self._log_begin = log.tell()
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent(),
                umask=PRIVATE_UMASK,
            )  # fmt: skip
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.answers():
                return None
            time.sleep(0.05)
        self.kill()
        return self.logged()

    def logged(self) -> str:
        """What the child of the last start has logged."""
        return self.log.read_bytes()[self._log_begin :].decode("utf-8", "replace")

    def stop(self, timeout_s: float = 20.0) -> None:
        """Ask the child to end; kill it when it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal (SIGSTOP, SIGCONT, ...)."""
        os.kill(self.pid, number)


class EmbeddedKafka(Server):
    """Apache Kafka 4.3.1 in KRaft mode: broker and controller in one process."""

    name = "kafka"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._classpath = ""

    def choose_ports(self) -> None:
        """Pick the broker's and the controller's port."""
        super().choose_ports()
        while (controller_port := free_port()) == self.port:
            pass
        self._controller_port = controller_port

    @property
    def bootstrap(self) -> str:
        """Bootstrap server, host:port."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the configuration with today's ports, and format the log folder once."""
        write_private(self.folder / "server.properties", self._properties())
        if (self.folder / "logs" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        configuration = str(self.folder / "server.properties")
        tool = [
            *self._java("-Xmx256m"),
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            configuration,
            *self._format_options(),
        ]
        done = subprocess.run(tool, capture_output=True, check=False, umask=PRIVATE_UMASK)
        if done.returncode:
            raise Unavailable(
                f"Kafka's log folder {self.folder} could not be formatted. Operator action: check its disk and rights; "
                f"Kafka said: {done.stderr.decode()[-1000:]}"
            )

    def command(self) -> list[str]:
        """The broker's command line."""
        return [*self._java("-Xms256m", "-Xmx640m"), "kafka.Kafka", str(self.folder / "server.properties")]

    def _format_options(self) -> list[str]:
        """What else the log folder is formatted with: users, for a broker that asks for logins."""
        return []

    def _java(self, *options: str) -> list[str]:
        self._classpath = self._classpath or kafka_classpath()
        return [
            java_executable(),
            *options,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *(f"-Dorg.slf4j.simpleLogger.{setting}" for setting in _KAFKA_LOG),
            "-cp",
            self._classpath,
        ]

    def _properties(self) -> str:
        return f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self._controller_port}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={self.folder / "logs"}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.segment.bytes=268435456
"""


class EmbeddedRedis(Server):
    """Redis or Valkey with an append-only file and a random password, which only its configuration and `url` hold."""

    name = "redis"

    def choose_ports(self) -> None:
        """Pick a free port and a new password: one that was offered at a port of somebody else is not used again."""
        super().choose_ports()
        self._password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Redis URL with its login."""
        return f"redis://default:{self._password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the password where only this user reads it; a command line can be read by all."""
        write_private(self.folder / "redis.conf", f"requirepass {self._password}\n")

    def command(self) -> list[str]:
        """The server's command line."""
        return [
            redis_executable(), str(self.folder / "redis.conf"), "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.folder),
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
            "--daemonize", "no", "--protected-mode", "yes",
            "--client-output-buffer-limit", "normal", "256mb", "64mb", "30",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it answers a PING; until it says that it has the port, nobody there is sent the password."""
        if "Ready to accept connections" not in self.logged():
            return False
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5) as link:
            link.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            with link.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        return False


class EmbeddedStack:
    """Both servers; a context manager. Without a data folder, a temporary one is used.

    Start them from the main thread: Linux ends a child when the thread that made it ends.
    """

    def __init__(self, data_folder: Path | None = None) -> None:
        require_platform()
        self._temporary = None if data_folder else tempfile.TemporaryDirectory(prefix="marketpulse-")
        root = data_folder or Path(self._temporary.name if self._temporary else "")
        self._root = root
        self._lock: IO[bytes] | None = None
        self.kafka = EmbeddedKafka(root / "kafka")
        self.redis = EmbeddedRedis(root / "redis")

    @property
    def endpoints(self) -> Endpoints:
        """Where both listen."""
        return Endpoints(self.kafka.bootstrap, self.redis.url)

    def __enter__(self) -> Self:
        try:
            self._take_folder()
            self.redis.start()
            self.kafka.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_folder(self) -> None:
        """Two stacks on one folder would write over each other's logs. Raises Unavailable."""
        self._root.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._lock = (self._root / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unavailable(
                f"The data folder {self._root} is used by other embedded servers. Operator action: use those, stop "
                "them, or give another folder."
            ) from error

    def stop(self) -> None:
        """Stop both and remove a temporary data folder."""
        for server in (self.kafka, self.redis):
            server.stop()
        if self._lock is not None:
            self._lock.close()
        if self._temporary is not None:
            self._temporary.cleanup()


if __name__ == "__main__":
    for what, size in prefetch().items():
        sys.stdout.write(f"{what}: {size / 1e6:.1f} MB\n")
