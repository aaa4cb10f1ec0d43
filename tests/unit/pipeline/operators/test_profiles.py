"""Profiles: what the topic says stands in for the file's entry; what breaks the contract changes nothing."""

import msgspec
import pytest

from marketpulse.contract.operators import ApplyMark, apply_headers
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.pipeline.operators.profiles import Profiles, profile_records
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
