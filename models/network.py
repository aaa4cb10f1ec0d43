"""The trained network (PyTorch, training only): a small BERT encoder with a sentiment and a topic head."""

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel


class FeedbackClassifier(nn.Module):
    """BERT encoder; mean and first-token state joined; two linear heads.

    forward(input_ids, attention_mask): int64 (n, length) each; returns logits (n, 3) and (n, topics).
    """

    def __init__(self, config: BertConfig, sentiments: int, topics: int) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.2)
        self.sentiment = nn.Linear(2 * config.hidden_size, sentiments)
        self.topic = nn.Linear(2 * config.hidden_size, topics)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
        joined = self.dropout(torch.cat([hidden[:, 0], mean], dim=-1))
        return self.sentiment(joined), self.topic(joined)


class Probabilities(nn.Module):
    """What is exported: the classifier with both softmaxes inside the graph."""

    def __init__(self, classifier: FeedbackClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, 3) and (n, topics), float32."""
        sentiment, topic = self.classifier(input_ids, attention_mask)
        return sentiment.float().softmax(-1), topic.float().softmax(-1)
