"""A larger teacher from a pre-trained English body: its vocabulary exchanged, its translations drawn together."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import BertConfig

from models.batching import plan_batches
from models.encoder.load import unknown_piece
from models.errors import BadArtifact
from models.labels import SENTIMENTS, TOPICS
from models.network import FeedbackClassifier
from models.rows import LabelledText, english_of, translation_groups
from models.train import MASK, Encoded, TrainingPlan, batches_of, encode_rows, hard_loss, linear_schedule, optimise, pad


@dataclass(frozen=True)
class TeacherPlan:
    """Rates and length of the teacher's training."""

    seed: int = 7
    epochs: float = 1.6
    body_rate: float = 1.2e-4
    new_rate: float = 6e-4  # of embeddings and heads, which are new
    warm_up: float = 0.08
    alignment_weight: float = 1.0
    most_pairs: int = 32  # of a batch, in the alignment


class Answers(NamedTuple):
    """A network's answers to texts.

    `sentiment`: probabilities (n, 3). `topic`: probabilities (n, topics). `states`: of the texts, as the heads see them
    (n, 2 width), float16.
    """

    sentiment: NDArray[np.float32]
    topic: NDArray[np.float32]
    states: NDArray[np.float16]


def build_teacher(init: Path, tokenizer: Tokenizer) -> FeedbackClassifier:
    """A BERT of a folder (`config.json`, `model.safetensors`, `tokenizer.json`) with another vocabulary.

    A piece that the old vocabulary has keeps its embedding; any other begins at the mean of the pieces that the old
    tokenizer makes of it. Raises BadArtifact where the folder holds no such model.
    """
    try:
        return _with_vocabulary(init, tokenizer)
    except Exception as error:  # these raise bare exceptions of many kinds
        raise BadArtifact(f"{init} holds no BERT: {error!r}. Operator action: name a folder with one.") from error


def _with_vocabulary(init: Path, tokenizer: Tokenizer) -> FeedbackClassifier:
    config = json.loads((init / "config.json").read_text("utf-8"))
    state = {name.removeprefix("bert."): value for name, value in load_file(init / "model.safetensors").items()}
    old = Tokenizer.from_file(str(init / "tokenizer.json"))
    old_embeddings = state["embeddings.word_embeddings.weight"]
    known, unknown = old.get_vocab(), unknown_piece(old)
    pieces = tokenizer.get_vocab()
    width = old_embeddings.shape[1]
    embeddings = torch.empty(len(pieces), width).normal_(0, 0.02) + old_embeddings.mean(0)
    for piece, number in pieces.items():
        if piece in known:
            embeddings[number] = old_embeddings[known[piece]]
            continue
        parts = old.encode(piece.removeprefix("##"), add_special_tokens=False).ids
        if parts and unknown not in parts:
            embeddings[number] = old_embeddings[parts].mean(0)
    network = FeedbackClassifier(
        BertConfig(
            vocab_size=len(pieces),
            hidden_size=width,
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            intermediate_size=config["intermediate_size"],
            max_position_embeddings=config["max_position_embeddings"],
            type_vocab_size=config["type_vocab_size"],
            pad_token_id=0,
        ),
        len(SENTIMENTS),
        len(TOPICS),
    )
    own = network.encoder.state_dict()
    body = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
    network.encoder.load_state_dict(body, strict=False)
    network.encoder.embeddings.word_embeddings.weight.data.copy_(embeddings)
    return network


def train_teacher(
    rows: list[LabelledText],
    tokenizer: Tokenizer,
    init: Path,
    work: Path,
    plan: TeacherPlan = TeacherPlan(),
    report: Callable[[str], object] = print,
) -> FeedbackClassifier:
    """Train on the rows; the state is kept in `work/teacher.pt`, and a finished one is only loaded."""
    network = build_teacher(init, tokenizer)
    file = work / "teacher.pt"
    if file.exists():
        network.load_state_dict(torch.load(file, weights_only=True))
        return network.eval()
    sizes = TrainingPlan(seed=plan.seed)
    torch.manual_seed(plan.seed)
    encoded = encode_rows(rows, tokenizer, sizes)
    english = english_of(rows, translation_groups(rows))
    total = int(len(batches_of(encoded, sizes, random.Random(plan.seed))) * plan.epochs)
    optimizer = AdamW(_groups(network, plan), betas=(0.9, 0.98), eps=1e-6)
    schedule = linear_schedule(optimizer, total, plan.warm_up)
    batches = _batches(encoded, sizes, plan, total)
    loss_of = partial(_loss, network, encoded, english, plan, tokenizer.token_to_id(MASK))
    started = time.monotonic()
    for step, running in optimise(network, batches, loss_of, optimizer, schedule):
        if step % 100 == 0:
            left = (time.monotonic() - started) / step * (total - step)
            report(f"teacher {step}/{total} loss {running:.4f} left {left:.0f} s")
    torch.save(network.state_dict(), file)
    return network.eval()


def _loss(
    network: FeedbackClassifier,
    encoded: Encoded,
    english: NDArray[np.int64],
    plan: TeacherPlan,
    mask_id: int,
    chosen: NDArray[np.int64],
) -> Tensor:
    """The labels' loss, and how far translations lie from their originals (1 - cosine; the originals stand still)."""
    ids, mask = pad([encoded.ids[row] for row in chosen])
    sizes = TrainingPlan()
    dropped = (torch.rand(ids.shape) < sizes.token_dropout) & (ids > mask_id)
    with torch.autocast("cpu", torch.bfloat16):
        _, joined = network.states(ids.masked_fill(dropped, mask_id), mask)
        sentiment, topic = network.heads(joined)
    loss = hard_loss(sentiment.float(), topic.float(), encoded, chosen, sizes)
    pairs = np.flatnonzero(english[chosen] >= 0)[: plan.most_pairs]
    if len(pairs):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            _, wanted = network.states(*pad([encoded.ids[row] for row in english[chosen][pairs]]))
        half = joined.shape[1] // 2  # the mean state
        distance = 1 - nn.functional.cosine_similarity(joined[pairs, half:].float(), wanted[:, half:].float()).mean()
        loss = loss + plan.alignment_weight * len(pairs) / plan.most_pairs * distance
    return loss


def _batches(encoded: Encoded, sizes: TrainingPlan, plan: TeacherPlan, total: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each batch, at most `total` batches."""
    seeds = range(plan.seed * 1_000, plan.seed * 1_000 + int(np.ceil(plan.epochs)))
    return islice((chosen for seed in seeds for chosen in batches_of(encoded, sizes, random.Random(seed))), total)


def _groups(network: FeedbackClassifier, plan: TeacherPlan) -> list[dict[str, object]]:
    embeddings = network.encoder.embeddings.word_embeddings.weight
    body = [one for one in network.encoder.parameters() if one is not embeddings]
    heads = [*network.sentiment.parameters(), *network.topic.parameters()]
    return [
        {"params": body, "lr": plan.body_rate, "weight_decay": 0.01},
        {"params": [embeddings], "lr": plan.new_rate, "weight_decay": 0.0},
        {"params": heads, "lr": plan.new_rate, "weight_decay": 0.01},
    ]


def predict(
    network: FeedbackClassifier, tokenizer: Tokenizer, texts: list[str], tokens_per_batch: int = 6_000, pad_id: int = 0
) -> Answers:
    """Answers to texts, on the device that the network is on."""
    device = next(network.parameters()).device
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    sentiment = np.zeros((len(texts), len(SENTIMENTS)), np.float32)
    topic = np.zeros((len(texts), len(TOPICS)), np.float32)
    states = np.zeros((len(texts), network.sentiment.in_features), np.float16)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        for rows in plan_batches([len(one) for one in ids], tokens_per_batch, 512):
            tokens, mask = (given.to(device) for given in pad([ids[row] for row in rows], pad_id))
            _, joined = network.states(tokens, mask)
            states[rows] = joined.half().cpu().numpy()
            sentiment[rows], topic[rows] = (one.float().softmax(-1).cpu().numpy() for one in network.heads(joined))
    return Answers(sentiment, topic, states)
