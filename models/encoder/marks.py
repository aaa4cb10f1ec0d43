"""Numbers of a tokenizer's special pieces, in BERT's spelling or XLM-R's."""

from typing import NamedTuple

from tokenizers import Tokenizer

from models.errors import BadArtifact

PADS, MASKS = ("[PAD]", "<pad>"), ("[MASK]", "<mask>")


class Marks(NamedTuple):
    """`pad` fills short texts up, `mask` is in the place of a hidden piece, `special` are all that no text holds."""

    pad: int
    mask: int
    special: tuple[int, ...]


def marks_of(tokenizer: Tokenizer) -> Marks:
    """The special pieces of a tokenizer.

    Raises:
        BadArtifact: it has no pad or no mask piece.
    """
    found = [next((n for name in names if (n := tokenizer.token_to_id(name)) is not None), None)
             for names in (PADS, MASKS)]  # fmt: skip
    pad, mask = found
    if pad is None or mask is None:
        raise BadArtifact(f"the tokenizer has none of {PADS} or none of {MASKS}. Operator action: use one with both.")
    special = {number for number, piece in tokenizer.get_added_tokens_decoder().items() if piece.special}
    return Marks(pad, mask, tuple(sorted(special | {pad, mask})))
