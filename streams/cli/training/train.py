"""The command that makes a model folder from labelled texts."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli import output
from streams.cli.training.options import Minutes, OfDevice, Threads, device_of, pause_after, without_train
from streams.errors import BadInput

if TYPE_CHECKING:
    from models.calibration import Calibration


def add_commands(model_app: typer.Typer) -> None:
    """Add this command to those around the model."""
    model_app.command("train")(model_train)


def model_train(
    data: Annotated[Path, typer.Option(help="Folder with feedback_train, _dev and _test (.jsonl.gz).")],
    out: Annotated[Path, typer.Option(help="Model folder to make.")],
    work: Annotated[Path, typer.Option(help="Working directory for checkpoints; training resumes from it.")] = Path(
        "build/model"
    ),
    init: Annotated[
        Path | None, typer.Option(help="Folder of a pre-trained BERT that teaches; default: no teacher.")
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(min=1, help="The teacher keeps its own tokenizer and its first N layers (`make encoder`)."),
    ] = None,
    student_layers: Annotated[
        str | None,
        typer.Option(
            help="Layers of the teacher that the student begins with, numbered from 0, for example 0,1,2,3; "
            "default: a student trained from scratch."
        ),
    ] = None,
    neurons: Annotated[
        int | None,
        typer.Option(min=1, help="Neurons that such a student keeps of each layer's feed-forward part; default: all."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="The teacher of --layers is the model itself; no student is trained.")
    ] = False,
    pieces: Annotated[
        int, typer.Option(min=20, help="Pieces of the encoder's vocabulary that such a student, or --whole, keeps.")
    ] = 40_000,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes of the student over the rows; default 3, with --student-layers 5."),
    ] = None,
    precision: Annotated[Literal["int8", "fp16"], typer.Option(help="int8 for CPUs, fp16 for CUDA.")] = "int8",
    name: Annotated[str, typer.Option(help="Model id in manifest, card and metrics.")] = "marketpulse-small",
    families: Annotated[
        Path | None,
        typer.Option(
            help="Working directory of `model families --method today`: its answers on families left out correct the "
            "class shares and the confidence of the development set."
        ),
    ] = None,
    minutes: Minutes = None,
    threads: Threads = 2,
    device: OfDevice = "auto",
    as_json: output.Json = False,
) -> None:
    """Train the small multilingual model from labelled texts (needs the extra `train`), and write its folder.

    With --student-layers its layers and embeddings begin as the teacher's; training then resumes at the last 200 steps,
    and --minutes pauses it, or the teacher. A student trained from scratch resumes by epoch, on a CPU, without pauses.

    ```
    marketpulse model train --data ./data --init ./MiniLM-L6 --out build/new
    marketpulse model train --data ./data --init build/encoder --layers 8 \\
      --student-layers 0,1,2,3 --out build/new
    marketpulse model train --data ./data --init build/encoder --layers 8 \\
      --whole --pieces 70000 --precision fp16 --out build/base
    ```
    """
    try:
        from models.encoder.student import TRAINING, OwnPlan
        from models.encoder.teacher import EncoderPlan
        from models.release import MOST_CHANGED, ReleasePlan, release
        from models.train import TrainingPlan
    except ImportError as error:
        raise without_train(error) from error
    if layers is not None and init is None:
        raise BadInput("--layers needs an encoder. Operator action: name its folder with --init (`make encoder`).")
    if student_layers is not None and layers is None:
        raise BadInput("--student-layers needs a teacher. Operator action: give its --init and --layers.")
    if neurons is not None and student_layers is None:
        raise BadInput("--neurons are a student's. Operator action: name its --student-layers.")
    if whole and (layers is None or student_layers is not None):
        raise BadInput("--whole ships a teacher. Operator action: give its --init and --layers, no --student-layers.")
    for part in ("train", "dev", "test"):
        if not (data / f"feedback_{part}.jsonl.gz").exists():
            raise BadInput(f"{data} holds no feedback_{part}.jsonl.gz. Operator action: name the folder with --data.")
    on = device_of(device)
    plan = ReleasePlan(
        model_id=name,
        student=TrainingPlan(epochs=epochs or TrainingPlan.epochs, threads=threads),
        encoder=None if layers is None else EncoderPlan(layers=layers, threads=threads, device=on),
        precision=precision,
    )
    if whole:
        plan = replace(
            plan, student=replace(TRAINING, vocabulary=pieces, threads=threads), whole=True, most_changed=MOST_CHANGED
        )
    if student_layers is not None:
        plan = replace(
            plan,
            student=replace(TRAINING, epochs=epochs or TRAINING.epochs, vocabulary=pieces, threads=threads),
            own=OwnPlan(_numbers(student_layers), neurons, device=on),
            most_changed=MOST_CHANGED,
        )
    left_out = {} if families is None else _left_out(data, families)
    found = release(data, work, out, init, plan, output.note, pause_after(minutes), left_out)
    if found is None:
        text = f"{work}: paused. Run the same command to continue."
        output.answer({"folder": str(out), "work": str(work), "done": False}, as_json, text)
        raise typer.Exit(1)
    answer = {
        "folder": str(out), "done": True, "mean_macro_f1": found.mean_macro_f1, "topic_macro_f1": found.topic_macro_f1,
    }  # fmt: skip
    output.answer(answer, as_json, f"{out}: mean macro-F1 {found.mean_macro_f1:.4f} on the development set")


def _left_out(data: Path, families: Path) -> "dict[str, Calibration]":
    from models.encoder.left_out import fit_left_out, left_out
    from models.encoder.protocol import Protocol
    from models.evaluate import labelled

    train, development = (labelled(data / f"feedback_{part}.jsonl.gz") for part in ("train", "dev"))
    return fit_left_out(left_out(Protocol(train, development), families, "today"))


def _numbers(named: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in named.split(","))
    except ValueError as error:
        raise BadInput(
            f"--student-layers {named!r} are no numbers. Operator action: name layers from 0, for example 0,1,2,3."
        ) from error
