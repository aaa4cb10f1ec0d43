"""The methods that are judged on a family left out, and their answers, which are kept: nothing is trained twice."""

import gzip
import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np

from models.baseline import pooled_answers
from models.encoder.answers import ANSWERS, Probabilities, read_answers, write_answers
from models.encoder.families import Fold
from models.encoder.teacher import EncoderPlan, train_encoder
from models.errors import BadArtifact
from models.labels import SENTIMENTS
from models.onnx import load_onnx_classifier
from models.release import ReleasePlan, release
from models.rows import LabelledText

Report = Callable[[str], object]


@dataclass(frozen=True)
class Contest:
    """Where and how methods are trained.

    `init`: folder of the encoder. `work`: one folder for each family and method in it. `encoder`, `today`: plans of the
    teacher and of the pipeline that made the shipped model (without a teacher: its body is not at hand here).
    """

    init: Path
    work: Path
    encoder: EncoderPlan = field(default_factory=EncoderPlan)
    today: ReleasePlan = field(default_factory=ReleasePlan)
    report: Report = print
    pause: Callable[[], bool] = lambda: False

    def answers(self, method: str, fold: Fold, name: str = "") -> Probabilities | None:
        """Probabilities (n, 3) of a fold's judged rows, from an earlier call if there are; None = paused.

        Args:
            method: `encoder`, `svc` (its probabilities are 0 and 1) or `today`.
            fold: rows to train on and to judge.
            name: under which the answers are kept; default: the method's.

        Raises:
            BadArtifact: answers of that name came of another plan or other rows.
        """
        folder = self.work / fold.name / (name or method)
        settings = {
            "encoder": replace(self.encoder, device="", threads=0, steps_per_checkpoint=0),
            "svc": "",
            "today": self.today,
        }[method]
        plan = hashlib.sha256(repr(settings).encode()).hexdigest()
        if (folder / ANSWERS).exists():
            kept, of = read_answers(folder, fold)
            if of != plan:
                raise BadArtifact(
                    f"{folder} holds answers of another plan. Operator action: give --name, or delete the folder."
                )
            return kept
        self.report(f"{fold.name}: {name or method}, {len(fold.training)} rows to train, {len(fold.judged)} to judge")
        folder.mkdir(parents=True, exist_ok=True)
        answered = {"encoder": self._encoder, "svc": self._svc, "today": self._today}[method](fold, folder)
        if answered is not None:
            write_answers(folder, fold, answered, plan)
        return answered

    def _encoder(self, fold: Fold, folder: Path) -> Probabilities | None:
        teacher = train_encoder(fold.training, self.init, folder, self.encoder, self.report, self.pause)
        return None if teacher is None else teacher.predict([row.text for row in fold.judged]).sentiment

    def _svc(self, fold: Fold, _: Path) -> Probabilities:
        return np.eye(len(SENTIMENTS), dtype=np.float32)[pooled_answers(fold.training, fold.judged)]

    def _today(self, fold: Fold, folder: Path) -> Probabilities:
        data, model = folder / "data", folder / "model"
        data.mkdir(exist_ok=True)
        _write(data / "feedback_train.jsonl.gz", fold.training)
        for name in ("dev", "test"):  # the card needs a test set; it is not looked at
            _write(data / f"feedback_{name}.jsonl.gz", fold.development)
        shutil.rmtree(model, ignore_errors=True)  # of a call that was cut while it exported
        release(data, folder / "work", model, None, self.today, self.report)
        classifier = load_onnx_classifier(model, "cpu", self.today.student.threads)
        answered = classifier.classify([row.text for row in fold.judged], [row.lang for row in fold.judged])
        return answered.sentiment


def _write(file: Path, rows: Iterable[LabelledText]) -> None:
    with gzip.open(file, "wb") as lines:
        lines.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
