"""Benchmarks, small: to see that they run. The figures of real ones are in docs/benchmarks.md."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from streams.dev.feeds.simulate import compose
from tests.support.processes import marketpulse_process


def answer(*arguments: str, timeout: float = 60) -> Any:
    """What a benchmark answers, run as users run it: in a process, with default settings."""
    return json.loads(marketpulse_process(*arguments, "--json", timeout=timeout).stdout)


@pytest.mark.long
@pytest.mark.timeout(200)
def test_benchmarks_measure_against_a_baseline_in_the_same_run() -> None:
    """Small ones, to see that they run: the figures of real ones stand in docs/benchmarks.md."""
    assert 0 < answer("bench", "classify", "--texts", "100")["ratio"]
    assert 1 < answer("bench", "allocate", "--rounds", "3")["times_faster_than_slsqp"]
    commit = answer("bench", "commit", "--events", "10000")
    assert 0 < commit["4000 events, 10 markets"]["events_per_second"]
    assert 10_000 == answer("bench", "engine", "--events", "10000")["accepted"]
    assert 0 < answer("bench", "pipeline", "--texts", "500", "--rounds", "1", timeout=150)["ratio"]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_latency_is_measured_of_records_that_arrive() -> None:
    """Of as many as arrive after the first ten seconds, in order of size; a step comes once a second."""
    options = ("--load", ".3", "--seconds", "5", "--backlog", "1000")
    found = answer("bench", "latency", *options, timeout=150)
    (load,) = found["loads"]
    assert 0.3 * found["capacity_per_second"] == pytest.approx(load["events_per_second"], rel=0.01)
    assert 0 < load["measured"]
    assert 0 < load["p50_ms"] <= load["p95_ms"] <= load["p99_ms"]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_growth_is_measured_by_markets() -> None:
    """A row for each number of them: what it costs worker and servers."""
    rows = answer("bench", "growth", "--markets", "3", "--markets", "40", "--events", "40000", timeout=120)
    assert [3, 40] == [row["markets"] for row in rows]
    for row in rows:
        assert 0 < row["events_per_second"]
        assert 0 < row["step_p50_ms"] <= row["step_p99_ms"]
        assert all(0 < row[f"{name}_s_per_million"] for name in ("worker", "redis", "kafka"))
        assert 30 < row["worker_mebibytes"]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_answers_and_detectors_are_measured(tmp_path: Path) -> None:
    """Small ones again; the detectors' page keeps what stands around the measured part, and gets its picture."""
    assert 0 < answer("bench", "intake", "--events", "2000", "--rounds", "1")["batches_ratio"]
    assert 3 <= answer("bench", "reallocate", "--rounds", "3")["shifts"]
    judged = answer("bench", "judgement", "--weeks", "60", "--no-rivals")
    assert 60 == max(row["weeks"] for row in judged)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nSTALE\n<!-- measured: end -->\nafter\n")
    assert 2 == marketpulse_process("bench", "watch", "--language", "tlh").returncode
    done = marketpulse_process(
        "bench", "watch", "--seeds", "1", "--days", "6", "--language", "ja", "--write", str(page), timeout=150
    )
    assert (0, True) == (done.returncode, "| surge |" in done.stdout), done.stderr
    assert "STALE" not in page.read_text()
    assert ("before", "after") == (page.read_text().splitlines()[0], page.read_text().splitlines()[-1])
    assert page.with_suffix(".svg").read_text().startswith("<svg")


@pytest.mark.long
@pytest.mark.timeout(200)
def test_bins_are_compared_with_labels_on_texts_of_a_file(tmp_path: Path) -> None:
    """Few texts and markets, to see that it runs; too few texts are refused in words."""
    page, rng = tmp_path / "page.md", random.Random(1)
    page.write_text("before\n<!-- bins: begin -->\nSTALE\n<!-- bins: end -->\nafter\n")
    rows = [{"text": compose(rng, "en", label), "label": label, "lang": "en", "source": "made/up"}
            for label in ("negative", "neutral", "positive") for _ in range(80)]  # fmt: skip
    file, small = tmp_path / "feedback_dev.jsonl.gz", ("--markets", "1", "--incidents", "1", "--days", "3")
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    command = ("bench", "bins", "--data", str(tmp_path), *small)
    done = marketpulse_process(*command, "--write", str(page), environment={}, timeout=150)
    assert (0, True) == (done.returncode, "| en |" in done.stdout), done.stderr
    assert "STALE" not in page.read_text()
    assert ("before", "after") == (page.read_text().splitlines()[0], page.read_text().splitlines()[-1])
    file.write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    done = marketpulse_process(*command, environment={}, timeout=150)
    assert (2, True) == (done.returncode, "give more labelled texts" in done.stderr)
