"""Layers of a student that keep some neurons of their feed-forward part: those that say something."""

from pathlib import Path

import pytest

from tests.models.training import MARKS, WORDS, encoder_folder

# isort: split

import torch

from models.encoder.student import OwnPlan, narrow, new_student
from models.encoder.teacher import EncoderPlan, EncoderTeacher, new_teacher
from models.errors import BadArtifact
from models.train import TrainingPlan, pad

pytestmark = MARKS

TEXTS = [" ".join(words) for words in WORDS.values()]


@pytest.fixture
def teacher(tmp_path: Path) -> EncoderTeacher:
    folder = encoder_folder(tmp_path, [word for words in WORDS.values() for word in words])
    return new_teacher(folder, EncoderPlan(layers=2, max_length=24, threads=1))


def test_neurons_that_nothing_hears_go_first(teacher: EncoderTeacher) -> None:
    """Half of them have no weight to the output: without these the answers stay."""
    network = teacher.network.eval()
    batch = pad([encoding.ids for encoding in teacher.tokenizer.encode_batch_fast(TEXTS)], teacher.pad_id)
    for number, layer in enumerate(network.encoder.encoder.layer):
        layer.output.dense.weight.data[:, number::2] = 0
    there = network.encoder.config.intermediate_size
    with torch.no_grad():
        before = network(*batch)
        narrow(network, [batch], there // 2)
        after = network(*batch)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
    shapes = {layer.intermediate.dense.weight.shape[0] for layer in network.encoder.encoder.layer}
    assert ({there // 2}, there // 2) == (shapes, network.encoder.config.intermediate_size)


def test_a_student_keeps_so_many_and_its_teacher_all(teacher: EncoderTeacher) -> None:
    """In each layer that it keeps; more than there are cannot be kept."""
    there = teacher.network.encoder.config.intermediate_size
    student = new_student(teacher, teacher.tokenizer, TrainingPlan(), OwnPlan((0, 1), neurons=5), TEXTS)
    layers = student.network.encoder.encoder.layer
    assert [(5, 5)] * 2 == [(one.intermediate.dense.out_features, one.output.dense.weight.shape[1]) for one in layers]
    assert there == teacher.network.encoder.encoder.layer[0].intermediate.dense.out_features
    with pytest.raises(BadArtifact, match=f"name at most {there}"):
        new_student(teacher, teacher.tokenizer, TrainingPlan(), OwnPlan((0, 1), neurons=there + 1), TEXTS)
