"""The shipped mappings, each from a file in the form that its program's documentation describes to accepted events."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.errors import BadInput
from streams.intake.bodies import JSON
from streams.intake.mapped import events_of, records_of
from streams.sources.events import NotUsable
from streams.sources.feed import Feed, forecast
from streams.sources.lines import Skipped
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import load_mapping, mapping_of, ready_mappings

NOW = 1_795_780_000_000
AT = "2026-11-27T09:00:00Z"
LOCAL = "2026-11-27 09:00:00"


def table(*rows: dict[str, str], delimiter: str = ",", below: tuple[str, ...] = ()) -> str:
    """CSV; `below`: what stands under every column, a row each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows([*(dict.fromkeys(rows[0], what) for what in below), *rows])
    return text.getvalue()


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def sheet(names: str, country: str, at: str) -> str:
    """Nr, customer, country, comment, date, rating by their names."""
    return table(dict(zip(names.split(), ["1", "c1", country, "läuft; gut", at, "4"], strict=True)), delimiter=";")


PLAY = {
    "Package Name": "app", "App Version Name": "1.2", "Reviewer Language": "pt-BR", "Device": "x1",
    "Review Submit Date and Time": AT, "Review Submit Millis Since Epoch": "1795770000000",
    "Review Last Update Date and Time": AT, "Star Rating": "4", "Review Title": "", "Review Text": "bom",
    "Review Link": "https://play.example/" + "x" * 150,
}  # fmt: skip
NPS = "How likely is it that you would recommend us to a friend or colleague?"
SAMPLES: dict[str, tuple[str, str, str, int | None]] = {
    "google-play-console": ("reviews.csv", table(PLAY, PLAY | {"Review Text": ""}), "BR", 4),
    "google-play-scraper": (
        "reviews-br.json",
        json.dumps([{"reviewId": "r1", "userName": "u", "content": "bom", "score": 4, "at": LOCAL}]),
        "BR",
        4,
    ),
    "app-store-rss": (
        "reviews-de.json",
        json.dumps(
            {"feed": {"entry": [{
                "id": {"label": "1"}, "updated": {"label": "2026-11-27T02:00:00-07:00"}, "im:rating": {"label": "2"},
                "author": {"uri": {"label": "u"}}, "title": {"label": "t"}, "content": {"label": "c"},
            }]}}
        ),
        "DE",
        2,
    ),
    "app-store-connect": (
        "r.json",
        json.dumps(
            {"data": [{"type": "customerReviews", "id": "1", "attributes": {
                "rating": 5, "title": "t", "body": "b", "reviewerNickname": "n", "createdDate": AT, "territory": "BRA",
            }}]}
        ),
        "BR",
        5,
    ),
    "app-store-scraper": (
        "reviews_fr.json",
        json.dumps([{"userName": "u", "date": LOCAL, "title": "t", "review": "bien", "rating": 3, "isEdited": False}]),
        "FR",
        3,
    ),
    "amazon-reviews": (
        "All_Beauty-us.jsonl",
        lines({"rating": 5.0, "title": "t", "text": "b", "asin": "a", "user_id": "u", "timestamp": 1795770000000}),
        "US",
        5,
    ),
    "yelp-reviews": (
        "review-us.jsonl",
        lines({"review_id": "r", "user_id": "u", "business_id": "b", "stars": 4.0, "date": LOCAL, "text": "ok"}),
        "US",
        4,
    ),
    "zendesk": (
        "tickets.jsonl",
        lines({"id": 1, "created_at": AT, "requester_id": 5, "locale": "en-GB", "via": {"channel": "web"},
               "description": "late", "satisfaction_rating": {"score": "bad", "comment": "too late"}}),
        "GB",
        1,
    ),
    "zendesk-export": (
        "tickets.json",
        json.dumps({"tickets": [{"id": 1, "created_at": AT, "requester_id": 5, "locale": "en-IE", "description": "late",
                                 "satisfaction_rating": {"score": "unoffered"}}], "end_of_stream": True}),
        "IE",
        None,
    ),
    "intercom": (
        "c.jsonl",
        lines({"id": "1", "created_at": 1795770000, "source": {"body": "<p>slow</p>", "author": {"id": "u"}},
               "conversation_rating": {"rating": 2, "remark": None}, "custom_attributes": {"country": "Ireland"}}),
        "IE",
        2,
    ),
    "trustpilot": (
        "r.json",
        json.dumps({"reviews": [{"id": "1", "stars": 1, "title": "t", "text": "b", "language": "da",
                                 "createdAt": AT, "consumer": {"id": "u", "displayLocation": "Denmark"}}]}),
        "DK",
        1,
    ),
    "discourse": (
        "topic-se.json",
        json.dumps({"post_stream": {"posts": [{"id": 1, "username": "u", "created_at": AT, "cooked": "<p>hej</p>"}]}}),
        "SE",
        None,
    ),
    "discourse-webhook": (
        "w.json",
        json.dumps({"post": {"id": 1, "username": "u", "created_at": AT, "cooked": "<p>hej</p>",
                             "user_custom_fields": {"country": "Sweden"}}}),
        "SE",
        None,
    ),
    "intercom-webhook": (
        "w.json",
        json.dumps({"type": "notification_event", "id": "notif_1", "created_at": 1795770001, "data": {"item": {
            "type": "conversation", "id": "1", "created_at": 1795770000,
            "source": {"body": "<p>slow</p>", "author": {"id": "u"}}, "custom_attributes": {"country": "IE"},
            "conversation_rating": {"rating": 2, "remark": "too slow"}}}}),
        "IE",
        2,
    ),
    "typeform-webhook": (
        "w.json",
        json.dumps({"event_id": "e", "event_type": "form_response", "form_response": {
            "token": "t", "submitted_at": AT, "hidden": {"country": "es"}, "definition": {"fields": []},
            "answers": [{"type": "number", "number": 10}, {"type": "text", "text": "bien"}]}}),
        "ES",
        5,
    ),
    "surveymonkey": (
        "s.csv",
        table({"Respondent ID": "1", "End Date": "11/27/2026 09:00:00 AM", "Country": "Canada", NPS: "9",
               "What is the main reason for your score?": "fast"}, below=("Open-Ended Response",)),
        "CA",
        5,
    ),
    "typeform": (
        "t.json",
        json.dumps({"total_items": 1, "items": [{"token": "t", "submitted_at": AT, "hidden": {"country": "es"},
                    "answers": [{"type": "number", "number": 10}, {"type": "text", "text": "bien"}]}]}),
        "ES",
        5,
    ),
    "qualtrics": (
        "q.csv",
        table({"ResponseId": "R_1", "RecordedDate": LOCAL, "UserLanguage": "EN", "Country": "AUS", "Q1_NPS": "0",
               "Q2": "bad"}, below=("question", '{"ImportId":"x"}')),
        "AU",
        1,
    ),
    "nps-sheet": (
        "nps.csv",
        table({"Email": "c1", "Country": "Italy", "Date": LOCAL, "Score": "7", "Comment": "va bene"}),
        "IT",
        4,
    ),
    "excel-de": ("a.csv", sheet("Nr Kunde Land Kommentar Datum Bewertung", "Österreich", "27.11.2026 09:00"), "AT", 4),
    "excel-fr": ("a.csv", sheet("Numéro Client Pays Commentaire Date Note", "Brésil", "27/11/2026 09:00"), "BR", 4),
    "excel-es": ("a.csv", sheet("Número Cliente País Comentario Fecha Valoración", "MX", "27/11/2026 09:00"), "MX", 4),
    "excel-pt-br": ("a.csv", sheet("Número Cliente País Comentário Data Nota", "Brasil", "27/11/2026 09:00"), "BR", 4),
    "excel-ja": ("a.csv", sheet("番号 顧客 国 コメント 日付 評価", "日本", "2026/11/27 09:00"), "JP", 4),
}  # fmt: skip
"""Name -> name of a file, its content, market and stars of its first event."""


def test_every_ready_mapping_has_a_sample() -> None:
    """A new one too."""
    assert sorted(SAMPLES) == ready_mappings()


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_ready_mapping_reads_its_programs_files(tmp_path: Path, name: str) -> None:
    """Its events are accepted, with market and stars; a row with a rating alone is skipped with its reason."""
    file, content, market, stars = SAMPLES[name]
    (tmp_path / file).write_text(content, "utf-8")
    mapping = load_mapping(name)
    zone = "UTC" if mapping.occurred_at.zone is None and name.startswith("excel") else None
    skipped = Skipped()
    with Feed(str(tmp_path / file), False, mapped_form(mapping, file, timezone=zone)) as feed:
        records = list(feed.records(skipped))
    first: dict[str, Any] = msgspec.json.decode(records[0].value)
    assert (1, {}) == (len(records), dict(forecast(records, NOW).refused))
    assert (market, stars, AT) == (first["market"], first.get("rating"), first["occurred_at"].replace(".000", ""))
    bare = [(3, "text: nothing is there; a rating alone is no event")] if name == "google-play-console" else []
    assert bare == skipped.first


@pytest.mark.parametrize("name", sorted(name for name in SAMPLES if SAMPLES[name][1].startswith(("{", "["))))
async def test_the_intake_makes_the_same_events_of_it(tmp_path: Path, name: str) -> None:
    """Of the same bytes in a body, with the market beside the mapping where the file's name has it."""
    file, content, market, _ = SAMPLES[name]
    (tmp_path / file).write_text(content, "utf-8")
    mapping = load_mapping(name)
    with Feed(str(tmp_path / file), False, mapped_form(mapping, file)) as feed:
        published = [msgspec.json.decode(record.value) for record in feed.records()]
    form = mapped_form(mapping, "", market)
    assert published == await events_of(records_of(content.encode(), JSON, form, 10), form)


def test_a_mapping_whose_columns_are_not_there_is_refused(tmp_path: Path) -> None:
    """With what it looked for, and what there is."""
    path = tmp_path / "a.csv"
    path.write_text("Nr,Land,Datum\n1,DE,27.11.2026\n", "utf-8")
    with (
        Feed(str(path), False, mapped_form(load_mapping("excel-de"), "a.csv")) as feed,
        pytest.raises(BadInput, match=r"reads text from: Kommentar; it has Nr, Land, Datum"),
    ):
        list(feed.records())


def test_a_column_with_dots_is_quoted_or_written_whole(tmp_path: Path) -> None:
    """In whatever case."""
    path = tmp_path / "a.csv"
    path.write_text(f"ID,Q.1 [text],q.2,at\n1,gut,DE,{AT}\n", "utf-8")
    tables = {"id": "id", "text": '"Q.1 [text]"', "market": "Q.2", "occurred_at": "at"}
    with Feed(str(path), False, mapped_form(mapping_of(tables, "test"), "a.csv")) as feed:
        [record] = feed.records()
    event = msgspec.json.decode(record.value)
    assert ("1", "gut", "DE") == (event["id"], event["text"], event["market"])


def test_a_record_inside_of_a_value_is_named_by_its_number(tmp_path: Path) -> None:
    """Its line is that of all others; a value without the list is named too."""
    path = tmp_path / "r.json"
    path.write_text(lines({"reviews": [{}, 5]}, {"other": 1}), "utf-8")
    skipped = Skipped()
    with Feed(str(path), False, mapped_form(load_mapping("trustpilot"), "r.json")) as feed:
        assert [] == list(feed.records(skipped))
    expected = [(1, "record 1: id: nothing is there"), (1, "record 2: no JSON object"), (2, "no list at reviews")]
    assert expected == skipped.first


@pytest.mark.parametrize(
    ("file", "market"), [("r_de.csv.gz", "DE"), ("r-br.csv", "BR"), ("reviews_de.shop.app_202611.csv", None)]
)
def test_a_package_in_a_file_name_is_no_market(file: str, market: str | None) -> None:
    """Reports of the Play Console are named by the app's package, which often begins with two letters."""
    record = PLAY | {"Reviewer Language": "en"}
    mapping = load_mapping("google-play-console")
    if market is None:
        with pytest.raises(NotUsable, match="market: no country"):
            mapping.event(record, file)
    else:
        assert market == mapping.event(record, file)["market"]


def test_an_option_that_contradicts_the_mapping_is_refused() -> None:
    """What the mapping leaves open may be given."""
    mapping = load_mapping("yelp-reviews")
    with pytest.raises(BadInput, match="sets what --timezone sets"):
        mapped_form(mapping, "a", timezone="UTC")
    given = mapped_form(mapping, "a", market="br").mapping
    assert "BR" == given.market.otherwise
    with pytest.raises(BadInput, match="sets what --market sets"):
        mapped_form(given, "a", market="US")


def test_a_given_market_is_for_records_without_a_country() -> None:
    """A country that a record has stays, and one that nobody knows is refused as before."""
    mapping = mapped_form(load_mapping("excel-de"), "a.csv", market="PT", timezone="UTC").mapping
    row = {"Nr": "1", "Datum": "27.11.2026 09:00", "Kommentar": "gut"}
    markets = [mapping.event(row | {"Land": land}, "a.csv")["market"] for land in ("Deutschland", "", "CH")]
    assert ["DE", "PT", "CH"] == markets
    with pytest.raises(NotUsable, match="no country that is known"):
        mapping.event(row | {"Land": "Nirgendwo"}, "a.csv")
    assert "PT" == mapping.event(row, "a.csv")["market"]


@pytest.mark.parametrize(("score", "rating"), [("offered", None), ("unoffered", None), ("good", 5), ("bad", 1)])
def test_a_word_may_say_that_there_is_no_rating(score: str, rating: int | None) -> None:
    """Such a record is an event without one, and none in the middle."""
    ticket = {
        "id": 1,
        "created_at": AT,
        "locale": "en-IE",
        "description": "late",
        "satisfaction_rating": {"score": score},
    }
    assert rating == load_mapping("zendesk").event(ticket, "tickets.jsonl").get("rating")
