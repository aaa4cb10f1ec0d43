"""A trained network into a model folder: ONNX graph, static int8, parity with PyTorch, manifest."""

import random
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tokenizers import Tokenizer

from models.batching import pad_batch, plan_batches
from models.bound import INPUTS, OUTPUTS
from models.card import CARD
from models.clean import clean, clean_sha256
from models.encoder.marks import marks_of
from models.errors import BadArtifact
from models.labels import SENTIMENTS, TOPICS
from models.manifest import Manifest, entry_of, write_manifest
from models.network import Probabilities, with_rounded_embeddings
from models.onnx import OnnxClassifier, load_onnx_classifier

OPSET = 17
Precision = Literal["fp32", "fp16", "int8", "int8-weights"]
PARITY = 0.02
"""Largest mean difference of probabilities from PyTorch that is still exported; the shipped int8 model has 0.002."""


_FEED_FORWARD = re.compile(r"layer\.(\d+)/output/dense")


class _Calibration(CalibrationDataReader):
    """Batches of real texts from which the activations' ranges are taken."""

    def __init__(self, tokenizer: Tokenizer, texts: list[str], pad_id: int) -> None:
        tokens = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        planned = plan_batches([len(one) for one in tokens], 1_024, 64)
        random.Random(0).shuffle(planned)
        self._feeds: Iterator[dict[str, NDArray[np.int64]]] = (
            dict(zip(INPUTS, pad_batch([tokens[row] for row in rows], pad_id), strict=True)) for rows in planned
        )

    def get_next(self) -> dict[str, NDArray[np.int64]] | None:
        """The next batch, None at the end."""
        return next(self._feeds, None)


def export(
    network: torch.nn.Module,
    tokenizer_file: Path,
    out: Path,
    model_id: str,
    calibration_texts: list[str],
    precision: Precision = "int8",
    max_length: int = 96,
    most_changed: float = 1.0,
    exact_layers: Collection[int] = (),
) -> OnnxClassifier:
    """Write model folder `out` and load it; refuses a folder whose answers differ from PyTorch's.

    Args:
        network: trained, in evaluation mode.
        tokenizer_file: a tokenizers JSON file.
        out: folder to make; replaced file by file.
        model_id: name in manifest and metrics.
        calibration_texts: real texts for the ranges of int8 (a few hundred) and for the parity check.
        precision: `int8` (static, per channel: a text's answer does not depend on its neighbours), `int8-weights` (only
            weights are rounded), `fp16` for CUDA, or `fp32`. Word embeddings are int8 in all but the last.
        max_length: tokens a text is cut to.
        most_changed: share of texts, 0 to 1, whose sentiment may differ from PyTorch's.
        exact_layers: BERT layers, from 0, whose feed-forward output stays in fp32 beside int8: one whose activations
            have outliers would lose the others.

    Raises:
        BadArtifact: the exported graph does not answer as PyTorch does.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / CARD).unlink(missing_ok=True)  # it would describe the model before
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(max_length)
    pad_id = marks_of(tokenizer).pad
    texts = [clean(text) for text in calibration_texts]
    plain, final = out / "plain.onnx", out / "model.onnx"
    example = pad_batch([encoding.ids for encoding in tokenizer.encode_batch(texts[:4])], pad_id)
    torch.onnx.export(
        Probabilities(network if precision == "fp32" else with_rounded_embeddings(network)).eval(),
        tuple(map(torch.from_numpy, example)),
        str(plain),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "rows", 1: "tokens"} for name in INPUTS} | {name: {0: "rows"} for name in OUTPUTS},
        opset_version=OPSET,
        dynamo=False,
    )
    if precision == "int8":
        quantise(plain, final, tokenizer, texts, pad_id, exact_layers)
    elif precision == "int8-weights":
        round_weights(plain, final)
    elif precision == "fp16":
        halve(plain, final)
    else:
        final.write_bytes(plain.read_bytes())
    plain.unlink()
    (out / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    opset = onnx.load(str(final), load_external_data=False).opset_import[0].version
    names = ("model.onnx", "tokenizer.json")
    write_manifest(
        out,
        Manifest(
            id=model_id,
            files={name: entry_of(out / name) for name in names},
            sentiments=SENTIMENTS,
            topics=TOPICS,
            max_length=max_length,
            pad_id=pad_id,
            opset=int(opset),
            precision=precision,
            clean_sha256=clean_sha256(),
        ),
    )
    classifier = load_onnx_classifier(out, "cpu")
    require_parity(classifier, network, texts, PARITY, most_changed)
    return classifier


def quantise(
    plain: Path,
    final: Path,
    tokenizer: Tokenizer,
    texts: list[str],
    pad_id: int = 0,
    exact_layers: Collection[int] = (),
) -> None:
    """Write an fp32 graph as int8: static ranges from real texts, one scale a channel of the weights."""
    with tempfile.TemporaryDirectory() as made:
        prepared = Path(made) / "prepared.onnx"
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(final),
            _Calibration(tokenizer, texts, pad_id),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[
                *_products_of_activations(prepared),
                *_other_tables(prepared),
                *_feed_forward_outputs(prepared, exact_layers),
            ],
        )


def round_weights(plain: Path, final: Path) -> None:
    """Write an fp32 graph with the constant matrices of its products in int8, one scale a channel; arithmetic stays."""
    model = onnx.load(str(plain))
    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    for name in dict.fromkeys(node.input[1] for node in products):
        values = onnx.numpy_helper.to_array(constants[name])
        scale = np.maximum(np.abs(values).max(axis=0), 1e-9) / 127
        parts = {"int8": np.rint(values / scale).astype(np.int8), "scale": scale.astype(np.float32)}
        graph.initializer.remove(constants[name])
        graph.initializer.extend(onnx.numpy_helper.from_array(part, f"{name}_{kind}") for kind, part in parts.items())
        given = [f"{name}_{kind}" for kind in parts]
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", given, [name], f"{name}_dequantised", axis=1))
    onnx.save(model, str(final))


def halve(plain: Path, final: Path) -> None:
    """Write an fp32 graph with weights and arithmetic in fp16; inputs and outputs stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(str(plain)), keep_io_types=True), str(final))


def _products_of_activations(graph_file: Path) -> list[str]:
    """Names of the attention's matrix products: without constant weights, int8 makes them slower and less exact."""
    graph = onnx.load(str(graph_file)).graph
    constants = {constant.name for constant in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] not in constants]


def _feed_forward_outputs(graph_file: Path, layers: Collection[int]) -> list[str]:
    """Names of the matrix products that the feed-forward part of these layers ends with."""
    graph = onnx.load(str(graph_file)).graph
    found = {node.name: _FEED_FORWARD.search(node.name) for node in graph.node if node.op_type == "MatMul"}
    return [name for name, layer in found.items() if layer and int(layer.group(1)) in layers]


def _other_tables(graph_file: Path) -> list[str]:
    """Names of the look-ups that are none in a table of fp32 weights: in int8 already, their scales, or activations."""
    graph = onnx.load(str(graph_file)).graph
    weights = {
        constant.name
        for constant in graph.initializer
        if constant.data_type == onnx.TensorProto.FLOAT and constant.dims[-1:] != [1]
    }
    return [node.name for node in graph.node if node.op_type == "Gather" and node.input[0] not in weights]


def require_parity(
    classifier: OnnxClassifier,
    network: torch.nn.Module,
    texts: list[str],
    tolerance: float = PARITY,
    most_changed: float = 1.0,
) -> None:
    """Raise BadArtifact if the folder's answers differ from the network's by more than this.

    Args:
        classifier: of the folder.
        network: gives logits of both heads.
        texts: that both are asked.
        tolerance: of the mean difference of probabilities, of either head.
        most_changed: share of texts, 0 to 1, whose most probable sentiment may differ.
    """
    differences: tuple[list[float], list[float]] = ([], [])
    changed = 0
    with torch.no_grad():
        for _, ids, mask in classifier.batches(texts):
            expected = Probabilities(network)(torch.from_numpy(ids), torch.from_numpy(mask))
            answers = classifier.run(ids, mask)
            changed += int((answers[0].argmax(axis=1) != expected[0].argmax(dim=1).numpy()).sum())
            for one, own, answer in zip(differences, expected, answers, strict=True):
                one.extend(np.abs(answer - own.numpy()).mean(axis=1).tolist())
    mean = max(float(np.mean(one)) for one in differences)
    share = changed / max(1, len(texts))
    if not (mean <= tolerance and share <= most_changed):
        raise BadArtifact(
            f"the exported graph differs from PyTorch by {mean:.4f} on average, at most {tolerance} is taken, and "
            f"changes {share:.1%} of the sentiments, at most {most_changed:.1%} is taken. "
            "Operator action: export with precision fp32, or give more calibration texts."
        )
