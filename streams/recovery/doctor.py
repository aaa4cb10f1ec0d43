"""Check everything a worker needs, one finding per part, each with what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from marketpulse.client.reader import Reader
from marketpulse.contract.decode import utc
from marketpulse.contract.topics import TOPICS, topic_name
from marketpulse.contract.words import count_of
from marketpulse.errors import MarketpulseError, TopicMissing, what_and_action
from models.errors import ModelError
from models.load import load_classifier
from strategy.errors import StrategyError
from strategy.portfolio import load_portfolio
from streams.clock import epoch_ms
from streams.contract.rules import Rules
from streams.kafka.admin import topic_offsets
from streams.kafka.compacted import read_all
from streams.ledger.commit import Ledger
from streams.ledger.server import check_server, known_holes, server_version
from streams.pipeline.ingest.topic_settings import batches_too_large, times_of_producers
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.operators.rules_file import changes, load_rules
from streams.setting_checks import LEAST_KEY_BYTES, PUBLIC_KEY
from streams.settings import Settings

WARNINGS = ("secrets", "redis version", "market table", "connections")
"""Parts whose findings are worth a look, and end nothing."""
KEY_BEFORE_LIVES = timedelta(days=16)
"""How long the key before a change is needed: `feedback.classified` keeps its hashes for 15 days, for erasure too."""


class Finding(msgspec.Struct, frozen=True):
    """One part's state; `do` is empty where it is fine."""

    part: str
    fine: bool
    what: str
    do: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Kafka and topics, Redis and ledger, model and device, market table, rules, connections, secrets."""
    return [
        await _checked("kafka and topics", lambda: _topics(settings)),
        await _checked("redis", lambda: _redis(settings)),
        await _checked("redis version", lambda: _redis_version(settings)),
        _connections(settings),
        await _checked("ledger", lambda: _ledger(settings)),
        await _checked("model", lambda: asyncio.to_thread(_model, settings)),
        await _checked("market table", lambda: _portfolio(settings)),
        await _checked("rules", lambda: asyncio.to_thread(_rules, settings)),
        examine_key(settings),
    ]


async def _checked(part: str, work: Callable[[], Awaitable[Finding | str]]) -> Finding:
    try:
        found = await work()
    except (MarketpulseError, ModelError, StrategyError) as error:
        what, action = what_and_action(str(error))
        return Finding(part, False, what, action or "see the logs")
    return found if isinstance(found, Finding) else Finding(part, True, found)


async def _topics(settings: Settings) -> Finding | str:
    missing = []
    for spec in TOPICS:
        try:
            await topic_offsets(settings.kafka_servers, topic_name(settings.prefix, spec.name), patience=1)
        except TopicMissing:
            missing.append(spec.name)
    if missing:
        return Finding("kafka and topics", False, f"missing: {', '.join(missing)}", "marketpulse topics create")
    if too_large := await batches_too_large(settings):
        return Finding("kafka and topics", False, *what_and_action(too_large))
    if dated := await times_of_producers(settings):
        return Finding("kafka and topics", False, *what_and_action(dated))
    return f"{settings.kafka} answers, all {len(TOPICS)} topics are there"


async def _redis(settings: Settings) -> Finding | str:
    await check_server(settings.redis, settings.prefix)
    ledger = Ledger(settings.redis, settings.prefix)
    try:
        problem = await ledger.check_redis()
    finally:
        await ledger.close()
    if problem:
        return Finding("redis", False, *what_and_action(problem))
    return "answers, does not evict, allows what a worker needs"


async def _redis_version(settings: Settings) -> Finding | str:
    ledger = Ledger(settings.redis, settings.prefix)
    try:
        found = await server_version(ledger)
    except MarketpulseError:  # it is away, which is another part's finding, or its managed service hides INFO
        return "not known: INFO is not answered"
    finally:
        await ledger.close()
    holes = known_holes(found)
    return Finding("redis version", False, *what_and_action(holes)) if holes else f"{found.name} {found.number}"


def _connections(settings: Settings) -> Finding:
    """Passwords that whoever sees the network between this process and a server would read."""
    read = []
    if (settings.kafka_security_protocol, settings.kafka_sasl_mechanism) == ("SASL_PLAINTEXT", "PLAIN"):
        hosts = [address.strip().rpartition(":")[0].strip("[]") for address in settings.kafka.split(",")]
        read += [f"Kafka's to {host}" for host in hosts if not _is_here(host)]
    url = urlsplit(settings.redis)
    if url.scheme == "redis" and url.password and not _is_here(url.hostname or "localhost"):
        read.append(f"Redis's to {url.hostname}")
    if not read:
        return Finding("connections", True, "no password is sent to another host without TLS")
    do = "MARKETPULSE_KAFKA_SECURITY_PROTOCOL=SASL_SSL, rediss:// in MARKETPULSE_REDIS_URL (docs/how-to/secure.md)"
    return Finding("connections", False, f"passwords are sent without TLS: {', '.join(read)}", do)


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its name or address; a name is not looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _ledger(settings: Settings) -> Finding | str:
    await _require_whole(settings)
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        status = await asyncio.to_thread(lambda: reader.snapshot().status)
    steps, feedback = [await _offsets(settings, name) for name in ("market.steps", "feedback")]
    if not status.partitions and not status.step:  # an older version wrote no offsets for readers
        if any(end > first for first, end in steps.values()):
            what = f"no ledger under prefix {settings.prefix}, though the journal holds steps: it was lost"
            return Finding("ledger", False, what, "marketpulse ledger rebuild")
        return Finding("ledger", False, f"no ledger under prefix {settings.prefix}", "marketpulse ledger init")
    for number, (first, end) in feedback.items():
        if not first <= (counted := status.partitions.get(number, first)) <= end:
            what = f"counted up to {counted} in partition {number}, where the topic holds {first} to {end}"
            return Finding("ledger", False, what, "see Recovery in docs/operations.md")
    events = status.totals.get("accepted", 0)
    return f"step {status.step}, {count_of(events, 'event')} in {count_of(len(status.partitions), 'partition')}"


async def _require_whole(settings: Settings) -> None:
    ledger = Ledger(settings.redis, settings.prefix)
    try:
        await ledger.require_whole()
    finally:
        await ledger.close()


async def _offsets(settings: Settings, name: str) -> dict[int, tuple[int, int]]:
    """A topic's offsets; none where it is not there, which is another part's finding."""
    try:
        return await topic_offsets(settings.kafka_servers, topic_name(settings.prefix, name), patience=1)
    except MarketpulseError:
        return {}


def _model(settings: Settings) -> str:
    info = load_classifier(
        settings.model, settings.model_folder, settings.device, settings.threads, settings.model_sha256
    ).info
    return f"{info.id} on {info.device} ({info.provider}), sha256 {info.sha256[:12]}"


async def _portfolio(settings: Settings) -> Finding | str:
    """The table in force, or the workers' own where nothing was published yet; the shipped example is no own one."""
    profiles = Profiles(await asyncio.to_thread(load_portfolio, settings.portfolio))
    try:
        for record in await read_all(settings.kafka_servers, topic_name(settings.prefix, "market.profiles")):
            profiles.take(record)
        profiles.settle(epoch_ms())
    except MarketpulseError:  # Kafka or the topic is away, which is another part's finding
        pass
    plan, markets = profiles.now.plan, profiles.now.markets
    what = f"{count_of(len(markets), 'market')}, budget {plan.budget:,.0f} ({plan.currency})"
    if settings.portfolio is None and profiles.of_file:
        do = "publish your own: marketpulse profiles apply FILE, or name one in MARKETPULSE_PORTFOLIO"
        return Finding("market table", False, f"the shipped example: {what}", do)
    return what


def _rules(settings: Settings) -> str:
    changed = changes(Rules(), load_rules(settings.rules))
    return f"{len(changed)} values are not the default" if changed else "the defaults"


def examine_key(settings: Settings) -> Finding:
    """The key of user hashes by its value: settings refuse an empty one and a short one."""
    key, before, since = settings.user_hash_key, settings.user_hash_key_before, settings.user_hash_key_since
    if key.get_secret_value() == PUBLIC_KEY:
        if not settings.on_loopback:
            what = "workers refuse the public default key, as Kafka or Redis is not on loopback"
            return Finding("user hash key", False, what, "set MARKETPULSE_USER_HASH_KEY: openssl rand -hex 32")
        do = "set MARKETPULSE_USER_HASH_KEY to a secret of your own before production"
        return Finding("secrets", False, "user ids are hashed with the public default key", do)
    if before is not None and before.get_secret_value() == key.get_secret_value():
        do = "set MARKETPULSE_USER_HASH_KEY to another one, or take _BEFORE and _SINCE away"
        return Finding("secrets", False, "the new key of user hashes is the key before it", do)
    if since is None or before is None:
        return Finding("secrets", True, "user ids are hashed with a key of your own")
    when = f"user ids are hashed with the new key for events from {utc(int(since.timestamp() * 1000))} on"
    if datetime.now(UTC) - since > KEY_BEFORE_LIVES:
        do = "take MARKETPULSE_USER_HASH_KEY_BEFORE and _SINCE away: nothing is hashed with the key before any more"
        return Finding("secrets", False, when, do)
    if (length := len(before.get_secret_value().encode())) < LEAST_KEY_BYTES:
        kind = "public" if before.get_secret_value() == PUBLIC_KEY else f"short ({length} bytes)"
        do = f"take MARKETPULSE_USER_HASH_KEY_BEFORE and _SINCE away {KEY_BEFORE_LIVES.days} days after that"
        return Finding("secrets", False, f"{when}; the key before it is {kind}", do)
    return Finding("secrets", True, when)
