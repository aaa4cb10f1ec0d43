"""Outliers of activations moved into the weights before both are rounded (Xiao et al. 2023, arXiv:2211.10438).

Layer normalisation of a pre-trained BERT leaves a few channels many times as large as the others. One scale for all
channels would round the others away, so each channel of a linear layer's input is divided by a factor and its weights
are multiplied by it: the same product, of numbers that int8 holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

STRENGTH = 0.5


class Smoothed(nn.Module):
    """A linear layer with inputs divided by one factor a channel (channels,) and weights multiplied by it."""

    inverse: Tensor

    def __init__(self, linear: nn.Linear, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("inverse", 1 / factors)
        self.linear = deepcopy(linear)
        self.linear.weight.data.mul_(factors)

    def forward(self, states: Tensor) -> Tensor:
        """The linear layer's own answer."""
        answer: Tensor = self.linear(states * self.inverse)
        return answer


def smoothed(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], strength: float = STRENGTH) -> nn.Module:
    """A copy of a network that answers alike; every linear layer of its BERT layers is smoothed.

    Args:
        network: called with token ids and attention mask; its BERT layers are wherever in it.
        batches: of real texts, from which the largest activations are taken; of padding too, since it is computed.
        strength: 0 to 1, how much of the outliers is moved into the weights.
    """
    copied = deepcopy(network).eval()
    groups = [group for module in copied.modules() for group in _groups(module)]
    peaks: dict[nn.Linear, Tensor] = {}

    def seen(linear: nn.Linear, given: tuple[Tensor, ...], _: Tensor) -> None:
        largest = given[0].detach().abs().flatten(0, -2).amax(dim=0)
        peaks[linear] = torch.maximum(peaks[linear], largest) if linear in peaks else largest

    hooks = [linears[0].register_forward_hook(seen) for _, linears in groups]
    with torch.no_grad():
        for ids, mask in batches:
            copied(ids, mask)
    for hook in hooks:
        hook.remove()
    for places, linears in groups:
        weights = torch.stack([linear.weight.detach().abs().amax(dim=0) for linear in linears]).amax(dim=0)
        factors = peaks[linears[0]].clamp(min=1e-5) ** strength / weights.clamp(min=1e-5) ** (1 - strength)
        for (module, name), linear in zip(places, linears, strict=True):
            setattr(module, name, Smoothed(linear, factors.clamp(min=1e-5)))
    return copied


Place = tuple[nn.Module, str]


def _groups(layer: nn.Module) -> Iterator[tuple[Sequence[Place], Sequence[nn.Linear]]]:
    """Linear layers of a BERT layer with where they are; those of a group have the same input."""
    if not all(hasattr(layer, name) for name in ("attention", "intermediate", "output")):
        return
    own = layer.attention.self
    for places in (
        [(own, "query"), (own, "key"), (own, "value")],
        [(layer.attention.output, "dense")],
        [(layer.intermediate, "dense")],
        [(layer.output, "dense")],
    ):
        yield places, [getattr(module, name) for module, name in places]
