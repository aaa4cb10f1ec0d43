"""The command that measures own topics on topics left out."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from streams.cli import output
from streams.cli.progress import progress
from streams.cli.settings import load_settings
from streams.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.topics.judge import Judgement


def add_commands(bench_app: typer.Typer) -> None:
    """Add this command to those that measure."""
    bench_app.command("topics")(bench_topics)


def bench_topics(
    data: Annotated[Path, typer.Option(help="Folder with feedback_dev and feedback_test (.jsonl.gz).")],
    folder: Annotated[Path | None, typer.Option(help="Model folder; default: the one in use.")] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="Encoder folder instead (`make encoder`): it knows no topics.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="How often five topics and their examples are drawn.")] = 10,
    general_recall: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of general texts left out that must stay `general`.")
    ] = 0.95,
    as_json: output.Json = False,
) -> None:
    """Own topics on labelled rows: five topics left out at a time, 20 examples each, judged on others' rows.

    Examples are of the development set and judged rows of the test set: no model was trained on either.
    With general texts as they are shipped, and with 200 rows of the development set (needs the extra `train`).

    ```
    marketpulse bench topics --data ./data --encoder build/encoder
    ```
    """
    try:
        from models.topics.judge import GENERAL_JUDGED, JUDGED, POOL, Remembered, judge_topics, rows_of
    except ImportError as error:
        raise BadInput("this needs scikit-learn. Operator action: install the extra `train`.") from error
    for name in ("dev", "test"):
        if not (data / f"feedback_{name}.jsonl.gz").exists():
            raise BadInput(f"{data} holds no feedback_{name}.jsonl.gz. Operator action: name the folder with --data.")
    states = Remembered(_states(folder, encoder))
    pool = rows_of(data / "feedback_dev.jsonl.gz", POOL, GENERAL_JUDGED)
    judged = rows_of(data / "feedback_test.jsonl.gz", JUDGED, GENERAL_JUDGED)
    with progress("judging"):
        found = {
            name: judge_topics(states, pool, judged, own, general_recall, draws)
            for name, own in (("shipped", False), ("own", True))
        }
    if as_json:
        output.print_json({"judged": len(judged), "general": msgspec.to_builtins(found)})
        return
    output.console().print(_table(found))


def _states(folder: Path | None, encoder: Path | None) -> "Callable[..., Any]":
    """What gives states of texts."""
    if encoder is not None:
        from models.encoder.proof import embedder
        from models.topics.states import in_slices

        return in_slices(embedder(encoder))
    import onnx

    from models.onnx import load_onnx_classifier
    from models.topics.graph import with_state
    from models.topics.states import states_of

    settings = load_settings()
    named = folder or settings.model_folder
    content = with_state(onnx.load(str(named / "model.onnx"))).SerializeToString()
    classifier = load_onnx_classifier(named, "cpu", settings.threads)
    return partial(states_of, content, classifier, threads=settings.threads)


def _table(found: "dict[str, Judgement]") -> Table:
    table = Table("general texts", "topics", "F1", "general-recall", "others that are general")
    for name, judgement in found.items():
        for draw in judgement.draws:
            figures = (f"{value:.3f}" for value in (draw.f1, draw.general_recall, draw.others_general))
            table.add_row(name, output.cell(", ".join(draw.topics)), *figures)
        means = (f"{value:.3f}" for value in (judgement.f1, judgement.general_recall, judgement.others_general))
        table.add_row(name, "mean", *means)
    return table
