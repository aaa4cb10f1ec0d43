"""An encoder's folder as PyTorch and tokenizers read it."""

import contextlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.checkpoint import require_no_code
from models.errors import BadArtifact

_REMEDY = "Operator action: name a folder with one (`make encoder`)."


def load_encoder(folder: Path, layers: int | None = None) -> Any:
    """The pre-trained encoder of a folder (BERT, XLM-RoBERTa or alike), its first `layers` (None = all), float32.

    Raises:
        BadArtifact: the folder holds none, a weight is missing, or it has fewer layers.
    """
    from transformers import AutoModel

    with contextlib.suppress(OSError, ValueError):  # what is no configuration is refused below
        require_no_code(str(folder), json.loads((folder / "config.json").read_text("utf-8")))
    try:
        encoder, found = AutoModel.from_pretrained(
            folder, add_pooling_layer=False, local_files_only=True, use_safetensors=True, output_loading_info=True,
            trust_remote_code=False,
        )  # fmt: skip
        missing = sorted(found["missing_keys"]) + sorted(str(key) for key in found["mismatched_keys"])
        there = len(encoder.encoder.layer)
        len(encoder.embeddings.word_embeddings.weight)
    except Exception as error:  # these raise bare exceptions of many kinds, and other types lack such parts
        raise BadArtifact(f"{folder} holds no encoder: {error}. {_REMEDY}") from error
    if missing:
        raise BadArtifact(f"{folder} holds no whole encoder: {missing[:3]} are missing or misshapen. {_REMEDY}")
    if layers is not None and not 1 <= layers <= there:
        raise BadArtifact(f"{folder} has {there} layers, not {layers}. Operator action: give 1 to {there}.")
    encoder.encoder.layer = encoder.encoder.layer[:layers]
    encoder.config.num_hidden_layers = len(encoder.encoder.layer)
    return encoder


def read_tokenizer(folder: Path) -> Tokenizer:
    """A folder's tokenizer. Raises BadArtifact where it has none."""
    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare exceptions
        raise BadArtifact(f"{folder} holds no tokenizer: {error}. {_REMEDY}") from error


def load_tokenizer(folder: Path, encoder: Any, max_length: int) -> tuple[Tokenizer, int]:
    """A folder's tokenizer, which cuts texts to `max_length` tokens, and the number of its pad token.

    Raises:
        BadArtifact: it has none, or numbers that the encoder has no embedding for, or no pad token.
    """
    tokenizer = read_tokenizer(folder)
    pad_id = encoder.config.pad_token_id
    if pad_id is None or tokenizer.id_to_token(pad_id) is None:
        raise BadArtifact(f"{folder}: pad_token_id {pad_id} in config.json is no piece of its tokenizer. {_REMEDY}")
    embeddings = len(encoder.embeddings.word_embeddings.weight)
    if tokenizer.get_vocab_size() > embeddings:
        raise BadArtifact(
            f"{folder} has embeddings for {embeddings} pieces, its tokenizer {tokenizer.get_vocab_size()}. {_REMEDY}"
        )
    positions = encoder.config.max_position_embeddings
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(max_length, positions - 2))  # XLM-R counts positions from 2
    return tokenizer, int(pad_id)


def unknown_piece(tokenizer: Tokenizer) -> int | None:
    """The number of the piece for what a vocabulary lacks; None where every text can be spelled."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    named = model.get("unk_token")
    return None if named is None else tokenizer.token_to_id(named)
