"""A teacher from a tiny encoder with XLM-R's vocabulary: it learns, resumes exactly, and teaches a student."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.training import MARKS, WORDS, encoder_folder, labelled_files, pause_at

# isort: split

import torch
from transformers import BertModel, XLMRobertaConfig, XLMRobertaModel
from typer.testing import CliRunner

from models.encoder.load import load_encoder, load_tokenizer, unknown_piece
from models.encoder.teacher import CHECKPOINT, DONE, EncoderPlan, EncoderTeacher, new_teacher, train_encoder
from models.errors import BadArtifact
from models.labels import SENTIMENTS, TOPICS
from models.release import ReleasePlan, release
from models.rows import LabelledText
from models.teacher import build_teacher
from models.train import TrainingPlan, pad, train_tokenizer
from streams.cli.main import app
from streams.cli.training import encoder
from tests.support.encoders import unigram

pytestmark = MARKS

VOCABULARY = [word for words in WORDS.values() for word in words]
PLAN = EncoderPlan(
    layers=1, epochs=6, max_length=24, tokens_per_batch=256, prefix="", body_rate=2e-3, head_rate=1e-2, augmented=0.2,
    steps_per_checkpoint=7, threads=1,
)  # fmt: skip


def made_rows(number: int, seed: int) -> list[LabelledText]:
    """Texts whose label stands in their words, from two sources of unequal size; every other one is a translation."""
    rng = random.Random(seed)
    rows = []
    for place in range(number):
        label = rng.choice(SENTIMENTS)
        words = rng.choices(WORDS[label], k=rng.randint(2, 6)) + rng.choices(WORDS["neutral"], k=rng.randint(0, 2))
        source = "small" if place % 10 == 0 else "large"
        for lang in ("en", "es"):
            name = f"{source}:{lang}:train:{place}"
            rows.append(
                LabelledText(
                    " ".join(words),
                    label,
                    lang,
                    TOPICS[place % 12] if place % 2 else None,
                    source,
                    id=name,
                    translated=lang == "es",
                )
            )
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder as `make encoder` leaves it."""
    return encoder_folder(tmp_path_factory.mktemp("encoder"), VOCABULARY)


def trained(rows: list[LabelledText], folder: Path, work: Path, plan: EncoderPlan = PLAN) -> EncoderTeacher:
    teacher = train_encoder(rows, folder, work, plan, lambda _: None)
    assert teacher is not None
    return teacher


def test_it_learns_while_its_word_embeddings_stay(folder: Path, tmp_path: Path) -> None:
    """The labels of rows it never saw; the pieces keep what was pre-trained; a finished training is only loaded."""
    teacher = trained(made_rows(300, 1), folder, tmp_path)
    unseen = made_rows(60, 2)
    answered = teacher.predict([row.text for row in unseen])
    right = [SENTIMENTS[number] == row.label for number, row in zip(answered.sentiment.argmax(1), unseen, strict=True)]
    assert np.mean(right) > 0.9
    own = load_encoder(folder).embeddings.word_embeddings.weight
    assert torch.equal(own, teacher.network.encoder.embeddings.word_embeddings.weight)
    assert [DONE] == [path.name for path in tmp_path.iterdir()]
    again = trained(made_rows(300, 1), folder, tmp_path)
    assert np.array_equal(answered.sentiment, again.predict([row.text for row in unseen]).sentiment)


@pytest.mark.parametrize("alignment", [0.0, 1.0])
def test_a_training_that_was_cut_ends_as_one_that_was_not(folder: Path, tmp_path: Path, alignment: float) -> None:
    """Paused in the first epoch, killed in the second after a checkpoint: the same weights, bit for bit."""
    rows, plan = made_rows(60, 3), replace(PLAN, epochs=2, alignment=alignment, tokens_per_batch=128)
    whole = trained(rows, folder, tmp_path / "whole", plan)

    def run(number: int, error: type[BaseException] | None = None) -> EncoderTeacher | None:
        return train_encoder(rows, folder, tmp_path / "cut", plan, lambda _: None, pause_at(number, error))

    assert run(3) is None
    with pytest.raises(KeyboardInterrupt):
        run(9, KeyboardInterrupt)
    assert 7 == torch.load(tmp_path / "cut" / CHECKPOINT, weights_only=True)["step"]
    cut = trained(rows, folder, tmp_path / "cut", plan)
    for name, expected in whole.network.state_dict().items():
        assert torch.equal(expected, cut.network.state_dict()[name]), name


def test_the_state_of_another_training_is_refused(folder: Path, tmp_path: Path) -> None:
    """Other rows or another rate would end as neither; where and with how many threads does not matter."""
    rows, plan = made_rows(20, 3), replace(PLAN, epochs=0.2)
    trained(rows, folder, tmp_path, plan)
    for changed, given in ((replace(plan, body_rate=1e-5), rows), (plan, rows[1:])):
        with pytest.raises(BadArtifact, match=r"another training.*Operator action"):
            train_encoder(given, folder, tmp_path, changed, lambda _: None)
    trained(rows, folder, tmp_path, replace(plan, threads=2))
    (tmp_path / DONE).write_bytes(b"cut")
    with pytest.raises(BadArtifact, match=r"cannot be read.*delete it"):
        trained(rows, folder, tmp_path, plan)


def test_padding_changes_no_answer(folder: Path) -> None:
    """`<s>` is number 0 here and stays in the mask; `<pad>` is number 1 and does not."""
    teacher = new_teacher(folder, PLAN)
    ids, mask = pad([[0, 5, 2], [0, 5, 6, 7, 8, 2]], teacher.pad_id)
    assert [[0, 5, 2, 1, 1, 1], [1, 1, 1, 0, 0, 0]] == [ids[0].tolist(), mask[0].tolist()]
    texts = ["good", "bad box today screen lento slow"]
    together = teacher.predict(texts).sentiment
    alone = np.concatenate([teacher.predict([text]).sentiment for text in texts])
    assert together == pytest.approx(alone, abs=0.01)  # bfloat16


def test_xlm_roberta_itself_is_taken(tmp_path: Path) -> None:
    """Another type of encoder, whose positions begin behind the pad number."""
    tokenizer = unigram(VOCABULARY)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = XLMRobertaConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2,
                              num_attention_heads=2, intermediate_size=64, max_position_embeddings=20,
                              pad_token_id=1)  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    teacher = new_teacher(tmp_path, PLAN)
    assert (1, 1) == (len(teacher.network.encoder.encoder.layer), teacher.pad_id)
    assert (1, 3) == teacher.predict([" ".join(VOCABULARY * 3)]).sentiment.shape


def test_an_encoder_that_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    """Nothing there, too few layers, a weight that is missing, no pad piece, more pieces than embeddings."""
    with pytest.raises(BadArtifact, match=r"holds no encoder.*make encoder"):
        load_encoder(tmp_path)
    with pytest.raises(BadArtifact, match=r"has 2 layers, not 3.*1 to 2"):
        load_encoder(folder, 3)
    whole = load_encoder(folder)
    with pytest.raises(BadArtifact, match="holds no tokenizer"):
        load_tokenizer(tmp_path, whole, 24)
    whole.config.pad_token_id = 999
    with pytest.raises(BadArtifact, match="no piece of its tokenizer"):
        load_tokenizer(folder, whole, 24)
    whole.config.pad_token_id = 1
    whole.resize_token_embeddings(5)
    with pytest.raises(BadArtifact, match="embeddings for 5 pieces"):
        load_tokenizer(folder, whole, 24)
    BertModel(load_encoder(folder, 1).config, add_pooling_layer=False).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(content | {"num_hidden_layers": 2}))
    with pytest.raises(BadArtifact, match="missing or misshapen"):
        load_encoder(tmp_path)


def test_a_vocabulary_with_another_unknown_piece_can_be_exchanged(folder: Path, tmp_path: Path) -> None:
    """`<unk>` in place of `[UNK]`: known pieces keep their embeddings; a folder with half a model is one sentence."""
    tokenizer = train_tokenizer(iter(VOCABULARY * 3), TrainingPlan(vocabulary=300))
    assert (3, 1) == (unknown_piece(unigram(VOCABULARY)), unknown_piece(tokenizer))
    network = build_teacher(folder, tokenizer)
    own = load_encoder(folder)
    piece = tokenizer.token_to_id("good")
    expected = own.embeddings.word_embeddings.weight[unigram(VOCABULARY).token_to_id("▁good")]
    assert torch.allclose(expected, network.encoder.embeddings.word_embeddings.weight[piece])
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadArtifact, match="Operator action"):
        build_teacher(tmp_path, tokenizer)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_files(tmp_path_factory.mktemp("data"), made_rows, train=300, dev=100, test=60)


def test_it_teaches_a_student_of_another_vocabulary(folder: Path, data: Path, tmp_path: Path) -> None:
    """From an encoder's folder to a model folder, the tokenizers of teacher and student their own."""
    student = TrainingPlan(
        epochs=2, layers=1, width=32, heads=2, vocabulary=200, max_length=24, tokens_per_batch=512, threads=1
    )
    plan = ReleasePlan(
        student=student, encoder=replace(PLAN, epochs=1), sentiment_buckets=1 << 12, topic_buckets=1 << 10
    )
    evaluation = release(data, tmp_path / "work", tmp_path / "model", folder, plan, lambda _: None)
    assert evaluation.mean_macro_f1 >= 0.9
    assert (tmp_path / "work" / DONE).exists()


def test_the_command_pauses_and_goes_on(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 while it is not done; then scores by language and source."""
    command = ["model", "teach", "--data", str(data), "--init", str(folder), "--work", str(tmp_path), "--layers", "1",
               "--epochs", "1", "--threads", "1"]  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(encoder, "pause_after", lambda minutes: lambda: minutes is not None)
        paused = CliRunner().invoke(app, [*command, "--minutes", "1"])
        assert (1, True) == (paused.exit_code, "Run the same command to continue" in paused.stdout), paused.output
    done = CliRunner().invoke(app, [*command, "--json"])
    assert 0 == done.exit_code, done.output
    answer = json.loads(done.stdout)
    assert ({"en", "es"}, {"large", "small"}, True) == ({*answer["languages"]}, {*answer["sources"]}, answer["done"])
    assert "texts/s" in CliRunner().invoke(app, command).stdout


def test_layers_without_an_encoder_are_refused(data: Path, tmp_path: Path) -> None:
    """Before anything is trained."""
    done = CliRunner().invoke(
        app, ["model", "train", "--data", str(data), "--out", str(tmp_path / "x"), "--layers", "1"]
    )
    assert (1, True) == (done.exit_code, "--layers needs an encoder" in str(done.exception))
