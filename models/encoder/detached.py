"""A model folder without the encoder's word embeddings: what this project trained, without what others did.

A teacher's embeddings are frozen, so the table in its graph is the encoder's own, rounded. The folder is kept without
it, and whoever has the encoder (`make encoder`) makes the whole one, the same byte for byte.
"""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
from google.protobuf.message import DecodeError

from models.encoder.load import read_tokenizer
from models.encoder.vocabulary import numbers_of
from models.errors import BadArtifact
from models.manifest import MANIFEST, Manifest, entry_of, load_manifest, new_folder, write_manifest

GRAPH = "model.detached.onnx"
_TABLE = "embeddings.word_embeddings.weight"


def detach(folder: Path, encoder: Path, out: Path) -> None:
    """Write a model folder without the encoder's table to `out`, and its graph as `attach` will write it.

    Args:
        folder: of a model whose word embeddings are the encoder's, in int8.
        encoder: its folder (`make encoder`).
        out: folder to make, new or empty.

    Raises:
        BadArtifact: the folder is no whole model, its table is not the encoder's, or `out` holds something.
    """
    manifest = load_manifest(folder)
    graph = onnx.load(str(folder / "model.onnx"))
    table = _place(graph, folder)
    with new_folder(out) as filled:
        for name in (*manifest.files, MANIFEST):
            shutil.copyfile(folder / name, filled / name)
        (filled / "model.onnx").write_bytes(_bytes(graph))
        write_manifest(
            filled,
            msgspec.structs.replace(manifest, files=manifest.files | {"model.onnx": entry_of(filled / "model.onnx")}),
        )
        if table.raw_data != _rounded(encoder, folder):
            raise BadArtifact(
                f"the word embeddings in {folder} are not those of {encoder}: they were trained along, or come of "
                "another encoder. Operator action: keep the folder as it is, or name the encoder that it began with."
            )
        table.ClearField("raw_data")
        (filled / GRAPH).write_bytes(_bytes(graph))
        (filled / "model.onnx").unlink()


def attach(parts: Path, encoder: Path, out: Path) -> Manifest:
    """Make the whole model folder again, and return its manifest, by which all of it was checked.

    Args:
        parts: what `detach` wrote.
        encoder: folder of the encoder (`make encoder`).
        out: folder to make, new or empty.

    Raises:
        BadArtifact: the parts are none, or are not of this encoder, or `out` holds something.
    """
    try:
        graph = onnx.load(str(parts / GRAPH), load_external_data=False)
    except (OSError, ValueError, DecodeError) as error:
        raise BadArtifact(
            f"{parts} holds no parts of a model: {error}. Operator action: name a folder that `model detach` wrote."
        ) from error
    table = _place(graph, parts)
    with new_folder(out) as filled:
        for path in parts.iterdir():
            if path.name != GRAPH:
                shutil.copyfile(path, filled / path.name)
        table.raw_data = _rounded(encoder, parts)
        (filled / "model.onnx").write_bytes(_bytes(graph))
        return load_manifest(filled)


def _place(graph: onnx.ModelProto, folder: Path) -> onnx.TensorProto:
    """The table of word embeddings: the one in int8 with a row for each piece."""
    pieces = read_tokenizer(folder).get_vocab_size()
    found = [
        table
        for table in graph.graph.initializer
        if table.data_type == onnx.TensorProto.INT8 and table.dims[:1] == [pieces]
    ]
    if len(found) != 1:
        raise BadArtifact(
            f"the graph in {folder} has {len(found)} tables of {pieces} rows in int8, not one. "
            "Operator action: name a folder that `model train --whole` made."
        )
    return found[0]


def _rounded(encoder: Path, folder: Path) -> bytes:
    """The encoder's embeddings of the tokenizer's pieces, rounded as `models.network.RoundedEmbedding` rounds them."""
    from safetensors import safe_open

    numbers = numbers_of(read_tokenizer(folder), read_tokenizer(encoder))
    try:
        with safe_open(encoder / "model.safetensors", "np") as tensors:
            weights = tensors.get_tensor(_TABLE)[numbers].astype(np.float32)
    except OSError as error:
        raise BadArtifact(
            f"{encoder} holds no encoder: {error}. Operator action: run `make encoder`, or name its folder."
        ) from error
    scale = np.maximum(np.abs(weights).max(axis=1, keepdims=True), np.float32(1e-9)) / np.float32(127)
    rounded: bytes = np.rint(weights / scale).astype(np.int8).tobytes()
    return rounded


def _bytes(graph: onnx.ModelProto) -> bytes:
    content: bytes = graph.SerializeToString(deterministic=True)
    return content
