"""A student of an encoder's own layers, its vocabulary cut to what feedback needs, its embeddings trained along."""

import random
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim import AdamW

from models.encoder.families import family_of
from models.encoder.load import read_tokenizer
from models.encoder.marks import marks_of
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
from models.encoder.teacher import EncoderTeacher
from models.encoder.vocabulary import cut_vocabulary, numbers_of, with_prefix
from models.errors import BadArtifact
from models.guidance import Guidance
from models.network import FeedbackClassifier
from models.rows import LabelledText
from models.train import (
    Encoded,
    Student,
    TrainingPlan,
    batches_of,
    encode_rows,
    guided_loss,
    linear_schedule,
    mean_weights,
    optimise,
    pad,
)

DONE, CHECKPOINT = "student.pt", "student-checkpoint.pt"
SHOWN = 1_000  # texts by which neurons are chosen
TRAINING = TrainingPlan(
    epochs=5,
    vocabulary=40_000,
    masked_weight=0.0,
    soft_weight=0.7,
    teacher_share=0.8,
    alone_weight=0.5,
    state_weight=1.0,
)
"""What differs for such a student from one that is trained from scratch: it can become like its teacher in every state.

Its pieces need not be guessed to be known.
"""


@dataclass(frozen=True)
class OwnPlan:
    """What a student keeps of its teacher, and how that is trained; everything else is in its `TrainingPlan`.

    `layers`: numbers of the teacher's layers, from 0, ascending. `neurons`: of each layer's feed-forward part, those
    that say most (see `narrow`); None = all. `others`: pieces that do not depend on the training texts (see
    `cut_vocabulary`). `body_rate`: of layers and embeddings; `head_rate`: of the heads. `balance`: of families and
    languages, see `epoch_rows`.
    """

    layers: tuple[int, ...] = (0, 1, 2)
    neurons: int | None = None
    others: int = 8_000
    body_rate: float = 2e-4
    head_rate: float = 1e-3
    balance: float = 0.5
    steps_per_checkpoint: int = 200
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Of a folder for what belongs to these layers."""
        return "layers-" + "-".join(map(str, self.layers)) + (f"-of-{self.neurons}" if self.neurons else "")


def student_tokenizer(
    rows: list[LabelledText],
    init: Path,
    work: Path,
    plan: TrainingPlan,
    own: OwnPlan = OwnPlan(),
    prefix: str = "",
) -> Tokenizer:
    """The tokenizer in `work`, cut from the encoder's for the rows' texts if there is none yet.

    It puts the pieces of `prefix` before each text.

    Raises:
        BadArtifact: the encoder's folder holds no tokenizer that can be cut.
    """
    file = work / "tokenizer.json"
    if not file.exists():
        texts = (prefix + row.text for row in rows)
        cut = cut_vocabulary(read_tokenizer(init), texts, plan.vocabulary, own.others)
        if prefix:
            cut = with_prefix(cut, prefix)
        cut.no_padding()
        cut.enable_truncation(plan.max_length)
        work.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".partial")
        cut.save(str(temporary))
        temporary.replace(file)
    return Tokenizer.from_file(str(file))


def require_layers(own: OwnPlan, there: int) -> None:
    """Raises BadArtifact: the layers are not ascending, or a teacher with `there` layers lacks one."""
    if not own.layers or list(own.layers) != sorted({*own.layers}) or own.layers[0] < 0 or own.layers[-1] >= there:
        raise BadArtifact(
            f"layers {own.layers} are not ascending numbers of a teacher of {there} layers. "
            f"Operator action: name layers from 0 to {there - 1}, each once."
        )


def new_student(
    teacher: EncoderTeacher, tokenizer: Tokenizer, plan: TrainingPlan, own: OwnPlan, texts: Sequence[str] = ()
) -> Student:
    """Layers, embeddings and heads of a trained teacher, which is as it was afterwards.

    Args:
        teacher: trained.
        tokenizer: of the student.
        plan: sizes and rates.
        own: what is kept.
        texts: by which neurons are chosen, where not all are kept.

    Raises:
        BadArtifact: it has fewer layers or neurons, or its vocabulary lacks pieces of the tokenizer.
    """
    require_layers(own, len(teacher.network.encoder.encoder.layer))
    torch.manual_seed(plan.seed)
    network = deepcopy(teacher.network).cpu()
    encoder = network.encoder
    if own.neurons is not None:
        given = [pad(ids, teacher.pad_id) for ids in _in_parts(teacher, texts)]
        narrow(network.eval(), given, own.neurons)
    _keep_pieces(encoder, tokenizer, teacher.tokenizer)
    encoder.encoder.layer = nn.ModuleList(encoder.encoder.layer[number] for number in own.layers)
    encoder.config.update({"num_hidden_layers": len(own.layers)})
    return Student(network, plan)


def _in_parts(teacher: EncoderTeacher, texts: Sequence[str], part: int = 32) -> Iterator[list[list[int]]]:
    """Pieces of the texts as the teacher reads them, some texts at once."""
    for begin in range(0, len(texts), part):
        batch = [teacher.prefix + text for text in texts[begin : begin + part]]
        yield [encoding.ids for encoding in teacher.tokenizer.encode_batch_fast(batch)]


def narrow(network: FeedbackClassifier, batches: Iterable[tuple[Tensor, Tensor]], neurons: int) -> None:
    """Leave the feed-forward part of each layer the neurons that add most to what leaves it.

    A neuron's part is the mean square of its activation times the squared norm of its weights to the output (the
    magnitude criterion of Molchanov et al. 2017, arXiv:1611.06440, taken on activations).

    Args:
        network: in evaluation mode; changed in place.
        batches: pieces and masks of texts, int64 (n, length) each.
        neurons: kept in each layer.

    Raises:
        BadArtifact: a layer has fewer.
    """
    layers = network.encoder.encoder.layer
    if neurons > (there := layers[0].intermediate.dense.out_features):
        raise BadArtifact(
            f"{neurons} neurons of the feed-forward parts cannot be kept, there are {there}. "
            f"Operator action: name at most {there}."
        )
    squares = [torch.zeros(there) for _ in layers]
    mask = torch.ones(1)

    def add(number: int, _module: nn.Module, _given: object, active: Tensor) -> None:
        squares[number] += (active.float() ** 2 * mask.unsqueeze(-1)).sum((0, 1))

    hooks = [layer.intermediate.register_forward_hook(partial(add, number)) for number, layer in enumerate(layers)]
    with torch.no_grad():
        for ids, mask in batches:  # the hooks read the mask
            network(ids, mask)
    for hook in hooks:
        hook.remove()
    for layer, square in zip(layers, squares, strict=True):
        into, out = layer.intermediate.dense, layer.output.dense
        kept = (square * out.weight.detach().square().sum(0)).topk(neurons).indices.sort().values
        into.weight, into.bias = nn.Parameter(into.weight.detach()[kept]), nn.Parameter(into.bias.detach()[kept])
        out.weight = nn.Parameter(out.weight.detach()[:, kept])
        into.out_features = out.in_features = neurons
    network.encoder.config.update({"intermediate_size": neurons})


def shipped_teacher(teacher: EncoderTeacher, tokenizer: Tokenizer, plan: TrainingPlan) -> Student:
    """A trained teacher as a student that has learned already, its pieces those of a tokenizer cut from its own.

    It answers as the teacher wherever the tokenizer cuts a text into the same pieces.

    Raises:
        BadArtifact: the teacher's vocabulary lacks pieces of the tokenizer.
    """
    _keep_pieces(teacher.network.encoder, tokenizer, teacher.tokenizer)
    return Student(teacher.network.cpu(), plan).eval()


def _keep_pieces(encoder: Any, tokenizer: Tokenizer, whole: Tokenizer) -> None:
    """Leave an encoder the embeddings of a tokenizer's pieces."""
    pad_id = marks_of(tokenizer).pad
    embeddings = encoder.embeddings.word_embeddings.weight.detach()[torch.from_numpy(numbers_of(tokenizer, whole))]
    encoder.embeddings.word_embeddings = nn.Embedding.from_pretrained(embeddings, freeze=False, padding_idx=pad_id)
    encoder.config.update({"vocab_size": len(embeddings), "pad_token_id": pad_id})


def train_student(
    rows: list[LabelledText],
    tokenizer: Tokenizer,
    teacher: EncoderTeacher,
    work: Path,
    plan: TrainingPlan,
    own: OwnPlan,
    guidance: Guidance,
    report: Report = print,
    pause: Pause = lambda: False,
) -> Student | None:
    """Distil into layers of the teacher's own; every `own.steps_per_checkpoint` steps what is needed to go on is kept.

    The loss is that of `models/train.py`, the result the mean of the last `plan.averaged_epochs` epochs' weights. A
    finished training is only loaded. One that was cut goes on from its last checkpoint and ends as one that was not cut
    (bit for bit with one thread).

    Args:
        rows: labelled texts, cleaned.
        tokenizer: of the student, see `student_tokenizer`.
        teacher: trained.
        work: folder for the state; one for each training.
        plan: sizes and rates; its layers, width, heads and `peak_rate` are not used.
        own: what is kept of the encoder.
        guidance: votes, soft labels and the teacher's states of the rows.
        report: takes lines of progress.
        pause: asked after each step; where it says yes, the state is kept and None is returned.

    Raises:
        BadArtifact: the teacher has fewer layers, or `work` the state of another training.
    """
    student = new_student(teacher, tokenizer, plan, own, [row.text for row in rows[:: len(rows) // SHOWN + 1]])
    mark = _mark(rows, tokenizer, plan, own, guidance, student)
    if (work / DONE).exists():
        load_trained(student, read_state(work / DONE, mark))
        return student
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(plan.threads)
    student.to(own.device)
    encoded = encode_rows(rows, tokenizer, plan)
    cells = [(family_of(row), row.lang) for row in rows]
    epochs = [_batches(encoded, cells, plan, own, epoch) for epoch in range(plan.epochs)]
    ends = np.cumsum([len(batches) for batches in epochs]).tolist()
    optimizer = AdamW(_groups(student, plan, own), betas=(0.9, 0.98), eps=1e-6, fused=True)
    schedule = linear_schedule(optimizer, ends[-1], plan.warm_up)
    training = Resumable(
        "student", work / CHECKPOINT, mark, student, optimizer, schedule, ends[-1], own.steps_per_checkpoint, report,
        pause,
    )  # fmt: skip

    def after(step: int) -> None:
        if step in ends:
            write_state(work / f"epoch-{ends.index(step) + 1}.pt", {"network": trained(student)})

    begun = training.resume()
    batches = seeded((batch for epoch in epochs for batch in epoch), plan.seed, begun)
    loss_of = partial(guided_loss, student, encoded, plan, marks_of(tokenizer), guidance)
    if not training.run(optimise(student, batches, loss_of, optimizer, schedule), begun, after):
        return None
    averaged = mean_weights(work, range(max(1, plan.epochs - plan.averaged_epochs + 1), plan.epochs + 1))
    write_state(work / DONE, {"trained": averaged, "mark": mark})
    for file in (work / CHECKPOINT, *work.glob("epoch-*.pt")):
        file.unlink(missing_ok=True)
    student.cpu()
    load_trained(student, {"trained": averaged})
    return student


def _batches(
    encoded: Encoded, cells: list[tuple[str, str]], plan: TrainingPlan, own: OwnPlan, epoch: int
) -> list[NDArray[np.int64]]:
    """Row numbers of an epoch's batches."""
    drawn = epoch_rows(cells, own.balance, plan.seed * 1_000 + epoch)
    of_epoch = replace(encoded, ids=[encoded.ids[row] for row in drawn])
    return [drawn[places] for places in batches_of(of_epoch, plan, random.Random(plan.seed * 1_000 + epoch))]


def _groups(student: Student, plan: TrainingPlan, own: OwnPlan) -> list[dict[str, object]]:
    """Weight decay for the matrices of layers and heads; a piece that a batch lacks must not fade."""
    encoder = student.network.encoder
    embeddings = encoder.embeddings.word_embeddings.weight
    body = {parameter for parameter in encoder.parameters() if parameter.dim() > 1} - {embeddings}
    vectors = {parameter for parameter in encoder.parameters() if parameter.dim() <= 1} | {embeddings}
    groups = []
    for named, rate, decay in (
        (body, own.body_rate, plan.weight_decay),
        (vectors, own.body_rate, 0.0),
        ({*student.parameters()} - body - vectors, own.head_rate, 0.0),
    ):
        parameters = [parameter for parameter in student.parameters() if parameter in named]  # in a stable order
        groups.append({"params": parameters, "lr": rate, "weight_decay": decay})
    return groups


def _mark(
    rows: list[LabelledText],
    tokenizer: Tokenizer,
    plan: TrainingPlan,
    own: OwnPlan,
    guidance: Guidance,
    student: Student,
) -> str:
    """What a state belongs to: rows, vocabulary, plans (device and threads apart), guidance and teacher."""
    settings = (replace(plan, threads=0), replace(own, device="", steps_per_checkpoint=0))
    network = student.network
    guided = (guidance.votes, guidance.topic_votes, guidance.soft, guidance.soft_topic, guidance.states)
    return mark_of(
        rows, repr(settings).encode(), tokenizer.to_str().encode(),
        sample_of(network.encoder.embeddings.word_embeddings.weight), sample_of(network.sentiment.weight),
        *(np.ascontiguousarray(given).tobytes() for given in guided if given is not None),
    )  # fmt: skip
