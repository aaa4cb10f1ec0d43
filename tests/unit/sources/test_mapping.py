"""Mappings: paths, markets, scales, texts and times; a file that cannot be used is named with every problem."""

from typing import Any

import pytest

from streams.errors import BadInput
from streams.sources.countries import country_code, region_of
from streams.sources.events import NotUsable
from streams.sources.mapping_file import load_mapping, mapping_of
from streams.sources.paths import MAX_SEARCHED, value_at

RECORD = {
    "id": 7, "country": "Brazil", "locale": "pt_BR", "title": "Bom", "body": "<p>muito&nbsp;bom</p>", "score": 9,
    "at": "20/11/2026 10:00", "answers": [{"type": "text", "text": "a"}, {"type": "number", "number": 3}],
    "a.b": "whole", "a": {"b": "inner", "c d": ["x", {"e": "y"}]},
}  # fmt: skip
TABLES: dict[str, Any] = {
    "id": "id",
    "market": "country",
    "text": "title",
    "occurred_at": {"from": "at", "format": ["%Y-%m-%d", "%d/%m/%Y %H:%M"], "zone": "America/Sao_Paulo"},
}


def event(record: dict[str, Any] | None = None, file: str = "", **tables: Any) -> dict[str, Any]:
    return mapping_of(TABLES | tables, "test").event(RECORD | (record or {}), file)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("id", 7), ("a.b", "whole"), ('"a".b', "inner"), ("a.c d[1].e", "y"), ('a."c d"[0]', "x"),
        ("answers[type=number].number", 3), ("answers[9].text", None), ("id.x", None), ("a[0]", None),
    ],
)  # fmt: skip
def test_a_path_leads_to_its_value(path: str, expected: object) -> None:
    """Through objects and lists; where it leads nowhere there is nothing."""
    assert expected == value_at(RECORD, path)


def test_a_record_becomes_an_event() -> None:
    """Its local time in its zone, its country by name."""
    expected = {"id": "7", "market": "BR", "text": "Bom", "occurred_at": "2026-11-20T13:00:00.000Z"}
    assert expected == event()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("br", "BR"), ("BRA", "BR"), (" Brazil ", "BR"), ("United  Kingdom", "GB"), ("uk", "GB"), ("Türkiye", "TR"),
        ("Trinidad and Tobago", "TT"), ("pt-BR", None), ("Atlantis", None), ("", None),
    ],
)  # fmt: skip
def test_countries_are_known_by_code_and_name(written: str, expected: str | None) -> None:
    """In whatever case."""
    assert expected == country_code(written)


@pytest.mark.parametrize(
    ("tag", "expected"), [("pt-BR", "BR"), ("zh-Hant-TW", "TW"), ("en_GB.UTF-8", "GB"), ("ar", None), ("de-XX", None)]
)
def test_a_locale_is_a_market_by_its_region(tag: str, expected: str | None) -> None:
    """A language alone is no country: Arabic is not Argentina."""
    assert expected == region_of(tag)


@pytest.mark.parametrize(
    ("market", "file", "expected"),
    [
        ({"is": "MX"}, "", "MX"),
        ({"from": ["none", "country"]}, "", "BR"),
        ({"locale": "locale"}, "", "BR"),
        ({"from": "title", "words": {"bom": "PT"}}, "", "PT"),
        ({"file": "-([a-z]{2})[.]"}, "reviews-de.json", "DE"),
        ({"from": "country", "file": "-([a-z]{2})?[.]"}, "reviews-.json", "BR"),
    ],
)
def test_a_market_comes_from_what_there_is(market: dict[str, Any], file: str, expected: str) -> None:
    """A constant, a fall-back, a locale, a table of words, the name of the file."""
    assert expected == event(None, file, market=market)["market"]


@pytest.mark.parametrize(
    ("scale", "written", "expected"),
    [
        ("stars", "4,0", 4), ("nps", 0, 1), ("nps", 5, 3), ("nps", 9, 5), ("nps", 10, 5), ("percent", 75, 4),
        ("thumbs", "Down", 1), ("thumbs", True, 5), ([-1, 1], 0, 3),
    ],
)  # fmt: skip
def test_scales_become_stars(scale: object, written: object, expected: int) -> None:
    """Linear, ends to ends."""
    assert expected == event({"score": written}, rating={"from": "score", "scale": scale})["rating"]


def test_texts_are_joined_and_their_tags_taken_out() -> None:
    """In their order, what is empty left out."""
    text = {"join": ["title", "none", "body"], "separator": ": ", "html": True}
    assert "Bom: muito\N{NO-BREAK SPACE}bom" == event(text=text)["text"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<p>a</p><DIV class='x>y'>b</DIV>c<br/>d", "a\nb\nc\nd"),
        ('<a title="1 > 0" href=x>a</a> <!-- no text --> &lt;b&gt; &amp; c', "a  <b> & c"),
        ("1 < 2 <3 a<b", "1 < 2 <3 a<b"),
        ("<p title='it>a</p>", "a"),
    ],
)
def test_tags_are_no_text(written: str, expected: str) -> None:
    """Quoted signs inside of them are theirs; what only looks like a tag stays."""
    assert expected == event({"title": written}, text={"from": "title", "html": True})["text"]


@pytest.mark.parametrize("part", ["<a ", "<!--", "<a x='", '<a x="<', "</", "<", "&", "a"])
def test_what_looks_like_tags_is_read_once(part: str) -> None:
    """In a time by its length: a text may be as long as a line."""
    text = "<a" + part * (500_000 // len(part))
    assert text[:100].strip() == event({"title": text}, text={"from": "title", "html": True})["text"][:100].strip()


def test_an_identity_is_made_where_there_is_none() -> None:
    """Of several values, the same for the same; one that is too long is hashed, never cut."""
    made = [event({"title": title}, id={"hash": ["title", "at"]})["id"] for title in ("a", "a", "b")]
    assert made[0] == made[1] != made[2]
    long = [event({"id": "x" * 200 + end})["id"] for end in "ab"]
    assert 2 == len(set(long))
    assert all(identity.startswith("sha256:") for identity in long)


@pytest.mark.parametrize(
    ("record", "tables", "code", "reason"),
    [
        ({"id": None}, {}, "missing_field", "id: nothing is there"),
        ({"country": "Atlantis"}, {}, "unknown_market", "market: no country that is known"),
        ({"country": ""}, {}, "missing_field", "market: nothing is there"),
        ({"title": " "}, {}, "text_empty", "text: nothing is there; a rating alone is no event"),
        ({"at": None}, {}, "missing_field", "occurred_at: nothing is there"),
        ({"at": "soon"}, {}, "bad_time", "occurred_at: no time of its form and zone"),
        ({"score": 11}, {"rating": {"from": "score", "scale": "nps"}}, "bad_value", "rating: outside of its scale"),
        ({"score": "great"}, {"rating": "score"}, "bad_value", "rating: neither a number nor a known word"),
        ({"score": "nan1"}, {"rating": "score"}, "bad_value", "rating: neither a number nor a known word"),
    ],
)
def test_what_cannot_become_an_event_has_a_reason(
    record: dict[str, Any], tables: dict[str, Any], code: str, reason: str
) -> None:
    """It names the field; the code is the one that a dead letter would have."""
    with pytest.raises(NotUsable) as raised:
        event(record, **tables)
    assert (code, reason) == (raised.value.code, str(raised.value))


@pytest.mark.parametrize("number", ["9" * 5_000, "x" + "9" * 5_000])
def test_a_character_by_a_huge_number_is_no_error(number: str) -> None:
    """Python reads no decimal number as long; no character has such a number."""
    html = {"from": "title", "html": True}
    assert "a \N{REPLACEMENT CHARACTER} é" == event({"title": f"a &#{number}; &#233;"}, text=html)["text"]


def test_a_value_inside_of_many_lists_equals_nothing_that_a_path_names() -> None:
    """It is not written out to be compared: that would go as deep as the lists."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    answers = [{"type": deep}, {"type": "text", "text": "bom"}]
    assert "bom" == event({"answers": answers}, text="answers[type=text].text")["text"]


def test_a_list_is_searched_to_a_bound() -> None:
    """A record of nothing but small objects would take long otherwise."""
    answers = [{"type": "text", "text": "bom"}, *[{} for _ in range(MAX_SEARCHED)]]
    assert "bom" == value_at({"answers": answers}, "answers[type=text].text")
    assert value_at({"answers": answers[::-1]}, "answers[type=text].text") is None


def test_every_problem_is_named_at_once() -> None:
    """With its key."""
    tables = {
        "id": 5,
        "market": {"is": "XX"},
        "text": {"from": ["a[b]", "a[=c]"], "wrong": 1},
        "rating": {"from": "r", "scale": "hearts", "words": {"good": 9}},
        "colour": "x",
        "file": {"skip": -1},
    }
    with pytest.raises(BadInput) as raised:
        mapping_of(tables, "mine.toml")
    listed = [line.strip() for line in str(raised.value).splitlines()[1:-1]]
    assert [
        "colour: there is no such key",
        "occurred_at: is missing",
        "id: must be a path, a list of paths or a table",
        "market.is: XX is no market",
        "text.from: no path: [b] is neither a place, as in [0], nor key=value",
        "text.from: no path: it is empty",
        "text.wrong: there is no such key, but from, join, separator, html",
        "rating.scale: hearts is none of stars, nps, percent, thumbs, [lowest, highest]",
        "rating.words.good: must be 1 to 5, or 0 for no rating",
        "file.skip: Expected `int` >= 0",
    ] == listed
    with pytest.raises(BadInput, match=r"file\.delimiter: must be one character"):
        mapping_of(TABLES | {"file": {"delimiter": "\n"}}, "mine.toml")


def test_a_mapping_that_is_not_there_names_those_that_are() -> None:
    """A wrong name is most often a slip."""
    with pytest.raises(BadInput, match=r"one of amazon-reviews, .*zendesk"):
        load_mapping("zendesc")
