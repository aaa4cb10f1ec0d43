"""Own topics: a head for a file's topics in the graph of a shipped or brought model."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra `train`: make test-models")

import onnx
from typer.testing import CliRunner

from marketpulse.contract.decode import Decoded
from models.bound import OUTPUTS
from models.errors import BadArtifact, BadTopics
from models.manifest import load_manifest
from models.onnx import load_onnx_classifier
from models.topics.file import load_topics
from models.topics.general import GENERAL_TEXTS
from models.topics.graph import with_state
from models.topics.head import fit_head
from models.topics.judge import SENTENCES
from models.topics.make import Made, make_topics
from streams.batches import DecodedBatch, Position, SourceMark
from streams.cli.main import app
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.count.aggregate import aggregate
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import Spending, StepContext
from streams.privacy.user_hashes import UserHashes
from tests.unit.models.conftest import SHIPPED, TEXTS

pytestmark = pytest.mark.models

START_MS = 1_792_800_000_000
TOPICS = """
[[topic]]
name = "parking"
sentence = "Where to park a car, and what it costs."
examples = [
  "no parking lot near the hotel", "parking was free", "the garage is too small", "we found no place to park",
  "Parkplatz direkt vor der Tür", "keine Parkplätze", "le parking est trop cher", "parking gratuit",
]

[[topic]]
name = "breakfast"
sentence = "Breakfast: food and drinks in the morning."
examples = [
  "breakfast was cold", "great breakfast buffet", "the eggs at breakfast were delicious", "no coffee at breakfast",
  "das Frühstück war lecker", "Frühstück viel zu teuer", "petit déjeuner copieux", "le petit déjeuner était froid",
]
"""


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("topics") / "topics.toml"
    file.write_text(TOPICS, "utf-8")
    return file


@pytest.fixture(scope="module")
def folder(topics: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with these topics, made by the command."""
    out = tmp_path_factory.mktemp("made") / "model"
    run = CliRunner().invoke(
        app, ["model", "topics", str(topics), "--folder", str(SHIPPED), "--out", str(out), "--json"]
    )
    assert 0 == run.exit_code, run.output
    assert ["general", "parking", "breakfast"] == list(json.loads(run.stdout)["topics"])
    return out


def states(number: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, width)).astype(np.float32)


def test_the_shipped_model_answers_with_own_topics(folder: Path) -> None:
    """Texts that it was not given have the right topic, others `general`; sentiments are as before."""
    made, shipped = load_onnx_classifier(folder, "cpu"), load_onnx_classifier(SHIPPED, "cpu")
    asked = ["parking was expensive", "breakfast was delicious", "thank you, see you soon", "love it"]
    answered = made.classify(asked, ["en"] * 4)
    assert ["parking", "breakfast", "general", "general"] == [
        made.info.topics[at] for at in answered.topic.argmax(axis=1)
    ]
    assert np.allclose(1, answered.topic.sum(axis=1), atol=1e-5)
    ours, theirs = (one.classify(TEXTS, ["en"] * len(TEXTS)).sentiment for one in (made, shipped))
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_worker_counts_own_topics(folder: Path) -> None:
    """From events through classifier, delta and step to the metrics that services read."""
    made = load_onnx_classifier(folder, "cpu")
    texts = ["parking was expensive", "breakfast was delicious", "a great breakfast buffet", "love it"]
    events = [Decoded(str(at), "DE", text, START_MS, None, "en", None) for at, text in enumerate(texts)]
    records = [SimpleNamespace(offset=at) for at in range(4)]
    batch = DecodedBatch(Position(0, 1, "g", 0, 4), events, records, [], 0, b"", 0, SourceMark(), 0, 0)
    answered = made.classify(texts, ["en"] * 4)
    scored = ScoredBatch(batch, answered.sentiment, answered.topic, languages=answered.languages)
    layout = layout_of(made.info)
    counts = aggregate(scored, layout, UserHashes(b"key")).counts
    rollup = RollUp(layout, idle_ms=30_000)
    step = CutStep(1, 1_000, counts, {}, {0: PartitionCut(4, START_MS, rose_ms=1, seen_ms=1)})
    context = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")
    metrics = rollup.decide(step, rollup.take(step), context).metrics["DE"]
    assert {"general": 1, "parking": 1, "breakfast": 2} == {topic: n for topic, (n, _, _) in metrics.topics.items()}


def test_what_only_the_topics_before_needed_is_gone(folder: Path) -> None:
    """The folder is no larger and the graph has no other output."""
    graph = onnx.load(str(folder / "model.onnx")).graph
    assert set(OUTPUTS) == {output.name for output in graph.output}
    assert (folder / "model.onnx").stat().st_size < (SHIPPED / "model.onnx").stat().st_size
    onnx.checker.check_model(str(folder / "model.onnx"))


def test_the_folder_tells_what_it_was_made_of(folder: Path, topics: Path) -> None:
    """In manifest and card; the texts themselves are not in it."""
    manifest, before = load_manifest(folder), load_manifest(SHIPPED)
    lineage = manifest.own_topics
    assert lineage is not None
    assert (before.id, before.model_sha256, load_topics(topics).sha256) == (
        lineage.base, lineage.base_sha256, lineage.file_sha256,
    )  # fmt: skip
    assert ({"parking": 8, "breakfast": 8}, False) == (lineage.examples, lineage.general_given)
    assert [lineage.general, 8, 8] == [sum(row) for row in lineage.confusion]
    assert before.calibration == manifest.calibration
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert "and of a topic (general, parking, breakfast)." in card
    assert "Frühstück" not in card


def test_topics_of_a_folder_with_own_topics_are_exchanged_again(folder: Path, topics: Path, tmp_path: Path) -> None:
    """The same file gives the same head; the section of the card is there once."""
    again = make_topics(folder, tmp_path / "again", load_topics(topics)).classifier
    first = load_onnx_classifier(folder, "cpu")
    answers = [one.classify(TEXTS, [None] * len(TEXTS)).topic for one in (again, first)]
    assert np.abs(answers[0] - answers[1]).max() < 1e-4
    assert 1 == (tmp_path / "again" / "MODEL_CARD.md").read_text("utf-8").count("## Own topics")


def test_own_general_texts_are_used(topics: Path, tmp_path: Path) -> None:
    """Each once; too few are refused, and nothing is left."""
    file = load_topics(topics)
    made: Made = make_topics(SHIPPED, tmp_path / "made", file, [f"row {at} of the report" for at in range(40)] * 2)
    lineage = load_manifest(tmp_path / "made").own_topics
    assert lineage is not None
    assert (40, True) == (lineage.general, lineage.general_given)
    assert made.fit.recall(0) >= 0.9
    with pytest.raises(BadTopics, match="2 different general texts, at least 30"):
        make_topics(SHIPPED, tmp_path / "few", file, ["one", "two", "one"])
    assert not (tmp_path / "few").exists()


def test_general_texts_left_out_stay_general() -> None:
    """As many as were asked for, also where a topic is close to them; fits are the same every time."""
    general, near = states(100, 16, 1), states(20, 16, 2) + 0.5
    given = np.concatenate([general, near]), np.array([0] * 100 + [1] * 20), np.zeros(120, bool), 0.9
    first, second = fit_head(*given), fit_head(*given)
    assert first.recall(0) >= 0.9
    assert np.array_equal(first.head.weight, second.head.weight)


def test_a_topic_may_have_a_sentence_alone() -> None:
    """It is in every fit and never left out."""
    given = np.concatenate([states(50, 8, 1), states(1, 8, 2) + 3, states(1, 8, 3) - 3])
    classes, sentence = np.array([0] * 50 + [1, 2]), np.arange(52) >= 50
    fit = fit_head(given, classes, sentence, 0.9)
    assert 50 == len(fit.truth)
    assert [1, 2] == fit.head.answers(given[50:]).tolist()


def test_a_graph_without_layers_is_refused() -> None:
    """There is no state to be found in it."""
    node = onnx.helper.make_node("Identity", ["input_ids"], ["sentiment"])
    graph = onnx.helper.make_graph([node], "g", [], [])
    with pytest.raises(BadArtifact, match="shows no encoder"):
        with_state(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]))


def test_general_texts_are_different_and_clean() -> None:
    """Enough of them in every language of the model."""
    assert len(GENERAL_TEXTS) == len(set(GENERAL_TEXTS))
    assert len(GENERAL_TEXTS) > 100


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "precision"), [("bert", "fp32"), ("distilbert", "int8"), ("xlm-roberta", "fp16")])
def test_a_brought_model_gets_own_topics(kind: str, precision: str, topics: Path, tmp_path: Path) -> None:
    """Whatever its architecture and precision; its one topic gives way."""
    pytest.importorskip("torch", reason="needs the extra `train`: make test-models")
    from models.checkpoint import export_checkpoint
    from tests.models import checkpoints

    source, _, _ = checkpoints.checkpoint(kind, tmp_path / "checkpoint")
    export_checkpoint(source, tmp_path / "model", checkpoints.TEXTS, precision, report=lambda _: None)  # type: ignore[arg-type]
    made = make_topics(tmp_path / "model", tmp_path / "made", load_topics(topics)).classifier
    assert ("general", "parking", "breakfast") == made.info.topics
    assert (3, 3) == made.classify(["no place to park"] * 3, [None] * 3).topic.shape


def test_other_names_make_another_model(topics: Path, folder: Path, tmp_path: Path) -> None:
    """Its SHA-256 is what tells detectors and journal that topics changed."""
    renamed = tmp_path / "topics.toml"
    renamed.write_text(topics.read_text("utf-8").replace('"parking"', '"car_park"'), "utf-8")
    made = make_topics(SHIPPED, tmp_path / "made", load_topics(renamed)).classifier
    assert made.info.sha256 != load_manifest(folder).model_sha256


def test_topics_left_out_are_judged(tmp_path: Path) -> None:
    """On rows whose words tell their topic: figures of each draw, with shipped and with the rows' own general texts."""
    for part in ("dev", "test"):
        rows = [
            {"text": f"{topic.replace('_', ' ')} {part} {at}", "topic": topic, "topics": [topic]}
            for topic in (*SENTENCES, "general")
            for at in range(30)
        ]
        rows.append({"text": "of two", "topic": "app", "topics": ["app", "price"]})
        with gzip.open(tmp_path / f"feedback_{part}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    run = CliRunner().invoke(
        app, ["bench", "topics", "--data", str(tmp_path), "--folder", str(SHIPPED), "--draws", "2", "--json"]
    )
    assert 0 == run.exit_code, run.output
    found = json.loads(run.stdout)
    assert 30 * (1 + len(SENTENCES)) == found["judged"]
    assert {"shipped", "own"} == found["general"].keys()
    [first, second] = found["general"]["own"]["draws"]
    assert first["topics"] != second["topics"]
    assert found["general"]["own"]["f1"] > 0.5
