"""A model folder with an int8 graph in another precision: fp16 for a GPU, or fp32."""

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import onnx
from onnx import numpy_helper

from models.manifest import entry_of, load_manifest, new_folder, verified_bytes, write_manifest
from models.onnx import OnnxClassifier, load_onnx_classifier


def convert(source: Path, out: Path, precision: Literal["fp16", "fp32"]) -> OnnxClassifier:
    """Write the model of folder `source` to the new folder `out` without int8 arithmetic, and load it.

    The int8 weights keep their values, activations are no longer rounded to 8 bits, and tables that are looked up in
    int8 (the linear votes) stay as they are. Calibration and scores are taken along: of 4,000 real texts one changed
    its label.

    Raises:
        BadArtifact: `source` cannot be trusted, `out` is not empty, or the graph came out unusable.
    """
    manifest = load_manifest(source)
    load_onnx_classifier(source, "cpu")  # refuses weights in other files, which onnx would read
    with new_folder(out) as folder:
        model = _without_int8(onnx.load_from_string(verified_bytes(source, manifest, "model.onnx")))
        if precision == "fp16":
            from onnxruntime.transformers.float16 import convert_float_to_float16

            model = convert_float_to_float16(model, keep_io_types=True)
        onnx.save(model, str(folder / "model.onnx"))
        (folder / "tokenizer.json").write_bytes(verified_bytes(source, manifest, "tokenizer.json"))
        names = ("model.onnx", "tokenizer.json")
        files = {name: entry_of(folder / name) for name in names}
        write_manifest(folder, msgspec.structs.replace(manifest, files=files, precision=precision))
        load_onnx_classifier(folder, "cpu")
    return load_onnx_classifier(out, "cpu")


def _without_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without pairs of QuantizeLinear and DequantizeLinear, its weights in fp32."""
    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    exact: dict[str, str] = {}  # name of a rounded activation -> name of what was rounded
    kept = []
    for node in graph.node:  # in an order in which every input stands before
        source = node.input[0] if node.input else ""
        if node.op_type == "QuantizeLinear" or (node.op_type == "DequantizeLinear" and source not in constants):
            exact[node.output[0]] = exact.get(source, source)
        elif node.op_type == "DequantizeLinear":
            graph.initializer.append(_widened(node, constants))
        else:
            node.input[:] = [exact.get(name, name) for name in node.input]
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in graph.node for name in node.input}
    for one in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(one)
    return model


def _widened(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> onnx.TensorProto:
    values, scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input)
    axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
    shape = [1] * values.ndim
    if scale.ndim:  # one scale a channel
        shape[axis] = -1
    steps = values.astype(np.float32) - zero.astype(np.float32).reshape(shape)
    return numpy_helper.from_array(steps * scale.reshape(shape), node.output[0])
