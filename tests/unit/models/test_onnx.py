"""The shipped model on ONNX Runtime: answers depend on the text alone."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from models.bound import BoundRunner
from models.classifier import Predictions
from models.errors import BadOutput, DeviceFailed, DeviceMissing
from models.labels import SENTIMENTS, TOPICS
from models.manifest import load_manifest
from models.onnx import BATCH_LIMITS, MARKS, OnnxClassifier, load_onnx_classifier
from tests.unit.models.conftest import SHIPPED, TEXTS

HOSTILE = [
    "x" * 1_000_000,
    "\x1b[2J\x1b[31m",
    "\ud800\udc00\ud83d",
    "\x00\x01",
    "🏴‍☠️" * 5_000,
    "",
    " \t\n",
    "&#x110000;",
]
LANGUAGES = [None] * len(TEXTS)


def largest_difference(one: Predictions, other: Predictions) -> float:
    return float(max(np.abs(one.sentiment - other.sentiment).max(), np.abs(one.topic - other.topic).max()))


def test_neighbours_do_not_matter(shipped: OnnxClassifier) -> None:
    """A text alone and among others, short or long, is answered alike within 0.001."""
    together = shipped.classify(TEXTS, LANGUAGES)
    alone = [shipped.classify([text], [None]) for text in TEXTS]
    joined = Predictions(np.concatenate([a.sentiment for a in alone]), np.concatenate([a.topic for a in alone]))
    assert largest_difference(together, joined) <= 0.001


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations(range(len(TEXTS))))
def test_order_does_not_matter(shipped: OnnxClassifier, order: list[int]) -> None:
    """Answers come in the order of the texts, whatever the batches are."""
    straight = shipped.classify(TEXTS, LANGUAGES)
    shuffled = shipped.classify([TEXTS[row] for row in order], LANGUAGES)
    assert largest_difference(Predictions(straight.sentiment[order], straight.topic[order]), shuffled) <= 0.001


def test_threads_may_share_it(shipped: OnnxClassifier) -> None:
    """Calls from several threads at once are answered like calls in turn."""
    expected = shipped.classify(TEXTS, LANGUAGES)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shipped.classify(TEXTS, LANGUAGES), range(8)))
    assert max(largest_difference(expected, answer) for answer in answers) <= 0.001


def test_looking_ahead_changes_no_answer(shipped: OnnxClassifier) -> None:
    """Tokens made beforehand are used once; texts that were not announced, or come twice, are answered too."""
    languages = [None] * 4
    plain = shipped.classify(["good", "bad app", "good", "ok"], languages)
    shipped.prefetch(["good", "bad app", "never asked for"], [None] * 3)
    ahead = shipped.classify(["good", "bad app", "good", "ok"], languages)
    assert np.allclose(plain.sentiment, ahead.sentiment, atol=1e-6)
    assert ["never asked for"] == list(shipped._ahead)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_answered(shipped: OnnxClassifier, text: str) -> None:
    """A megabyte, escapes, lone surrogates and nothing at all give probabilities."""
    answer = shipped.classify([text, "good"], ["en", "zz-not-a-language"])
    assert answer.sentiment.sum(axis=1) == pytest.approx([1, 1], abs=1e-4)
    assert answer.topic.sum(axis=1) == pytest.approx([1, 1], abs=1e-4)


def test_nothing_gives_nothing(shipped: OnnxClassifier) -> None:
    """No texts, no rows, and the shapes still say what is answered."""
    answer = shipped.classify([], [])
    assert ((0, len(SENTIMENTS)), (0, len(TOPICS))) == (answer.sentiment.shape, answer.topic.shape)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Terrible app, it crashes all the time and support is useless", "en", "negative"),
        ("I love it, works perfectly, great quality!", "en", "positive"),
        ("Péssimo atendimento, produto horrível", "pt", "negative"),
        ("非常好，很满意，推荐购买", "zh", "positive"),
        ("Sehr schlecht, nie wieder", "de", "negative"),
    ],
)
def test_plain_opinions_are_understood(shipped: OnnxClassifier, text: str, language: str, expected: str) -> None:
    """An opinion nobody could mistake gets its label."""
    assert expected == SENTIMENTS[int(shipped.classify([text], [language]).sentiment[0].argmax())]


@pytest.mark.parametrize("tag", ["pt-BR", "pt_BR", "PT-br", "por", "pt_BR.UTF-8"])
def test_how_a_language_tag_is_written_does_not_matter(shipped: OnnxClassifier, tag: str) -> None:
    """All of them are calibrated as pt."""
    assert np.array_equal(
        shipped.classify(TEXTS, ["pt"] * len(TEXTS)).sentiment,
        shipped.classify(TEXTS, [tag] * len(TEXTS)).sentiment,
    )


def test_info_names_model_and_provider(shipped: OnnxClassifier) -> None:
    """What runs, and where, is stated and asserted at load."""
    assert (
        shipped.info.id,
        shipped.info.device,
        shipped.info.provider,
    ) == ("marketpulse-small", "cpu", "CPUExecutionProvider")
    assert load_manifest(SHIPPED).files["model.onnx"].sha256 == shipped.info.sha256


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="has a GPU build of ONNX Runtime; run it with the extra `cpu`",
)
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_missing_device_is_an_error_at_start(device: Any) -> None:
    """An explicit device that is not there is never replaced by the CPU."""
    with pytest.raises(DeviceMissing, match="Operator action"):
        load_onnx_classifier(SHIPPED, device, 1)


class BrokenSession:
    """A session whose answers are not probabilities; the two methods are ONNX Runtime's."""

    def __init__(self, value: float) -> None:
        self._value = value

    def get_providers(self) -> list[str]:
        """Claims the CPU."""
        return ["CPUExecutionProvider"]

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        """The same value for every sentiment."""
        rows = len(feed["input_ids"])
        return [np.full((rows, 3), self._value, np.float32), np.full((rows, 12), 1 / 12, np.float32)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, 1.5])
def test_no_probability_is_an_error(shipped: OnnxClassifier, value: float) -> None:
    """NaN, infinity and values outside [0, 1] never become counts."""
    broken = OnnxClassifier(BrokenSession(value), shipped._tokenizer, load_manifest(SHIPPED), "cpu")
    with pytest.raises(BadOutput, match="Operator action"):
        broken.classify(["a text"], [None])


class CrampedSession(BrokenSession):
    """A device without the memory for more than some rows, and with none for the word 13."""

    def __init__(self, most: int) -> None:
        super().__init__(1 / 3)
        self._most = most

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        """The first token's number as the probability of the first sentiment, so that rows can be told apart."""
        ids = feed["input_ids"]
        if len(ids) > self._most or 13 in ids:
            raise RuntimeError("Failed to allocate memory")
        sentiment, topic = super().run(names, feed)
        sentiment[:, 0] = ids[:, 0] / 100
        return [sentiment, topic]


def test_a_batch_too_large_for_the_device_is_halved(shipped: OnnxClassifier) -> None:
    """Every row is answered, in its place; what fails alone is that text's fault while the device answers others."""
    cramped = OnnxClassifier(CrampedSession(3), shipped._tokenizer, load_manifest(SHIPPED), "cpu")
    ids = np.arange(20, 31, dtype=np.int64)[:, None]
    sentiment, topic = cramped.run(ids, np.ones_like(ids))
    assert np.allclose(sentiment[:, 0], ids[:, 0] / 100)
    assert len(topic) == len(ids)
    with pytest.raises(BadOutput, match="fails on this text"):
        cramped.run(np.array([[13]]), np.array([[1]]))


def test_a_lost_device_ends_the_worker_and_loses_no_text(shipped: OnnxClassifier) -> None:
    """Not one text of it goes to the dead letters: the error is none of a text's."""
    lost = OnnxClassifier(CrampedSession(0), shipped._tokenizer, load_manifest(SHIPPED), "cpu")
    with pytest.raises(DeviceFailed, match="Operator action"):
        lost.classify(TEXTS, [None] * len(TEXTS))


def test_bound_buffers_and_fixed_shapes_answer_alike(shipped: OnnxClassifier) -> None:
    """The way a GPU is run, here on the CPU: few shapes, padded rows cut off, the same answers."""
    runner = BoundRunner(shipped._session, "cpu", BATCH_LIMITS["cpu"], 96, MARKS)
    assert runner.warm() == len(set(runner.shapes())) < 60
    for rows, ids, mask in shipped.batches(TEXTS):
        assert runner.shape(*ids.shape) in runner.shapes()
        for one, other in zip(runner(ids, mask), shipped.run(ids, mask), strict=True):
            assert len(rows) == len(one)
            assert np.abs(one - other).max() <= 0.001


def with_tokenizer(shipped: OnnxClassifier, change: Callable[[dict[str, Any]], object]) -> OnnxClassifier:
    """The shipped model with a tokenizer of which something is other."""
    content = json.loads(shipped._tokenizer.to_str())
    change(content)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    return OnnxClassifier(shipped._session, tokenizer, load_manifest(SHIPPED), "cpu")


def without_unknown(content: dict[str, Any]) -> None:
    del content["model"]["vocab"]["[UNK]"]


def endless(content: dict[str, Any]) -> None:
    split = {"type": "Split", "pattern": {"Regex": "((ab)+)+$"}, "behavior": "Isolated", "invert": False}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, content["pre_tokenizer"]]}


@pytest.mark.parametrize(("change", "text"), [(without_unknown, "\U00013000"), (endless, "ab" * 100 + "!")])
def test_a_text_on_which_the_tokenizer_fails_costs_itself(
    shipped: OnnxClassifier, change: Callable[[dict[str, Any]], object], text: str
) -> None:
    """An error of it, or a panic, which is no Exception; other texts are answered."""
    broken = with_tokenizer(shipped, change)
    with pytest.raises(BadOutput, match="tokenizer fails on this text"):
        broken.classify([text, "late again"], [None, None])
    assert largest_difference(shipped.classify(["late again"], [None]), broken.classify(["late again"], [None])) == 0


def test_a_tokenizer_that_fails_on_any_text_is_nobodys_fault(shipped: OnnxClassifier) -> None:
    """The worker ends: no text of it becomes a dead letter."""

    class Dead:
        def encode_batch_fast(self, texts: list[str]) -> object:
            raise Exception("gone")

        def token_to_id(self, piece: str) -> None: ...

        def get_vocab(self) -> dict[str, int]:
            return {}

        def num_special_tokens_to_add(self, is_pair: bool) -> int:
            return 2

    lost = OnnxClassifier(shipped._session, Dead(), load_manifest(SHIPPED), "cpu")  # type: ignore[arg-type]
    with pytest.raises(DeviceFailed, match="Operator action"):
        lost.classify(["late again"], [None])
