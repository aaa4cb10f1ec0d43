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
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PretrainedConfig

from models.bound import INPUTS
from models.clean import clean, clean_sha256
from models.errors import BadArtifact
from models.evaluate import labelled
from models.export import PARITY, halve, quantise, require_parity
from models.finish import describe
from models.labels import SENTIMENTS, sentiment_of
from models.manifest import Manifest, entry_of, new_folder, write_manifest
from models.onnx import OnnxClassifier, load_onnx_classifier

Precision = Literal["fp32", "fp16", "int8"]
ONE_TOPIC = ("general",)
LONGEST = 512
OPSET = 17


Groups = tuple[tuple[int, ...], ...]
"""For each of the project's sentiments the numbers of the checkpoint's labels that mean it."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be exported: its network, labels, pad token and longest text in tokens.

    `labels`: sentiment of each label, in their order; `tokenizer`: content of its tokenizer.json.
    """

    network: Any
    labels: dict[str, str]
    tokenizer: str
    pad_id: int
    max_length: int

    @property
    def groups(self) -> Groups:
        """For each of the project's sentiments the numbers of the labels that mean it."""
        meant = list(self.labels.values())
        return tuple(
            tuple(number for number, name in enumerate(meant) if name == sentiment) for sentiment in SENTIMENTS
        )


def export_checkpoint(
    source: str,
    out: Path,
    texts: Sequence[str],
    precision: Precision = "fp32",
    labels: tuple[str, ...] | None = None,
    max_length: int = 128,
    model_id: str | None = None,
    development: Path | None = None,
    report: Callable[[str], object] = print,
    revision: str | None = None,
) -> OnnxClassifier:
    """Export a text-classification checkpoint whose labels mean three sentiments, and load the exported folder.

    Where several labels mean one sentiment (1 and 2 stars), their probabilities are summed within the graph. After an
    error nothing is left of the export.

    Args:
        source: folder or hub id.
        out: folder to make.
        texts: real texts: ranges of int8 are taken from them, and the answers must agree with PyTorch's on them.
        precision: `int8` for CPUs (static, per channel), `fp16` for CUDA, `fp32` for both.
        labels: what each of the checkpoint's labels means, in their order, where its configuration does not say: a
            sentiment or 1 to 5 stars.
        max_length: tokens a text is cut to.
        model_id: name in manifest and metrics; None = the source's last part.
        development: labelled rows (JSONL) to calibrate and evaluate on; None = no calibration, scores or card.
        report: takes lines of progress.
        revision: commit, tag or branch of a hub id; None = its main branch.

    Raises:
        BadArtifact: `out` is in use, the checkpoint wants custom code, has no safetensors, cannot be read or
            exported or its labels do not mean the three sentiments, weights are missing, `development` holds no rows,
            or the graph's answers differ from PyTorch's.
    """
    with new_folder(out) as folder:
        if development is not None:
            labelled(development)  # a wrong path is refused now, not after minutes of exporting
        checkpoint = _read(source, labels, max_length, revision)
        _export(source, folder, checkpoint, [clean(text) for text in texts], precision, model_id, report)
        if development is not None:
            report("calibrating and evaluating")
            describe(folder, development, source)
    return load_onnx_classifier(out, "cpu")


def _export(
    source: str,
    folder: Path,
    checkpoint: Checkpoint,
    texts: list[str],
    precision: Precision,
    model_id: str | None,
    report: Callable[[str], object],
) -> None:
    """Fill an empty folder, and compare its answers with the network's."""
    (folder / "tokenizer.json").write_text(checkpoint.tokenizer, encoding="utf-8")
    with tempfile.TemporaryDirectory() as made:
        report("exporting with optimum")
        graph, converted = Path(made) / "plain.onnx", Path(made) / "converted.onnx"
        onnx.save(_without_token_types(_exported(source, checkpoint.network, made)), str(graph))
        report(f"writing {precision}")
        if precision == "int8":
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.enable_truncation(checkpoint.max_length)
            quantise(graph, converted, tokenizer, texts, checkpoint.pad_id)
        elif precision == "fp16":
            halve(graph, converted)
        else:
            converted = graph
        onnx.save(_with_sentiments(onnx.load(str(converted)), checkpoint.groups), str(folder / "model.onnx"))
    write_manifest(
        folder,
        Manifest(
            id=model_id or Path(source).absolute().name,
            files={name: entry_of(folder / name) for name in ("model.onnx", "tokenizer.json")},
            sentiments=SENTIMENTS,
            topics=ONE_TOPIC,
            max_length=checkpoint.max_length,
            pad_id=checkpoint.pad_id,
            opset=OPSET,
            precision=precision,
            clean_sha256=clean_sha256(),
            labels=checkpoint.labels,
        ),
    )
    report("comparing with PyTorch")
    expected = _Folded(checkpoint.network, checkpoint.groups)
    require_parity(load_onnx_classifier(folder, "cpu"), expected, texts, PARITY if precision == "int8" else 0.002)


def _exported(source: str, network: Any, folder: str) -> onnx.ModelProto:
    """The graph of the network that was checked: optimum would read the checkpoint again, by other rules."""
    checked = Path(folder) / "checkpoint"
    try:
        network.save_pretrained(checked)
        main_export(
            str(checked), output=folder, task="text-classification", opset=OPSET, do_validation=False,
            no_post_process=True,
        )  # fmt: skip
    except Exception as error:  # optimum and PyTorch raise bare exceptions of many kinds
        raise BadArtifact(
            f"optimum cannot export {source}: {error}. Operator action: use an encoder that optimum's ONNX exporter "
            "supports, for example BERT, DistilBERT or XLM-RoBERTa."
        ) from error
    return onnx.load(str(Path(folder) / "model.onnx"))


def _read(source: str, labels: tuple[str, ...] | None, max_length: int, revision: str | None) -> Checkpoint:
    """Everything that decides whether a checkpoint can be exported, the cheapest checks first."""
    given = {"revision": revision or "main", "trust_remote_code": False}
    try:
        content, _ = PretrainedConfig.get_config_dict(source, revision=given["revision"])
        require_no_code(source, content)
        config = AutoConfig.from_pretrained(source, **given)
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **given)
    except BadArtifact:
        raise
    except Exception as error:  # transformers raises bare exceptions of many kinds
        raise BadArtifact(
            f"{source} is no checkpoint that can be read: {error}. Operator action: name a folder or a hub id."
        ) from error
    _require_classes(source, config)
    meaning = _meaning(source, _names(config), labels)
    if not tokenizer.is_fast:
        raise BadArtifact(f"{source} has no fast tokenizer. Operator action: convert it to tokenizer.json.")
    pad_id = _pad_id(source, config, tokenizer)
    positions = getattr(config, "max_position_embeddings", LONGEST)
    longest = min(max_length, positions - 2 if positions > 2 else LONGEST, LONGEST)
    network = _network(source, given)
    return Checkpoint(network, meaning, tokenizer.backend_tokenizer.to_str(), pad_id, longest)


def require_no_code(source: str, content: Any) -> None:
    """Raise BadArtifact where a configuration, at any depth, wants code of the checkpoint or of another repository.

    transformers takes an attention implementation with a `/` for the id of a kernel on the hub, and loads it.
    """
    if isinstance(content, list):
        for part in content:
            require_no_code(source, part)
    if not isinstance(content, dict):
        return
    for name, value in content.items():
        kernel = ("attn" in name or "kernel" in name) and "/" in str(value)
        if name in ("auto_map", "custom_pipelines") or kernel:
            raise BadArtifact(
                f"{source} wants code that is not transformers' own: {name} is {value!r} in its config.json. Operator "
                "action: use a checkpoint of an architecture that transformers has, without this entry."
            )
        require_no_code(source, value)


def _require_classes(source: str, config: Any) -> None:
    """Raise BadArtifact unless the checkpoint gives probabilities of at least three classes, which sum to 1."""
    number = int(config.num_labels)
    if number == 1 or config.problem_type == "regression":
        answer = "one number" if number == 1 else f"{number} numbers"
        raise BadArtifact(
            f"{source} is a regression: it answers with {answer}, not with probabilities. Operator action: use a "
            "checkpoint with classes (negative, neutral and positive, or 1 to 5 stars), or fine-tune it on them."
        )
    if config.problem_type == "multi_label_classification":
        raise BadArtifact(
            f"{source} has problem_type multi_label_classification: its labels are independent, their probabilities do "
            "not sum to 1. Operator action: use a checkpoint with exactly one label a text, or fine-tune it with "
            "problem_type single_label_classification."
        )
    if number < len(SENTIMENTS):
        raise BadArtifact(
            f"{source} has {number} labels, {_names(config)}: three sentiments cannot be derived from them. "
            "Operator action: use a checkpoint with negative, neutral and positive or with 1 to 5 stars, or fine-tune "
            "it on three labels."
        )


def _names(config: Any) -> list[str]:
    return [config.id2label.get(number, f"LABEL_{number}") for number in range(config.num_labels)]


def _meaning(source: str, own: list[str], given: tuple[str, ...] | None) -> dict[str, str]:
    """The sentiment of each of the checkpoint's own labels, in their order."""
    named = own if given is None else list(given)
    examples = {3: ",".join(SENTIMENTS), 5: "1 star,2 stars,3 stars,4 stars,5 stars"}
    name_all = (
        f"name a sentiment or 1 to 5 stars for each of its {len(own)} labels, in their order: "
        f"--labels '{examples.get(len(own), 'negative,neutral,...')}'"
    )
    if len(named) != len(own):
        raise BadArtifact(f"--labels names {len(named)} labels; {source} has {own}. Operator action: {name_all}.")
    meant: dict[str, str] = {}
    for label, name in zip(own, named, strict=True):
        if (sentiment := sentiment_of(name)) is None:
            raise BadArtifact(f"{source}: which sentiment is {name!r} of {named}? Operator action: {name_all}.")
        meant[label] = sentiment
    if missing := [sentiment for sentiment in SENTIMENTS if sentiment not in meant.values()]:
        raise BadArtifact(
            f"{source}: no label of {named} is {' or '.join(missing)}. Operator action: use a checkpoint with three "
            f"sentiments; if its labels mean something else than their names say, {name_all}."
        )
    return meant


def _pad_id(source: str, config: Any, tokenizer: Any) -> int:
    """Texts of a batch are padded to one length, so the tokenizer's pad token must be one that the network knows."""
    if tokenizer.pad_token_id is None:
        raise BadArtifact(
            f"{source} has no pad token, and texts of a batch are padded to one length. Operator action: set one that "
            "its vocabulary has: tokenizer.pad_token = tokenizer.unk_token; tokenizer.save_pretrained(FOLDER), and "
            "pad_token_id in its config.json."
        )
    if tokenizer.pad_token_id >= config.vocab_size:
        raise BadArtifact(
            f"{source}: the pad token {tokenizer.pad_token} is number {tokenizer.pad_token_id}, but the network has "
            f"embeddings for {config.vocab_size} tokens only. Operator action: set a pad token from its vocabulary, "
            "or call model.resize_token_embeddings(len(tokenizer)) and fine-tune it."
        )
    return int(tokenizer.pad_token_id)


def _network(source: str, given: dict[str, Any]) -> Any:
    """The network in PyTorch, with every weight from the checkpoint's safetensors: other files may hold code."""
    try:
        network, loading = AutoModelForSequenceClassification.from_pretrained(
            source, output_loading_info=True, use_safetensors=True, **given
        )
    except Exception as error:  # transformers raises bare exceptions of many kinds
        raise BadArtifact(
            f"{source} cannot be loaded as a text classifier: {error}. Operator action: name a checkpoint that was "
            "fine-tuned for text classification, with weights that fit its config.json."
        ) from error
    if missing := sorted(loading["missing_keys"]):
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise BadArtifact(
            f"{source} holds no weights for {shown}: transformers would fill them with random numbers, and its answers "
            "would be random. Operator action: name a checkpoint that was fine-tuned for text classification, or "
            "fine-tune this one first."
        )
    return network.eval()


def _without_token_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with inputs ids and mask only: every token is of type 0."""
    graph = model.graph
    for given in [one for one in graph.input if one.name not in INPUTS]:
        if given.name != "token_type_ids":
            raise BadArtifact(f"the graph wants {given.name}. Operator action: take an encoder-only checkpoint.")
        graph.input.remove(given)
        graph.node.insert(0, helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"], "no_token_types"))
    return model


def _with_sentiments(model: onnx.ModelProto, groups: Groups) -> onnx.ModelProto:
    """The graph with the outputs every model of the project has, in place of the logits.

    Each sentiment is the sum of its labels' probabilities. In fp32 whatever the precision of the network: rounded
    probabilities could sum to more than 1.
    """
    graph = model.graph
    graph.node.append(helper.make_node("Softmax", [graph.output[0].name], ["labels"], "label_probabilities", axis=1))
    graph.initializer.append(helper.make_tensor("over_classes", TensorProto.INT64, [1], [1]))
    for name, group in zip(SENTIMENTS, groups, strict=True):
        graph.initializer.append(helper.make_tensor(f"{name}_labels", TensorProto.INT64, [len(group)], group))
        parts = [f"{name}_parts"]
        graph.node.extend(
            [
                helper.make_node("Gather", ["labels", f"{name}_labels"], parts, f"gather_{name}", axis=1),
                helper.make_node("ReduceSum", [*parts, "over_classes"], [name], f"sum_{name}", keepdims=1),
            ]
        )
    graph.node.extend(
        [
            helper.make_node("Concat", SENTIMENTS, ["sentiment"], "sentiment_probabilities", axis=1),
            helper.make_node("ReduceSum", ["sentiment", "over_classes"], ["topic"], "one_topic", keepdims=1),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("sentiment", TensorProto.FLOAT, ["rows", len(groups)]),
            helper.make_tensor_value_info("topic", TensorProto.FLOAT, ["rows", 1]),
        ]
    )
    return model


class _Folded(nn.Module):
    """The checkpoint's answer for the project's sentiments, and one topic."""

    def __init__(self, network: Any, groups: Groups) -> None:
        super().__init__()
        self.network = network
        self.groups = [list(group) for group in groups]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 3) and (n, 1); the softmax of a log-sum-exp of logits is the sum of their probabilities."""
        logits = self.network(input_ids=input_ids, attention_mask=attention_mask).logits
        folded = torch.stack([logits[:, group].logsumexp(-1) for group in self.groups], dim=-1)
        return folded, torch.from_numpy(np.zeros((len(logits), 1), np.float32))
