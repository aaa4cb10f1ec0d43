"""marketpulse-base: what is kept of it here, and the model that it becomes with the encoder."""

import msgspec
import pytest

from tests.models.training import MARKS
from tests.support.sources import ROOT

# isort: split

import onnx

from models.encoder.detached import GRAPH, attach
from models.labels import SENTIMENTS
from models.manifest import MANIFEST, Manifest
from models.onnx import load_onnx_classifier

pytestmark = MARKS

PARTS = ROOT / "models" / "artifacts" / "marketpulse-base-parts"
ENCODER = ROOT / "build" / "encoder"
TEXTS = {
    "en": ("The app crashes every time I open the basket", "Fast delivery, lovely product"),
    "pt": ("a entrega atrasou, péssimo atendimento", "chegou rápido, adorei"),
    "de": ("Seit dem Update stürzt die App ständig ab", "Sehr freundlich und schnell"),
    "zh": ("质量太差了，退货", "非常好用，很满意"),
}


def test_what_is_kept_is_small_and_holds_no_embedding_of_the_encoder() -> None:
    """The layers in fp16 and the votes; a card says what it began from, with which licence."""
    assert {GRAPH, MANIFEST, "MODEL_CARD.md", "tokenizer.json"} == {path.name for path in PARTS.iterdir()}
    assert sum(path.stat().st_size for path in PARTS.iterdir()) < 47_000_000
    card = (PARTS / "MODEL_CARD.md").read_text("utf-8")
    assert all(words in card for words in ("multilingual-e5-small", "MIT", "70,000"))
    empty = [
        list(one.dims)
        for one in onnx.load(str(PARTS / GRAPH), load_external_data=False).graph.initializer
        if one.data_type == onnx.TensorProto.INT8 and not one.raw_data
    ]
    assert [[70_000, 384]] == empty


def test_its_figures_are_those_that_it_is_shipped_for() -> None:
    """Languages but for Hindi, the worst, and topics; the card has the mean of the test set."""
    manifest = msgspec.json.decode((PARTS / MANIFEST).read_bytes(), type=Manifest)
    assert ("marketpulse-base", "fp16") == (manifest.id, manifest.precision)
    assert manifest.evaluation is not None
    languages = manifest.evaluation.languages
    assert manifest.evaluation.mean_macro_f1 >= 0.735
    assert min(one.macro_f1 for name, one in languages.items() if name != "hi") >= 0.7
    assert languages["hi"].macro_f1 >= 0.54
    assert manifest.evaluation.topic_macro_f1 >= 0.76
    assert "| mean macro-F1 | | | 0.741 | | | | 0.730 | |" in (PARTS / "MODEL_CARD.md").read_text("utf-8")


@pytest.mark.skipif(not ENCODER.exists(), reason="no build/encoder here: `make encoder` downloads it")
def test_with_the_encoder_it_answers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Byte for byte the model that was made here, which its manifest proves; clear texts are answered right."""
    out = tmp_path_factory.mktemp("base") / "model"
    attach(PARTS, ENCODER, out)
    classifier = load_onnx_classifier(out, "cpu", 1)
    for language, texts in TEXTS.items():
        answers = classifier.classify(list(texts), [language] * 2).sentiment.argmax(axis=1)
        assert ["negative", "positive"] == [SENTIMENTS[answer] for answer in answers], language
