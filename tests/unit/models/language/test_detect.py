"""The language of a text: found in it, the same every time, whatever the text holds; when it overrules a tag."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.clean import MAX_CHARACTERS, clean
from models.language.detect import LanguageDetector
from models.language.tags import Detected, language_of
from models.onnx import OnnxClassifier

eldc = pytest.importorskip("eldc", reason="no wheels for this platform: tags hold")
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
    "nl": "De app loopt steeds vast en de klantenservice reageert nooit",
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
    """They are not taken for the nearest that the model knows."""
    assert [Detected(language, True)] == DETECTOR.detect([text])


@pytest.mark.parametrize("text", ["", "👍👍👍", "12345 !!!", "@user http <email> <number>"])
def test_a_text_without_words_has_none(text: str) -> None:
    """Nothing is guessed."""
    assert [Detected("", False)] == DETECTOR.detect([text])


def test_a_short_word_is_never_sure() -> None:
    """It may be taken where nothing is given, and overrules nothing."""
    assert [False] * 3 == [one.sure for one in DETECTOR.detect(["ok", "追跡番号", "hello you"])]


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


@given(st.text(max_size=400))
def test_any_text_has_the_same_answer_every_time(text: str) -> None:
    """Control characters, private use, halves of surrogate pairs: cleaned as for the model, no text fails."""
    cleaned = clean(text)
    assert DETECTOR.detect([cleaned]) == LanguageDetector(LANGUAGES).detect(["before", cleaned])[1:]


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
    """Indonesian and Malay are one to the library: whichever the model knows. One that knows none still finds some."""
    text = PLAIN["id"]
    assert ["id", "ms", "ms"] == [LanguageDetector(known).detect([text])[0].language for known in (["id"], ["ms"], [])]
    assert [Detected("de", True)] == LanguageDetector(["tlh"]).detect([PLAIN["de"]])


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
    assert shipped.info.detector.startswith("eldc 0.4.")


def test_where_nothing_finds_languages_tags_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform without the library: nothing is found, and nothing overruled."""
    monkeypatch.setattr("models.language.detect.eldc", None)
    assert [Detected("", False)] * 2 == LanguageDetector(LANGUAGES).detect([PLAIN["de"], ""])
