"""Options that commands of training share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.errors import BadInput

ENCODER = Path("build/encoder")
Init = Annotated[Path, typer.Option(help="Encoder folder (`make encoder`).")]
Layers = Annotated[int, typer.Option(min=1, help="Layers of the encoder that are kept, from the first.")]
Epochs = Annotated[float, typer.Option(min=0.01, help="Passes over the rows.")]
Minutes = Annotated[
    float | None, typer.Option(min=0.1, help="Pause after N minutes, exit code 1; the same command continues.")
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of PyTorch on a CPU.")]
OfDevice = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where it is trained.")]


def without_train(error: ImportError) -> BadInput:
    """What is missing of the extra `train`, by its name."""
    return BadInput(f"this needs {error.name}, which is not installed. Operator action: install the extra `train`.")


def device_of(named: str) -> str:
    """PyTorch's name of the device; `auto` takes a GPU if there is one."""
    import torch

    return named if named != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def pause_after(minutes: float | None) -> Callable[[], bool]:
    """Whether these minutes have passed since now."""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    return lambda: end is not None and time.monotonic() > end
