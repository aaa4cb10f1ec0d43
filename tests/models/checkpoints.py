"""Tiny random checkpoints with their tokenizers, as the hub's are."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from models.train import TrainingPlan, train_tokenizer

ENDS = ("service", "screen", "delivery", "nothing else that I could say about it")
TEXTS = [
    f"{first} {second} and {third}"
    for first in ("good", "awful", "plain", "late")
    for second in ("app", "box", "price")
    for third in ENDS
]
LABELS = {0: "Positive", 1: "NEGATIVE", 2: "neutral"}
STARS = {0: "1 star", 1: "2 stars", 2: "3 stars", 3: "4 stars", 4: "5 stars"}
NAMELESS = {number: f"LABEL_{number}" for number in range(5)}
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def checkpoint(
    kind: str, folder: Path, labels: dict[int, str] = LABELS, problem_type: str | None = None, spread: int = 8
) -> tuple[str, PreTrainedModel, Tokenizer]:
    """A tiny random checkpoint with its tokenizer, as the hub's are; weights of `spread` times the usual size."""
    torch.manual_seed(5)
    tokenizer = train_tokenizer(iter(TEXTS * 3), TrainingPlan(vocabulary=200, max_length=64))
    pad = tokenizer.token_to_id("[PAD]")
    marks = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    common = {"vocab_size": tokenizer.get_vocab_size(), "pad_token_id": pad, "id2label": labels,
              "problem_type": problem_type, "label2id": {name: number for number, name in labels.items()}}  # fmt: skip
    network: PreTrainedModel
    if kind == "bert":
        network = BertForSequenceClassification(BertConfig(**SIZES, **common, max_position_embeddings=70))
    elif kind == "distilbert":
        sizes = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 70}
        network = DistilBertForSequenceClassification(DistilBertConfig(**sizes, **common))
    else:
        network = XLMRobertaForSequenceClassification(XLMRobertaConfig(**SIZES, **common, max_position_embeddings=70))
    for parameter in network.parameters():  # random weights of the usual spread answer all texts alike
        parameter.data.mul_(spread if parameter.dim() > 1 else 1)
    network.eval().save_pretrained(folder)
    return str(folder), network, tokenizer
