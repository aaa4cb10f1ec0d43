"""Trainings that can be cut at any step: their state in one file, with a mark of what it belongs to."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from models.errors import BadArtifact
from models.rows import LabelledText

Report = Callable[[str], object]
Pause = Callable[[], bool]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Resumable:
    """A training of `total` steps whose state is kept in `file` every `every` steps and where it pauses.

    `name`: in lines of progress. `mark`: what the state belongs to (rows, plan, encoder); another one's is refused.
    `pause`: asked after each step; where it says yes, the state is kept and the training ends early.
    """

    name: str
    file: Path
    mark: str
    network: nn.Module
    optimizer: Optimizer
    schedule: LambdaLR
    total: int
    every: int
    report: Report
    pause: Pause

    def resume(self) -> int:
        """Load the state of an earlier call, if there is one; the number of steps done. Raises BadArtifact."""
        if not self.file.exists():
            return 0
        state = read_state(self.file, self.mark)
        load_trained(self.network, state)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        begun = int(str(state["step"]))
        self.report(f"{self.name} goes on at step {begun}/{self.total}")
        return begun

    def run(
        self, steps: Iterable[tuple[int, float]], begun: int, after: Callable[[int], object] = lambda step: None
    ) -> bool:
        """Go through the remaining steps of `optimise`; whether all were done.

        Args:
            steps: number of the step within this call, from 1, and running mean loss.
            begun: steps done before.
            after: called with the number of each step done, before the state is kept.
        """
        started = time.monotonic()
        for step, (done, running) in enumerate(steps, begun + 1):
            if done % 50 == 0:
                left = (time.monotonic() - started) / done * (self.total - step)
                self.report(f"{self.name} {step}/{self.total} loss {running:.4f} left {left:.0f} s")
            after(step)
            paused = step < self.total and self.pause()
            if paused or step % self.every == 0:
                state = {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict(), "step": step}
                write_state(self.file, state | {"trained": trained(self.network), "mark": self.mark})
            if paused:
                self.report(f"{self.name} paused at step {step}/{self.total}")
                return False
        return True


def seeded(batches: Iterable[Rows], seed: int, begun: int) -> Iterator[Rows]:
    """The batches from number `begun` on; PyTorch's seed is set before each, so dropout does not depend on cuts."""
    for step, batch in enumerate(islice(batches, begun, None), begun):
        torch.manual_seed(seed * 1_000_003 + step)
        yield batch


def trained(network: nn.Module) -> dict[str, Tensor]:
    """The weights that training changes, by name, on the CPU."""
    return {name: weight.detach().cpu() for name, weight in network.named_parameters() if weight.requires_grad}


def load_trained(network: nn.Module, state: dict[str, object]) -> None:
    """Weights of a state into a network, which is then in evaluation mode."""
    network.load_state_dict(state["trained"], strict=False)
    network.eval()


def mark_of(rows: Iterable[LabelledText], *parts: bytes) -> str:
    """SHA-256 of what a state belongs to: settings, encoder and what else decides a training, then its rows."""
    found = hashlib.sha256()
    for part in (*parts, *map(msgspec.json.encode, rows)):
        found.update(part)
    return found.hexdigest()


def sample_of(weights: Tensor) -> bytes:
    """Some hundred rows of a matrix, which differ from encoder to encoder."""
    return weights[:: max(1, len(weights) // 100)].detach().float().cpu().numpy().tobytes()


def read_state(file: Path, mark: str) -> dict[str, object]:
    """A state that `write_state` kept.

    Raises:
        BadArtifact: it cannot be read, or belongs to something else.
    """
    try:
        state: dict[str, object] = torch.load(file, weights_only=True)
        same = state["mark"] == mark
    except Exception as error:  # torch raises bare exceptions of many kinds, with advice that is not for here
        raise BadArtifact(f"{file} cannot be read: it is cut. Operator action: delete it, and train again.") from error
    if not same:
        raise BadArtifact(
            f"{file} is the state of another training (rows, plan or encoder). Operator action: name another working "
            "directory; answers that came from that training may be in this one."
        )
    return state


def write_state(file: Path, state: dict[str, object]) -> None:
    """Keep a state for `read_state`. The file appears whole or not at all: one that is cut would be lost."""
    temporary = file.with_suffix(".partial")
    torch.save(state, temporary)
    temporary.replace(file)
