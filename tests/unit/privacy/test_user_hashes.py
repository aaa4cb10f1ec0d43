"""Keyed hashes of user ids, and what is still said of distinct users while their key is changed."""

import re
import time
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.decode import TOO_LATE_MS
from marketpulse.contract.units import HOUR_MS
from streams.contract.journal import UserKey
from streams.errors import SettingsError
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.windows import Windows
from streams.pipeline.rollup.metrics import compute_metrics
from streams.pipeline.rollup.state import CommonState, known_key
from streams.pipeline.rollup.step_record import Spending
from streams.pipeline.rollup.users import ActiveUsers, stretches
from streams.privacy.user_hashes import Mixed, UserHashes, key_id, keys_in, mixed_after, quick_key_id
from streams.recovery.doctor import examine_key
from streams.recovery.erase import Erase
from streams.settings import load_settings

OLD, NEW = UserKey("old"), UserKey("new")
HOUR = 490_000  # an hour of 2025
SINCE_MS = HOUR * HOUR_MS
AT_CHANGE = UserKey("new", SINCE_MS)
MIXED = (SINCE_MS - TOO_LATE_MS, SINCE_MS + 2 * HOUR_MS)


def test_a_hash_needs_the_key() -> None:
    """Another key, another hash; neither it nor the key's own name holds the id or the key."""
    one = UserHashes(b"a")
    assert one.of("user-1", 0) != UserHashes(b"b").of("user-1", 0)
    assert 8 == len(one.of("user-1", 0))
    assert key_id(b"a") != key_id(b"b")
    assert one.key_id_at(0) == key_id(b"a") == one.key.id


def test_a_key_of_up_to_64_bytes_hashes_as_ever_and_all_of_a_longer_one_counts() -> None:
    """Counts of users survive an update; what lies beyond what BLAKE2b takes is not cut in silence."""
    assert "6f460361e861221a" == UserHashes(b"marketpulse").of("u7", 0).hex()
    longest = b"k" * 64
    assert blake2b(b"u7", digest_size=8, key=longest).digest() == UserHashes(longest).of("u7", 0)
    hashes = {UserHashes(longest + end).of("u7", 0) for end in (b"", b"1", b"2")}
    assert 3 == len(hashes) == len({UserHashes(longest + end).key.id for end in (b"", b"1", b"2")})


def test_an_id_of_a_key_is_dear_to_guess_and_an_older_one_is_kept() -> None:
    """A ledger that knows a key by the older id goes on with it, so no change of key is seen; a new key has the new."""
    hashes = UserHashes(b"new", b"old", SINCE_MS)
    assert [12, 12] == [len(hashes.key_id_at(at)) for at in (0, SINCE_MS)]
    hashes.known_as([quick_key_id(b"old")])
    assert (quick_key_id(b"old"), key_id(b"new")) == (hashes.key_id_at(0), hashes.key.id)
    running = UserHashes(b"old")
    running.known_as([quick_key_id(b"old")])
    assert [] == mixed_after([], UserKey(quick_key_id(b"old")), running.key, SINCE_MS)
    stored = msgspec.msgpack.encode(CommonState(user_key=running.key))
    assert (running.key, None) == (known_key(stored), known_key(None))
    started = time.process_time()
    key_id.__wrapped__(b"sommer2026")
    assert time.process_time() - started > 0.005


def test_the_key_is_chosen_by_the_events_own_hour() -> None:
    """Whenever, and by whichever worker, an event is counted, it is hashed the same."""
    both, old, new = UserHashes(b"new", b"old", SINCE_MS), UserHashes(b"old"), UserHashes(b"new")
    assert old.of("u", 1) == both.of("u", SINCE_MS - 1)
    assert new.of("u", 1) == both.of("u", SINCE_MS)
    assert (key_id(b"old"), key_id(b"new")) == (both.key_id_at(SINCE_MS - 1), both.key_id_at(SINCE_MS))
    assert UserKey(key_id(b"new"), SINCE_MS) == both.key
    assert [new.of("u", 1), old.of("u", 1)] == both.every("u")


events = st.lists(st.tuples(st.integers(0, 5), st.integers(-60, 60)), max_size=60)


@given(events, st.integers(-55, 55), st.integers(1, 40))
def test_what_counts_once_is_right_around_an_announced_change(
    feed: list[tuple[int, int]], first: int, length: int
) -> None:
    """In every window that is said to hold users once, as many hashes as users."""
    hashes = UserHashes(b"new", b"old", SINCE_MS)
    mixed = mixed_after([], OLD, AT_CHANGE, SINCE_MS - 5 * HOUR_MS)
    begin, end = HOUR + first, HOUR + first + length
    inside = [(f"u{user}", (HOUR + hour) * HOUR_MS) for user, hour in feed if begin <= HOUR + hour < end]
    users, counted = {user for user, _ in inside}, {hashes.of(user, at) for user, at in inside}
    assert keys_in(mixed, begin, end) == (2 if begin < HOUR < end else 1)
    if keys_in(mixed, begin, end) == 1:
        assert len(users) == len(counted)
    assert len(counted) <= len(users) * keys_in(mixed, begin, end)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300), st.integers(0, 167)), max_size=60), st.integers(0, 200)
)
def test_an_unannounced_change_is_never_taken_for_one_key(feed: list[tuple[int, int, int]], first: int) -> None:
    """Workers start with another key between two events, which may be late: no window with both is said to be right."""
    change, hour = 150, HOUR - 150  # counted at hour + `when`, having happened `late` hours before
    before, after = UserHashes(b"old"), UserHashes(b"new")
    newest = max((when for _, when, _ in feed if when <= change), default=change)
    mixed = mixed_after([], UserKey(key_id(b"old")), UserKey(key_id(b"new")), (hour + newest) * HOUR_MS)
    end = first + 24
    inside = [
        (f"u{user}", before if when <= newest else after) for user, when, late in feed if first <= when - late < end
    ]
    users, counted = {user for user, _ in inside}, {hashes.of(user, 0) for user, hashes in inside}
    if keys_in(mixed, hour + first, hour + end) == 1:
        assert len(users) == len(counted)


@pytest.mark.parametrize(
    ("before", "now", "newest_ms", "expected"),
    [
        (None, NEW, SINCE_MS, []),
        (OLD, OLD, SINCE_MS, []),
        (OLD, AT_CHANGE, SINCE_MS - 1, [(SINCE_MS, SINCE_MS)]),
        (OLD, AT_CHANGE, SINCE_MS, [MIXED]),
        (OLD, NEW, SINCE_MS, [MIXED]),
        (AT_CHANGE, NEW, SINCE_MS + TOO_LATE_MS, []),
        (AT_CHANGE, NEW, SINCE_MS + 1, [MIXED]),
        (UserKey("new", 0, True), UserKey("new", 0, True), SINCE_MS, [MIXED]),
    ],
)
def test_which_stretches_a_step_leaves(
    before: UserKey | None, now: UserKey, newest_ms: int, expected: list[Mixed]
) -> None:
    """None for the first key; an instant for a change that was announced; else from the oldest event still taken."""
    assert expected == mixed_after([], before, now, newest_ms)


def test_a_stretch_is_forgotten_when_no_window_reaches_it() -> None:
    """16 days later; and while workers differ it grows instead of others being added."""
    mixed = mixed_after([], OLD, NEW, SINCE_MS)
    differ = UserKey("new", 0, True)
    grown = mixed_after(mixed, differ, differ, SINCE_MS + 5 * HOUR_MS)
    assert [(mixed[0][0], SINCE_MS + 7 * HOUR_MS)] == grown
    assert [] == mixed_after(grown, NEW, NEW, SINCE_MS + 17 * 24 * HOUR_MS)


def test_metrics_say_nothing_of_users_across_a_change() -> None:
    """Neither users nor r while what they count spans it; whole hours never do. The interval of u is no narrower."""
    layout = CellLayout(("app",))
    spending = Spending({}, {}, 1.0, (0.25, 0.25, 0.25, 0.25))
    active = {"BR": ActiveUsers(*(40 for _ in stretches(0)))}

    def at(hours: int, mixed: list[Mixed]) -> dict[str, object]:
        now_ms = (HOUR + hours) * HOUR_MS
        windows = Windows(layout)
        windows.advance(now_ms // 60_000)
        cells = layout.zeros()
        for name, n in (("negative/app", 60), ("with_user", 60)):
            cells[layout.index(name)] = n
        windows.add("BR", now_ms // 60_000 - 1, cells, now_ms // 60_000)
        day = compute_metrics(windows, now_ms, active, 0, spending, None, mixed)["BR"].windows
        return {"24h": day["24h"], "r": day["24h"].r, "users": day["24h"].users, "trend": day["1h"].trend}

    change = [(SINCE_MS, SINCE_MS)]
    for hours in range(-30, 220):
        plain, changed = at(hours, []), at(hours, change)
        midnight = hours - (HOUR + hours) % 24  # r: the day before it, and the same day a week earlier
        mixed = midnight - 24 < 0 < midnight or midnight - 192 < 0 < midnight - 168
        assert (hours, mixed) == (hours, changed["r"] is None)
        assert (hours, hours - 23 < 0 < hours + 2) == (hours, changed["users"] is None)
        assert changed["24h"].u.se >= plain["24h"].u.se  # type: ignore[attr-defined]
        assert None not in (plain["r"], plain["users"], changed["trend"])


def test_settings_of_a_change_go_together() -> None:
    """The key before and the hour go together, and the hour is a whole one."""
    given = {"user_hash_key": "n" * 16, "user_hash_key_before": "o", "user_hash_key_since": "2026-01-31T00:00:00Z"}
    assert 1_769_817_600_000 == load_settings(**given).user_hashes.key.since
    for wrong in ({"user_hash_key_before": None}, {"user_hash_key_since": "2026-01-31T00:30:00Z"}):
        with pytest.raises(SettingsError, match="USER_HASH_KEY"):
            load_settings(**given | wrong)


@pytest.mark.parametrize("key", ["", "x", "15 bytes are few"[:15]])
def test_a_key_that_is_empty_or_short_is_refused(key: str) -> None:
    """With its length, and with how to change one that is in use; so is an empty key before."""
    with pytest.raises(SettingsError, match=rf"at least 16 bytes, not {len(key)}: .*_BEFORE"):
        load_settings(user_hash_key=key)
    since = {"user_hash_key_since": "2026-01-31T00:00:00Z"}
    with pytest.raises(SettingsError, match=r"BEFORE: .*is empty"):
        load_settings(user_hash_key="k" * 16, user_hash_key_before="", **since)
    assert load_settings(user_hash_key="Schlüsselwörter!", user_hash_key_before="x", **since).user_hashes


@pytest.mark.parametrize(
    ("kafka", "redis", "taken"),
    [
        ("127.0.0.1:9092", "redis://localhost/0", True),
        ("[::1]:9092,localhost:9093", "unix:///tmp/redis.sock", True),
        ("kafka:9092", "redis://127.0.0.1/0", False),
        ("127.0.0.1:9092,10.0.0.7:9092", "redis://127.0.0.1/0", False),
        ("127.0.0.1:9092", "redis://:secret@redis/0", False),
    ],
)
def test_the_public_key_is_for_servers_on_loopback(kafka: str, redis: str, taken: bool) -> None:
    """Trials need no key; anywhere else nothing is hashed with one that everybody knows."""
    settings = load_settings(kafka=kafka, redis_url=redis)
    if taken:
        assert settings.user_hashes.of("u7", 0)
    else:
        with pytest.raises(SettingsError, match="a key that everybody knows"):
            _ = settings.user_hashes
        assert load_settings(kafka=kafka, redis_url=redis, user_hash_key="k" * 16).user_hashes


@pytest.mark.parametrize(
    ("given", "fine", "what"),
    [
        ({}, False, "are hashed with the public default key"),
        ({"kafka": "kafka:9092"}, False, "workers refuse the public default key"),
        ({"user_hash_key": "k" * 16}, True, "a key of your own"),
        ({"user_hash_key": "k" * 16, "user_hash_key_before": "k" * 16}, False, "is the key before it"),
        ({"user_hash_key": "k" * 16, "user_hash_key_before": "marketpulse"}, False, "the key before it is public"),
        ({"user_hash_key": "k" * 16, "user_hash_key_before": "x"}, False, r"the key before it is short \(1 bytes\)"),
        ({"user_hash_key": "k" * 16, "user_hash_key_before": "b" * 16}, True, "with the new key for events from"),
    ],
)
def test_doctor_looks_at_the_keys_value(given: dict[str, str], fine: bool, what: str) -> None:
    """Not only at whether one is set."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    since = {"user_hash_key_since": hour} if "user_hash_key_before" in given else {}
    found = examine_key(load_settings(**given, **since))
    assert (fine, bool(found.do)) == (found.fine, not fine)
    assert re.search(what, found.what)


class Classified:
    """A record of `feedback.classified`, as far as erasing looks at it."""

    def __init__(self, user: str) -> None:
        self.value = b'{"user": "%s", "market": "BR"}' % user.encode()


def test_erasing_finds_a_user_under_both_keys() -> None:
    """What was hashed before the change and after it is the user's; nobody else's is."""
    given = {"user_hash_key": "n" * 16, "user_hash_key_before": "o", "user_hash_key_since": "2026-01-31T00:00:00Z"}
    work = Erase(load_settings(**given), "u7", None, lambda *_: None)
    hashes = [UserHashes(key).of(user, 0).hex() for key in (b"n" * 16, b"o") for user in ("u7", "u8")]
    assert [True, False, True, False] == [work._is_hashed(Classified(one)) for one in hashes]
