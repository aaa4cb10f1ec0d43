"""A student of a tiny encoder's own layers: vocabulary cut, distilled, resumed, exported, answering alike."""

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.training import MARKS, WORDS, encoder_folder, labelled_files, pause_at

# isort: split

import onnx
import torch
from tokenizers import Tokenizer
from typer.testing import CliRunner

import models.release
from models.characters import spellings
from models.encoder.folder import MADE
from models.encoder.load import read_tokenizer
from models.encoder.smoothing import smoothed
from models.encoder.student import CHECKPOINT, DONE, TRAINING, OwnPlan, new_student, student_tokenizer, train_student
from models.encoder.teacher import EncoderPlan, EncoderTeacher, asked, new_teacher, train_encoder
from models.encoder.vocabulary import cut_vocabulary, numbers_of, unknown_share
from models.errors import BadArtifact
from models.export import Precision, export
from models.guidance import Guidance
from models.labels import SENTIMENTS, TOPICS
from models.manifest import load_manifest
from models.network import Probabilities
from models.onnx import load_onnx_classifier
from models.release import ReleasePlan, release
from models.rows import LabelledText, read_rows
from models.train import Student, pad, unexplained
from streams.cli.main import app
from streams.cli.training import train as command
from tests.support.sources import ROOT

pytestmark = MARKS

VOCABULARY = [word for words in WORDS.values() for word in words] + ["never", "seen"]
PIECES, WIDTH = 38, 32
TRAINED = replace(TRAINING, epochs=2, vocabulary=PIECES, max_length=24, tokens_per_batch=256, threads=1)
OWN = OwnPlan(layers=(0, 1), others=4, body_rate=2e-3, head_rate=1e-2, steps_per_checkpoint=7)
TEACHER = EncoderPlan(
    layers=2, epochs=1, max_length=24, tokens_per_batch=256, prefix="", body_rate=2e-3, head_rate=1e-2, threads=1
)
SMALL = {"sentiment_buckets": 1 << 12, "topic_buckets": 1 << 10}


def made_rows(number: int, seed: int) -> list[LabelledText]:
    """Texts whose label stands in their words; every other one has a topic."""
    rng = random.Random(seed)
    rows = []
    for place in range(number):
        label = rng.choice(SENTIMENTS)
        words = rng.choices(WORDS[label], k=rng.randint(1, 3)) + rng.choices(WORDS["neutral"], k=rng.randint(0, 1))
        topic = TOPICS[place % 12] if place % 2 else None
        rows.append(LabelledText(" ".join(words), label, ("en", "es")[place % 2], topic, f"source{place % 3}"))
    return rows


def guidance_of(rows: list[LabelledText]) -> Guidance:
    """Votes and soft labels that are mostly right, states that the label decides."""
    labels = [SENTIMENTS.index(row.label) for row in rows]
    soft = (0.1 + 0.7 * np.eye(3)[labels]).astype(np.float32)
    topic = np.full((len(rows), len(TOPICS)), 1 / len(TOPICS), np.float32)
    states = np.random.default_rng(0).normal(size=(3, 2 * WIDTH))[labels].astype(np.float16)
    return Guidance(soft - 0.5, topic - 0.1, soft, topic, states=states)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder of two layers as `make encoder` leaves it."""
    return encoder_folder(tmp_path_factory.mktemp("encoder"), VOCABULARY)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_files(tmp_path_factory.mktemp("data"), made_rows, train=400, dev=200, test=60)


@pytest.fixture(scope="module")
def teacher(folder: Path) -> EncoderTeacher:
    """One that knows nothing yet."""
    return new_teacher(folder, TEACHER)


def test_it_begins_as_its_teacher_with_fewer_pieces(folder: Path, teacher: EncoderTeacher, tmp_path: Path) -> None:
    """The kept pieces' embeddings, the chosen layers and the heads are the teacher's; all of them are trained."""
    rows = made_rows(100, 1)
    tokenizer = student_tokenizer(rows, folder, tmp_path, TRAINED, OWN)
    student = new_student(teacher, tokenizer, TRAINED, replace(OWN, layers=(1,)))
    whole = teacher.network.encoder
    pieces = torch.from_numpy(numbers_of(tokenizer, read_tokenizer(folder)))
    assert (PIECES, PIECES) == (tokenizer.get_vocab_size(), len(pieces))
    encoder = student.network.encoder
    assert torch.equal(whole.embeddings.word_embeddings.weight[pieces], encoder.embeddings.word_embeddings.weight)
    name = "intermediate.dense.weight"
    assert torch.equal(whole.encoder.layer[1].get_parameter(name), encoder.encoder.layer[0].get_parameter(name))
    assert torch.equal(teacher.network.sentiment.weight, student.network.sentiment.weight)
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert tokenizer.to_str() == student_tokenizer([], folder, tmp_path, TRAINED, OWN).to_str()


def test_a_student_that_was_cut_ends_as_one_that_was_not(folder: Path, teacher: EncoderTeacher, tmp_path: Path) -> None:
    """Paused in the first epoch, killed in the second after a checkpoint: the same weights, bit for bit."""
    rows, plan = made_rows(200, 3), replace(TRAINED, tokens_per_batch=96)
    tokenizer = student_tokenizer(rows, folder, tmp_path, plan, OWN)

    def run(work: str, number: int = 1_000, error: type[BaseException] | None = None) -> Student | None:
        return train_student(
            rows, tokenizer, teacher, tmp_path / work, plan, OWN, guidance_of(rows), lambda _: None,
            pause_at(number, error),
        )  # fmt: skip

    whole = run("whole")
    assert run("cut", 3) is None
    with pytest.raises(KeyboardInterrupt):
        run("cut", 12, KeyboardInterrupt)
    assert 14 == torch.load(tmp_path / "cut" / CHECKPOINT, weights_only=True)["step"]
    cut, again = run("cut"), run("cut")
    assert whole is not None
    for other in (cut, again):
        assert other is not None
        for name, expected in whole.state_dict().items():
            assert torch.equal(expected, other.state_dict()[name]), name
    assert [DONE] == [path.name for path in (tmp_path / "cut").iterdir()]


def test_the_state_of_another_student_is_refused(folder: Path, teacher: EncoderTeacher, tmp_path: Path) -> None:
    """Another layer or another guidance would end as neither; layers must be ascending and there."""
    rows, plan = made_rows(40, 3), replace(TRAINED, epochs=1)
    tokenizer = student_tokenizer(rows, folder, tmp_path, plan, OWN)
    guidance = guidance_of(rows)

    def run(own: OwnPlan, guidance: Guidance) -> None:
        train_student(rows, tokenizer, teacher, tmp_path / "work", plan, own, guidance, lambda _: None)

    run(OWN, guidance)
    for own, given in (
        (replace(OWN, layers=(0,)), guidance),
        (OWN, replace(guidance, soft=guidance.soft[:, ::-1])),
        (OWN, replace(guidance, states=None)),
    ):
        with pytest.raises(BadArtifact, match=r"another training.*Operator action"):
            run(own, given)
    for layers, why in (((1, 0), "not ascending"), ((), "not ascending"), ((0, 2), "of 2 layers")):
        with pytest.raises(BadArtifact, match=why):
            run(replace(OWN, layers=layers), guidance)


@pytest.fixture(scope="module")
def student(folder: Path, teacher: EncoderTeacher, tmp_path_factory: pytest.TempPathFactory) -> tuple[Student, Path]:
    """A student with wide heads, so that answers differ, and its tokenizer's file."""
    work = tmp_path_factory.mktemp("student")
    tokenizer = student_tokenizer(made_rows(100, 1), folder, work, TRAINED, OWN)
    made = new_student(teacher, tokenizer, TRAINED, OWN)
    for head in (made.network.sentiment, made.network.topic):
        torch.nn.init.normal_(head.weight, std=0.5)
    return made.eval(), work / "tokenizer.json"


def expected_of(student: Student, tokenizer_file: Path, text: str) -> tuple[np.ndarray, np.ndarray]:
    """PyTorch's answer to one text by itself, without padding."""
    ids = torch.tensor([Tokenizer.from_file(str(tokenizer_file)).encode(text).ids])
    with torch.no_grad():
        sentiment, topic = Probabilities(student.network)(ids, torch.ones_like(ids))
    return sentiment.numpy()[0], topic.numpy()[0]


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 0.02), ("int8-weights", 0.05), ("int8", 0.1)]
)
def test_the_folder_answers_as_pytorch_does(
    student: tuple[Student, Path], tmp_path: Path, precision: Precision, tolerance: float
) -> None:
    """Text by text, though ONNX Runtime ran them in batches, padded with this vocabulary's pad piece."""
    texts = sorted({row.text for row in made_rows(300, 9)})
    classifier = export(student[0].network, student[1], tmp_path, "tiny", texts, precision, TRAINED.max_length)
    answer = classifier.classify(texts[:40], [None] * 40)
    for row, text in enumerate(texts[:40]):
        sentiment, topic = expected_of(*student, text)
        assert answer.sentiment[row] == pytest.approx(sentiment, abs=tolerance)
        assert answer.topic[row] == pytest.approx(topic, abs=tolerance)
    alone = np.concatenate([classifier.classify([text], [None]).sentiment for text in texts[:40]])
    assert answer.sentiment == pytest.approx(alone, abs=0.001)
    assert (1, precision) == ((manifest := load_manifest(tmp_path)).pad_id, manifest.precision)
    assert {0.0, 1.0} == set(np.sign(classifier.classify(["bad", "bad ☃☃"], [None] * 2).unknown).tolist())


def test_a_layer_whose_feed_forward_part_has_outliers_keeps_it_in_float(
    student: tuple[Student, Path], tmp_path: Path
) -> None:
    """The last product of that layer alone has no rounded numbers before it."""
    texts = sorted({row.text for row in made_rows(300, 9)})
    export(student[0].network, student[1], tmp_path, "tiny", texts, "int8", TRAINED.max_length, exact_layers=(1,))
    graph = onnx.load(str(tmp_path / "model.onnx")).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    ends = {node.name: made_by[node.input[0]] for node in graph.node
            if node.op_type == "MatMul" and re.search(r"layer\.\d/output/dense", node.name)}  # fmt: skip
    exact = {name: kind != "DequantizeLinear" for name, kind in ends.items()}
    assert {False: 1, True: 1} == Counter(exact.values())
    assert "layer.1" in next(name for name, is_exact in exact.items() if is_exact)


def test_a_folder_whose_sentiments_differ_is_refused(student: tuple[Student, Path], tmp_path: Path) -> None:
    """By as many texts as are given."""
    with pytest.raises(BadArtifact, match=r"changes .* of the sentiments"):
        export(student[0].network, student[1], tmp_path, "tiny", ["bad", "good"], "fp32", 24, most_changed=-1)


def test_states_are_judged_by_how_they_differ() -> None:
    """0 for the same ones, 1 for their mean everywhere, whatever their size; a row without weight does not count."""
    wanted = torch.tensor([[1.0, 10.0], [3.0, 30.0], [99.0, 99.0]])
    weight = torch.tensor([1.0, 1.0, 0.0])
    off = wanted + torch.tensor([[1.0, 0.0], [0.0, 0.0], [7.0, 7.0]])
    found = [float(unexplained(given, wanted, weight)) for given in (wanted, weight @ wanted / 2 + 0 * wanted, off)]
    assert [0.0, 1.0, 0.25] == found


def test_smoothing_changes_no_answer(student: tuple[Student, Path]) -> None:
    """The same product of smaller activations and larger weights."""
    network, tokenizer = student[0].network, Tokenizer.from_file(str(student[1]))
    batch = pad([encoding.ids for encoding in tokenizer.encode_batch(["bad box", "good", "lovely screen today"])], 1)
    changed = smoothed(network, [batch])
    with torch.no_grad():
        for expected, answer in zip(network(*batch), changed(*batch), strict=True):
            assert answer.numpy() == pytest.approx(expected.numpy(), abs=1e-4)
    assert any("inverse" in name for name, _ in changed.named_buffers())


def test_pieces_are_spelled_as_they_are_in_texts(student: tuple[Student, Path]) -> None:
    """A word's first piece with a space, pieces within words without, the last mark as the space behind the last."""
    tokenizer = Tokenizer.from_file(str(student[1]))
    spelled = dict(zip((tokenizer.id_to_token(n) for n in range(PIECES)), spellings(tokenizer), strict=True))
    assert [" bad", " ", "b", "", "", "\ufffd", " "] == [
        spelled[piece] for piece in ("▁bad", "▁", "b", "<s>", "<pad>", "<unk>", "</s>")
    ]


def test_a_teacher_is_asked_each_part_once(
    teacher: EncoderTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that an earlier call left are only read; the answers are those of one call."""
    monkeypatch.setattr("models.encoder.teacher.PART", 10)
    texts = [row.text for row in made_rows(25, 1)]
    assert asked(teacher, texts, tmp_path, lambda _: None, lambda: True) is None
    lines: list[str] = []
    answered = asked(teacher, texts, tmp_path, lines.append)
    assert answered is not None
    assert ["asking the teacher: 10/25", "asking the teacher: 20/25"] == lines
    assert answered.sentiment == pytest.approx(teacher.predict(texts).sentiment, abs=0.01)  # bfloat16
    assert (25, 2 * WIDTH) == answered.states.shape


def test_it_is_released_with_votes_beside_it(folder: Path, data: Path, tmp_path: Path) -> None:
    """From an encoder's folder to a model folder that answers right and says where it comes from."""
    plan = ReleasePlan(student=TRAINED, encoder=TEACHER, own=OWN, **SMALL)
    evaluation = release(data, tmp_path / "work", tmp_path / "model", folder, plan, lambda _: None)
    assert evaluation is not None
    assert evaluation.mean_macro_f1 >= 0.9
    classifier = load_onnx_classifier(tmp_path / "model", "cpu")
    answer = classifier.classify(["great lovely", "slow broken"], ["en", "es"]).sentiment.argmax(axis=1)
    assert ["positive", "negative"] == [SENTIMENTS[number] for number in answer]
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text("utf-8")
    assert all(words in card for words in ("Layers 0, 1", f"{PIECES} of its", "MIT", "UMSAB"))


def test_a_whole_teacher_is_released_without_a_student(folder: Path, data: Path, tmp_path: Path) -> None:
    """Its folder answers as the teacher does: the cut tokenizer puts the teacher's prefix before each text."""
    taught = replace(TEACHER, prefix="box: ", epochs=4)
    plan = ReleasePlan(student=TRAINED, encoder=taught, whole=True, precision="fp32", **SMALL)
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(models.release, "VOTES_WEIGHTS", (0.0,))
        release(data, tmp_path / "work", tmp_path / "model", folder, plan, lines.append)
    assert [] == [line for line in lines if "student" in line]
    rows = made_rows(100, 5)
    teacher = train_encoder(
        list(read_rows(data / "feedback_train.jsonl.gz")), folder, tmp_path / "work", taught, lines.append
    )
    assert teacher is not None
    texts = [row.text for row in rows]
    expected = teacher.predict(texts).topic
    answer = load_onnx_classifier(tmp_path / "model", "cpu").classify(texts, [None] * len(texts))
    assert answer.topic == pytest.approx(expected, abs=0.02)
    widest = expected.std(axis=0).argmax()
    assert np.corrcoef(answer.topic[:, widest], expected[:, widest])[0, 1] > 0.99
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text("utf-8")
    assert "learned from labels, its embeddings kept" in card


@pytest.mark.parametrize("layers", [(1, 0), (-1,), (0, 9)])
def test_a_student_that_cannot_be_is_refused_before_the_teacher_learns(
    folder: Path, data: Path, tmp_path: Path, layers: tuple[int, ...]
) -> None:
    """Nothing of a teacher is there then."""
    plan = ReleasePlan(student=TRAINED, encoder=TEACHER, own=replace(OWN, layers=layers), **SMALL)
    with pytest.raises(BadArtifact, match=r"layers.*Operator action"):
        release(data, tmp_path / "work", tmp_path / "model", folder, plan, lambda _: None)
    assert [] == [*(tmp_path / "work").iterdir()]


def test_int8_that_changes_too_much_becomes_int8_weights(folder: Path, data: Path, tmp_path: Path) -> None:
    """After parts in fp32 and the smoothed network were tried; the folder says which."""
    plan = ReleasePlan(student=replace(TRAINED, epochs=1), encoder=TEACHER, own=OWN, **SMALL)
    lines: list[str] = []

    def refused(network: object, *given: object, **options: object) -> object:
        if "int8" in given:
            raise BadArtifact("too far.")
        return export(network, *given, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(models.release, "export", refused)
        release(data, tmp_path / "work", tmp_path / "model", folder, plan, lines.append)
    parts = [f"int8 with a part of layer {number} in fp32" for number in range(len(OWN.layers))]
    tries = ["int8", *parts, "int8 of the smoothed network", "int8 with a part of each layer in fp32"]
    assert [f"{name} is not used: too far." for name in tries] == [line for line in lines if "is not used" in line]
    assert "int8-weights" == load_manifest(tmp_path / "model").precision


def test_the_command_pauses_and_goes_on(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 while teacher or student is not done, the same command again until it is; then a folder."""

    def smaller(data: Path, work: Path, out: Path, init: Path, plan: ReleasePlan, *others: object) -> object:
        return release(data, work, out, init, replace(plan, most_changed=1.0, **SMALL), *others)  # type: ignore[arg-type]

    monkeypatch.setattr(models.release, "release", smaller)
    monkeypatch.setattr(command, "pause_after", lambda minutes: lambda: minutes is not None)
    typed = ["model", "train", "--data", str(data), "--out", str(tmp_path / "model"), "--work", str(tmp_path / "work"),
             "--init", str(folder), "--layers", "2", "--student-layers", "0,1", "--pieces", str(PIECES), "--epochs",
             "1", "--threads", "1", "--precision", "int8", "--name", "tiny", "--json"]  # fmt: skip
    paused = CliRunner().invoke(app, [*typed, "--minutes", "1"])
    assert (1, False) == (paused.exit_code, json.loads(paused.stdout)["done"]), paused.output
    done = CliRunner().invoke(app, typed)
    assert (0, True) == (done.exit_code, json.loads(done.stdout)["done"]), done.output
    assert "tiny" == load_manifest(tmp_path / "model").id


@pytest.mark.parametrize(
    ("options", "why"),
    [(["--student-layers", "0"], "needs a teacher"), (["--layers", "1"], "needs an encoder"),
     (["--init", ".", "--layers", "1", "--student-layers", "first"], "no numbers"), (["--whole"], "--whole ships"),
     (["--init", ".", "--layers", "1", "--student-layers", "0", "--whole"], "no --student-layers")],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(data: Path, tmp_path: Path, options: list[str], why: str) -> None:
    """Before anything is trained."""
    done = CliRunner().invoke(app, ["model", "train", "--data", str(data), "--out", str(tmp_path / "x"), *options])
    assert (1, True) == (done.exit_code, why in str(done.exception)), done.output


ENCODER = ROOT / "build" / "encoder"


@pytest.mark.skipif(not (ENCODER / MADE).exists(), reason="no build/encoder here: `make encoder` downloads it")
def test_thirty_other_languages_can_still_be_spelled() -> None:
    """With 40,000 pieces of the real vocabulary, chosen without any text of theirs."""
    cut = cut_vocabulary(read_tokenizer(ENCODER), [], 40_000)
    languages = json.loads((ROOT / "tests" / "data" / "languages.json").read_text("utf-8"))
    assert dict.fromkeys(languages, 0.0) == {name: unknown_share(cut, texts) for name, texts in languages.items()}
    assert 30 == len(languages)
