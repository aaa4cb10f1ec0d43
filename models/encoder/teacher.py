"""A teacher from a pre-trained multilingual encoder: its own tokenizer, its first layers, word embeddings frozen."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim import AdamW

from models.classifier import Predictions
from models.encoder.augment import augmented
from models.encoder.families import family_of
from models.encoder.load import load_encoder, load_tokenizer
from models.encoder.sampling import epoch_rows
from models.encoder.states import (
    Pause,
    Report,
    Resumable,
    load_trained,
    mark_of,
    read_state,
    sample_of,
    seeded,
    trained,
    write_state,
)
from models.labels import SENTIMENTS, TOPICS
from models.network import FeedbackClassifier
from models.rows import LabelledText, english_of, translation_groups
from models.teacher import Answers, predict
from models.train import Encoded, TrainingPlan, batches_of, encode_rows, hard_loss, linear_schedule, optimise, pad

DONE, CHECKPOINT = "encoder-teacher.pt", "encoder-checkpoint.pt"
PART = 8_000
"""Answers that are kept together: asking takes as long as training does for some thousand steps."""


@dataclass(frozen=True)
class EncoderPlan:
    """Sizes and rates of the teacher's training.

    `layers`: how many of the encoder's, from the first. `balance`: of families and languages, see `epoch_rows`.
    `class_balance`: a row's weight is its label's share to the power of minus this. `augmented`: share of rows that an
    epoch sees changed. `alignment`: weight of drawing translations to their English originals; it costs a second
    forward of them, so 0 leaves it out.
    """

    seed: int = 7
    layers: int = 8
    epochs: float = 2.0
    max_length: int = 96
    tokens_per_batch: int = 1_536
    prefix: str = "query: "
    body_rate: float = 1e-4
    head_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    topic_weight: float = 0.5
    weak_weight: float = 0.3
    balance: float = 0.5
    class_balance: float = 0.5
    augmented: float = 0.3
    alignment: float = 0.0
    most_pairs: int = 32  # of a batch, in the alignment
    steps_per_checkpoint: int = 200
    threads: int = 2
    device: str = "cpu"


@dataclass(frozen=True)
class EncoderTeacher:
    """A network with the tokenizer it was trained with."""

    network: FeedbackClassifier
    tokenizer: Tokenizer
    pad_id: int
    prefix: str

    def predict(self, texts: Sequence[str], tokens_per_batch: int = 6_000) -> Predictions:
        """Probabilities of texts, cleaned before."""
        answered = self.answers(texts, tokens_per_batch)
        return Predictions(answered.sentiment, answered.topic)

    def answers(self, texts: Sequence[str], tokens_per_batch: int = 6_000) -> Answers:
        """Probabilities and states of texts, cleaned before."""
        given = [self.prefix + text for text in texts]
        return predict(self.network.eval(), self.tokenizer, given, tokens_per_batch, self.pad_id)


def new_teacher(init: Path, plan: EncoderPlan) -> EncoderTeacher:
    """The encoder of a folder with untrained heads, its word embeddings frozen.

    Raises:
        BadArtifact: the folder holds no such encoder, fewer layers, or a tokenizer that does not fit.
    """
    torch.manual_seed(plan.seed)
    encoder = load_encoder(init, plan.layers)
    tokenizer, pad_id = load_tokenizer(init, encoder, plan.max_length)
    network = FeedbackClassifier(encoder.config, len(SENTIMENTS), len(TOPICS), encoder)
    network.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    return EncoderTeacher(network.to(plan.device), tokenizer, pad_id, plan.prefix)


def train_encoder(
    rows: list[LabelledText],
    init: Path,
    work: Path,
    plan: EncoderPlan = EncoderPlan(),
    report: Report = print,
    pause: Pause = lambda: False,
) -> EncoderTeacher | None:
    """Train on the rows; every `plan.steps_per_checkpoint` steps all that is needed to go on is kept in `work`.

    A finished training is only loaded. One that was cut goes on from its last checkpoint and ends as one that was not
    cut (bit for bit with one thread).

    Args:
        rows: labelled texts, cleaned.
        init: folder of the encoder.
        work: folder for the state; one for each training.
        plan: sizes and rates.
        report: takes lines of progress.
        pause: asked after each step; where it says yes, the state is kept and None is returned.

    Raises:
        BadArtifact: the folder holds no such encoder, or `work` the state of another training.
    """
    teacher = new_teacher(init, plan)
    mark = _mark(rows, plan, teacher)
    if (work / DONE).exists():
        load_trained(teacher.network, read_state(work / DONE, mark))
        return teacher
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(plan.threads)
    source = _Batches(rows, teacher, plan)
    optimizer = AdamW(_groups(teacher.network, plan), betas=(0.9, 0.98), eps=1e-6, fused=True)
    schedule = linear_schedule(optimizer, source.total, plan.warm_up)
    training = Resumable(
        "teacher", work / CHECKPOINT, mark, teacher.network, optimizer, schedule, source.total,
        plan.steps_per_checkpoint, report, pause,
    )  # fmt: skip
    begun = training.resume()
    steps = optimise(teacher.network, source.after(begun), source.loss, optimizer, schedule)
    if not training.run(steps, begun):
        return None
    # Without the frozen embeddings (380 MB), which are in the encoder's folder.
    write_state(work / DONE, {"trained": trained(teacher.network), "mark": mark})
    (work / CHECKPOINT).unlink(missing_ok=True)
    return teacher


def asked(
    teacher: EncoderTeacher, texts: list[str], work: Path, report: Report = print, pause: Pause = lambda: False
) -> Answers | None:
    """Answers to texts; parts that an earlier call left in `work` are not asked again.

    Args:
        teacher: whose state is in `work`.
        texts: cleaned, the same ones in each call.
        work: folder of the teacher.
        report: takes lines of progress.
        pause: asked after each part; where it says yes, None is returned.
    """
    found: list[Answers] = []
    for begin in range(0, len(texts), PART):
        file = work / f"answers-{begin}.npz"
        if not file.exists():
            report(f"asking the teacher: {begin}/{len(texts)}")
            answered = teacher.answers(texts[begin : begin + PART])
            temporary = work / f"partial-{file.name}"
            np.savez(temporary, **answered._asdict())
            temporary.replace(file)
            if begin + PART < len(texts) and pause():
                report(f"paused after {begin + PART} texts")
                return None
        with np.load(file, allow_pickle=False) as content:
            found.append(Answers(**content))
    return Answers(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


class _Batches:
    """The batches of a training, the same ones in the same order each time, and their loss."""

    def __init__(self, rows: list[LabelledText], teacher: EncoderTeacher, plan: EncoderPlan) -> None:
        self._rows = rows
        self._teacher = teacher
        self._plan = plan
        self._sizes = TrainingPlan(
            seed=plan.seed, tokens_per_batch=plan.tokens_per_batch, label_smoothing=plan.label_smoothing,
            topic_weight=plan.topic_weight, weak_weight=plan.weak_weight,
        )  # fmt: skip
        self._cells = [(family_of(row), row.lang) for row in rows]
        self._english = english_of(rows, translation_groups(rows)) if plan.alignment else np.full(len(rows), -1)
        self._encoded, self._drawn = self._epoch(0)
        per_epoch = len(self._planned(0))
        self.total = max(1, int(per_epoch * plan.epochs))

    def after(self, begun: int) -> Iterator[NDArray[np.int64]]:
        """Places within the epoch of each batch's rows, from batch `begun` on; PyTorch's seed is set for each."""
        return seeded(self._all(), self._plan.seed, begun)

    def _all(self) -> Iterator[NDArray[np.int64]]:
        passed = 0
        for epoch in count():
            if epoch:
                self._encoded, self._drawn = self._epoch(epoch)
            planned = self._planned(epoch)[: self.total - passed]
            yield from planned
            passed += len(planned)
            if passed >= self.total:
                return

    def _epoch(self, epoch: int) -> tuple[Encoded, NDArray[np.int64]]:
        """The rows of an epoch, changed here and there, as numbers; and which rows they are."""
        plan = self._plan
        drawn = epoch_rows(self._cells, plan.balance, plan.seed * 1_000 + epoch)
        seen = []
        for place, row in enumerate(drawn.tolist()):
            rng = random.Random(f"{plan.seed} {epoch} {place}")
            text = self._rows[row].text
            text = augmented(text, rng) if rng.random() < plan.augmented else text
            seen.append(msgspec.structs.replace(self._rows[row], text=plan.prefix + text))
        encoded = encode_rows(seen, self._teacher.tokenizer, self._sizes)
        return replace(encoded, weight=encoded.weight * self._class_weights(encoded.label)), drawn

    def _class_weights(self, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """One for each row, 1 on average."""
        shares = np.maximum(np.bincount(labels, minlength=len(SENTIMENTS)), 1) / len(labels)
        weights = shares[labels] ** -self._plan.class_balance
        return (weights / weights.mean()).astype(np.float32)

    def _planned(self, epoch: int) -> list[NDArray[np.int64]]:
        return batches_of(self._encoded, self._sizes, random.Random(self._plan.seed * 1_000 + epoch))

    def loss(self, chosen: NDArray[np.int64]) -> Tensor:
        """Of the labels, and of how far translations lie from their originals, which stay where they are."""
        network, plan = self._teacher.network, self._plan
        _, joined = self._states([self._encoded.ids[place] for place in chosen])
        with torch.autocast(plan.device, torch.bfloat16):
            sentiment, topic = network.heads(joined)
        loss = hard_loss(sentiment.float().cpu(), topic.float().cpu(), self._encoded, chosen, self._sizes)
        originals = self._english[self._drawn[chosen]]
        pairs = np.flatnonzero(originals >= 0)[: plan.most_pairs]
        if plan.alignment and len(pairs):
            texts = [plan.prefix + self._rows[row].text for row in originals[pairs]]
            with torch.no_grad():
                _, wanted = self._states(
                    [encoding.ids for encoding in self._teacher.tokenizer.encode_batch_fast(texts)]
                )
            half = joined.shape[1] // 2  # the mean state
            alike = nn.functional.cosine_similarity(joined[pairs, half:].float(), wanted[:, half:].float())
            loss = loss + plan.alignment * len(pairs) / plan.most_pairs * (1 - alike.mean()).cpu()
        return loss

    def _states(self, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
        tokens, mask = (given.to(self._plan.device) for given in pad(ids, self._teacher.pad_id))
        with torch.autocast(self._plan.device, torch.bfloat16):
            states: tuple[Tensor, Tensor] = self._teacher.network.states(tokens, mask)
        return states


def _groups(network: FeedbackClassifier, plan: EncoderPlan) -> list[dict[str, object]]:
    body = [parameter for parameter in network.encoder.parameters() if parameter.requires_grad]
    heads = [*network.sentiment.parameters(), *network.topic.parameters()]
    return [
        {"params": body, "lr": plan.body_rate, "weight_decay": plan.weight_decay},
        {"params": heads, "lr": plan.head_rate, "weight_decay": plan.weight_decay},
    ]


def _mark(rows: list[LabelledText], plan: EncoderPlan, teacher: EncoderTeacher) -> str:
    """What a state belongs to: rows, plan (device and threads apart) and encoder."""
    settings = replace(plan, device="", threads=0, steps_per_checkpoint=0)
    embeddings = teacher.network.encoder.embeddings.word_embeddings.weight
    return mark_of(rows, repr(settings).encode(), sample_of(embeddings))
