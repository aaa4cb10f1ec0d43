"""The whole job by its command line: a feed with known truth in, the right counts, alert and allocation out."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.dev.feeds.simulate import FeedPlan, write_feed
from tests.support.processes import marketpulse_process


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """One run of 6,000 events with two workers and the shipped model: truth, report, printed lines."""
    folder = tmp_path_factory.mktemp("run")
    truth = write_feed(FeedPlan(seed=11, events=6_000), folder / "feed.jsonl.gz")
    done = marketpulse_process(
        "run", str(folder / "feed.jsonl.gz"), "--embedded", "--workers", "2", "--report", str(folder / "r.json"),
        "--timeout", "80", timeout=100,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    assert all(line.startswith("The bundled Redis ") for line in done.stderr.splitlines()), done.stderr
    report = json.loads((folder / "r.json").read_text())
    return truth, report, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(150)
def test_every_line_is_counted_as_its_truth_says(job: tuple[dict[str, Any], dict[str, Any], Any]) -> None:
    """Accepted, duplicates, dead letters by code, events per market: exact; users within 3 %."""
    truth, report, _ = job
    for name in ("accepted", "duplicates", "dead_letter", "dead_letter_by_code"):
        assert truth[name] == report[name]
    assert {m: one["n"] for m, one in truth["markets"].items()} == {m: one["n"] for m, one in report["markets"].items()}
    for market, one in truth["markets"].items():
        assert report["markets"][market]["users"] == pytest.approx(one["users"], rel=0.03, abs=2)


@pytest.mark.timeout(150)
def test_the_incident_fires_where_and_when_it_happens(job: tuple[Any, dict[str, Any], Any]) -> None:
    """A surge for BR within the incident's last 43 minutes, none for another market, and money moves."""
    _, report, _ = job
    surges = [alert for alert in report["alerts"] if alert["kind"] == "surge" and alert["topic"] is None]
    assert ["BR"] == [alert["market"] for alert in surges]
    assert 0 <= report["last_event_at"] - surges[0]["fired_at"] <= 0.06 * 12 * 3_600_000
    shifts = [one for one in report["allocations"] if one["cause"] == "shift" and one["market"] == "BR"]
    assert any(one["adopted"] and one["moves"].get("BR") for one in shifts)


@pytest.mark.timeout(150)
def test_progress_is_printed_as_json_lines(job: tuple[Any, Any, list[dict[str, Any]]]) -> None:
    """Each worker's process id, and the end."""
    lines = job[2]
    assert 2 == sum(line["event"] == "worker_started" and line["pid"] > 0 for line in lines)
    assert {"event": "finished", "complete": True} == {k: lines[-1][k] for k in ("event", "complete")}


@pytest.mark.timeout(150)
def test_a_run_out_of_time_exits_1_with_a_partial_report(tmp_path: Path) -> None:
    """The report says how far it got."""
    write_feed(FeedPlan(events=100), tmp_path / "feed.jsonl")
    done = marketpulse_process(
        "run", str(tmp_path / "feed.jsonl"), "--embedded", "--report", str(tmp_path / "r.json"), "--timeout", "0.1",
        timeout=100,
    )  # fmt: skip
    assert 1 == done.returncode
    assert 100 == json.loads((tmp_path / "r.json").read_text())["published"]
