"""What a model card says of own topics."""

import re

from models.labels import GENERAL
from models.manifest import Manifest, TopicsLineage

_HEADING = "## Own topics"
_TOPICS = re.compile(r"^and of a topic \(.*\)\.$", re.MULTILINE)


def card_with_topics(card: str, manifest: Manifest, lineage: TopicsLineage) -> str:
    """The card of the model before, with its new topics; one that is about nothing else where it had none."""
    card = card.partition(f"\n{_HEADING}\n")[0] if card else f"# Model card: {manifest.id}\n"
    card = _TOPICS.sub(f"and of a topic ({', '.join(manifest.topics)}).", card)
    lines = ["| topic | examples | recall | precision |", "|---|---|---|---|"]
    for number, topic in enumerate(manifest.topics):
        examples = lineage.general if topic == GENERAL else lineage.examples[topic]
        recall, precision = scores_of(lineage.confusion, number)
        lines.append(f"| {topic} | {examples} | {_shown(recall)} | {_shown(precision)} |")
    return f"""{card.rstrip()}

{_HEADING}

Made from `{lineage.base}` (model.onnx has SHA-256 {lineage.base_sha256}) with a file of topics (SHA-256
{lineage.file_sha256}): a linear head on the state of the same encoder. What is above says nothing about these topics.
Recall and precision are of the examples themselves, each answered by a head that was fitted without it; texts of
another kind than the examples are answered less well. General texts: {_source(lineage)}.

{chr(10).join(lines)}
"""


def scores_of(confusion: list[list[int]], number: int) -> tuple[float | None, float | None]:
    """Recall and precision of a class; None where nothing was true, or answered."""
    right, true = confusion[number][number], sum(confusion[number])
    answered = sum(row[number] for row in confusion)
    return right / true if true else None, right / answered if answered else None


def _shown(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"


def _source(lineage: TopicsLineage) -> str:
    return "given by the operator" if lineage.general_given else "those that are shipped"
