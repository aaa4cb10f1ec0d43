"""The layout of a model's counts."""

from models.classifier import ModelInfo
from streams.pipeline.count.cells import CellLayout


def layout_of(info: ModelInfo) -> CellLayout:
    """How the counts of a model's answers lie."""
    return CellLayout(info.topics, info.sentiments, tuple(info.languages))
