"""The ACL file as it is shipped, in a Redis that knows key permissions: what a reader sees, and what it does not."""

from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from marketpulse.client.reader import Reader
from streams.access.rights import Role, redis_rules, redis_users
from streams.dev.embedded.programs import server_version
from streams.ledger.commit import Ledger
from tests.support.redis_servers import RedisOf, program, url_of

PREFIX = "shop"
PROGRAM = program("redis-server") or program("valkey-server")
pytestmark = pytest.mark.skipif(
    PROGRAM is None or server_version(str(PROGRAM)) < (7, 0, 0),
    reason="needs Redis 7 or Valkey, which know key permissions: the Debian package redis-server",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisOf]:
    """A Redis whose users are those of `marketpulse acls show redis`."""
    folder = tmp_path_factory.mktemp("rights")
    users = redis_users(PREFIX, dict.fromkeys(redis_rules(PREFIX), "pw"))
    (folder / "users.acl").write_text("".join(f"{line}\n" for line in users), "utf-8")
    assert PROGRAM is not None
    started = Listed(folder, PROGRAM, "--aclfile", str(folder / "users.acl"))
    started.start()
    yield started
    started.stop()


class Listed(RedisOf):
    """With users of its file alone; it is up once it refuses its default user."""

    def answers(self) -> bool:
        """Whether the refusal comes."""
        try:
            redis.Redis(port=self.port).ping()
        except AuthenticationError:
            return True
        except redis.ConnectionError:
            return False
        return False


def client(server: RedisOf, role: Role) -> "redis.Redis[bytes]":
    """A role's connection."""
    return redis.Redis.from_url(url_of(server.url, f"{PREFIX}-{role}", "pw"))


async def test_a_reader_reads_and_sees_no_hashes_of_users(server: RedisOf) -> None:
    """Metrics and a snapshot; not the HyperLogLogs of hours, nor those of a step that is open.

    Nor the roll-up's state, with its excerpts' exact times and users' numbers; nor records' checksums; nor sums by
    which the minute of a text could be found, which the page alone reads, with counts of users.
    """
    ledger = Ledger(url_of(server.url, f"{PREFIX}-worker", "pw"), PREFIX)
    hour, opened = ledger.keys.users_of_hour("BR", 1), ledger.keys.step_users(3, "BR:1")
    await ledger.redis.pfadd(hour, b"user")
    await ledger.redis.pfadd(opened, b"user")
    await ledger.redis.hset(ledger.keys.step_counts(3), "BR:1:negative/app", 2)
    await ledger.redis.hset(ledger.keys.state, "market:BR", "excerpts")
    await ledger.redis.hset(ledger.keys.step_excerpts(3), "BR", "excerpts")
    await ledger.redis.set(ledger.keys.model, "{}")
    await ledger.redis.xadd(ledger.keys.outbox, {"topic": "market.steps", "value": "users"})
    await ledger.close()
    for role in ("reader", "page"):
        with client(server, role) as reading:
            assert 1 == reading.hlen(ledger.keys.step_counts(3))
            for key in (hour, opened, f"{PREFIX}:step:3:users"):
                with pytest.raises(NoPermissionError):
                    reading.get(key)
            closed = [
                ledger.keys.state,
                ledger.keys.step_excerpts(3),
                ledger.keys.partition(0),
                ledger.keys.step_counts(3),
            ]
            for key in closed:
                with pytest.raises(NoPermissionError):
                    reading.hgetall(key)
            assert b"{}" == reading.get(ledger.keys.model)
            assert 1 == reading.xlen(ledger.keys.outbox)
            with pytest.raises(NoPermissionError):
                reading.xrange(ledger.keys.outbox)
            with pytest.raises(NoPermissionError):
                reading.xread({ledger.keys.outbox: 0})
    with client(server, "page") as page, client(server, "reader") as reader_only:
        assert (1, {}) == (page.pfcount(hour), page.hgetall(ledger.keys.minutes("BR")))
        for work in (lambda: reader_only.pfcount(hour), lambda: reader_only.hgetall(ledger.keys.minutes("BR"))):
            with pytest.raises(NoPermissionError):
                work()
    with Reader(url_of(server.url, f"{PREFIX}-reader", "pw"), prefix=PREFIX) as reader:
        assert 0 == reader.snapshot().status.step
