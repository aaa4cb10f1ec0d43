"""Make the shipped model from labelled texts: train, export, calibrate, evaluate, describe."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.evaluate import Evaluation
from models.finish import finish
from models.rows import read_rows

if TYPE_CHECKING:
    from models.train import TrainingPlan

MODEL_ID = "marketpulse-small"
CALIBRATION_TEXTS = 1_200


def release(
    data: Path, work: Path, out: Path, plan: "TrainingPlan | None" = None, report: Callable[[str], object] = print
) -> Evaluation:
    """Leave a model folder in `out` and return its evaluation on the development set.

    Args:
        data: folder with `feedback_train`, `feedback_dev` and `feedback_test`, each `.jsonl.gz`.
        work: folder for tokenizer and checkpoints; training resumes from what is there.
        out: the model folder to make.
        plan: sizes and rates; None = those of the shipped model.
        report: takes lines of progress.
    """
    # Here, so that `--help` and a check of imports need no PyTorch.
    from models.export import export
    from models.train import TrainingPlan, train

    plan = plan or TrainingPlan()
    network = train(data, work, plan, report)
    texts = [row.text for row in read_rows(data / "feedback_train.jsonl.gz")]
    chosen = random.Random(plan.seed).sample(texts, min(CALIBRATION_TEXTS, len(texts)))
    export(network, work / "tokenizer.json", out, MODEL_ID, chosen, max_length=plan.max_length)
    evaluation = finish(out, data / "feedback_dev.jsonl.gz", data / "feedback_test.jsonl.gz")
    report(f"mean macro-F1 {evaluation.mean_macro_f1:.4f}, topic {evaluation.topic_macro_f1:.4f}")
    return evaluation


def main(
    data: Annotated[Path, typer.Argument(help="Folder with feedback_train, _dev and _test (.jsonl.gz).")],
    work: Annotated[Path, typer.Argument(help="Folder for checkpoints; training resumes from them.")],
    out: Annotated[Path, typer.Argument(help="Model folder to make.")],
) -> None:
    """Train the small model and write its folder."""
    release(data, work, out, report=typer.echo)


if __name__ == "__main__":
    typer.run(main)
