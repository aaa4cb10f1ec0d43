"""What is locked has no vulnerability that is not accepted; what workers install may be passed on."""

import re
import tomllib
from collections.abc import Iterable
from datetime import date

import pytest

from deploy import audit
from deploy.audit import LOCKS, SHIPPED, Accepted, Pin, Report, accepted, complaints, licence_of, names, pins, refused

LOCKED = {"train": {("transformers", "4.57.6"), ("torch", "2.15.0")}, "light": {("aiohttp", "3.14.5")}}
NOTHING = frozenset[Pin]()


def test_every_shipped_package_has_a_licence_that_is_allowed() -> None:
    """A new dependency under other terms is noticed."""
    packages = [name for file in SHIPPED for name in names(file)]
    assert {} == refused(packages)
    assert 60 <= sum(licence_of(name) is not None for name in set(packages))


def test_licences_are_read_of_what_is_installed() -> None:
    """This project's own is read; of what is not installed nothing is known."""
    assert "Apache-2.0" in f"{licence_of('marketpulse')}"
    assert licence_of("no-such-package") is None


def test_every_lock_file_is_looked_at() -> None:
    """Training, tools and images too; every pin of theirs, those of other platforms and versions of Python with it."""
    locks = {"train", "light", "gpu", "deploy", "audit", "encoder", "worker-cpu", "worker-gpu"}
    assert locks == {file.stem for file in LOCKS}
    for file in LOCKS:
        assert len(pins(file)) == len(re.findall(r"^[A-Za-z0-9][^\s]*==", file.read_text("utf-8"), re.MULTILINE)), file


def test_each_group_has_a_package_once() -> None:
    """And all pins are in some group."""
    wanted: set[Pin] = {("a", "1"), ("a", "2"), ("b", "1")}
    groups = list(audit._groups(wanted))
    assert wanted == set().union(*groups)
    assert all(len(group) == len({name for name, _ in group}) for group in groups)


def test_a_vulnerability_is_reported_with_its_lock_files() -> None:
    """By all its names, and what to do."""
    [said] = complaints(Report({("aiohttp", "3.14.5"): [frozenset({"CVE-1", "PYSEC-1"})]}, NOTHING), [], LOCKED)
    assert said.startswith("VULNERABLE aiohttp==3.14.5 (light): CVE-1, PYSEC-1. Raise its version")


def test_an_accepted_one_is_known_by_any_of_its_names() -> None:
    """Of that package alone, and no other vulnerability of it."""
    entries = [Accepted("transformers", frozenset({"CVE-1", "GHSA-1"}))]
    pin = ("transformers", "4.57.6")
    assert [] == list(complaints(Report({pin: [frozenset({"PYSEC-1", "GHSA-1"})]}, NOTHING), entries, LOCKED))
    [said] = complaints(Report({pin: [frozenset({"CVE-1"}), frozenset({"CVE-2"})]}, NOTHING), entries, LOCKED)
    assert "CVE-2" in said
    other = Report({("torch", "2.15.0"): [frozenset({"CVE-1"})]}, NOTHING)
    assert ["VULNERABLE torch", "NOT NEEDED trans"] == [one[:16] for one in complaints(other, entries, LOCKED)]


def test_an_entry_that_is_not_needed_is_reported_once_the_index_answers() -> None:
    """Not while it says nothing of that package."""
    entries = [Accepted("transformers", frozenset({"CVE-1"}))]
    assert [] == list(complaints(Report({}, frozenset({("transformers", "4.57.6")})), entries, LOCKED))
    [said] = complaints(Report({}, NOTHING), entries, LOCKED)
    assert said == "NOT NEEDED transformers: CVE-1. Remove it from audit.toml."


def test_accepted_entries_say_why_and_since_when() -> None:
    """Of a package that is locked, with its CVE."""
    locked = {name for file in LOCKS for name in names(file)}
    entries = tomllib.loads(audit.ACCEPTED.read_text("utf-8"))["accepted"]
    assert len(entries) == len(accepted())
    for one in entries:
        assert one["package"] in locked
        assert isinstance(one["since"], date)
        assert len(one["why"]) > 80
        assert any(name.startswith("CVE-") for name in one["advisories"])


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (Report({}, frozenset({("aiohttp", "3.14.5"), ("transformers", "4.57.6")})), 75),
        (Report({("aiohttp", "3.14.5"): [frozenset({"CVE-1"})]}, frozenset({("transformers", "4.57.6")})), 1),
    ],
)
def test_no_answer_is_not_taken_for_no_vulnerability(
    report: Report, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 75 where the index is silent; a vulnerability that is known counts all the same."""
    asked: list[set[Pin]] = []

    def ask(wanted: Iterable[Pin]) -> Report:
        asked.append(set(wanted))
        return report

    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: None)
    assert status == audit.main([], ask)
    assert set().union(*map(pins, LOCKS)) == asked[0]
