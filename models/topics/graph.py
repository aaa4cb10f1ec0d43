"""The encoder's state in an exported graph, and a head for own topics in the place of the one before."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.bound import INPUTS, OUTPUTS
from models.errors import BadArtifact
from models.topics.head import SMALLEST_NORM, Head

_PREFIX = "own_topics/"
STATE = f"{_PREFIX}state"
TOPIC = OUTPUTS[1]
MIN_OPSET = 13
"""From here on the nodes below have the same inputs in every opset."""


def with_state(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with one more output, `STATE`: float32 (n, 2 width), first token and mean of the last layer joined.

    Raises:
        BadArtifact: the graph has no layer whose output is normalised, or an opset before 13.
    """
    _append_state(model)
    model.graph.output.append(helper.make_tensor_value_info(STATE, TensorProto.FLOAT, ["rows", "width"]))
    return model


def with_head(model: onnx.ModelProto, head: Head, topics: Sequence[str]) -> onnx.ModelProto:
    """The graph with this head's probabilities as its topics; what only its own head needed is left out.

    The topics' names are in it, so that the same head under other names has another SHA-256: that is what tells models
    apart.

    Raises:
        BadArtifact: as `with_state`.
    """
    graph = model.graph
    del graph.output[[output.name for output in graph.output].index(TOPIC)]
    _prune(graph)
    state = _append_state(model)
    _append(
        graph,
        [
            ("Sub", [state, _constant(graph, "centre", head.centre)], "centred"),
            ("Mul", ["centred", "centred"], "squares"),
            ("ReduceSum", ["squares", _constant(graph, "last", np.array([1], np.int64))], "square"),
            ("Sqrt", ["square"], "length"),
            ("Max", ["length", _constant(graph, "shortest", np.array([SMALLEST_NORM], np.float32))], "norm"),
            ("Div", ["centred", "norm"], "unit"),
            ("MatMul", ["unit", _constant(graph, "weight", head.weight)], "product"),
            ("Add", ["product", _constant(graph, "bias", head.bias)], "logits"),
        ],
    )
    graph.node.append(helper.make_node("Softmax", [f"{_PREFIX}logits"], [TOPIC], f"{_PREFIX}softmax", axis=1))
    graph.output.append(helper.make_tensor_value_info(TOPIC, TensorProto.FLOAT, ["rows", len(head.bias)]))
    helper.set_model_props(
        model, {pair.key: pair.value for pair in model.metadata_props} | {"topics": ",".join(topics)}
    )
    return model


def _append_state(model: onnx.ModelProto) -> str:
    """Nodes that pool the last layer; the name of the joined state."""
    graph = model.graph
    if any(STATE in node.output for node in graph.node):  # a head for own topics is there, and is read for another
        return STATE
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    normalised = [node for node in graph.node if node.op_type == "LayerNormalization"]
    if not normalised or opset < MIN_OPSET:
        raise BadArtifact(
            f"the graph (opset {opset}) shows no encoder whose layers end in LayerNormalization. "
            "Operator action: export the model again with this version."
        )
    first, tokens = (_constant(graph, name, np.array(at, np.int64)) for name, at in (("first", 0), ("tokens", [1])))
    _append(
        graph,
        [
            ("Cast", [normalised[-1].output[0]], "hidden"),
            ("Cast", [INPUTS[1]], "mask"),
            ("Unsqueeze", ["mask", _constant(graph, "wide", np.array([2], np.int64))], "weights"),
            ("Mul", ["hidden", "weights"], "masked"),
            ("ReduceSum", ["masked", tokens], "sum"),
            ("ReduceSum", ["mask", tokens], "count"),
            ("Max", ["count", _constant(graph, "one", np.ones(1, np.float32))], "number"),
            ("Div", ["sum", "number"], "mean"),
            ("Gather", ["hidden", first], "first_token"),
            ("Concat", ["first_token", "mean"], "state"),
        ],
    )
    return STATE


_ATTRIBUTES: dict[str, dict[str, int]] = {
    "hidden": {"to": TensorProto.FLOAT},
    "mask": {"to": TensorProto.FLOAT},
    "sum": {"keepdims": 0},
    "count": {"keepdims": 1},
    "square": {"keepdims": 1},
    "first_token": {"axis": 1},
    "state": {"axis": 1},
}
"""Of the nodes by their output."""


def _append(graph: onnx.GraphProto, nodes: list[tuple[str, list[str], str]]) -> None:
    """Nodes (operator, inputs, output) whose names get a prefix; inputs that no node here gives stay as they are."""
    own = {output for _, _, output in nodes}
    for kind, inputs, output in nodes:
        named = [f"{_PREFIX}{name}" if name in own else name for name in inputs]
        name = f"{_PREFIX}{output}"
        graph.node.append(helper.make_node(kind, named, [name], f"{name}/{kind}", **_ATTRIBUTES.get(output, {})))


def _constant(graph: onnx.GraphProto, name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
    full = f"{_PREFIX}{name}"
    graph.initializer.append(numpy_helper.from_array(values, full))
    return full


def _prune(graph: onnx.GraphProto) -> None:
    """Leave out nodes and constants that no output needs."""
    needed = {output.name for output in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):  # in an order in which every input comes before
        if needed.intersection(node.output):
            needed.update(_inputs(node))
            kept.append(node)
    constants = [constant for constant in graph.initializer if constant.name in needed]
    shapes = [shape for shape in graph.value_info if shape.name in needed]
    for field, values in ((graph.node, kept[::-1]), (graph.initializer, constants), (graph.value_info, shapes)):
        del field[:]
        field.extend(values)


def _inputs(node: NodeProto) -> list[str]:
    """Names that a node reads, in graphs within it too."""
    within = [inner for held in node.attribute for graph in (held.g, *held.graphs) for inner in graph.node]
    return [*node.input, *(name for inner in within for name in _inputs(inner))]
