"""Profiles: what the topic says stands in for the file's entry; what breaks the contract changes nothing."""

import msgspec
import pytest

from marketpulse.contract.operators import ApplyMark, apply_headers
from marketpulse.contract.portfolio import Portfolio
from strategy.allocate import allocate
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.pipeline.operators.profiles import Profiles, apply_records, profile_records
from streams.pipeline.operators.published import PLAN_KEY

BASE = load_portfolio()
RECORDS = dict(profile_records(BASE))


def changed(key: str, **fields: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(RECORDS[key]) | fields)


def take(profiles: Profiles, key: str | None, value: bytes | None) -> None:
    """One apply of one record."""
    headers = tuple(apply_headers(ApplyMark("a", 1, 1)))
    profiles.take(CompactedRecord(profiles.next_offset, None if key is None else key.encode(), value, headers))


def test_what_is_published_is_what_the_file_says() -> None:
    """Applying the file's own portfolio changes nothing."""
    profiles = Profiles(BASE)
    for key, value in RECORDS.items():
        take(profiles, key, value)
    assert BASE == profiles.now
    assert [] == profiles.bad


def test_a_profile_stands_in_until_its_tombstone() -> None:
    """Markets can be changed, added, and given back to the file; so can the plan."""
    profiles = Profiles(BASE)
    take(profiles, "BR", changed("BR", status="excluded", unknown_field=1))
    take(profiles, "UK", changed("GB", income=1.0))
    take(profiles, "NG", changed("BR"))
    take(profiles, PLAN_KEY, changed(PLAN_KEY, budget=99.0))
    assert ("excluded", 1.0, 99.0) == (
        profiles.now.markets["BR"].status,
        profiles.now.markets["GB"].income,
        profiles.now.plan.budget,
    )
    assert ("topic", "file", "topic") == tuple(profiles.origin(name) for name in ("NG", "DE", PLAN_KEY))
    for key in ("BR", "GB", "NG", PLAN_KEY):
        take(profiles, key, None)
    assert BASE == profiles.now


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        (None, RECORDS["BR"], "neither _plan nor"),
        ("XX", RECORDS["BR"], "neither _plan nor"),
        ("BR", b"{", "truncated"),
        ("BR", b"{}", "population"),
        ("BR", changed("BR", culture=2.0), "culture"),
        ("BR", changed("BR", p0=0.7), "not below p_max"),
        ("BR", changed("BR", spend_low=9, spend_high=3), "below spend_low"),
        ("BR", changed("BR", v=2), "v is 2"),
        (PLAN_KEY, changed(PLAN_KEY, weights=[1, 1, 1, 1]), "sum to 1"),
    ],
)
def test_a_bad_profile_is_kept_aside_and_the_old_one_stays(key: str | None, value: bytes, why: str) -> None:
    """Coded, with the field; the portfolio is as before."""
    profiles = Profiles(BASE)
    take(profiles, key, value)
    [letter] = profiles.bad
    assert ("bad_profile", value, 0) == (letter.code, letter.value, letter.offset)
    assert why in letter.message
    assert (BASE, 1) == (profiles.now, profiles.next_offset)


def test_the_past_is_remembered_by_offset() -> None:
    """An answer to an older shift uses the profiles that were in force then; re-reading changes nothing."""
    profiles = Profiles(BASE)
    take(profiles, PLAN_KEY, changed(PLAN_KEY, budget=1.0))
    take(profiles, PLAN_KEY, b"broken")
    take(profiles, PLAN_KEY, changed(PLAN_KEY, budget=3.0))
    profiles.take(CompactedRecord(0, PLAN_KEY.encode(), changed(PLAN_KEY, budget=9.0)))
    assert 3 == profiles.next_offset
    assert [BASE.plan.budget, 1.0, 1.0, 3.0, 3.0] == [profiles.at(offset).plan.budget for offset in range(5)]


def test_a_plan_that_replaces_leaves_only_what_was_published() -> None:
    """The file's markets get no money while it is published; they do again once it is deleted."""
    profiles = Profiles(BASE)
    take(profiles, PLAN_KEY, changed(PLAN_KEY, replaces=True, budget=9.0))
    take(profiles, "ES", changed("BR"))
    assert (["ES"], 9.0, True) == (list(profiles.now.markets), profiles.now.plan.budget, profiles.replaces)
    assert [] == profiles.of_file
    take(profiles, PLAN_KEY, None)
    assert (sorted([*BASE.markets, "ES"]), False) == (list(profiles.now.markets), profiles.replaces)
    assert list(BASE.markets) == profiles.of_file


def test_with_no_market_left_nobody_gets_money() -> None:
    """The shipped example does not come back by itself, and the allocator answers with an empty plan."""
    profiles = Profiles(BASE)
    for key, value in (("ES", changed("BR")), (PLAN_KEY, changed(PLAN_KEY, replaces=True)), ("ES", None)):
        take(profiles, key, value)
    assert {} == profiles.now.markets
    answer = allocate(profiles.now, {}, {})
    assert ({}, 0.0) == (answer.markets, answer.spent)


def test_a_full_apply_replaces_and_a_part_changes_what_it_names() -> None:
    """Published markets that the file lacks are deleted; parts and merges keep the rest, and how the plan holds."""
    mine = Portfolio(BASE.plan, {code: BASE.markets[code] for code in ("BR", "DE")})
    held = Profiles(BASE)
    take(held, "ES", changed("BR"))
    whole = apply_records(mine, held)
    assert ["BR", "DE", "ES", PLAN_KEY] == [key for key, _ in whole]
    assert (None, True) == (dict(whole)["ES"], replaces(dict(whole)[PLAN_KEY]))
    assert (["BR", "DE", PLAN_KEY], False) == (
        [key for key, _ in apply_records(mine, held, merge=True)],
        replaces(dict(apply_records(mine, held, merge=True))[PLAN_KEY]),
    )
    for key, value in whole:
        take(held, key, value)
    assert ["BR", "DE"] == list(held.now.markets)
    part = dict(apply_records(mine, held, only={"BR"}))
    assert (["BR", PLAN_KEY], True) == (list(part), replaces(part[PLAN_KEY]))
    assert ["BR"] == [key for key, _ in apply_records(mine, held, only={"BR"}, plan=False)]
    assert ["BR", "DE"] == [key for key, _ in apply_records(mine, held, plan=False)]


def test_a_full_apply_deletes_what_waits_for_a_plan_too() -> None:
    """A market whose region has no cap is refused; it must not come into force with a later table that has one."""
    held = Profiles(BASE)
    take(held, "ES", changed("BR", region="south"))
    assert ("ES", 1) == (next(iter(held.published)), len(held.bad))
    mine = Portfolio(msgspec.structs.replace(BASE.plan, regions={"south": 9.0}), {"BR": BASE.markets["BR"]})
    records = apply_records(mine, held)
    assert None is dict(records)["ES"]
    for number, (key, value) in enumerate(records, start=1):
        headers = tuple(apply_headers(ApplyMark("b", number, len(records))))
        held.take(CompactedRecord(held.read_offset, key.encode(), value, headers))
    assert (["BR"], []) == (list(held.now.markets), held.bad)


def replaces(value: bytes | None) -> bool:
    return bool(msgspec.json.decode(value or b"{}")["replaces"])
