"""The command that gives a model own topics."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from marketpulse.files import Unreadable, read_json
from streams.cli import output
from streams.cli.progress import progress
from streams.cli.settings import load_settings
from streams.errors import BadInput

if TYPE_CHECKING:
    from models.topics.make import Made


def add_commands(model_app: typer.Typer) -> None:
    """Add this command to those around the model."""
    model_app.command("topics")(model_topics)


def model_topics(
    file: Annotated[Path, typer.Argument(help="TOML file of topics: name, sentence, up to 20 examples each.")],
    out: Annotated[Path, typer.Option(help="Model folder to make.")],
    folder: Annotated[Path | None, typer.Option(help="Model folder to start from; default: the one in use.")] = None,
    general: Annotated[
        Path | None,
        typer.Option(help="JSONL with `text`: 30 to 2,000 of your texts about none of the topics; default: shipped."),
    ] = None,
    general_recall: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of general texts left out that must stay `general`.")
    ] = 0.95,
    name: Annotated[str | None, typer.Option(help="Model id; default: that of --folder with -topics.")] = None,
    as_json: output.Json = False,
) -> None:
    """Give a model topics of yours instead of those it has (needs the extra `train`; about a minute).

    A linear head on the state of the model's encoder; what is about none of the topics is `general`. Sentiments stay as
    they are.

    ```
    marketpulse model topics topics.toml \\
      --general general.jsonl --out build/topics
    ```
    """
    try:
        from models.topics.make import make_topics
    except ImportError as error:
        raise BadInput("own topics need onnx and scikit-learn. Operator action: install the extra `train`.") from error
    from models.topics.file import load_topics

    topics = load_topics(file)
    texts = [] if general is None else _texts(general)
    settings = load_settings()
    with progress("fitting"):
        made = make_topics(folder or settings.model_folder, out, topics, texts, general_recall, name, settings.threads)
    if as_json:
        output.print_json(_content(made, out))
        return
    output.console().print(_table(made))
    output.say(f"{out}: {made.classifier.info.id}. Use it with MARKETPULSE_MODEL_FOLDER={out}")


class _Text(msgspec.Struct):
    text: str


def _texts(file: Path) -> list[str]:
    """Texts of a JSONL file. Raises BadInput."""
    try:
        lines = file.read_bytes().splitlines()
        return [read_json(line, _Text).text for line in lines if line.strip()]
    except (OSError, Unreadable) as error:
        raise BadInput(f"{file} cannot be read: {error}. Operator action: give JSONL with `text`.") from error


def _content(made: "Made", out: Path) -> dict[str, object]:
    info, confusion = made.classifier.info, made.fit.confusion()
    rows = zip(info.topics, _scores(confusion), strict=True)
    topics = {topic: {"left_out": n, "recall": recall, "precision": right} for topic, (n, recall, right) in rows}
    return {"folder": str(out), "id": info.id, "sha256": info.sha256, "topics": topics, "confusion": confusion}


def _table(made: "Made") -> Table:
    table = Table(
        "topic", "texts left out", "recall", "precision", "taken for", title="Of examples left out of the fit"
    )
    confusion, names = made.fit.confusion(), made.classifier.info.topics
    for number, (n, *shares) in enumerate(_scores(confusion)):
        wrong = [count if other != number else 0 for other, count in enumerate(confusion[number])]
        most = names[wrong.index(max(wrong))] if any(wrong) else ""
        shown = ("" if share is None else f"{share:.2f}" for share in shares)
        table.add_row(output.cell(names[number]), f"{n:,}", *shown, output.cell(most))
    return table


def _scores(confusion: list[list[int]]) -> list[tuple[int, float | None, float | None]]:
    from models.topics.card import scores_of

    return [(sum(row), *scores_of(confusion, number)) for number, row in enumerate(confusion)]
