"""Running a session with few fixed shapes and bound buffers: what a GPU wants, and what any device can do."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Answer = tuple[NDArray[np.float32], NDArray[np.float32]]

WIDTH_STEP = 16
INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("sentiment", "topic")
"""Names of every graph's inputs, int64 (n, width), and outputs, float32 (n, classes)."""


class BoundRunner:
    """Pads batches to few shapes, each warmed before the first text, and binds inputs and outputs.

    Kernels, algorithms and memory are chosen per shape when it comes first: with free shapes that would happen again
    and again under load. Widths are multiples of 16, rows powers of two; rows beyond the batch hold two marks and are
    cut off.
    """

    def __init__(
        self,
        session: Any,
        device: Literal["cuda", "cpu"],
        limits: tuple[int, int],
        max_length: int,
        marks: tuple[int, int],
        pad_id: int = 0,
    ) -> None:
        self._session = session
        self._device = device
        self._limits = limits
        self._max_length = max_length
        self._marks = marks
        self._pad_id = pad_id

    def __call__(self, ids: Ids, mask: Ids) -> Answer:
        """Probabilities of both heads, one row each."""
        rows, width = self.shape(*ids.shape)
        padded_ids, padded_mask = self._empty(rows, width)
        padded_ids[: len(ids)], padded_mask[: len(ids)] = self._pad_id, 0
        padded_ids[: len(ids), : ids.shape[1]] = ids
        padded_mask[: len(ids), : ids.shape[1]] = mask
        sentiment, topic = self._run(padded_ids, padded_mask)
        return sentiment[: len(ids)], topic[: len(ids)]

    def _empty(self, rows: int, width: int) -> tuple[Ids, Ids]:
        """Rows of nothing but two marks."""
        ids, mask = np.full((rows, width), self._pad_id, np.int64), np.zeros((rows, width), np.int64)
        ids[:, :2], mask[:, :2] = self._marks, 1
        return ids, mask

    def _run(self, ids: Ids, mask: Ids) -> list[NDArray[np.float32]]:
        binding = self._session.io_binding()
        for name, values in zip(INPUTS, (ids, mask), strict=True):
            binding.bind_cpu_input(name, values)
        for name in OUTPUTS:
            binding.bind_output(name, self._device)
        self._session.run_with_iobinding(binding)
        answers: list[NDArray[np.float32]] = binding.copy_outputs_to_cpu()
        return answers

    def shape(self, rows: int, width: int) -> tuple[int, int]:
        """The fixed shape that holds so many rows and tokens."""
        wide = min(self._max_length, -(-width // WIDTH_STEP) * WIDTH_STEP)
        return 1 << max(0, rows - 1).bit_length(), max(width, wide)

    def shapes(self) -> list[tuple[int, int]]:
        """Every shape that a batch within the limits can take."""
        tokens, most = self._limits
        widths = {self.shape(1, width)[1] for width in range(2, self._max_length + 1)}
        rows = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
        return [(n, width) for width in sorted(widths) for n in rows if n == 1 or n * (width - WIDTH_STEP) < 2 * tokens]

    def warm(self) -> int:
        """Run every shape once; how many there are."""
        for rows, width in self.shapes():
            self._run(*self._empty(rows, width))
        return len(self.shapes())
