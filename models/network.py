"""The trained network (PyTorch, training only): a small BERT with two heads, and tables of hashed n-grams beside it."""

from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from models.ngrams import FIRST_FACTOR, PAIR_OFFSET, SECOND_FACTOR, SINGLE_FACTOR, SINGLE_OFFSET


class FeedbackClassifier(nn.Module):
    """An encoder (a new BERT, or the one given); mean and first-token state joined; two linear heads.

    forward(input_ids, attention_mask): int64 (n, length) each; returns logits (n, 3) and (n, topics).
    """

    def __init__(self, config: BertConfig, sentiments: int, topics: int, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False) if encoder is None else encoder
        self.dropout = nn.Dropout(0.2)
        self.sentiment = nn.Linear(2 * config.hidden_size, sentiments)
        self.topic = nn.Linear(2 * config.hidden_size, topics)

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """States of every token (n, length, width), and of the text: first token and mean joined (n, 2 width)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
        return hidden, torch.cat([hidden[:, 0], mean], dim=-1)

    def heads(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads from texts' states."""
        joined = self.dropout(joined)
        return self.sentiment(joined), self.topic(joined)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads."""
        return self.heads(self.states(input_ids, attention_mask)[1])


class RoundedEmbedding(nn.Module):
    """Embeddings in int8 with one scale a piece: a quarter of the size, and no activation is rounded.

    forward(input_ids) returns float32 (n, length, width).
    """

    weights: Tensor
    scale: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        scale = weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-9) / 127
        self.register_buffer("weights", (weights / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Embeddings of pieces."""
        return self.weights[input_ids].to(torch.float32) * self.scale[input_ids]


def with_rounded_embeddings(network: nn.Module) -> nn.Module:
    """A copy of a network whose word embeddings, wherever it has some, are rounded."""
    copied = deepcopy(network)
    for module in list(copied.modules()):
        if isinstance(own := getattr(module, "word_embeddings", None), nn.Embedding):
            module.word_embeddings = RoundedEmbedding(own.weight.detach())
    return copied


class NgramVotes(nn.Module):
    """A table of linear votes inside the graph: int8 weights with one scale a class, int8 idf with one scale.

    forward(input_ids, attention_mask) returns votes (n, classes), as `models/votes.py` computes them up to rounding.
    """

    weights: Tensor
    idf: Tensor
    scale: Tensor
    idf_scale: Tensor
    bias: Tensor

    def __init__(self, weights: NDArray[np.float64], idf: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
        super().__init__()
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-9) / 127
        idf_scale = float(idf.max()) / 127
        self.buckets = len(idf)
        self.register_buffer("weights", torch.from_numpy(np.rint(weights / scale).astype(np.int8)))
        self.register_buffer("idf", torch.from_numpy(np.rint(idf / idf_scale).astype(np.int8)))
        self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))
        self.register_buffer("idf_scale", torch.tensor(idf_scale, dtype=torch.float32))
        self.register_buffer("bias", torch.from_numpy(bias.astype(np.float32)))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Votes of each text."""
        first, second = input_ids[:, :-1], input_ids[:, 1:]
        pairs = (first * FIRST_FACTOR + second * SECOND_FACTOR + PAIR_OFFSET) % self.buckets
        singles = (second * SINGLE_FACTOR + SINGLE_OFFSET) % self.buckets
        pair_there = attention_mask[:, 1:]
        single_there = nn.functional.pad(attention_mask[:, 2:], (0, 1))  # without the mark at the end
        found = torch.cat([singles, pairs], dim=1)
        there = torch.cat([single_there, pair_there], dim=1).to(torch.float32)
        summed = (self.weights[found].to(torch.float32) * there.unsqueeze(-1)).sum(1) * self.scale
        idf = self.idf[found].to(torch.float32) * self.idf_scale
        norm = (idf * idf * there).sum(1).clamp(min=1e-9).sqrt()
        return summed / norm.unsqueeze(-1) + self.bias


class WithVotes(nn.Module):
    """A network's logits plus weighted linear votes, for both heads."""

    def __init__(
        self, network: nn.Module, sentiment: NgramVotes, topic: NgramVotes, weights: tuple[float, float]
    ) -> None:
        super().__init__()
        self.network = network
        self.sentiment_votes = sentiment
        self.topic_votes = topic
        self.weights = weights

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads."""
        sentiment, topic = self.network(input_ids, attention_mask)
        return (
            sentiment.float() + self.weights[0] * self.sentiment_votes(input_ids, attention_mask),
            topic.float() + self.weights[1] * self.topic_votes(input_ids, attention_mask),
        )


class Probabilities(nn.Module):
    """What is exported: the classifier with both softmaxes inside the graph."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, 3) and (n, topics), float32."""
        sentiment, topic = self.classifier(input_ids, attention_mask)
        return sentiment.float().softmax(-1), topic.float().softmax(-1)
