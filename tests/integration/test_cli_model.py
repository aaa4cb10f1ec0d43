"""`marketpulse model ...` and `classify --explain` on the shipped model."""

import gzip
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marketpulse.client.redis_server import connect
from streams.cli.main import app
from streams.dev.embedded.servers import EmbeddedStack
from streams.settings import SHIPPED_MODEL

ROWS = [
    ("this is terrible, I want my money back", "en", "negative", "price"),
    ("I love it, works perfectly", "en", "positive", "quality"),
    ("a entrega atrasou de novo, péssimo", "pt", "negative", "delivery"),
    ("gostei muito, recomendo", "pt", "positive", "general"),
] * 10


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl.gz"
    with gzip.open(file, "wt") as lines:
        for text, lang, label, topic in ROWS:
            row = {"text": text, "lang": lang, "label": label, "topic": topic, "source": f"made-{lang}"}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    return file


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_an_evaluation_is_json_a_table_and_a_picture(rows: Path, tmp_path: Path) -> None:
    """Per language and source; the fields that other programs rely on."""
    done = run("model", "evaluate", str(rows), "--json", "--picture", str(tmp_path / "f1.html"))
    found = json.loads(done.stdout)
    assert {"en", "pt"} == set(found["languages"])
    assert {"n", "accuracy", "macro_f1", "ece"} <= set(found["languages"]["en"])
    assert {"mean_macro_f1", "topic_macro_f1", "ece"} <= set(found)
    assert found["languages"]["en"]["accuracy"] == 1.0
    assert b"Macro-F1 per language" in (tmp_path / "f1.html").read_bytes()
    table = run("model", "evaluate", str(rows)).stdout
    assert "made-pt" in table
    assert "mean macro-F1" in table


def test_a_model_is_no_better_than_itself(rows: Path) -> None:
    """The interval is empty and the verdict says so."""
    done = run("model", "compare", str(SHIPPED_MODEL), str(SHIPPED_MODEL), str(rows), "--json")
    found = json.loads(done.stdout)
    assert ("no difference seen", 0.0) == (found["verdict"], found["mean"]["difference"])
    assert "verdict" in run("model", "compare", str(SHIPPED_MODEL), str(SHIPPED_MODEL), str(rows)).stdout


def test_classify_explains_itself() -> None:
    """The word that carries the label weighs most."""
    words = json.loads(run("classify", "the delivery was terrible", "--explain", "--json").stdout)["words"]
    assert "terrible" == max(words, key=lambda one: one["weight"])["word"]
    assert "terrible" in run("classify", "the delivery was terrible", "--explain").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "evaluate", "no-such-file.jsonl"),
        ("model", "compare", "no-such-folder", str(SHIPPED_MODEL), "no-such-file.jsonl"),
        ("model", "export", "no-such-checkpoint", "--out", "/tmp/none"),
        ("model", "train", "--data", "no-such-folder", "--out", "/tmp/none"),
    ],
)
def test_what_cannot_be_used_is_said(arguments: tuple[str, ...]) -> None:
    """An error of this project, with what to do."""
    error = run(*arguments).exception
    assert "Operator action" in str(error)


def test_a_candidate_is_promoted_only_when_it_is_better(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same model again is not; forced, it is, and a rollback takes it back."""
    shutil.copytree(SHIPPED_MODEL, tmp_path / "model")
    monkeypatch.setenv("MARKETPULSE_MODEL_FOLDER", str(tmp_path / "model"))
    refused = run("model", "promote", str(SHIPPED_MODEL), str(rows))
    assert "not shown to be better" in str(refused.exception)
    assert 0 == run("model", "promote", str(SHIPPED_MODEL), str(rows), "--force").exit_code
    assert (tmp_path / "model.previous" / "manifest.json").exists()
    assert 0 == run("model", "rollback", "--json").exit_code


def test_the_agreement_of_a_candidate_is_shown(
    stack: EmbeddedStack, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what workers counted; without a candidate the command says how to run one."""
    monkeypatch.setenv("MARKETPULSE_REDIS_URL", stack.endpoints.redis)
    monkeypatch.setenv("MARKETPULSE_PREFIX", prefix)
    assert "MARKETPULSE_CANDIDATE_FOLDER" in str(run("model", "shadow").exception)
    pairs = {"shadow:negative>negative": 6, "shadow:neutral>neutral": 3, "shadow:neutral>positive": 1}
    connect(stack.endpoints.redis).hset(f"{prefix}:totals", mapping=pairs)
    assert 0.9 == json.loads(run("model", "shadow", "--json").stdout)["agreement"]
    assert "agreement 90.0% on 10 events" in run("model", "shadow").stdout
