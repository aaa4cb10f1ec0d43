"""Make a model folder from labelled texts: votes, teacher, student, export, calibration, scores, card."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from models.batching import plan_batches
from models.calibrate import fit_calibration
from models.calibration import Calibration, apply_calibration
from models.card import SMALL, from_encoder
from models.characters import spellings
from models.encoder.marks import marks_of
from models.encoder.smoothing import smoothed
from models.encoder.states import Pause
from models.encoder.student import OwnPlan, require_layers, shipped_teacher, student_tokenizer, train_student
from models.encoder.teacher import EncoderPlan, EncoderTeacher, asked, train_encoder
from models.errors import BadArtifact
from models.evaluate import FREQUENT_TOPIC, Evaluation
from models.export import Precision, export
from models.finish import finish
from models.guidance import Guidance, load, mean_over_translations, narrowed, save, softmax
from models.labels import SENTIMENTS, TOPICS
from models.manifest import load_manifest, write_manifest
from models.network import NgramVotes, WithVotes
from models.rows import LabelledText, read_rows, translation_groups
from models.scores import macro_f1
from models.teacher import Answers, TeacherPlan, predict, train_teacher
from models.train import Student, TrainingPlan, encode_rows, pad, tokenizer_of, train
from models.unknown import untrained_pieces
from models.votes import SENTIMENT_BUCKETS, TOPIC_BUCKETS, VoteTable, fit_spelled_votes, out_of_fold

CALIBRATION_TEXTS = 1_200
MOST_CHANGED = 0.015  # share of sentiments that rounding may change in a student of the encoder's layers
VOTES_SHARPNESS = 2.0  # of votes as soft labels
VOTES_WEIGHTS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0)  # that are tried on the development set
Report = Callable[[str], object]


@dataclass(frozen=True)
class ReleasePlan:
    """Everything that decides what comes out; the defaults made the shipped model."""

    model_id: str = "marketpulse-small"
    student: TrainingPlan = field(default_factory=TrainingPlan)
    teacher: TeacherPlan = field(default_factory=TeacherPlan)
    encoder: EncoderPlan | None = None  # of a teacher that keeps its own tokenizer, in place of `teacher`
    own: OwnPlan | None = None  # of a student of that teacher's own layers, in place of one from scratch
    whole: bool = False  # the encoder's teacher is the model itself: only its vocabulary is cut
    sentiment_buckets: int = SENTIMENT_BUCKETS
    topic_buckets: int = TOPIC_BUCKETS
    precision: Precision = "int8"
    most_changed: float = 1.0  # share of texts whose sentiment rounding may change


def release(
    data: Path,
    work: Path,
    out: Path,
    init: Path | None = None,
    plan: ReleasePlan = ReleasePlan(),
    report: Report = print,
    pause: Pause = lambda: False,
    left_out: Mapping[str, Calibration] = MappingProxyType({}),
) -> Evaluation | None:
    """Leave a model folder in `out` and return its evaluation on the development set; None = paused, call it again.

    Args:
        data: folder with `feedback_train`, `feedback_dev` and `feedback_test`, each `.jsonl.gz`.
        work: folder for what is made on the way; whatever is there already is not made again.
        out: the model folder to make.
        init: folder of a pre-trained BERT that becomes the teacher; None = no teacher.
        plan: sizes and rates.
        report: takes lines of progress.
        pause: asked while an encoder's teacher is trained and asked, and while a student of its layers is trained.
        left_out: calibration that comes on top of that of the development set, see `models/encoder/left_out.py`.

    Raises:
        BadArtifact: `init` holds no such encoder, `work` the state of another training, or answers change too much.
    """
    work.mkdir(parents=True, exist_ok=True)
    rows = list(read_rows(data / "feedback_train.jsonl.gz"))
    own = plan.own
    if own is None and not plan.whole:
        place = work
        tokenizer = tokenizer_of(rows, place, plan.student)
    else:
        assert init is not None  # whose pieces else
        if own is not None:
            assert plan.encoder is not None  # whose layers else
            require_layers(own, plan.encoder.layers)  # what cannot be made is refused before hours of teaching
        place = work / f"pieces-{plan.student.vocabulary}{'-whole' if plan.whole else ''}"  # other pieces, other votes
        prefix = plan.encoder.prefix if plan.whole and plan.encoder is not None else ""
        tokenizer = student_tokenizer(rows, init, place, plan.student, own or OwnPlan(), prefix)
    tables = _tables(rows, tokenizer, place, plan, report)
    student = _student(data, rows, tokenizer, work, place, init, plan, report, pause)
    if student is None:
        return None
    weights = _votes_weights(student, tokenizer, tables, list(read_rows(data / "feedback_dev.jsonl.gz")), plan)
    report(f"weights of the linear votes: sentiment {weights[0]}, topic {weights[1]}")
    votes = [NgramVotes(table.weights, table.idf, table.bias) for table in tables]
    network = WithVotes(student.network, votes[0], votes[1], (weights[0], weights[1])).eval()
    texts = [row.text for row in rows]
    chosen = random.Random(plan.student.seed).sample(texts, min(CALIBRATION_TEXTS, len(texts)))
    report("exporting")
    _exported(network, place / "tokenizer.json", out, chosen, plan, report)
    if own is not None or plan.whole:  # a vocabulary of a hundred languages, of which training had a few
        untrained = untrained_pieces(tokenizer, texts)
        write_manifest(out, msgspec.structs.replace(load_manifest(out), untrained=untrained))
    if plan.whole and plan.encoder is not None:
        description = from_encoder(range(plan.encoder.layers), tokenizer.get_vocab_size(), taught=False)
    else:
        description = SMALL if own is None else from_encoder(own.layers, tokenizer.get_vocab_size())
    evaluation = finish(out, data / "feedback_dev.jsonl.gz", data / "feedback_test.jsonl.gz", description, left_out)
    report(f"mean macro-F1 {evaluation.mean_macro_f1:.4f}, topic {evaluation.topic_macro_f1:.4f}")
    return evaluation


def _student(
    data: Path,
    rows: list[LabelledText],
    tokenizer: Tokenizer,
    work: Path,
    place: Path,
    init: Path | None,
    plan: ReleasePlan,
    report: Report,
    pause: Pause,
) -> Student | None:
    """The network that is shipped, trained; None = paused."""
    teacher = None
    if plan.encoder is not None:
        assert init is not None
        teacher = train_encoder(rows, init, work, plan.encoder, report, pause)
        if teacher is None:
            return None
        if plan.whole:
            return shipped_teacher(teacher, tokenizer, plan.student)
    guidance = _guidance(rows, tokenizer, work, place, init, teacher, plan, report, pause)
    if guidance is None:
        return None
    if plan.own is None:
        return train(data, work, plan.student, report, guidance)
    assert teacher is not None
    return train_student(
        rows, tokenizer, teacher, place / plan.own.name, plan.student, plan.own, guidance, report, pause
    )  # fmt: skip


def _exported(
    network: WithVotes, tokenizer_file: Path, out: Path, texts: list[str], plan: ReleasePlan, report: Report
) -> None:
    """A folder in the plan's precision.

    Where int8 changes too much in a student of the encoder's layers, it is tried with the feed-forward output of one
    layer in fp32, on the smoothed network, and with all these outputs in fp32; where that does too, only weights are
    rounded.
    """
    given = (tokenizer_file, out, plan.model_id, texts)
    length, changed = plan.student.max_length, plan.most_changed
    if plan.own is None or plan.precision != "int8":
        export(network, *given, plan.precision, length, changed)
        return
    layers = tuple(range(len(plan.own.layers)))
    tries: list[tuple[str, bool, tuple[int, ...]]] = [
        ("int8", False, ()),
        *((f"int8 with a part of layer {layer} in fp32", False, (layer,)) for layer in layers),
        ("int8 of the smoothed network", True, ()),
        ("int8 with a part of each layer in fp32", False, layers),
    ]
    for name, smoothing, exact in tries:
        try:
            rounded = smoothed(network, _calibrating(tokenizer_file, texts)) if smoothing else network
            export(rounded, *given, "int8", length, changed, exact)
            return
        except BadArtifact as error:
            report(f"{name} is not used: {error}")
    export(network, *given, "int8-weights", length, changed)


def _calibrating(tokenizer_file: Path, texts: list[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """Token ids and attention masks of the texts, in batches."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    for rows in plan_batches([*map(len, ids)], 1_024, 64):
        yield pad([ids[row] for row in rows], marks_of(tokenizer).pad)


def _votes_weights(
    student: Student,
    tokenizer: Tokenizer,
    tables: tuple[VoteTable, VoteTable],
    rows: list[LabelledText],
    plan: ReleasePlan,
) -> tuple[float, float]:
    """The weights that serve unseen texts best, of sentiment and of topic.

    Those learned in training are too low, because the network has seen the training rows and the votes have not.
    """
    encoded = encode_rows(rows, tokenizer, plan.student)
    languages = [row.lang for row in rows]
    answered = predict(student.network, tokenizer, [row.text for row in rows], pad_id=marks_of(tokenizer).pad)
    logits = [np.log(np.maximum(one, 1e-9)) for one in answered[:2]]
    votes = [table.votes(encoded.ids) for table in tables]

    def of_sentiment(weight: float) -> float:
        probabilities = softmax(logits[0] + weight * votes[0])
        calibration = fit_calibration(probabilities, encoded.label, languages)
        chosen = apply_calibration(probabilities, languages, calibration).argmax(axis=1)
        ours = {name: np.array(languages) == name for name in set(languages)}
        return float(np.mean([macro_f1(encoded.label[one], chosen[one], range(3)) for one in ours.values()]))

    known = encoded.topic >= 0
    often = np.flatnonzero(np.bincount(encoded.topic[known], minlength=len(TOPICS)) >= FREQUENT_TOPIC)

    def of_topic(weight: float) -> float:
        chosen = (logits[1] + weight * votes[1])[known].argmax(axis=1)
        return macro_f1(encoded.topic[known], chosen, often.tolist())

    return max(VOTES_WEIGHTS, key=of_sentiment), max(VOTES_WEIGHTS, key=of_topic)


def _tables(
    rows: list[LabelledText], tokenizer: Tokenizer, work: Path, plan: ReleasePlan, report: Report
) -> tuple[VoteTable, VoteTable]:
    """Linear votes of both heads, fitted on all rows."""
    found = []
    encoded, spelled = encode_rows(rows, tokenizer, plan.student), spellings(tokenizer)
    for name, truth, weight, classes, buckets in (
        ("sentiment", encoded.label, encoded.weight, len(SENTIMENTS), plan.sentiment_buckets),
        ("topic", encoded.topic, np.ones_like(encoded.weight), len(TOPICS), plan.topic_buckets),
    ):
        file = work / f"{name}-votes.npz"
        if not file.exists():
            report(f"fitting linear votes: {name}")
            chosen = np.flatnonzero(truth >= 0)
            ids = [encoded.ids[row] for row in chosen]
            table = fit_spelled_votes(ids, truth[chosen], weight[chosen], classes, buckets, spelled)
            votes = table.votes(encoded.ids)
            votes[chosen] = out_of_fold(ids, truth[chosen], weight[chosen], classes, buckets)
            np.savez(file, weights=table.weights, idf=table.idf, bias=table.bias, votes=votes)
        with np.load(file, allow_pickle=False) as content:
            found.append(VoteTable(content["weights"], content["idf"], content["bias"]))
    return found[0], found[1]


def _votes(file: Path) -> NDArray[np.float32]:
    with np.load(file, allow_pickle=False) as content:
        votes: NDArray[np.float32] = content["votes"].astype(np.float32)
    return votes


def _guidance(
    rows: list[LabelledText],
    tokenizer: Tokenizer,
    work: Path,
    place: Path,
    init: Path | None,
    teacher: EncoderTeacher | None,
    plan: ReleasePlan,
    report: Report,
    pause: Pause,
) -> Guidance | None:
    """Votes, soft labels and states; answers of the teacher are in `work`, the rest in `place`. None = paused."""
    file = place / "guidance.npz"
    if file.exists() and ((found := load(file)).states is not None or plan.own is None):
        return found
    votes = [_votes(place / f"{name}-votes.npz") for name in ("sentiment", "topic")]
    soft = [softmax(VOTES_SHARPNESS * one) for one in votes]
    answered: Answers | None = None
    embeddings = None
    texts = [row.text for row in rows]
    if teacher is not None:
        answered = asked(teacher, texts, work, report, pause)
        if answered is None:
            return None
    elif init is not None:
        learned = train_teacher(rows, tokenizer, init, work, plan.teacher, report)
        report("asking the teacher")
        answered = predict(learned, tokenizer, texts)
        weights = learned.encoder.embeddings.word_embeddings.weight.detach().numpy()
        embeddings = narrowed(weights, plan.student.width)
    if answered is not None:
        groups, share = translation_groups(rows), np.float32(plan.student.teacher_share)
        soft = [
            share * mean_over_translations(given, groups) + (1 - share) * of_votes
            for given, of_votes in zip(answered[:2], soft, strict=True)
        ]
    states = None if answered is None or plan.own is None else answered.states
    guidance = Guidance(votes[0], votes[1], soft[0], soft[1], embeddings, states)
    save(guidance, file)
    return guidance
