"""`model families` with a tiny encoder: fold by fold, paused and continued, judged together."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.training import MARKS, encoder_folder, labelled_files

# isort: split

from typer.testing import CliRunner

from models.encoder.contestants import Contest
from models.encoder.families import fold_of
from models.encoder.teacher import CHECKPOINT, EncoderPlan
from models.errors import BadArtifact
from models.labels import SENTIMENTS, TOPICS
from models.release import ReleasePlan
from models.rows import LabelledText
from models.train import TrainingPlan
from streams.cli.main import app
from streams.cli.training import encoder

pytestmark = MARKS

WORDS = {"negative": ["bad", "slow", "broken"], "neutral": ["box", "today", "pedido"], "positive": ["good", "bueno"]}
STUDENT = TrainingPlan(
    epochs=1, layers=1, width=32, heads=2, vocabulary=200, max_length=24, tokens_per_batch=512, threads=1
)
TODAY = ReleasePlan(student=STUDENT, sentiment_buckets=1 << 12, topic_buckets=1 << 10)
TINY = EncoderPlan(
    layers=1, epochs=6, tokens_per_batch=256, prefix="", body_rate=2e-3, head_rate=1e-2, augmented=0, threads=1
)


def made_rows(number: int, seed: int) -> list[LabelledText]:
    """Texts of four sources whose label stands in their words; every other one with a topic."""
    rng = random.Random(seed)
    rows = []
    for place in range(number):
        source, lang = [("smsa", "id"), ("umsab", "en"), ("m-absa/food", "en"), ("m-absa/food", "de")][place % 4]
        label = rng.choice(SENTIMENTS)
        words = rng.choices(WORDS[label], k=rng.randint(3, 6)) + rng.choices(WORDS["neutral"], k=rng.randint(0, 2))
        name = f"{source}:{lang}:{seed}:{place // 4}"
        topic = TOPICS[place % 12] if place % 3 else None
        rows.append(LabelledText(" ".join(words), label, lang, topic, source, id=name, translated=lang == "de"))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoder_folder(tmp_path_factory.mktemp("encoder"), [word for words in WORDS.values() for word in words])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a test set: it is not read."""
    return labelled_files(tmp_path_factory.mktemp("data"), made_rows, train=800, dev=200)


def test_folds_are_judged_one_call_at_a_time(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause ends with exit code 1 and keeps the state; a later call adds its fold to the same report."""
    common = ["model", "families", "--data", str(data), "--init", str(folder), "--work", str(tmp_path), "--layers", "1",
              "--epochs", "1", "--rows", "300", "--threads", "1", "--json"]  # fmt: skip

    def run(*more: str) -> tuple[int, dict[str, dict[str, dict[str, object]]]]:
        done = CliRunner().invoke(app, [*common, *more])
        assert done.exit_code in (0, 1), done.output
        answer = json.loads(done.stdout)
        assert json.loads((tmp_path / "families.json").read_bytes()) == answer
        return done.exit_code, answer

    with monkeypatch.context() as patched:
        patched.setattr(encoder, "pause_after", lambda minutes: lambda: minutes is not None)
        code, answer = run("--fold", "SmSA", "--minutes", "1")
        assert (1, False, {}) == (code, answer["complete"], answer["methods"])
        assert (tmp_path / "SmSA" / "encoder-1" / CHECKPOINT).exists()
    code, answer = run("--fold", "SmSA")
    assert (0, ["encoder-1", "svc"]) == (code, [*answer["methods"]])
    code, answer = run("--fold", "M-ABSA", "--method", "svc")
    assert (0, True) == (code, answer["complete"])
    assert ({"SmSA"}, {"SmSA", "M-ABSA"}) == tuple(
        {*answer["methods"][method]["families"]} for method in ("encoder-1", "svc")
    )
    assert {"SmSA"} == {*answer["leads"]["encoder-1 > svc"]["families"]}  # type: ignore[misc]
    table = CliRunner().invoke(app, [*common[:-1], "--fold", "SmSA"]).stdout
    assert all(word in table for word in ("encoder-1", "mean to choose by", "encoder-1 > svc", "translated"))


def test_every_method_learns_what_the_other_families_show(folder: Path, data: Path, tmp_path: Path) -> None:
    """The encoder, the pooled SVC and the shipped model's pipeline; a second call only reads their answers."""
    fold = fold_of("SmSA", made_rows(800, 0), made_rows(200, 1))
    contest = Contest(folder, tmp_path, TINY, TODAY, lambda _: None)
    for method in ("encoder", "svc", "today"):
        answered = contest.answers(method, fold)
        assert answered is not None
        assert np.mean(answered.argmax(axis=1) == fold.truth) > 0.9, method
    lines: list[str] = []
    again = replace(contest, report=lines.append)
    assert [True] * 3 == [again.answers(method, fold) is not None for method in ("encoder", "svc", "today")]
    assert [] == lines


def test_answers_of_another_plan_are_not_taken_for_this_ones(folder: Path, tmp_path: Path) -> None:
    """Another name keeps both."""
    fold = fold_of("SmSA", made_rows(100, 0), [])
    contest = Contest(folder, tmp_path, replace(TINY, epochs=0.1), TODAY, lambda _: None)
    contest.answers("encoder", fold)
    other = replace(contest, encoder=replace(TINY, epochs=0.2))
    with pytest.raises(BadArtifact, match=r"another plan.*--name"):
        other.answers("encoder", fold)
    assert other.answers("encoder", fold, "longer") is not None
