"""The shipped and any exported model on ONNX Runtime: tokenised in Rust, batches bounded by tokens."""

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.batching import pad_batch, plan_batches
from models.bound import INPUTS, OUTPUTS, BoundRunner
from models.calibration import apply_calibration
from models.classifier import LanguageQuality, ModelInfo, Predictions
from models.clean import clean
from models.errors import BadArtifact, BadOutput, DeviceFailed, DeviceMissing
from models.language.detect import DETECTOR, LanguageDetector
from models.language.tags import Detected, language_of
from models.manifest import Manifest, load_manifest, verified_bytes
from models.unknown import unknown_pieces

log = structlog.get_logger("models.onnx")

Device = Literal["auto", "cpu", "cuda", "tensorrt"]
PROVIDERS: dict[str, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
MOST_AHEAD = 4_000
Made = TypeVar("Made")
NOWHERE = f"{os.devnull}/none"
"""A folder that cannot be: where ONNX Runtime looks for weights that a graph keeps in other files."""
PLAIN = ["a"]
"""What any tokenizer takes."""
MARKS = (2, 3)  # any two pieces: only shapes matter where they stand in
BATCH_LIMITS: dict[str, tuple[int, int]] = {"cpu": (2_048, 256), "cuda": (16_384, 1_024), "tensorrt": (16_384, 1_024)}
"""Most tokens (padding included) and rows of one batch; on a CPU larger ones fall out of its caches."""
RUN_TOKENS: dict[str, int] = {"cpu": 25}
"""What a run costs beside its tokens, in tokens; a GPU is not priced, since it runs batches of fixed shapes."""


class OnnxClassifier:
    """Texts in, probabilities out; use `load_onnx_classifier`. Any threads may share it."""

    def __init__(
        self,
        session: Any,
        tokenizer: Tokenizer,
        manifest: Manifest,
        device: str,
        fell_back: bool = False,
        runner: BoundRunner | None = None,
    ) -> None:
        self._session = session
        self._runner = runner
        self._tokenizer = tokenizer
        self._manifest = manifest
        self._limits = (*BATCH_LIMITS[device], RUN_TOKENS.get(device))
        self._ahead: dict[str, list[int]] = {}
        self._detected_ahead: dict[str, Detected] = {}
        self._unknown = unknown_pieces(tokenizer, manifest.untrained)
        self._marks = tokenizer.num_special_tokens_to_add(is_pair=False)
        self._info = ModelInfo(
            id=manifest.id,
            sha256=manifest.model_sha256,
            device=device,
            provider=session.get_providers()[0],
            sentiments=manifest.sentiments,
            topics=manifest.topics,
            languages=_languages(manifest),
            fell_back=fell_back,
            detector=DETECTOR,
        )
        self._detector = LanguageDetector(self._info.languages)

    @property
    def info(self) -> ModelInfo:
        """What this model is and where it runs."""
        return self._info

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        """Probabilities of each text, in the order given; whatever the text holds. Raises BadOutput, DeviceFailed."""
        sentiment = np.empty((len(texts), len(self._info.sentiments)), np.float32)
        topic = np.empty((len(texts), len(self._info.topics)), np.float32)
        detected = _ahead_or_now(self._detected_ahead, texts, self._detector.detect)
        unknown = np.zeros(len(texts), np.float32)
        for rows, ids, mask in self.batches(texts):
            sentiment[rows], topic[rows] = self.run(ids, mask)
            strange = (self._unknown.take(ids, mode="clip") & (mask > 0)).sum(axis=1)  # padding may be of any number
            unknown[rows] = strange / np.maximum(mask.sum(axis=1) - self._marks, 1)
        _require_probabilities(sentiment)
        _require_probabilities(topic)
        used = [language_of(tag, found) for tag, found in zip(languages, detected, strict=True)]
        calibrated = apply_calibration(sentiment, used, self._manifest.calibration)
        return Predictions(calibrated, topic, unknown, used, [found.language for found in detected])

    def prefetch(self, texts: Sequence[str], languages: Sequence[str | None]) -> None:
        """Clean, tokenise, find the language beside the inference of the texts before; kept until `classify` asks."""
        # Of batches that nobody asked for: they were another worker's by then.
        if max(len(self._ahead), len(self._detected_ahead)) > MOST_AHEAD:
            self._ahead.clear()
            self._detected_ahead.clear()
        cleaned = [clean(text) for text in texts]
        self._ahead.update(zip(texts, self._tokenised(cleaned), strict=True))
        self._detected_ahead.update(zip(texts, self._detector.detect(cleaned), strict=True))

    def _tokenised(self, cleaned: Sequence[str]) -> list[list[int]]:
        """Pieces of texts. Raises BadOutput, where the tokenizer panics too; DeviceFailed where it takes no text."""
        try:
            return [encoded.ids for encoded in self._tokenizer.encode_batch_fast(list(cleaned))]
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # bare exceptions of several kinds; a panic of Rust is no Exception
            if cleaned != PLAIN:
                self._require_tokenizer()
            raise BadOutput(f"the tokenizer fails on this text: {type(error).__name__}") from error

    def _require_tokenizer(self) -> None:
        try:
            self._tokenised(PLAIN)
        except BadOutput as error:
            raise DeviceFailed(
                "the model's tokenizer fails on any text. Operator action: see with `marketpulse classify` what it "
                "says, and give the workers a model folder whose tokenizer works; the worker is started again."
            ) from error

    def batches(self, texts: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Cleaned, tokenised and padded batches: (row numbers, token ids, attention mask)."""
        tokens = _ahead_or_now(self._ahead, texts, self._tokenised)
        planned = plan_batches([len(one) for one in tokens], *self._limits)
        return [(rows, *pad_batch([tokens[row] for row in rows], self._manifest.pad_id)) for rows in planned]

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One batch through the session: both heads' probabilities. Raises BadOutput, DeviceFailed.

        A batch that does not go through (a device out of memory) is tried in halves, down to single texts.
        """
        try:
            return self._run(ids, mask)
        except Exception as error:  # ONNX Runtime raises bare exceptions of several kinds
            rows = len(ids)
            if rows == 1:
                self._require_device(error)
                raise BadOutput(f"the model fails on this text: {error}") from error
            log.warning("batch_halved", device=self._info.device, rows=rows, error=str(error))
        first, second = (self.run(ids[part], mask[part]) for part in (slice(rows // 2), slice(rows // 2, None)))
        return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])

    def _require_device(self, seen: Exception) -> None:
        """Raise DeviceFailed unless the shortest batch goes through: then it was the text's fault, not the device's."""
        try:
            self._run(*pad_batch([list(MARKS)], self._manifest.pad_id))
        except Exception as error:
            raise DeviceFailed(
                f"device {self._info.device} fails on any text: {seen}. Operator action: look at its state and at who "
                "else uses its memory; the worker is started again."
            ) from error

    def _run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._runner is not None:
            return self._runner(ids, mask)
        sentiment, topic = self._session.run(OUTPUTS, dict(zip(INPUTS, (ids, mask), strict=True)))
        return sentiment, topic


def load_onnx_classifier(
    folder: Path, device: Device = "auto", threads: int = 0, manifest_sha256: str | None = None
) -> OnnxClassifier:
    """Verify a model folder, then load it on a device.

    Args:
        folder: model.onnx, tokenizer.json and manifest.json.
        device: `auto` takes the best that is there; any other must be there.
        threads: threads of ONNX Runtime; 0 = all cores.
        manifest_sha256: SHA-256 that manifest.json must have, in hexadecimal; None = any.

    Raises:
        BadArtifact: the folder cannot be trusted, its model keeps weights in other files, or has other outputs than the
            manifest says.
        DeviceMissing: the device is not there.
    """
    manifest = load_manifest(folder, manifest_sha256)
    chosen = _choose(device)
    if chosen != "cpu" and find_spec("nvidia"):
        onnxruntime.preload_dlls(directory="")  # CUDA and cuDNN that came as wheels are on no library path
    try:
        session = onnxruntime.InferenceSession(
            verified_bytes(folder, manifest, "model.onnx"), session_options(threads), providers=[PROVIDERS[chosen]]
        )
        tokenizer = Tokenizer.from_buffer(verified_bytes(folder, manifest, "tokenizer.json"))
    except BadArtifact:
        raise
    except Exception as error:  # both raise bare exceptions of many kinds
        if "xternal data" in str(error):
            raise BadArtifact(
                f"{folder} keeps weights outside of model.onnx (external data), where the manifest does not vouch for "
                f"them: {error}. Operator action: export the model again, with all weights in model.onnx."
            ) from error
        raise BadArtifact(f"{folder} cannot be loaded: {error}. Operator action: export the model again.") from error
    if session.get_providers()[0] != PROVIDERS[chosen]:
        raise DeviceMissing(
            f"device {chosen} was chosen, but ONNX Runtime took {session.get_providers()[0]}. "
            "Operator action: install the device's runtime libraries, or set MARKETPULSE_DEVICE=cpu."
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest.max_length)
    fell_back = device == "auto" and chosen == "cpu" and PROVIDERS["cuda"] in onnxruntime.get_available_providers()
    runner = None
    if chosen != "cpu":
        runner = BoundRunner(session, "cuda", BATCH_LIMITS[chosen], manifest.max_length, MARKS, manifest.pad_id)
        runner.warm()
    classifier = OnnxClassifier(session, tokenizer, manifest, chosen, fell_back, runner)
    sentiment, topic = classifier.run(*pad_batch([list(MARKS)], manifest.pad_id))
    if sentiment.shape[1] != len(manifest.sentiments) or topic.shape[1] != len(manifest.topics):
        raise BadArtifact(
            f"{folder} answers with {sentiment.shape[1]} sentiments and {topic.shape[1]} topics, the manifest names "
            f"{len(manifest.sentiments)} and {len(manifest.topics)}. Operator action: export the model again."
        )
    return classifier


def session_options(threads: int = 0) -> onnxruntime.SessionOptions:
    """The options every session of the project runs with; threads 0 = all cores.

    Threads that wait do not spin: alone on two cores spinning gains 5 %, but beside a busy process it loses as much and
    takes a quarter more processor time.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else a graph that is given as bytes could take any file of the working directory for its weights.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    return options


def _choose(device: Device) -> str:
    available = onnxruntime.get_available_providers()
    if device == "auto":
        return "cuda" if PROVIDERS["cuda"] in available and _has_gpu() else "cpu"
    if PROVIDERS[device] not in available:
        raise DeviceMissing(
            f"device {device} was asked for, but this ONNX Runtime has {available}. "
            "Operator action: install the extra `gpu` on a machine with the device, or set MARKETPULSE_DEVICE=auto."
        )
    return device


def _languages(manifest: Manifest) -> dict[str, LanguageQuality]:
    if manifest.evaluation is None:
        return {}
    return {
        language: LanguageQuality(one.accuracy, one.macro_f1, tuple(map(tuple, one.confusion)))
        for language, one in sorted(manifest.evaluation.languages.items())
    }


def _has_gpu() -> bool:
    return Path("/proc/driver/nvidia/version").exists()


def _require_probabilities(values: NDArray[np.float32]) -> None:
    if not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1.0001).all()):
        raise BadOutput(
            "the model answered with NaN or values outside [0, 1]. Operator action: go back to the model before."
        )


def _ahead_or_now(
    ahead: dict[str, Made], texts: Sequence[str], make: Callable[[Sequence[str]], Sequence[Made]]
) -> list[Made]:
    """What was made of each text ahead, which is used once, and of the others now, from the cleaned texts."""
    known = {text: made for text in texts if (made := ahead.pop(text, None)) is not None}
    missing = [text for text in texts if text not in known]
    known |= zip(missing, make([clean(text) for text in missing]), strict=True)
    return [known[text] for text in texts]
