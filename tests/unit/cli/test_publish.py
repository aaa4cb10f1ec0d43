"""What `publish` reports, refuses and holds back before Kafka is asked."""

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from marketpulse.client.kafka_servers import KafkaServers
from marketpulse.errors import KafkaUnavailable
from streams.cli.main import app
from streams.kafka.publish import Record
from tests.support.processes import marketpulse
from tests.support.sheets import workbook

NO_KAFKA = {"MARKETPULSE_KAFKA": "127.0.0.1:1"}
HEADER = "id;market;text;occurred_at"


def row(number: int, market: str = "DE") -> str:
    return f"{number};{market};gut;{datetime.fromtimestamp(time.time(), UTC).isoformat()}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed"


def test_a_dry_run_reports_and_sends_nothing(path: Path) -> None:
    """Records, dead letters, skipped lines, the encoding that was taken; exit code 0 where something would be taken."""
    path.write_bytes("\n".join([HEADER, row(1), row(2, "XX"), "3;DE", row(4), "5;DE;schön;0", row(6)]).encode("cp1252"))
    done = marketpulse("publish", str(path), "--dry-run", "--json", environment=NO_KAFKA)
    answer = json.loads(done.stdout)
    assert (0, 5, 2, 1, 0) == (
        done.returncode,
        *(answer[name] for name in ("records", "refused", "skipped", "published")),
    )
    for reported in ("line 4 skipped", "read as cp1252", "unknown_market", "bad_time"):
        assert reported in done.stderr


@pytest.mark.parametrize("markets", [["XX", "XX", "DE"], ["XX"], []])
def test_nothing_is_sent_where_most_would_be_refused(path: Path, markets: list[str]) -> None:
    """Kafka is not asked; exit code 1 with what to do."""
    path.write_text("\n".join([HEADER, *(row(number, market) for number, market in enumerate(markets))]))
    for option in ([], ["--dry-run"]):
        done = marketpulse("publish", str(path), *option, environment=NO_KAFKA)
        assert (1, bool(markets)) == (done.returncode, "Nothing was sent" in done.stderr and "--yes" in done.stderr)


def test_what_a_shift_does_not_move_to_now_is_said(path: Path) -> None:
    """A lone event long after the others, and those that are refused since the file spans more than a week."""
    at = [datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=day) for day in [*range(10), *[9] * 30, 12]]
    lines = [f"{number};DE;gut;{moment.isoformat()}" for number, moment in enumerate(at)]
    path.write_text("\n".join([HEADER, *lines]))
    done = marketpulse("publish", str(path), "--shift-to-now", "--dry-run", environment=NO_KAFKA)
    assert "1 of 41 lie more than a day after all others: taken for those of a wrong clock" in done.stderr
    assert "the times span 9 days; those of the last 7 are read, older ones refused" in done.stderr
    assert "1 of 41 will be dead letters, from_the_future" in done.stderr
    path.write_text("\n".join([HEADER, *lines[:10], lines[-1]]))
    held = marketpulse("publish", str(path), "--shift-to-now", environment=NO_KAFKA)
    assert "wrong clock" not in held.stderr


def test_advice_that_was_taken_is_not_given_again(path: Path) -> None:
    path.write_text("\n".join([HEADER, *(f"{day};DE;gut;2026-09-{day:02}T00:00:00Z" for day in range(1, 29))]))
    for options, advised in (([], True), (["--shift-to-now"], False)):
        done = marketpulse("publish", str(path), *options, environment=NO_KAFKA)
        assert (1, advised) == (done.returncode, "old times: --shift-to-now" in done.stderr)


def test_damaged_quotes_are_exit_code_1(path: Path) -> None:
    """Although the other rows are good."""
    path.write_text("\n".join([HEADER, row(1), row(2).replace("gut", '"gut'), row(3)]))
    done = marketpulse("publish", str(path), "--dry-run", environment=NO_KAFKA)
    assert (1, True) == (done.returncode, "line 3 skipped: a quote opens" in done.stderr)


@pytest.mark.parametrize(
    "options",
    [
        ["--raw", "--delimiter", ";"],
        ["--raw", "--encoding", "cp1252"],
        ["--raw", "--column", "text=a"],
        ["--market", "BR"],
        ["--mapping", "yelp-reviews", "--column", "text=a"],
        ["--mapping", "yelp-reviews", "--time-format", "%Y"],
        ["--mapping", "yelp-reviews", "--raw"],
        ["--mapping", "yelp-reviews", "--timezone", "UTC"],
        ["--mapping", "yelp"],
        ["--dry-run", "--rate", "1"],
        ["--dry-run", "--yes"],
        ["--dry-run", "--resume", "x"],
    ],
)
def test_options_that_do_nothing_are_refused(path: Path, options: list[str]) -> None:
    """Exit code 2 with what to do."""
    path.write_text(f"{HEADER}\n{row(1)}")
    done = marketpulse("publish", str(path), *options, environment=NO_KAFKA)
    assert (2, True) == (done.returncode, "Operator action" in done.stderr)


def test_a_mapping_reads_another_programs_records(path: Path) -> None:
    """What cannot become an event is skipped with its reason."""
    review = {"review_id": "1", "text": "gut", "date": datetime.now(UTC).isoformat(), "stars": 4.0}
    path.write_text("".join(json.dumps(one) + "\n" for one in (review, review | {"text": ""})))
    options = ["--mapping", "yelp-reviews", "--market", "US", "--dry-run", "--json"]
    done = marketpulse("publish", str(path), *options, environment=NO_KAFKA)
    answer = json.loads(done.stdout)
    assert (0, 1, 0, 1) == (done.returncode, *(answer[name] for name in ("records", "refused", "skipped")))
    assert "line 2 skipped: text: nothing is there; a rating alone is no event" in done.stderr


def test_what_a_mapping_leaves_unread_is_named(path: Path) -> None:
    """Columns of the file, and fields of an event that none of its columns is for."""
    at = datetime.now(UTC).strftime("%d.%m.%Y %H:%M")
    path.write_text(f"Filiale;Land;Bewertung (0-10);Kommentar;Datum\nKiel;Deutschland;7;gut;{at}\n", "utf-8")
    options = ["--mapping", "excel-de", "--timezone", "UTC", "--dry-run"]
    done = marketpulse("publish", str(path), *options, environment=NO_KAFKA)
    assert "the mapping reads nothing from Filiale, Bewertung (0-10)" in done.stderr
    assert "the file has no column for user and rating: its events have none" in done.stderr
    path.write_text(f"Lfd. Nr.;Kundennr.;Land;Bewertung;Kommentar;Datum\n1;K1;Deutschland;4;gut;{at}\n", "utf-8")
    done = marketpulse("publish", str(path), *options, environment=NO_KAFKA)
    assert (0, False) == (done.returncode, "nothing from" in done.stderr or "no column for" in done.stderr)


def test_a_mapping_that_is_proposed_can_be_used(path: Path) -> None:
    """TOML on standard output, records as they would be on standard error; exit code 1 where none would be an event."""
    path.write_text(f"Nr;Land;Kommentar;Datum\n1;Germany;gut;{datetime.now(UTC).isoformat()}\n")
    proposal = marketpulse("adopt", str(path), environment=NO_KAFKA)
    assert (0, True) == (proposal.returncode, "1 of 1 records would be events" in proposal.stderr)
    mapping = path.with_name("mine.toml")
    mapping.write_text(proposal.stdout)
    done = marketpulse("publish", str(path), "--mapping", str(mapping), "--dry-run", environment=NO_KAFKA)
    assert (0, True) == (done.returncode, done.stdout == "1 record read, 0 lines skipped, 0 dead letters expected\n")
    path.write_text("Nr;Kommentar\n1;gut\n")
    assert 1 == marketpulse("adopt", str(path), environment=NO_KAFKA).returncode


def test_a_sheet_is_read_as_a_table(path: Path) -> None:
    """By its rows: titles, other sheets and rows that hold no event are reported; `adopt` reads it too."""
    at = datetime.fromtimestamp(int(time.time()), UTC).replace(tzinfo=None)
    rows = [("Reviews",), ("Nr", "Land", "Kommentar", "Datum"), (1, "Deutschland", "gut", at), (2, "Italien", None, at)]
    path.write_bytes(workbook({"A": rows, "B": [("x",)]}))
    options = ["--mapping", "excel-de", "--timezone", "UTC", "--dry-run"]
    done = marketpulse("publish", str(path), *options, environment=NO_KAFKA)
    assert (0, "1 record read, 1 row skipped, 0 dead letters expected\n") == (done.returncode, done.stdout)
    for reported in ("row 4 skipped: text", "the header is in row 2; row 1 above it was skipped", "was read, not B"):
        assert reported in done.stderr
    for sheet, code in (("A", 0), ("C", 2)):
        command = ("adopt", str(path), "--sheet", sheet, "--market", "DE")
        assert code == marketpulse(*command, environment=NO_KAFKA).returncode


@pytest.mark.parametrize(("accepted", "complete", "code"), [(1, True, 0), (0, True, 1), (1, False, 1)])
def test_run_fails_where_nothing_was_accepted(
    accepted: int, complete: bool, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where not all was counted in time: a pipeline that goes on would go on without events."""
    result = SimpleNamespace(accepted=accepted, seconds=1.0)
    monkeypatch.setattr("streams.dev.run.run", lambda *_: (result, complete))
    file = tmp_path / "feed.jsonl"
    file.touch()
    ended = CliRunner().invoke(app, ["run", str(file)])
    assert (code, accepted == 0) == (ended.exit_code, "No event was accepted" in ended.stderr)


def test_a_position_belongs_to_its_cluster(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was acknowledged elsewhere is not left out: exit code 2; on its own cluster the publication goes on."""
    clusters = {"127.0.0.1:1": "a", "127.0.0.1:2": "a", "127.0.0.1:3": "b"}
    sent: list[int] = []

    async def cluster_of(servers: KafkaServers) -> str:
        return clusters[servers.bootstrap]

    async def send(
        servers: object, topic: str, records: Iterable[Record], rate: object, done: Callable[[int], None]
    ) -> int:
        sent.append(sum(1 for _ in records))
        done(2)
        raise KafkaUnavailable("gone")

    monkeypatch.setattr("streams.kafka.admin.cluster_of", cluster_of)
    monkeypatch.setattr("streams.kafka.publish.publish", send)
    path.write_text("\n".join([HEADER, *map(row, range(5))]))
    command = ("publish", str(path), "--resume", str(path.with_name("position")))
    codes, refused = [], ""
    for server in clusters:
        done = marketpulse(*command, environment={"MARKETPULSE_KAFKA": server})
        codes.append(done.returncode)
        refused = done.stderr
    assert ([1, 1, 2], [5, 3]) == (codes, sent)
    assert "or on another Kafka cluster. Operator action" in refused
