"""Training and export with PyTorch: the folder that comes out answers as the network does."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.training import MARKS, labelled_files

# isort: split

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import BertConfig, BertModel

from models.characters import characters_of, spellings
from models.errors import BadArtifact
from models.export import export
from models.labels import SENTIMENTS, TOPICS
from models.manifest import load_manifest
from models.network import FeedbackClassifier, NgramVotes, Probabilities
from models.onnx import OnnxClassifier
from models.release import ReleasePlan, release
from models.teacher import TeacherPlan, build_teacher
from models.train import TrainingPlan, build_network, pad, train, train_tokenizer
from models.votes import counted, fit_spelled_votes, fit_votes, out_of_fold

pytestmark = MARKS

PLAN = TrainingPlan(
    epochs=2, layers=1, width=32, heads=2, vocabulary=300, max_length=24, tokens_per_batch=512, threads=1
)
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
    return labelled_files(tmp_path_factory.mktemp("data"), made_rows, train=1_500, dev=400, test=400)


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


def test_release_learns_and_describes(data: Path, bert_folder: Path, tmp_path: Path) -> None:
    """From labelled texts and a pre-trained body to a folder that loads, answers right and carries card and scores."""
    lines: list[str] = []
    plan = ReleasePlan(student=PLAN, teacher=TeacherPlan(epochs=0.5), sentiment_buckets=1 << 12, topic_buckets=1 << 10)
    evaluation = release(data, tmp_path / "work", tmp_path / "model", bert_folder, plan, lines.append)
    manifest = load_manifest(tmp_path / "model")
    assert evaluation.mean_macro_f1 >= 0.9
    assert manifest.evaluation == evaluation
    assert {"", "en", "de", "es"} == set(manifest.calibration)
    assert "macro-F1" in (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert lines


def test_votes_in_the_graph_are_those_of_the_table(texts: list[str]) -> None:
    """Up to int8 rounding, whatever the padding; and rows a machine has not seen get other votes than fitted ones."""
    tokenizer = train_tokenizer(iter(texts), PLAN)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    truth = np.array([sum(word in text for word in WORDS["positive"]) > 1 for text in texts], np.int64)
    weight = np.ones(len(texts), np.float32)
    table = fit_votes(ids, truth, weight, 3, 1 << 10)
    votes = NgramVotes(table.weights, table.idf, table.bias)(*pad(ids[:50])).numpy()
    assert votes == pytest.approx(table.votes(ids[:50]), abs=0.03)
    assert (table.votes(ids).argmax(axis=1) == truth).mean() > 0.95
    assert not np.allclose(out_of_fold(ids, truth, weight, 3, 1 << 10), table.votes(ids))


def test_votes_that_know_spelling_judge_words_they_never_saw() -> None:
    """A word that shares its stem with a seen one is judged like it, also in the graph; without spelling it is not."""
    stems = {"positive": "wonder", "negative": "terr", "neutral": "plai"}
    texts = [f"the {stem}{end}" for stem in stems.values() for end in ("ful", "ible", "ns", "s", "er", "ly")]
    words = sorted({word for text in texts for word in text.split()} | {f"{stem}ish" for stem in stems.values()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    tokenizer = Tokenizer(WordLevel({piece: at for at, piece in enumerate(pieces)}))
    ids = [[2, *(tokenizer.token_to_id(word) for word in text.split()), 3] for text in texts]
    truth, weight = np.repeat(np.arange(3), 6), np.ones(len(texts), np.float32)
    unseen = [[2, tokenizer.token_to_id("the"), tokenizer.token_to_id(f"{stem}ish"), 3] for stem in stems.values()]
    table = fit_spelled_votes(ids, truth, weight, 3, 1 << 12, spellings(tokenizer))
    assert [0, 1, 2] == table.votes(unseen).argmax(axis=1).tolist()
    assert [0, 1, 2] == NgramVotes(table.weights, table.idf, table.bias)(*pad(unseen)).argmax(1).tolist()
    plain = fit_votes(ids, truth, weight, 3, 1 << 12).votes(unseen)
    assert np.allclose(plain, plain[0])


def test_pieces_and_pairs_spell_each_character_n_gram_once() -> None:
    """What a text's buckets are spelled with is what its own characters give, each word after a space."""
    spelled = ["", "", "", " ", " good", "ness", " iron"]
    ids = [2, 4, 5, 6, 3]
    characters = characters_of([ids], spelled, 1 << 12)
    found = int((counted([ids], 1 << 12) @ characters).sum())
    text = " goodness iron "
    assert sum(len(text) - n + 1 for n in range(2, 6)) == found


def test_a_teachers_vocabulary_is_exchanged(bert_folder: Path, texts: list[str]) -> None:
    """Known pieces keep their embeddings, new ones begin at the mean of their old parts; the body is the folder's."""
    tokenizer = train_tokenizer(iter(texts), PLAN)
    network = build_teacher(bert_folder, tokenizer)
    state = load_file(bert_folder / "model.safetensors")
    old = Tokenizer.from_file(str(bert_folder / "tokenizer.json"))
    embeddings = network.encoder.embeddings.word_embeddings.weight
    for piece in ("good", "lento"):
        parts = old.encode(piece, add_special_tokens=False).ids
        expected = state["embeddings.word_embeddings.weight"][parts].mean(0)
        assert torch.allclose(expected, embeddings[tokenizer.token_to_id(piece)], atol=1e-6), piece
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(state[name], network.encoder.state_dict()[name])


def test_a_folder_without_a_bert_is_refused(tmp_path: Path, texts: list[str]) -> None:
    """With what to do."""
    with pytest.raises(BadArtifact, match="Operator action"):
        build_teacher(tmp_path, train_tokenizer(iter(texts), PLAN))


@pytest.fixture(scope="module")
def bert_folder(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT as a pre-trained one is shipped: configuration, weights, tokenizer of another vocabulary."""
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = train_tokenizer(iter(texts), TrainingPlan(vocabulary=120))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=1,
                        num_attention_heads=2, intermediate_size=64, max_position_embeddings=96)  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def test_training_resumes(data: Path, tmp_path: Path) -> None:
    """A training cut after its first epoch ends where one that ran through does, with the same pieces and one thread.

    Pieces that are equally frequent are numbered differently each time, and threads round differently.
    """
    plan = replace(PLAN, averaged_epochs=1, threads=1)
    through = train(data, tmp_path / "through", plan, _silent)
    (tmp_path / "cut").mkdir()
    shutil.copy(tmp_path / "through" / "tokenizer.json", tmp_path / "cut")
    train(data, tmp_path / "cut", plan, _silent)
    (tmp_path / "cut" / "epoch-2.pt").unlink()
    resumed = train(data, tmp_path / "cut", plan, _silent)
    first = torch.load(tmp_path / "through" / "epoch-1.pt", weights_only=True)["network"]

    def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
        return sum(float((one[name] - other[name]).abs().sum()) for name in one)

    second_epoch = distance(first, through.state_dict())
    assert distance(resumed.state_dict(), through.state_dict()) < 0.001 * second_epoch


def _silent(line: str) -> None:
    """Progress is not looked at here."""
