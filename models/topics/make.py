"""A model folder with own topics in the place of those it had: states, head, graph, lineage."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx

from models.card import CARD
from models.clean import clean
from models.errors import BadArtifact, BadTopics
from models.manifest import TopicsLineage, entry_of, load_manifest, new_folder, verified_bytes, write_manifest
from models.onnx import OnnxClassifier, load_onnx_classifier
from models.topics.card import card_with_topics
from models.topics.file import OwnTopics
from models.topics.general import GENERAL_TEXTS
from models.topics.graph import with_head, with_state
from models.topics.head import HELD_BACK, Fit, Floats, fit_head
from models.topics.states import states_of

GENERAL_RECALL = 0.95
"""Of general texts left out; above the .90 that other general texts are to reach."""
MIN_GENERAL = 30
MAX_GENERAL = 2_000
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Made:
    """A folder with own topics: its classifier, and what the head answered to texts that were left out."""

    classifier: OnnxClassifier
    fit: Fit


def make_topics(
    source: Path,
    out: Path,
    topics: OwnTopics,
    general: Sequence[str] = (),
    general_recall: float = GENERAL_RECALL,
    model_id: str | None = None,
    threads: int = 0,
) -> Made:
    """Write the model of folder `source` with these topics to the new folder `out`, and load it.

    Sentiments, calibration and their scores stay as they are; scores of the topics before are left out.

    Args:
        source: a model folder, shipped or brought.
        out: folder to make.
        topics: of the operator.
        general: texts that are about none of them; none = those that are shipped. The first 2,000 are used.
        general_recall: share, 0 to 1, of general texts left out that are answered with `general`.
        model_id: name in manifest and metrics; None = the source's with `-topics`.
        threads: of ONNX Runtime; 0 = all cores.

    Raises:
        BadTopics: fewer than 30 general texts are given.
        BadArtifact: `source` cannot be trusted or shows no encoder, `out` is not empty, or the graph came out unusable.
    """
    manifest = load_manifest(source)
    before = load_onnx_classifier(source, "cpu", threads)
    examples = [(number, text) for number, topic in enumerate(topics.topics, 1) for text in topic.examples]
    sentences = [(number, topic.sentence) for number, topic in enumerate(topics.topics, 1)]
    nothing = [(0, text) for text in _general(general, {text for _, text in examples})]
    rows = [*nothing, *examples, *sentences]
    numbers, texts = np.array([number for number, _ in rows], np.int64), [text for _, text in rows]
    sentence = np.arange(len(texts)) >= len(texts) - len(sentences)
    content = verified_bytes(source, manifest, "model.onnx")
    states = states_of(with_state(onnx.load_from_string(content)).SerializeToString(), before, texts, threads)
    fit = fit_head(states, numbers, sentence, general_recall, 0.0 if general else HELD_BACK)
    with new_folder(out) as folder:
        onnx.save(with_head(onnx.load_from_string(content), fit.head, topics.names), str(folder / "model.onnx"))
        for name in manifest.files:
            if name != "model.onnx":
                (folder / name).write_bytes(verified_bytes(source, manifest, name))
        lineage = TopicsLineage(
            base=manifest.id,
            base_sha256=manifest.model_sha256,
            file_sha256=topics.sha256,
            examples={topic.name: len(topic.examples) for topic in topics.topics},
            general=len(nothing),
            general_given=bool(general),
            confusion=fit.confusion(),
        )
        evaluation = manifest.evaluation
        made = msgspec.structs.replace(
            manifest,
            id=model_id or f"{manifest.id}-topics",
            topics=topics.names,
            evaluation=None if evaluation is None else msgspec.structs.replace(evaluation, topic_macro_f1=0.0),
            own_topics=lineage,
        )
        card = (folder / CARD).read_text("utf-8") if CARD in manifest.files else ""
        (folder / CARD).write_text(card_with_topics(card, made, lineage), encoding="utf-8")
        files = {name: entry_of(folder / name) for name in sorted({*manifest.files, CARD})}
        write_manifest(folder, msgspec.structs.replace(made, files=files))
        _require_same(load_onnx_classifier(folder, "cpu", threads), before, texts, fit, states)
    return Made(load_onnx_classifier(out, "cpu", threads), fit)


def _general(given: Sequence[str], examples: set[str]) -> list[str]:
    """General texts as the model sees them, each once and without the topics' examples."""
    cleaned = dict.fromkeys(clean(text) for text in given or GENERAL_TEXTS)
    found = [text for text in cleaned if text and text not in examples][:MAX_GENERAL]
    if len(found) < MIN_GENERAL:
        raise BadTopics(
            f"there are {len(found)} different general texts, at least {MIN_GENERAL} are needed. "
            "Operator action: give more with --general, or leave it out."
        )
    return found


def _require_same(made: OnnxClassifier, before: OnnxClassifier, texts: Sequence[str], fit: Fit, states: Floats) -> None:
    """Raise BadArtifact unless sentiments are as before and topics as the head gives them."""
    nowhere = [None] * len(texts)
    ours, theirs = made.classify(texts, nowhere), before.classify(texts, nowhere)
    logits = fit.head.logits(states)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = weights / weights.sum(axis=1, keepdims=True)
    differs = max(float(np.abs(ours.sentiment - theirs.sentiment).max()), float(np.abs(ours.topic - expected).max()))
    if not differs <= TOLERANCE:
        raise BadArtifact(
            f"the graph with own topics differs by {differs:.4f} from what was fitted, at most {TOLERANCE} is taken. "
            "Operator action: use the model in another precision, or report this."
        )
