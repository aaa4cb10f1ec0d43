"""The embedded servers: data survives a kill, ports that are taken are passed over, nothing is left behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from marketpulse.client.redis_server import connect
from marketpulse.errors import Unavailable
from streams.dev.embedded.servers import EmbeddedRedis, EmbeddedStack, Server
from tests.support.waiting import until


def ended(pid: int) -> bool:
    """Whether no process has this id, or only one that nobody has waited for yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis that a test may kill; not started yet."""
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    server.kill()


def test_redis_asks_for_a_password_and_shows_it_to_nobody(redis: EmbeddedRedis) -> None:
    """Random at each start on new ports, not on the command line; without it nothing is answered, on loopback alone."""
    redis.start()
    host = redis.url.partition("@")[2]
    password = redis.url.removeprefix("redis://default:").removesuffix(f"@{host}")
    assert len(password) >= 32
    assert password not in Path(f"/proc/{redis.pid}/cmdline").read_text("utf-8")
    for command in ("PING", "EVAL 'return 1' 0"):
        with socket.create_connection(("127.0.0.1", redis.port), 5) as stranger:
            stranger.sendall(f"{command}\r\n".encode())
            assert stranger.recv(16).startswith(b"-NOAUTH")
    with connect(redis.url) as client:
        assert "127.0.0.1" == client.config_get("bind")["bind"]
    assert password not in EmbeddedRedis(redis.folder).url


def test_what_redis_keeps_is_closed_to_other_accounts(redis: EmbeddedRedis) -> None:
    """Folder 0700, files 0600, whatever the umask; a folder that was open before is closed."""
    redis.folder.mkdir(0o755)
    before = os.umask(0o022)
    try:
        redis.start()
    finally:
        os.umask(before)
    with connect(redis.url) as client:
        client.set("a", "1")
        client.save()
    assert 0o700 == stat.S_IMODE(redis.folder.stat().st_mode)
    kept = [path for path in redis.folder.rglob("*") if path.is_file()]
    assert {"redis.log", "redis.conf", "dump.rdb"} <= {path.name for path in kept}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in kept}


def test_redis_keeps_what_it_acknowledged_over_a_kill(redis: EmbeddedRedis) -> None:
    """After SIGKILL, Redis comes back on the same port with the same data."""
    redis.start()
    url, pid = redis.url, redis.pid
    client = connect(url)
    client.set("a", "1")
    redis.kill()
    redis.start()
    assert (url, b"1") == (redis.url, client.get("a"))
    assert pid != redis.pid
    client.close()


@pytest.mark.long
@pytest.mark.timeout(90)
async def test_kafka_keeps_its_log_over_a_kill_and_in_a_folder_used_again(tmp_path: Path) -> None:
    """A record is read back after SIGKILL of the broker, and by a later stack on the same data folder."""
    with EmbeddedStack(tmp_path) as stack:
        address = stack.kafka.bootstrap
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
            await producer.send_and_wait("kept", b"one")
        stack.kafka.kill()
        stack.kafka.start()
        assert address == stack.kafka.bootstrap
        assert b"one" == await first_value(address)
    with EmbeddedStack(tmp_path) as later:
        assert b"one" == await first_value(later.kafka.bootstrap)


async def first_value(address: str) -> bytes | None:
    """Value of the first record of the topic `kept`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition("kept", 0)])
        value: bytes | None = (await consumer.getone()).value
        return value
    finally:
        await consumer.stop()


@pytest.mark.parametrize("listens", [True, False])
def test_a_port_that_was_taken_meanwhile_is_passed_over(redis: EmbeddedRedis, listens: bool) -> None:
    """A first start picks another port when somebody holds the one it had picked, listening or not."""
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", redis.port))
        if listens:
            squatter.listen()
        redis.start()
        assert redis.port != squatter.getsockname()[1]
    client = connect(redis.url)
    assert client.ping()
    client.close()


def test_a_stranger_who_comes_between_is_not_sent_the_password(
    redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account takes the port after it was found free and before the child has it: nothing is sent there."""
    monkeypatch.setattr(Server, "answers", lambda _: False)
    with socket.create_server(("127.0.0.1", redis.port)) as stranger:
        stranger.setblocking(False)
        redis.start()
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_a_start_that_fails_shows_the_end_of_the_log(redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the log, shows why, and says what to do."""
    good = redis.command()
    monkeypatch.setattr(redis, "command", lambda: [*good, "--no-such-option", "1"])
    with pytest.raises(Unavailable, match=r"(?s)Operator action: .*redis\.log.*no-such-option"):
        redis.start(timeout_s=10)


PARENT = """
import os, signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
import streams.dev.embedded.child as embedded
if sys.argv[2] == "shell":
    tie = lambda parent=os.getpid(): embedded.watched(parent)
else:
    tie = embedded.die_with_parent()
child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, preexec_fn=tie)
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["kernel", "shell"])
def test_a_child_ends_when_its_parent_crashes(how: str) -> None:
    """SIGKILL of the parent ends the child, by the kernel on Linux and by the watching shell elsewhere."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PARENT, root, how], stdout=subprocess.PIPE, text=True, check=False, timeout=20
    )
    assert -signal.SIGKILL == done.returncode
    until(lambda: ended(int(done.stdout)), 10, f"process {done.stdout} still runs")


@pytest.mark.timeout(60)
def test_a_stopped_stack_leaves_no_process_and_no_folder() -> None:
    """Both children end with the context, and the temporary data goes."""
    with EmbeddedStack() as stack:
        pids = [stack.kafka.pid, stack.redis.pid]
        folder = stack.kafka.folder
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
        assert set() == {path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
        assert all("//127.0.0.1:" in one for one in listeners(folder / "server.properties"))
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def listeners(configuration: Path) -> list[str]:
    """A broker's listeners, all of them."""
    [line] = [line for line in configuration.read_text("utf-8").splitlines() if line.startswith("listeners=")]
    return line.removeprefix("listeners=").split(",")


def test_two_stacks_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one starts nothing and says who is in its way; the first is not touched."""
    first, second = EmbeddedStack(tmp_path), EmbeddedStack(tmp_path)
    first._take_folder()
    with pytest.raises(Unavailable, match="is used by other embedded servers"), second:
        pass
    assert (None, None) == (second.redis.process, second.kafka.process)
    first.stop()
    second._take_folder()
    second.stop()
