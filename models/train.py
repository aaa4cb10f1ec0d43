"""Train the small multilingual BERT from scratch: seeded, resumable, with progress and time left."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import BertConfig

from models.batching import pad_batch, plan_batches
from models.encoder.marks import Marks, marks_of
from models.guidance import Guidance
from models.labels import SENTIMENTS, TOPICS
from models.network import FeedbackClassifier
from models.rows import LabelledText, read_rows

PAD, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


@dataclass(frozen=True)
class TrainingPlan:
    """Sizes and rates of one training; the defaults made the shipped model."""

    seed: int = 7
    epochs: int = 3
    layers: int = 4
    width: int = 256
    heads: int = 4
    vocabulary: int = 30_000
    max_length: int = 96
    tokens_per_batch: int = 3_072
    peak_rate: float = 6e-4
    warm_up: float = 0.08
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    topic_weight: float = 0.5
    weak_weight: float = 0.3
    token_dropout: float = 0.1
    averaged_epochs: int = 2
    soft_weight: float = 0.5  # of the guidance's soft labels against the hard ones
    teacher_share: float = 0.5  # of a teacher in the soft labels; the votes' is the rest
    alone_weight: float = 0.3  # of the same loss on the network without the votes
    state_weight: float = 0.0  # of how far the texts' states lie from the teacher's
    masked_weight: float = 0.15  # of guessing the pieces that token dropout hides
    votes_scale: float = 2.0  # where the learned weights of the votes begin
    threads: int = 2


def train_tokenizer(texts: Iterator[str], plan: TrainingPlan) -> Tokenizer:
    """WordPiece over lower-cased text, Chinese characters apart, accents kept."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN, max_input_chars_per_word=60))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False, handle_chinese_chars=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=plan.vocabulary,
        min_frequency=2,
        limit_alphabet=6_000,
        special_tokens=[PAD, UNKNOWN, FIRST, LAST, MASK],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    first, last = tokenizer.token_to_id(FIRST), tokenizer.token_to_id(LAST)
    tokenizer.post_processor = processors.BertProcessing((LAST, last), (FIRST, first))
    tokenizer.enable_truncation(plan.max_length)
    return tokenizer


@dataclass(frozen=True)
class Encoded:
    """Rows ready for training: token ids and int label, topic (-100 = none) and weight per row."""

    ids: list[list[int]]
    label: NDArray[np.int64]
    topic: NDArray[np.int64]
    weight: NDArray[np.float32]


def encode_rows(rows: list[LabelledText], tokenizer: Tokenizer, plan: TrainingPlan) -> Encoded:
    """Tokenise rows and number their labels."""
    encodings = tokenizer.encode_batch_fast([row.text for row in rows])
    return Encoded(
        ids=[encoding.ids for encoding in encodings],
        label=np.array([SENTIMENTS.index(row.label) for row in rows], np.int64),
        topic=np.array([TOPICS.index(row.topic) if row.topic in TOPICS else -100 for row in rows], np.int64),
        weight=np.array([plan.weak_weight if row.weak else 1.0 for row in rows], np.float32),
    )


def batches_of(encoded: Encoded, plan: TrainingPlan, rng: random.Random | None) -> list[NDArray[np.int64]]:
    """Row numbers of each batch: alike lengths together, in random order when `rng` is given."""
    lengths = np.array([len(ids) for ids in encoded.ids])
    if rng is None:
        return plan_batches(lengths, plan.tokens_per_batch, 512)
    noisy = lengths + np.array([rng.random() * 6 for _ in lengths])
    order = np.argsort(noisy)
    planned = [order[rows] for rows in plan_batches(lengths[order], plan.tokens_per_batch, 512)]
    rng.shuffle(planned)
    return planned


def pad(ids: list[list[int]], pad_id: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids filled up with `pad_id` to the longest, and the attention mask (0 = filled up)."""
    padded, mask = pad_batch(ids, pad_id)
    return torch.from_numpy(padded), torch.from_numpy(mask)


class Student(nn.Module):
    """The network with the learned weights of the linear votes and a head that guesses hidden pieces."""

    def __init__(self, network: FeedbackClassifier, plan: TrainingPlan) -> None:
        super().__init__()
        self.network = network
        self.votes_weights = nn.Parameter(torch.full((2,), plan.votes_scale))
        width = network.encoder.config.hidden_size
        self.guess = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))


def train(
    data: Path,
    out: Path,
    plan: TrainingPlan = TrainingPlan(),
    report: Callable[[str], object] = print,
    guidance: Guidance | None = None,
) -> Student:
    """Train on `data/feedback_train.jsonl.gz` and leave tokenizer and one checkpoint an epoch in `out`.

    A checkpoint that is already there is resumed from. With guidance the loss is taken on the network's logits plus the
    weighted votes, half on the labels and half on the soft labels (Hinton et al. 2015, arXiv:1503.02531). Returns, in
    evaluation mode, the mean of the last `plan.averaged_epochs` epochs' weights: it answers better than either
    (Izmailov et al. 2018, arXiv:1803.05407).
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    rows = list(read_rows(data / "feedback_train.jsonl.gz"))
    tokenizer = tokenizer_of(rows, out, plan)
    network = Student(build_network(tokenizer.get_vocab_size(), plan), plan)
    if guidance is not None and guidance.embeddings is not None:
        network.network.encoder.embeddings.word_embeddings.weight.data.copy_(torch.from_numpy(guidance.embeddings))
    encoded = encode_rows(rows, tokenizer, plan)
    per_epoch = len(batches_of(encoded, plan, random.Random(plan.seed)))
    total = plan.epochs * per_epoch
    optimizer = AdamW(_parameter_groups(network, plan), lr=plan.peak_rate, betas=(0.9, 0.98), eps=1e-6)
    schedule = linear_schedule(optimizer, total, plan.warm_up)
    done = _resume(out, network, optimizer, schedule)
    loss_of = partial(guided_loss, network, encoded, plan, marks_of(tokenizer), guidance)
    started, seen = time.monotonic(), 0
    for epoch in range(done, plan.epochs):
        torch.manual_seed(plan.seed * 1_000 + epoch)  # so that a resumed training draws what one piece would have
        rng = random.Random(plan.seed * 1_000 + epoch)
        batches = batches_of(encoded, plan, rng)
        for number, running in optimise(network, batches, loss_of, optimizer, schedule):
            seen += 1
            if number % 100 == 0:
                left = (time.monotonic() - started) / seen * (total - done * per_epoch - seen)
                report(
                    f"epoch {epoch + 1}/{plan.epochs} batch {number}/{per_epoch} loss {running:.4f} left {left:.0f} s"
                )
        torch.save(
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "epoch": epoch + 1,
                "plan": asdict(plan),
            },
            out / f"epoch-{epoch + 1}.pt",
        )
    network.load_state_dict(mean_weights(out, range(max(1, plan.epochs - plan.averaged_epochs + 1), plan.epochs + 1)))
    network.eval()
    return network


def optimise(
    network: nn.Module,
    batches: Iterable[NDArray[np.int64]],
    loss_of: Callable[[NDArray[np.int64]], Tensor],
    optimizer: Optimizer,
    schedule: LambdaLR,
) -> Iterator[tuple[int, float]]:
    """One step for each batch of row numbers, gradients clipped to norm 1; yields (steps done, running mean loss)."""
    network.train()
    running = 0.0
    for step, rows in enumerate(batches, 1):
        loss = loss_of(rows)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        running += (loss.item() - running) / min(step, 200)
        yield step, running


def linear_schedule(optimizer: Optimizer, total: int, warm_up: float) -> LambdaLR:
    """Rates rise linearly over the share `warm_up` of all steps, then fall linearly to 0 at step `total`."""
    rise = max(1, int(total * warm_up))
    return LambdaLR(
        optimizer, lambda at: (at + 1) / rise if at < rise else max(0.0, (total - at) / max(1, total - rise))
    )


def tokenizer_of(rows: list[LabelledText], out: Path, plan: TrainingPlan) -> Tokenizer:
    """The tokenizer in `out`, trained on the rows' texts if there is none yet."""
    file = out / "tokenizer.json"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        train_tokenizer((row.text for row in rows), plan).save(str(file))
    return Tokenizer.from_file(str(file))


def build_network(vocabulary: int, plan: TrainingPlan) -> FeedbackClassifier:
    """An untrained network of the plan's sizes."""
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=plan.width,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        intermediate_size=4 * plan.width,
        max_position_embeddings=plan.max_length,
        type_vocab_size=1,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        pad_token_id=0,
    )
    return FeedbackClassifier(config, len(SENTIMENTS), len(TOPICS))


def guided_loss(
    student: Student,
    encoded: Encoded,
    plan: TrainingPlan,
    marks: Marks,
    guidance: Guidance | None,
    chosen: NDArray[np.int64],
) -> Tensor:
    """The loss of a batch, on the CPU; the network runs on the device that it is on.

    Args:
        student: to be trained.
        encoded: all rows.
        plan: its weights of the parts of the loss.
        marks: special pieces of the tokenizer; none of them is hidden.
        guidance: votes and soft labels of all rows; None = labels only.
        chosen: (n,) numbers of the batch's rows.
    """
    device = student.votes_weights.device
    ids, mask = pad([encoded.ids[row] for row in chosen], marks.pad)
    dropped = (torch.rand(ids.shape) < plan.token_dropout) & ~torch.isin(ids, torch.tensor(marks.special))
    given = ids.masked_fill(dropped, marks.mask)
    with torch.autocast(device.type, torch.bfloat16):
        hidden, joined = student.network.states(given.to(device), mask.to(device))
        sentiment, topic = student.network.heads(joined)
    alone = sentiment.float().cpu(), topic.float().cpu()
    if guidance is None:
        return hard_loss(*alone, encoded, chosen, plan)
    weight = torch.from_numpy(encoded.weight[chosen])
    votes = torch.from_numpy(guidance.votes[chosen]), torch.from_numpy(guidance.topic_votes[chosen])
    soft = torch.from_numpy(guidance.soft[chosen]), torch.from_numpy(guidance.soft_topic[chosen])
    together = [logits + student.votes_weights[at].cpu() * votes[at] for at, logits in enumerate(alone)]
    loss = torch.zeros(())
    for (of_sentiment, of_topic), share in ((together, 1.0), (alone, plan.alone_weight)):
        hard = hard_loss(of_sentiment, of_topic, encoded, chosen, plan)
        soft_loss = _soft_loss(of_sentiment, soft[0], weight) + plan.topic_weight * _soft_loss(
            of_topic, soft[1], weight
        )
        loss = loss + share * ((1 - plan.soft_weight) * hard + plan.soft_weight * soft_loss)
    if plan.state_weight and guidance.states is not None:
        wanted = torch.from_numpy(guidance.states[chosen]).float()
        loss = loss + plan.state_weight * unexplained(joined.float().cpu(), wanted, weight)
    if plan.masked_weight and dropped.any():
        pieces = student.network.encoder.embeddings.word_embeddings.weight
        with torch.autocast(device.type, torch.bfloat16):
            guessed = student.guess(hidden[dropped.to(device)]) @ pieces.T
        loss = loss + plan.masked_weight * nn.functional.cross_entropy(guessed.float().cpu(), ids[dropped])
    return loss


def hard_loss(
    sentiment: Tensor, topic: Tensor, encoded: Encoded, chosen: NDArray[np.int64], plan: TrainingPlan
) -> Tensor:
    """Cross-entropy of both heads' logits, float32 (n, classes); rows without a topic do not enter the second."""
    labels, topics, weight = (torch.from_numpy(of[chosen]) for of in (encoded.label, encoded.topic, encoded.weight))
    losses = nn.functional.cross_entropy(sentiment, labels, reduction="none", label_smoothing=plan.label_smoothing)
    loss = (losses * weight).sum() / weight.sum()
    if (topics >= 0).any():
        loss = loss + plan.topic_weight * nn.functional.cross_entropy(topic, topics, ignore_index=-100)
    return loss


def _soft_loss(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy against probabilities."""
    losses = -(wanted * logits.log_softmax(-1)).sum(-1)
    return (losses * weight).sum() / weight.sum()


def unexplained(states: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Squared distance of states (n, 2 width) from those wanted, as a share of how these differ among each other.

    The mean over first-token and mean states; 0 = the same, 1 = no better than their mean over the batch.
    """
    shares = weight / weight.sum()
    parts = []
    for state, goal in zip(states.chunk(2, dim=1), wanted.chunk(2, dim=1), strict=True):
        spread = ((goal - shares @ goal) ** 2).sum(1) @ shares
        parts.append(((state - goal) ** 2).sum(1) @ shares / spread.clamp(min=1e-6))
    return torch.stack(parts).mean()


def _parameter_groups(network: nn.Module, plan: TrainingPlan) -> list[dict[str, object]]:
    """Weight decay for matrices only."""
    matrices = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    return [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def mean_weights(out: Path, epochs: Sequence[int]) -> dict[str, Tensor]:
    """The mean of the checkpoints' weights; what is not a float is the last one's."""
    states = [torch.load(out / f"epoch-{epoch}.pt", weights_only=True)["network"] for epoch in epochs]
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if last.is_floating_point() else last
        for name, last in states[-1].items()
    }


def _resume(out: Path, network: nn.Module, optimizer: Optimizer, schedule: LambdaLR) -> int:
    """Load the newest checkpoint in `out`; the number of epochs done."""
    done = max(
        (epoch for epoch in itertools.takewhile(lambda n: (out / f"epoch-{n}.pt").exists(), range(1, 1_000))), default=0
    )
    if done:
        checkpoint = torch.load(out / f"epoch-{done}.pt", weights_only=True)
        network.load_state_dict(checkpoint["network"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        schedule.load_state_dict(checkpoint["schedule"])
    return done
