"""Training and export with PyTorch: the folder that comes out answers as the network does."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-models")

import torch
from tokenizers import Tokenizer

from models.export import export
from models.labels import SENTIMENTS, TOPICS
from models.manifest import load_manifest
from models.network import FeedbackClassifier, Probabilities
from models.onnx import OnnxClassifier
from models.release import release
from models.train import TrainingPlan, build_network, train, train_tokenizer

pytestmark = [
    pytest.mark.models,
    # PyTorch's exporter warns of its own internals.
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PLAN = TrainingPlan(epochs=2, layers=1, width=32, heads=2, vocabulary=300, max_length=24, tokens_per_batch=512)
WORDS = {
    "negative": ["bad", "slow", "broken", "terrible", "schlecht", "lento"],
    "neutral": ["box", "today", "screen", "order", "heute", "pedido"],
    "positive": ["good", "great", "lovely", "perfect", "gut", "bueno"],
}


def made_rows(number: int, seed: int) -> list[dict[str, object]]:
    """Texts whose label stands in their words; half of them carry a topic."""
    rng = random.Random(seed)
    rows: list[dict[str, object]] = []
    for at in range(number):
        label = rng.choice(SENTIMENTS)
        words = rng.choices(WORDS[label], k=rng.randint(2, 8)) + rng.choices(WORDS["neutral"], k=rng.randint(0, 6))
        row: dict[str, object] = {"text": " ".join(words), "label": label, "lang": ("en", "de", "es")[at % 3]}
        rows.append(row | ({"topic": TOPICS[at % len(TOPICS)]} if at % 2 else {"weak": True}))
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, number) in enumerate({"train": 1_500, "dev": 400, "test": 400}.items()):
        with gzip.open(folder / f"feedback_{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in made_rows(number, seed))
    return folder


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [str(row["text"]) for row in made_rows(300, 9)]


@pytest.fixture(scope="module")
def untrained(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[FeedbackClassifier, Path]:
    """A random network, its weights wide enough that answers differ, and its tokenizer's file."""
    torch.manual_seed(3)
    tokenizer = train_tokenizer(iter(texts), PLAN)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(file))
    network = build_network(tokenizer.get_vocab_size(), PLAN)
    for head in (network.sentiment, network.topic):
        torch.nn.init.normal_(head.weight, std=0.5)
    return network.eval(), file


def expected_of(network: FeedbackClassifier, tokenizer_file: Path, text: str) -> tuple[np.ndarray, np.ndarray]:
    """PyTorch's answer to one text by itself."""
    ids = torch.tensor([Tokenizer.from_file(str(tokenizer_file)).encode(text).ids])
    with torch.no_grad():
        sentiment, topic = Probabilities(network)(ids, torch.ones_like(ids))
    return sentiment.numpy()[0], topic.numpy()[0]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("int8", 0.08)])
def test_folder_answers_as_pytorch_does(
    untrained: tuple[FeedbackClassifier, Path], texts: list[str], tmp_path: Path, precision: str, tolerance: float
) -> None:
    """Both heads agree with PyTorch, text by text, though ONNX Runtime ran them in batches."""
    network, file = untrained
    classifier = export(network, file, tmp_path / "model", "tiny", texts, precision, PLAN.max_length)
    answer = classifier.classify(texts[:40], [None] * 40)
    for row, text in enumerate(texts[:40]):
        sentiment, topic = expected_of(network, file, text)
        assert answer.sentiment[row] == pytest.approx(sentiment, abs=tolerance)
        assert answer.topic[row] == pytest.approx(topic, abs=tolerance)


def test_int8_does_not_depend_on_neighbours(
    untrained: tuple[FeedbackClassifier, Path], texts: list[str], tmp_path: Path
) -> None:
    """Static ranges: a text alone is answered as among others."""
    classifier = export(*untrained, tmp_path / "model", "tiny", texts, "int8", PLAN.max_length)
    assert together(classifier, texts[:40]) == pytest.approx(alone(classifier, texts[:40]), abs=0.001)


def together(classifier: OnnxClassifier, texts: list[str]) -> np.ndarray:
    return classifier.classify(texts, [None] * len(texts)).sentiment


def alone(classifier: OnnxClassifier, texts: list[str]) -> np.ndarray:
    return np.concatenate([classifier.classify([text], [None]).sentiment for text in texts])


def test_release_learns_and_describes(data: Path, tmp_path: Path) -> None:
    """From labelled texts to a folder that loads, answers right and carries card, scores and calibration."""
    lines: list[str] = []
    evaluation = release(data, tmp_path / "work", tmp_path / "model", PLAN, lines.append)
    manifest = load_manifest(tmp_path / "model")
    assert evaluation.mean_macro_f1 >= 0.9
    assert manifest.evaluation == evaluation
    assert {"", "en", "de", "es"} == set(manifest.calibration)
    assert "macro-F1" in (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert lines


def test_training_resumes(data: Path, tmp_path: Path) -> None:
    """A training cut after its first epoch ends with the same weights as one that ran through."""
    through = train(data, tmp_path / "through", PLAN, _silent)
    train(data, tmp_path / "cut", PLAN, _silent)
    (tmp_path / "cut" / "epoch-2.pt").unlink()
    resumed = train(data, tmp_path / "cut", PLAN, _silent)
    for name, weights in through.state_dict().items():
        assert torch.allclose(weights, resumed.state_dict()[name], atol=1e-6), name


def _silent(line: str) -> None:
    """Progress is not looked at here."""
