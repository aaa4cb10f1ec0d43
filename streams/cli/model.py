"""Commands around the model: train, evaluate, export, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from marketpulse.contract.words import count_of
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.cli.settings import load_settings
from streams.cli.views.evaluations import gap, print_evaluation
from streams.errors import BadInput

if TYPE_CHECKING:
    from rich.text import Text

    from models.classifier import Classifier
    from models.compare import Comparison
    from models.rows import LabelledText

Device = Literal["auto", "cpu", "cuda", "tensorrt"]  # as in models/load.py, which loads NumPy
Rows = Annotated[Path, typer.Argument(help="JSONL(.gz) with text, lang, label, and if you like topic, source.")]
OfDevice = Annotated[Device, typer.Option(help="Where the model runs.")]

model_app = typer.Typer(no_args_is_help=True, help="The classifier: train, evaluate, export, compare.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(model_app, name="model", rich_help_panel=output.DEVELOP)


@model_app.command("evaluate")
def model_evaluate(
    file: Rows,
    folder: Annotated[Path | None, typer.Option(help="Model folder; default: the one in use.")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Training rows (JSONL): also fit TF-IDF + linear SVM, and compare.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Write macro-F1 per language as bars to this HTML file.")] = None,
    device: OfDevice = "auto",
    as_json: Json = False,
) -> None:
    """How well the model answers labelled texts: per language and source, with calibration and speed.

    ```
    marketpulse model evaluate feedback_test.jsonl.gz \\
      --baseline feedback_train.jsonl.gz
    ```
    """
    from models.evaluate import evaluate

    classifier = _load(folder, device)
    with progress("classifying"):
        found = evaluate(classifier, file)
        against = None if baseline is None else _against_baseline(classifier, file, baseline)
    if picture is not None:
        from streams.cli.views.charts import macro_f1_bars

        second = {} if against is None else {name: one.second for name, one in against.languages.items()}
        picture.write_text(macro_f1_bars({name: one.macro_f1 for name, one in found.languages.items()}, second))
    if as_json:
        content = msgspec.to_builtins(found) | {"model": classifier.info.id, "device": classifier.info.device}
        output.print_json(content if against is None else content | {"baseline": msgspec.to_builtins(against)})
        return
    print_evaluation(found, against, classifier.info.sentiments)


def _load(folder: Path | None, device: Device) -> "Classifier":
    from models.load import load_classifier

    settings = load_settings()
    kind = settings.model if folder is None else "onnx"
    sha256 = settings.model_sha256 if folder is None else None
    return load_classifier(kind, folder or settings.model_folder, device, settings.threads, sha256)


def _against_baseline(classifier: "Classifier", file: Path, baseline: Path) -> "Comparison":
    from models.evaluate import labelled

    try:
        from models.baseline import baseline_answers
    except ImportError as error:
        raise BadInput(
            "the baseline needs scikit-learn. Operator action: install the extra `train`, or leave --baseline out."
        ) from error
    rows = labelled(file)
    return _compared(classifier, rows, baseline_answers(labelled(baseline), rows))


def _compared(classifier: "Classifier", rows: "list[LabelledText]", second: Any) -> "Comparison":
    from models.compare import compare
    from models.evaluate import numbers

    truth = numbers([row.label for row in rows], classifier.info.sentiments)
    return compare(truth, _answers(classifier, rows), second, [row.lang for row in rows])


def _answers(classifier: "Classifier", rows: "list[LabelledText]") -> Any:
    answered = classifier.classify([row.text for row in rows], [row.lang for row in rows])
    return answered.sentiment.argmax(axis=1)


@model_app.command("compare")
def model_compare(
    first: Annotated[Path, typer.Argument(help="Model folder.")],
    second: Annotated[Path, typer.Argument(help="Model folder.")],
    file: Rows,
    device: OfDevice = "auto",
    as_json: Json = False,
) -> None:
    """Is the first model better than the second on the same rows? Paired bootstrap of the difference of macro-F1.

    ```
    marketpulse model compare build/new \\
      models/artifacts/marketpulse-small feedback_dev.jsonl.gz
    ```
    """
    from models.evaluate import labelled

    with progress("classifying"):
        rows = labelled(file)
        found = _compared(_load(first, device), rows, _answers(_load(second, device), rows))
    if as_json:
        output.print_json(msgspec.to_builtins(found) | {"verdict": found.mean.verdict})
        return
    table = Table("language", "n", "first", "second", "difference", "95 % from", "to", "verdict")
    for language, one in [*found.languages.items(), ("mean", found.mean)]:
        scores = (f"{value:.4f}" for value in (one.first, one.second))
        gaps = (f"{value:+.4f}" for value in (one.difference, one.low, one.high))
        table.add_row(output.cell(language), f"{one.n:,}", *scores, *gaps, one.verdict)
    output.console().print(table)


@model_app.command("export")
def model_export(
    source: Annotated[str, typer.Argument(help="Folder or hub id of a text-classification checkpoint.")],
    out: Annotated[Path, typer.Option(help="Model folder to make.")],
    precision: Annotated[Literal["fp32", "fp16", "int8"], typer.Option(help="int8 for CPUs, fp16 for CUDA.")] = "fp32",
    labels: Annotated[
        str | None,
        typer.Option(
            help="Meaning of its labels, in their order: a sentiment (may repeat) or 1 to 5 stars each, for example "
            "`1 star,2 stars,3 stars,4 stars,5 stars`. Probabilities of labels with one sentiment are summed."
        ),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="JSONL with real texts for int8's ranges and the comparison; default: composed.")
    ] = None,
    development: Annotated[
        Path | None, typer.Option(help="Labelled rows (JSONL): also calibrate, evaluate, write a card.")
    ] = None,
    max_length: Annotated[int, typer.Option(min=8, max=512, help="Tokens a text is cut to.")] = 128,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch at the hub; default: its main branch.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring a Hugging Face sentiment checkpoint (needs the extra `train`): exported, compared with PyTorch, described.

    Three sentiments, or five stars: 1 and 2 are negative, 3 is neutral, 4 and 5 are positive. What gives no three
    sentiments is refused (exit code 2); after an error nothing is left at --out. Weights are read from safetensors
    only, and no code of the checkpoint is run.

    ```
    marketpulse model export cardiffnlp/twitter-xlm-roberta-base-sentiment \\
      --out build/xlmt --precision fp16
    marketpulse model export nlptown/bert-base-multilingual-uncased-sentiment \\
      --out build/stars --precision int8
    ```
    """
    try:
        from models.checkpoint import export_checkpoint
    except ImportError as error:
        raise BadInput("exporting needs PyTorch. Operator action: install the extra `train`.") from error
    from models.evaluate import labelled
    from models.manifest import load_manifest
    from streams.dev.bench.engine import bench_texts

    real = [row.text for row in labelled(texts)[:1_200]] if texts else bench_texts(300, None)
    named = None if labels is None else tuple(label.strip() for label in labels.split(","))
    with progress("exporting"):
        made = export_checkpoint(
            source, out, real, precision, named, max_length, development=development, report=output.note,
            revision=revision,
        )  # fmt: skip
    manifest = load_manifest(out)
    answer = {
        "folder": str(out), "id": made.info.id, "sha256": made.info.sha256, "precision": precision,
        "labels": manifest.labels,
    }  # fmt: skip
    if manifest.evaluation is not None:
        answer["mean_macro_f1"] = f"{manifest.evaluation.mean_macro_f1:.4f}"
    output.answer(answer, as_json, f"{out}: {made.info.id}, {precision}. Use it with MARKETPULSE_MODEL_FOLDER={out}")


@model_app.command("convert")
def model_convert(
    out: Annotated[Path, typer.Option(help="Model folder to make.")],
    folder: Annotated[Path | None, typer.Option(help="Folder of an int8 model; default: the one in use.")] = None,
    precision: Annotated[Literal["fp16", "fp32"], typer.Option(help="fp16 for CUDA.")] = "fp16",
    as_json: Json = False,
) -> None:
    """The int8 model in a precision that a GPU is fast in (needs the extra `train`).

    ```
    marketpulse model convert --out build/fp16
    ```
    """
    try:
        from models.convert import convert
    except ImportError as error:
        raise BadInput("converting needs onnx. Operator action: install the extra `train`.") from error
    with progress("converting"):
        made = convert(folder or load_settings().model_folder, out, precision)
    answer = {"folder": str(out), "id": made.info.id, "sha256": made.info.sha256, "precision": precision}
    output.answer(answer, as_json, f"{out}: {made.info.id}, {precision}. Use it with MARKETPULSE_MODEL_FOLDER={out}")


@model_app.command("shadow")
def model_shadow(as_json: Json = False) -> None:
    """How often the candidate of MARKETPULSE_CANDIDATE_FOLDER agrees with the model in use, on the live stream.

    ```
    marketpulse model shadow
    ```
    """
    from marketpulse.client.reader import Reader
    from marketpulse.contract.totals import SHADOW

    settings = load_settings()
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        totals = reader.snapshot().status.totals
    pairs = {name.removeprefix(SHADOW): n for name, n in totals.items() if name.startswith(SHADOW)}
    events = sum(pairs.values())
    if not events:
        raise BadInput("no worker runs a candidate. Operator action: set MARKETPULSE_CANDIDATE_FOLDER for workers.")
    agreed = sum(n for pair, n in pairs.items() if len(set(pair.split(">"))) == 1) / events
    content = {"events": events, "agreement": round(agreed, 4), "pairs": pairs}
    lines = [f"{pair.replace('>', ' -> '):24} {n:10,} {n / events:6.1%}" for pair, n in sorted(pairs.items())]
    output.answer(content, as_json, "\n".join([f"agreement {agreed:.1%} on {count_of(events, 'event')}", *lines]))


@model_app.command("promote")
def model_promote(
    candidate: Annotated[Path, typer.Argument(help="Model folder.")],
    file: Rows,
    force: Annotated[bool, typer.Option("--force", help="Even where it is not shown to be better.")] = False,
    as_json: Json = False,
) -> None:
    """Put a candidate in the place of the model in use (MARKETPULSE_MODEL_FOLDER) if it is better on labelled rows.

    The interval of the difference of mean macro-F1 must lie above 0. Workers take it when they are started again; their
    detectors warm up for an hour. What stood there is kept: `model rollback`.

    ```
    marketpulse model promote build/new feedback_dev.jsonl.gz
    ```
    """
    from models.evaluate import labelled
    from models.promote import promote

    settings = load_settings()
    with progress("comparing"):
        rows = labelled(file)
        found = _compared(_load(candidate, settings.device), rows, _answers(_load(None, settings.device), rows))
    if found.mean.verdict != "better" and not force:
        raise BadInput(
            f"the candidate is not shown to be better: {gap(found)}. "
            "Operator action: give more labelled rows, or --force if you have other reasons."
        )
    kept = promote(candidate, settings.model_folder)
    content = {"folder": str(settings.model_folder), "kept": str(kept), "difference": found.mean.difference}
    output.answer(content, as_json, f"{settings.model_folder} is now {candidate} ({gap(found)}); kept: {kept}")


@model_app.command("rollback")
def model_rollback(as_json: Json = False) -> None:
    """Exchange the model in use with the one before it.

    ```
    marketpulse model rollback
    ```
    """
    from models.promote import roll_back

    settings = load_settings()
    roll_back(settings.model_folder)
    output.answer(
        {"folder": str(settings.model_folder)}, as_json, f"{settings.model_folder} rolled back to the previous model"
    )


def explained(classifier: "Classifier", text: str, lang: str | None) -> list[dict[str, object]]:
    """Words of a text with their weights, for `classify --explain`."""
    from models.explain import explain

    return [{"word": one.word, "weight": one.weight} for one in explain(classifier, text, lang)[1]]


def shaded(words: list[dict[str, object]]) -> "Text":
    """The words with rich's colours: what carried the label stands out, what spoke against it is dim."""
    from rich.text import Text

    strongest = max((abs(float(str(one["weight"]))) for one in words), default=0.0) or 1.0
    shown = []
    for one in words:
        share = float(str(one["weight"])) / strongest
        style = "bold reverse" if share > 0.5 else "bold" if share > 0.2 else "dim" if share < -0.2 else ""
        shown.append(output.cell(one["word"], style))
    return Text(" ").join(shown)
