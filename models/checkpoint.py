"""Any Hugging Face sentiment checkpoint into a model folder: optimum's exporter, precision, parity, manifest."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from optimum.exporters.onnx import main_export
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from models.bound import INPUTS
from models.clean import clean, clean_sha256
from models.errors import BadArtifact
from models.export import PARITY, quantise, require_parity
from models.labels import SENTIMENTS
from models.manifest import Manifest, entry_of, write_manifest
from models.onnx import OnnxClassifier, load_onnx_classifier

Precision = Literal["fp32", "fp16", "int8"]
ONE_TOPIC = ("general",)
LONGEST = 512
OPSET = 17


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint is: number of each of the project's sentiments among its labels, pad token, longest text."""

    order: tuple[int, ...]
    pad_id: int
    max_length: int


def export_checkpoint(
    source: str,
    out: Path,
    texts: Sequence[str],
    precision: Precision = "fp32",
    labels: tuple[str, ...] | None = None,
    max_length: int = 128,
    model_id: str | None = None,
    report: Callable[[str], object] = print,
) -> OnnxClassifier:
    """Export a text-classification checkpoint with three sentiments, and load what came out.

    Args:
        source: folder or hub id.
        out: folder to make.
        texts: real texts: ranges of int8 are taken from them, and the answers must agree with PyTorch's on them.
        precision: `int8` for CPUs (static, per channel), `fp16` for CUDA, `fp32` for both.
        labels: what the checkpoint's labels mean, in their order, where its configuration does not say.
        max_length: tokens a text is cut to.
        model_id: name in manifest and metrics; None = the source's last part.
        report: takes lines of progress.

    Raises:
        BadArtifact: no such checkpoint, not these three sentiments, no fast tokenizer, or answers that differ.
    """
    out.mkdir(parents=True, exist_ok=True)
    if left := sorted(path.name for path in out.iterdir()):
        raise BadArtifact(f"{out} is not empty: {left}. Operator action: name a new folder.")
    checkpoint = _read(source, out, labels, max_length)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    tokenizer.enable_truncation(checkpoint.max_length)
    plain = [clean(text) for text in texts]
    with tempfile.TemporaryDirectory() as made:
        report("exporting with optimum")
        main_export(
            source, output=made, task="text-classification", opset=OPSET, do_validation=False, no_post_process=True
        )
        graph = Path(made) / "plain.onnx"
        onnx.save(_with_probabilities(onnx.load(str(Path(made) / "model.onnx")), checkpoint.order), str(graph))
        report(f"writing {precision}")
        if precision == "int8":
            quantise(graph, out / "model.onnx", tokenizer, plain, checkpoint.pad_id)
        elif precision == "fp16":
            _halve(graph, out / "model.onnx")
        else:
            (out / "model.onnx").write_bytes(graph.read_bytes())
    write_manifest(
        out,
        Manifest(
            id=model_id or Path(source).name,
            files={name: entry_of(out / name) for name in ("model.onnx", "tokenizer.json")},
            sentiments=SENTIMENTS,
            topics=ONE_TOPIC,
            max_length=checkpoint.max_length,
            pad_id=checkpoint.pad_id,
            opset=OPSET,
            precision=precision,
            clean_sha256=clean_sha256(),
        ),
    )
    report("comparing with PyTorch")
    classifier = load_onnx_classifier(out, "cpu")
    network = AutoModelForSequenceClassification.from_pretrained(source).eval()
    require_parity(classifier, _Reordered(network, checkpoint.order), plain, PARITY if precision == "int8" else 0.002)
    return classifier


def _read(source: str, out: Path, labels: tuple[str, ...] | None, max_length: int) -> Checkpoint:
    """Check labels and tokenizer, and write `tokenizer.json` into the folder."""
    try:
        config = AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True)
    except Exception as error:  # transformers raises bare exceptions of many kinds
        raise BadArtifact(
            f"{source} is no checkpoint that can be read: {error}. Operator action: name a folder or a hub id."
        ) from error
    if not tokenizer.is_fast:
        raise BadArtifact(f"{source} has no fast tokenizer. Operator action: convert it to tokenizer.json.")
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    named = labels or tuple(config.id2label[number] for number in range(config.num_labels))
    order = tuple(_number(named, sentiment, source) for sentiment in SENTIMENTS)
    if len(named) != len(SENTIMENTS) or config.num_labels != len(SENTIMENTS):
        raise BadArtifact(
            f"{source} has {config.num_labels} labels, named {list(named)}: three are needed. "
            "Operator action: fine-tune it on negative, neutral and positive."
        )
    longest = min(max_length, getattr(config, "max_position_embeddings", LONGEST) - 2, LONGEST)
    return Checkpoint(order, int(tokenizer.pad_token_id), longest)


def _number(named: Sequence[str], sentiment: str, source: str) -> int:
    found = [number for number, label in enumerate(named) if label.lower().startswith(sentiment[:3])]
    if len(found) != 1:
        raise BadArtifact(
            f"{source} names its labels {list(named)}; which one is {sentiment}? "
            "Operator action: say with --labels, in their order."
        )
    return found[0]


def _with_probabilities(model: onnx.ModelProto, order: tuple[int, ...]) -> onnx.ModelProto:
    """The graph with inputs ids and mask only, and the outputs every model of the project has."""
    graph = model.graph
    logits = graph.output[0].name
    nodes = []
    for given in [one for one in graph.input if one.name not in INPUTS]:
        if given.name != "token_type_ids":
            raise BadArtifact(f"the graph wants {given.name}. Operator action: take an encoder-only checkpoint.")
        graph.input.remove(given)
        nodes.append(helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"], "no_token_types"))
    for node in reversed(nodes):
        graph.node.insert(0, node)
    graph.initializer.extend(
        [
            helper.make_tensor("sentiment_order", TensorProto.INT64, [len(order)], list(order)),
            helper.make_tensor("over_sentiments", TensorProto.INT64, [1], [1]),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("Gather", [logits, "sentiment_order"], ["ordered_logits"], "order_sentiments", axis=1),
            helper.make_node("Softmax", ["ordered_logits"], ["sentiment"], "sentiment_probabilities", axis=1),
            helper.make_node("ReduceSum", ["sentiment", "over_sentiments"], ["topic"], "one_topic", keepdims=1),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("sentiment", TensorProto.FLOAT, ["rows", len(order)]),
            helper.make_tensor_value_info("topic", TensorProto.FLOAT, ["rows", 1]),
        ]
    )
    return model


def _halve(plain: Path, final: Path) -> None:
    """Weights and arithmetic in fp16; inputs and outputs stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(str(plain)), keep_io_types=True), str(final))


class _Reordered(nn.Module):
    """The checkpoint's logits in the project's order, and one topic."""

    def __init__(self, network: Any, order: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.order = list(order)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 3) and (n, 1)."""
        logits = self.network(input_ids=input_ids, attention_mask=attention_mask).logits[:, self.order]
        return logits, torch.from_numpy(np.zeros((len(logits), 1), np.float32))
