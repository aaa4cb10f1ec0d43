"""The encoder's states of texts, as a model folder's own graph gives them."""

from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.bound import INPUTS
from models.onnx import OnnxClassifier, session_options
from models.topics.graph import STATE

States = NDArray[np.float32]


def states_of(content: bytes, classifier: OnnxClassifier, texts: Sequence[str], threads: int = 0) -> States:
    """States (n, width) of texts, in the order given.

    Args:
        content: a graph with the output `STATE` (see `with_state`).
        classifier: of the folder that the graph is from: its tokenizer and batches are used.
        texts: cleaned or not.
        threads: of ONNX Runtime; 0 = all cores.
    """
    session = onnxruntime.InferenceSession(content, session_options(threads), providers=["CPUExecutionProvider"])
    found: list[tuple[NDArray[np.int64], States]] = []
    for rows, ids, mask in classifier.batches(texts):
        [states] = session.run([STATE], dict(zip(INPUTS, (ids, mask), strict=True)))
        found.append((rows, states))
    joined = np.concatenate([states for _, states in found])
    result = np.empty_like(joined)
    result[np.concatenate([rows for rows, _ in found])] = joined
    return result


def in_slices(embed: Callable[[list[str]], States], size: int = 32) -> Callable[[Sequence[str]], States]:
    """A function for many texts from one for a few, which pads all of them to the longest."""

    def embed_all(texts: Sequence[str]) -> States:
        order = np.argsort([len(text) for text in texts], kind="stable")
        found = [embed([texts[at] for at in order[begin : begin + size]]) for begin in range(0, len(texts), size)]
        joined = np.concatenate(found)
        result = np.empty_like(joined)
        result[order] = joined
        return result

    return embed_all
