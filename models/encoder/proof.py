"""Proof that an encoder is the one it should be: a translation lies nearer to its original than any other text does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.batching import pad_batch
from models.encoder.load import load_encoder, load_tokenizer
from models.errors import BadArtifact
from models.rows import LabelledText, translation_groups

ORIGINAL = "en"
MAX_LENGTH = 128
PREFIX = "query: "
"""What multilingual-e5 was trained to see before a text that is compared with its like."""


def retrieval(folder: Path, rows: Sequence[LabelledText], groups: int = 60) -> dict[str, float]:
    """Share of translations whose nearest English text is their own original, by language; chance is 1/groups.

    Args:
        folder: of the encoder (`config.json`, `model.safetensors`, `tokenizer.json`).
        rows: with ids that name parallel groups (see `models.rows.translation_groups`).
        groups: how many texts with a translation into every language are compared, the first ones.

    Raises:
        BadArtifact: the folder holds no encoder, or no row has a translation.
    """
    parallel = _parallel(list(rows))[:groups]
    if not parallel:
        raise BadArtifact("no English row has translations. Operator action: give rows with ids of parallel texts.")
    embed = embedder(folder)
    originals = embed([texts[ORIGINAL] for texts in parallel])
    shares = {}
    for language in sorted(set(parallel[0]) - {ORIGINAL}):
        alike = embed([texts[language] for texts in parallel]) @ originals.T
        shares[language] = float((alike.argmax(axis=1) == np.arange(len(parallel))).mean())
    return shares


def _parallel(rows: list[LabelledText]) -> list[dict[str, str]]:
    """Texts by language of each group that has all of the languages, in the order of the rows."""
    found: dict[str, dict[str, str]] = {}
    for row, group in zip(rows, translation_groups(rows), strict=True):
        if group:
            found.setdefault(group, {})[row.lang] = row.text
    languages = set().union(*found.values()) if found else set()
    return [texts for texts in found.values() if ORIGINAL in texts and set(texts) == languages]


def embedder(folder: Path) -> Any:
    """A function from texts to unit vectors (n, width): the mean of the last layer's states."""
    network = load_encoder(folder).eval()
    tokenizer, pad_id = load_tokenizer(folder, network, MAX_LENGTH)

    def embed(texts: list[str]) -> NDArray[np.float32]:
        encodings = tokenizer.encode_batch([PREFIX + text for text in texts])
        ids, mask = map(torch.from_numpy, pad_batch([encoding.ids for encoding in encodings], pad_id))
        with torch.no_grad():
            states = network(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(mean).numpy()
        return vectors

    return embed
