"""Mappings that are proposed for samples of another program's records."""

import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.errors import BadInput
from streams.sources.adopt import proposed

GERMAN = "Nr.;Erstellt am;Land;Kommentar;NPS;Kunde\n1;27/11/2026 09:00;Germany;gut;9;a\n2;28/11/2026 09:00;FRA;;0;b\n"
RECORD = {
    "uuid": "1",
    "created": "2026-11-27T09:00:00Z",
    "user": {"id": 5, "locale": "pt-BR"},
    "review": {"body": "bom"},
}
NESTED = {"meta": 1, "data": [RECORD]}


def test_a_table_is_read_by_names_and_values(tmp_path: Path) -> None:
    """Of several languages; the form of times and the scale by the values; what would be refused has its reason."""
    (tmp_path / "a.csv").write_text(GERMAN.replace("Erstellt am", "Datum"), "utf-8")
    found = proposed(str(tmp_path / "a.csv"))
    expected: dict[str, Any] = {
        "occurred_at": {"from": "Datum", "format": "%d/%m/%Y %H:%M", "zone": "UTC"},
        "rating": {"from": "NPS", "scale": "nps"},
        "market": {"from": "Land"},
        "text": {"from": "Kommentar"},
        "id": {"from": '"Nr."'},
        "user": {"from": "Kunde"},
    }
    assert expected == tomllib.loads(found.toml)
    assert 2 == found.toml.count("# a guess")
    event, reason = found.rows
    assert isinstance(event, dict)
    assert ("DE", 5, "2026-11-27T09:00:00.000Z") == (event["market"], event["rating"], event["occurred_at"])
    assert "text: nothing is there; a rating alone is no event" == reason


def test_records_inside_of_a_value_are_found(tmp_path: Path) -> None:
    """With a locale as market."""
    (tmp_path / "a.json").write_text(json.dumps(NESTED), "utf-8")
    found = proposed(str(tmp_path / "a.json"))
    tables = tomllib.loads(found.toml)
    assert ({"records": "data"}, {"locale": "user.locale"}) == (tables["file"], tables["market"])
    [event] = found.rows
    assert isinstance(event, dict)
    assert ("1", "BR", "bom", "5") == (event["id"], event["market"], event["text"], event["user"])


def test_a_shipped_mapping_is_found(tmp_path: Path) -> None:
    """The name, and its TOML to start from; the market where the file lacks it."""
    review = {"review_id": "1", "user_id": "u", "stars": 4.0, "text": "ok", "date": "2026-11-27 09:00:00"}
    (tmp_path / "r.json").write_text(json.dumps(review) + "\n", "utf-8")
    found = proposed(str(tmp_path / "r.json"), "us")
    assert "yelp-reviews" == found.ready
    assert "--mapping yelp-reviews --market US" in found.toml.splitlines()[0]
    assert tomllib.loads(found.toml)["about"].startswith("Yelp")


def test_what_is_found_nowhere_is_a_remark(tmp_path: Path) -> None:
    """No rows then."""
    (tmp_path / "a.csv").write_text("id,comment\n1,gut\n2,schlecht\n", "utf-8")
    found = proposed(str(tmp_path / "a.csv"))
    assert [] == found.rows
    assert ["# [market]", "# [occurred_at]"] == [
        line.partition(":")[0] for line in found.toml.splitlines() if line.startswith("#")
    ]


def test_countries_are_known_by_the_names_that_shipped_mappings_know(tmp_path: Path) -> None:
    """They are written down in what is proposed, where a person sees them."""
    lands = ("Deutschland", "Österreich", "CH", "Netherlands")
    rows = "".join(f"{number};27/11/2026 09:00;{land};gut;9;K7\n" for number, land in enumerate(lands))
    (tmp_path / "a.csv").write_text("Lfd. Nr.;Datum;Land;Kommentar;NPS;Kundennr.\n" + rows, "utf-8")
    found = proposed(str(tmp_path / "a.csv"))
    tables = tomllib.loads(found.toml)
    assert {"from": "Land", "words": {"Deutschland": "DE", "Österreich": "AT"}} == tables["market"]
    assert ({"from": '"Lfd. Nr."'}, {"from": '"Kundennr."'}) == (tables["id"], tables["user"])
    assert ["DE", "AT", "CH", "NL"] == [row["market"] for row in found.rows if isinstance(row, dict)]


def test_a_shipped_mapping_that_lacks_a_country_alone_is_named(tmp_path: Path) -> None:
    """And how many records it would read with one."""
    tickets = [
        {"id": number, "created_at": "2026-11-27T09:00:00Z", "requester_id": 5, "description": "late"}
        for number in range(4)
    ]
    (tmp_path / "a.json").write_text(json.dumps({"tickets": tickets}), "utf-8")
    [note] = proposed(str(tmp_path / "a.json")).notes
    assert "--mapping zendesk-export --market CODE would read 4: CODE is for records without a country" in note
    assert "zendesk-export" == proposed(str(tmp_path / "a.json"), "IE").ready


def test_an_empty_sample_is_refused(tmp_path: Path) -> None:
    """And one that is not there."""
    (tmp_path / "a").write_text("")
    for name, reason in (("a", "has no records"), ("b", "cannot be read")):
        with pytest.raises(BadInput, match=reason):
            proposed(str(tmp_path / name))


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\n" + GERMAN.replace("Erstellt am", "Datum"),
        GERMAN.replace("Erstellt am", "Datum").replace("a\n", "a;\n"),
        GERMAN.replace("Erstellt am", "Datum").replace("Kunde", '"user ""id"""'),
    ],
    ids=["a line that names the separator", "a delimiter at the end", "quotes in a name"],
)
def test_a_table_is_read_as_publish_reads_it(tmp_path: Path, content: str) -> None:
    """In whatever dialect; a column that no path can name is left out."""
    (tmp_path / "a.csv").write_text(content, "utf-8")
    event, _ = proposed(str(tmp_path / "a.csv")).rows
    assert isinstance(event, dict)
    assert ("1", "DE", "gut") == (event["id"], event["market"], event["text"])


def test_a_row_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    """What is proposed can be shown."""
    rows = "".join(f"{number};27/11/2026 09:00;Germany;schöne Größe;9\n" for number in range(20))
    content = "Nr.;Datum;Land;Kommentar;NPS\n" + rows + "20;27/11/2026 09:00;Germany;HERE;9\n"
    (tmp_path / "a.csv").write_bytes(content.encode().replace(b"HERE", b"sch\xf6n"))
    found = proposed(str(tmp_path / "a.csv"))
    assert 20 == len(found.rows)
    msgspec.json.encode(found.rows)


def test_keys_that_need_quotes_have_them(tmp_path: Path) -> None:
    """Dots, brackets and spaces at an end, on the way to the records too; what no path can name is left out."""
    record = {
        " uuid": "1",
        "created": RECORD["created"],
        "country": "BR",
        "text[0]": "bom",
        'a"text': "x",
        "": {"": "y"},
    }
    (tmp_path / "a.json").write_text(json.dumps({"all.of[them]": {"the data": [record]}}), "utf-8")
    found = proposed(str(tmp_path / "a.json"))
    tables = tomllib.loads(found.toml)
    assert '"all.of[them]".the data' == tables["file"]["records"]
    assert ('" uuid"', '"text[0]"') == (tables["id"]["from"], tables["text"]["from"])
    [event] = found.rows
    assert isinstance(event, dict)
    assert ("1", "bom") == (event["id"], event["text"])


def test_a_sample_is_kept_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its records together; the first is always read, and what was left out is reported."""
    monkeypatch.setattr("streams.sources.adopt.MAX_CHARACTERS", 2_500)
    content = "".join(json.dumps(RECORD | {"uuid": str(number), "log": "x" * 1_000}) + "\n" for number in range(9))
    (tmp_path / "a.json").write_text(content, "utf-8")
    found = proposed(str(tmp_path / "a.json"))
    assert (2, ["2 records read, the rest left out: together more than 2,500 characters"]) == (
        len(found.rows),
        found.notes,
    )
    monkeypatch.setattr("streams.sources.adopt.MAX_CHARACTERS", 1)
    assert 1 == len(proposed(str(tmp_path / "a.json")).rows)


def test_titles_above_a_header_are_left_out(tmp_path: Path) -> None:
    """Where two of the likely names are below; it is reported."""
    (tmp_path / "a.csv").write_text("Reviews, of March\n\n" + GERMAN.replace("Erstellt am", "Datum"), "utf-8")
    found = proposed(str(tmp_path / "a.csv"))
    assert 2 == len(found.rows)
    assert ["the header is in line 3; lines 1 to 2 above it were skipped"] == found.notes


def test_a_packed_sample_that_is_cut_is_refused(tmp_path: Path) -> None:
    """With its name and what to do."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(GERMAN.encode())[:-20])
    with pytest.raises(BadInput, match=r"a\.gz cannot be read: .*Operator action"):
        proposed(str(tmp_path / "a.gz"))
